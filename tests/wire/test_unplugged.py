"""A plug is pulled: of one of two nodes, of their database, of memcached; as whoever tries that with two boxes sees it.

Every member has a network namespace of its own, as if it were a machine.  A plug that is out carries nothing, and
nobody is told.  Whoever asks the node that is cut off sits in front of it.  Where nobody may make namespaces, what is
left of this is ``test_revocation.py``, which stops a node.
"""

import json
import subprocess
import sys
import threading
from time import monotonic, time

import pytest

from tests.chaos.load import connected
from tests.chaos.world import World
from tests.wire.members import END, LEASE, SESSION, wait_for
from tests.wire.test_two_boxes import TWGW
from twgw.storage.database import Database
from twgw.storage.nodes import give_certificate

pytestmark = pytest.mark.namespaces

CONSOLE = """
import http.client, json, sys
for line in sys.stdin:
    host, port, path, fields = json.loads(line)
    client = http.client.HTTPConnection(host, port, timeout=30)
    client.request("GET", path, headers=fields)
    answer = client.getresponse()
    print(json.dumps([answer.status, dict(answer.headers), answer.read().decode()]), flush=True)
    client.close()
"""
DAY = 86400
SLACK = 5.0
"""Seconds for the commit and the way there and back, of a machine that has other things to do."""
API = {
    "name": "shop", "version": "1", "base_path": "/shop", "upstream": {"targets": [{"url": "echo:"}]},
    "policies": [{"name": "key-auth"}, {"name": "subscription"}],
}  # fmt: skip


class Console:
    """Somebody who sits in front of a node."""

    def __init__(self, world, name):
        self._node = world[name].node
        self._process = subprocess.Popen(
            [*world.network.within(name), sys.executable, "-c", CONSOLE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, path, listener="port", **fields):
        """Status, fields and text."""
        self._process.stdin.write(json.dumps([self._node.host, getattr(self._node, listener), path, fields]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def call(self, key):
        """The status of a call of the API."""
        return self.ask("/shop", **{"X-API-Key": key})[0]

    def end(self):
        self._process.kill()
        self._process.communicate()


class Boxes(World):
    """Two nodes with every role, and an API that they serve to whoever has a key."""

    def start(self):
        super().start()
        self.consoles = {name: Console(self, name) for name in ("a", "b")}
        self.ask("POST", "/apis", {"api": API})
        self.ask("POST", "/apis/shop:1/moves", {"move": "publish"})
        self.ask("POST", "/applications", {"name": "me", "subscribe": ["shop:1"]})
        return self

    def _fill(self, url):
        super()._fill(url)
        database = Database(url)
        for name in ("a", "b"):  # they have certificates, of which twgw cluster join would have made a note
            database.call(give_certificate, name, name, time() + DAY, now=time(), write=True)
        database.close()

    def ask(self, method, path, body, name="a"):
        """What the admin is answered; status, who has it in force, text."""
        connection = connected(self, name, "admin")
        fields = {"Authorization": f"Bearer {self.admin}", "Content-Type": "application/json"}
        status, headers, text = connection.ask(method, f"/admin/v1{path}", json.dumps(body), fields)
        connection.close()
        return status, json.loads(headers.get("Twgw-Reached", "{}")), json.loads(text)

    def key(self):
        """A new key, which both nodes know."""
        key = self.ask("POST", "/applications/me/keys", {})[2]["key"]
        assert [200, 200] == self.calls(key)
        return key

    def calls(self, key):
        """What each node says to a key."""
        return [console.call(key) for console in self.consoles.values()]

    def revoke(self, key):
        """At the first node: the status, and who has it in force."""
        return self.ask("POST", "/revocations", {"key": key})[:2]

    def standing(self, name):
        """How every node stands, as twgw cluster status says at one."""
        command = [*self.network.within(name), TWGW, "cluster", "status", "--json", "--config", "twgw.toml"]
        return json.loads(subprocess.run(command, cwd=self[name].folder, capture_output=True, check=True).stdout)

    def end(self):
        for console in getattr(self, "consoles", {}).values():
            console.end()
        super().end()


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """Started once: each test leaves them as they were."""
    made = Boxes(tmp_path_factory.mktemp("boxes"), LEASE, SESSION, network="namespaces", nodes=("a", "b"))
    try:
        yield made.start()
    finally:
        made.end()


@pytest.fixture
def unplugged(boxes):
    """Pulls plugs, which are all in again after a test."""
    out = []

    def unplug(member):
        boxes.network.unplug(member)
        out.append(member)

    yield unplug
    for member in out:
        boxes.network.plug_in(member)
    boxes.until_well()


def assert_cut_off(console):
    """The node is not ready, and says why."""
    status, _, text = console.ask("/readyz", "admin")
    assert 503 == status
    assert "cluster: it is not known here what others revoked" in text


def test_one_of_two_nodes(boxes, unplugged):
    """What is revoked on the other is refused there for good: by 503 while it is out, by 401 when it is back."""
    revoked, other = boxes.key(), boxes.key()
    b, seen, stop = boxes.consoles["b"], [], threading.Event()

    def try_on():
        while not stop.wait(0.02):
            sent = monotonic()
            seen.append((sent, b.call(revoked)))

    unplugged("b")
    client = threading.Thread(target=try_on)
    client.start()
    wait_for(lambda: seen)
    began = monotonic()
    status, reached = boxes.revoke(revoked)
    returned = monotonic()
    wait_for(lambda: seen[-1][0] > returned)
    stop.set()
    client.join()

    assert (200, ["a"], ["b"]) == (status, reached["in_force"], reached["lease_ended"])
    assert returned - began < END + SLACK, "it is promised to take no longer"
    assert 200 in [status for _, status in seen], "it was in use"
    assert {503} == {status for sent, status in seen if sent > returned}
    assert [401, 200] == [boxes.consoles["a"].call(key) for key in (revoked, other)]
    status, _, text = b.ask("/shop", **{"X-API-Key": other})
    assert (503, "The gateway is cut off from its cluster") == (status, json.loads(text)["title"])
    assert_cut_off(b)

    alone = boxes.standing("b")
    assert "database" in alone["cut_off"]
    assert ["a", "b"] == [each["node"] for each in alone["nodes"]]
    missing = lambda: [each["node"] for each in boxes.standing("a")["nodes"] if not each["there"]]
    wait_for(lambda: ["b"] == missing())

    boxes.network.plug_in("b")
    back = []
    wait_for(lambda: (back.append(b.call(revoked)), 200 == b.call(other))[1])
    assert {401, 503} >= set(back)
    assert [401, 401] == boxes.calls(revoked)
    wait_for(lambda: [] == missing())


def test_the_database(boxes, unplugged):
    """What nodes know they serve while a session lasts, then 503; once it is back all is as before."""
    key, other = boxes.key(), boxes.key()
    unplugged("database")
    assert [200, 200] == boxes.calls(key)
    asked = []
    client = threading.Thread(target=lambda: asked.append(boxes.revoke(other)[0]))
    client.start()
    wait_for(lambda: [503, 503] == boxes.calls(key))
    for console in boxes.consoles.values():
        assert_cut_off(console)

    boxes.network.plug_in("database")
    wait_for(lambda: [200, 200] == boxes.calls(key))
    client.join()
    assert asked[0] in {200, 503}
    assert 200 == boxes.revoke(other)[0]
    assert [401, 401] == boxes.calls(other)


def test_memcached(boxes, unplugged):
    """Nobody is refused for it; nodes and answers say that each counts its share, until it is back."""
    key = boxes.key()
    unplugged("memcached")

    def say_so():
        assert [200, 200] == boxes.calls(key)
        counted = [console.ask("/fixed") for console in boxes.consoles.values()]
        ready = [console.ask("/readyz", "admin") for console in boxes.consoles.values()]
        assert [200, 200] == [status for status, *_ in ready]
        told = [f"memcached: {boxes.memcached.name}" in text for *_, text in ready]
        return all(told) and all("degraded" in fields["RateLimit-Policy"] for _, fields, _ in counted)

    wait_for(say_so)
    boxes.network.plug_in("memcached")
    wait_for(lambda: boxes["a"].well and boxes["b"].well)
    assert [200, 200] == boxes.calls(key)
