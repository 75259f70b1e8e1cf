"""A network of namespaces that fails when it is told to: what is sent meanwhile is lost, and that is counted.

Where nobody may make one, what is in the way is said, and that is tested; the others are left out (``conftest.py``).
"""

import subprocess
import sys

import pytest

from tests.chaos import namespaces
from tests.chaos.links import BACK, THERE
from tests.chaos.namespaces import Namespaces, made, missing, run

ECHO = """
import socket, sys
server = socket.create_server((sys.argv[1], 7))
print("listens", flush=True)
while True:
    client, _ = server.accept()
    while piece := client.recv(100):
        client.sendall(piece)
"""
CALL = """
import socket, sys
client = socket.create_connection((sys.argv[1], 7), 10)
for line in sys.stdin:
    client.settimeout(float(line))
    client.sendall(b"x")
    try:
        print(len(client.recv(100)), flush=True)
    except TimeoutError:
        print(0, flush=True)
"""


def started(network, member, program, *arguments):
    return subprocess.Popen(
        [*network.within(member), sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


class Pair:
    """A member that asks another one, which sends back what it gets."""

    def __init__(self, network):
        self.network, self.link = network, network.link("a-b", 7)
        host = network.host("b")
        self._server = started(network, "b", ECHO, host)
        assert self._server.stdout.readline() == "listens\n"
        self._client = started(network, "a", CALL, host)

    def answered(self, within=10):
        """How many bytes come back in time, after one was sent."""
        self._client.stdin.write(f"{within}\n")
        self._client.stdin.flush()
        return int(self._client.stdout.readline())

    def end(self):
        for process in (self._client, self._server):
            process.kill()
            process.communicate()


@pytest.fixture
def pair():
    network = Namespaces(("a", "b"))
    made = Pair(network)
    yield made
    made.end()
    network.close()


@pytest.mark.namespaces
@pytest.mark.parametrize("ways", [(), (THERE,), (BACK,)])
def test_what_is_sent_while_a_link_is_cut_is_lost_and_sent_again(pair, ways):
    """One way is enough; the connection stays, TCP sends it again, and what was dropped is counted."""
    assert 1 == pair.answered()
    pair.link.cut(*ways)
    assert 0 == pair.answered(0.3)
    pair.link.heal()
    assert 0 < pair.link.held
    assert 0 < pair.answered()


@pytest.mark.namespaces
def test_nothing_is_counted_where_nothing_was_lost(pair):
    """A cut that nobody noticed is none."""
    assert 1 == pair.answered()
    pair.link.cut()
    pair.link.heal()
    assert 0 == pair.link.held


@pytest.mark.namespaces
def test_a_bad_line_loses_some(pair):
    """Not all: what is asked is answered all the same, if late."""
    pair.link.lose()
    assert 8 <= sum(pair.answered(30) for _ in range(8))
    pair.link.heal()
    assert 0 < pair.link.held


@pytest.mark.namespaces
def test_a_plug_that_is_out_carries_nothing(pair):
    """Neither side is told; what was sent comes when it is put back."""
    assert 1 == pair.answered()
    pair.network.unplug("a")
    assert 0 == pair.answered(0.3)
    pair.network.plug_in("a")
    assert 0 < pair.answered(30)


@pytest.mark.namespaces
def test_everything_is_taken_away(pair):
    """Also what is left of a process that was killed; a namespace of somebody else's stays."""
    prefix = f"{namespaces.PREFIX}-{2**22 + 1}"
    run("ip", "netns", "add", f"{prefix}-a")
    left = subprocess.Popen(["nsenter", f"--net=/run/netns/{prefix}-a", "sleep", "60"])
    while str(left.pid) not in run("ip", "netns", "pids", f"{prefix}-a").split():
        pass
    namespaces.sweep()

    assert left.wait(10)
    assert not any(name.startswith(prefix) for name in made())
    assert any(name.endswith("-a") for name in made())


def test_what_is_in_the_way_is_said(monkeypatch):
    """Whoever is not root, or lacks a program, is told so."""
    monkeypatch.setattr(namespaces.os, "geteuid", lambda: 1000)
    assert "only root" in missing()
    monkeypatch.setattr(namespaces.os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    assert "ip is missing" in missing()
