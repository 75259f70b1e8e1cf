"""Tests of twgw.cli_doctor_ports; tests/test_cli_doctor.py looks at the ports of a node that runs."""

import os
import socket
import subprocess
import sys

import pytest

from tests.wire.processes import free_port
from twgw.cli_doctor_ports import Process, holder, ports
from twgw.cli_finding import FAIL, OK, WARN
from twgw.config import load

LISTEN = """
import socket, sys
held = socket.create_server((sys.argv[1], int(sys.argv[2])), family=getattr(socket, sys.argv[3]))
print("listens", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("family", "host"), [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
def test_whoever_listens_on_a_port_is_found(family, host):
    """By the tables of the kernel; nobody where nobody does."""
    port = free_port()
    assert None is holder(port)
    other = subprocess.Popen(
        [sys.executable, "-c", LISTEN, host, str(port), family], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert b"listens\n" == other.stdout.readline()
    found = holder(port)
    other.communicate()

    assert (other.pid, sys.executable, False) == (found.pid, found.words[0], found.is_twgw)


def test_a_gateway_is_known_by_its_command():
    """Also one of its workers; not a folder of that name."""
    twistd = ("/venv/bin/python", "/venv/bin/twistd", "-n", "twgw", "--config", "twgw.toml")
    assert Process(1, twistd).is_twgw
    assert Process(1, ("/venv/bin/python", "-m", "twgw.worker")).is_twgw
    assert not Process(1, ("/usr/bin/vi", "/srv/twgw/twgw.toml")).is_twgw
    assert "vi, process 1" == str(Process(1, ("/usr/bin/vi",)))


def test_what_cannot_be_seen_is_nobody(tmp_path):
    """A /proc without tables, and processes that are gone or somebody else's."""
    (tmp_path / "7").mkdir()

    assert None is holder(80, tmp_path)
    assert None is holder(80, tmp_path / "none")


def test_a_port_is_free_or_somebody_has_it(tmp_path):
    """Who, where that is seen."""
    port = free_port()
    config = load(None, {}, {
        "node.data_dir": str(tmp_path), "node.roles": "gateway", "admin.listen": "", "control.listen": "",
        "gateway.listen": f"tcp:{port}:interface=127.0.0.1",
    })  # fmt: skip
    (found,) = ports(config, runs=False)
    assert (OK, True) == (found.state, found.text.endswith("is free"))
    with socket.create_server(("127.0.0.1", port)):
        (mine,), (other,) = ports(config, runs=True), ports(config, runs=False)

    assert (OK, True) == (mine.state, mine.text.endswith("answers"))
    assert (FAIL, True) == (other.state, other.text.endswith(f"process {os.getpid()}"))
    (gone,) = ports(config, runs=True)
    assert (FAIL, True) == (gone.state, gone.text.endswith("does not answer"))
    assert WARN != gone.state
