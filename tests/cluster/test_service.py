"""A key manager listens for gateways, and tells them at once when the log goes on."""

import json

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactor

from tests.cluster.test_protocol import outcome
from twgw.cluster.commands import Advanced, Status
from twgw.cluster.remote import whole
from twgw.cluster.reports import Report, Standing
from twgw.cluster.service import MEMBERS_EVERY, Listening
from twgw.listen import Listen
from twgw.registry import Head
from twgw.storage.errors import Unavailable

WALL = 1_700_000_000.0


class Log:
    """How far the log is; reads of it are counted."""

    def __init__(self):
        self.head = Head(1, 5)
        self.reads = 0
        self.reading = None

    def read(self):
        self.reads += 1
        if isinstance(self.head, Exception):
            raise self.head
        return self.reading or succeed(self.head)


@pytest.fixture
def log():
    """The log of the database."""
    return Log()


@pytest.fixture
def km(node):
    """The node that listens."""
    return node("km1", "keymanager")


@pytest.fixture
def listening(km, log):
    """Its listener."""
    return Listening(MemoryReactor(), Listen("tcp", 8091, "127.0.0.1"), km.tls, km.here, log.read, lambda: WALL)


@pytest.fixture
def connected(listening, km, node, wire):
    """Connects a gateway; gives the connection, and what it is told."""

    def connected(name="gw1", link="control", roles=("gateway",)):
        heard = []
        answers = {Advanced: lambda peer, epoch, position: heard.append((epoch, position))}
        return wire(km, node(name, *roles, answers=answers), link=link), heard

    return connected


def test_it_binds_where_it_is_told_to(listening):
    """And lets go of it at the stop."""
    listening.privilegedStartService()
    port, _, _, interface = listening._reactor.tcpServers[0]

    assert (8091, "127.0.0.1") == (port, interface)
    assert 8091 == listening.address.port
    listening.startService()
    listening.stopService()


def test_gateways_are_told_when_the_log_went_on(listening, log, connected):
    """On the connection that is never full; once for each position."""
    (first, heard), (second, also) = connected(), connected("gw2")
    bulk, nothing = connected("gw2", "bulk")
    for _ in range(2):
        listening.advanced()
    log.head = Head(1, 6)
    listening.look()
    for each in (first, second, bulk):
        each.pump()

    assert [(1, 5), (1, 6)] == heard == also
    assert [] == nothing
    assert Head(1, 6) == listening.head
    assert ["gw1 is connected", "gw2 is connected"] == [line for _, line in listening.here.log.lines]


def test_the_log_is_read_only_for_somebody(listening, log, connected):
    """A key manager without gateways asks its database nothing."""
    listening.look()
    assert 0 == log.reads
    connected()
    listening.look()
    assert 1 == log.reads


def test_what_comes_while_it_is_read_is_read_after(listening, log, connected):
    """It may have been written after the read began."""
    opened, heard = connected()
    log.reading = Deferred()
    listening.advanced()
    listening.advanced()
    listening.advanced()
    assert 1 == log.reads

    done, log.reading, log.head = log.reading, None, Head(1, 7)
    done.callback(Head(1, 6))
    opened.pump()

    assert (2, [(1, 6), (1, 7)]) == (log.reads, heard)


def test_a_database_that_is_away_ends_nothing(listening, log, connected):
    """Gateways hear of it when they read; what breaks is said."""
    opened, heard = connected()
    log.head = Unavailable("away")
    listening.look()
    log.head = ZeroDivisionError("by zero")
    listening.look()
    log.head = Head(1, 9)
    listening.look()
    opened.pump()

    assert [(1, 9)] == heard
    assert any("by zero" in line for _, line in listening.here.log.lines)


@pytest.fixture
def told(listening, connected):
    """What a node that asks for it is told of all nodes."""
    asking, _ = connected("gw1", "bulk")

    def told():
        asked = Deferred.fromCoroutine(whole(asking.client, Status))
        asking.pump()
        return json.loads(outcome(asked))

    return told


def test_whoever_asks_is_told_how_all_nodes_stand(listening, connected, told):
    """Those that have a session or a lease, those that are only connected, and this one."""
    connected("gw2", "bulk")
    listening.known = lambda: Head(1, 5)
    listening.roll = lambda: {"g": Standing("g", "gw3", ("gateway",), Head(1, 4), report=Report("ab"))}
    found = told()
    nodes = {each["node"]: each for each in found["nodes"]}

    assert ("c1", "") == (found["cluster"], found["cut_off"])
    assert ["gw2", "gw3", "km1"] == sorted(nodes)
    assert (4, 1, "held", "ab") == tuple(nodes["gw3"][name] for name in ("position", "lag", "lease", "digest"))
    assert (["gateway"], "") == (nodes["gw2"]["roles"], nodes["gw2"]["lease"])
    assert (5, 0) == (nodes["km1"]["position"], nodes["km1"]["lag"])
    assert all(each["there"] for each in nodes.values())


def test_whoever_should_be_there_and_is_not_is_told_of(listening, clock, connected, told):
    """Since when, if it was seen; which there should be is read again and again, and no fault of that ends anything."""
    members = [succeed({"km1", "gw2", "gw3", "gw4"}), fail(Unavailable("away"))]
    listening.members = lambda: members.pop(0)
    holds = Standing("g", "gw3", ("gateway",), Head(1, 4))
    listening.roll = lambda: {"g": holds}
    opened, _ = connected("gw2", "bulk")
    listening.look()
    clock.advance(MEMBERS_EVERY)
    listening.look()
    listening.roll = lambda: {"g": evolve(holds, holds=False)}
    opened.server.close()
    opened.pump()
    listening.look()
    missing = {each["node"]: (each["seen_at"], each["roles"]) for each in told()["nodes"] if not each["there"]}

    assert {"gw2": (WALL, []), "gw3": (WALL, ["gateway"]), "gw4": (None, [])} == missing
    assert [] == members


def test_a_node_that_was_taken_out_and_runs_still_is_said_to_be(listening, told):
    """It may renew its session, as it can still write to the database."""
    listening.here.removals.saw(Head(1, 5), {"gw3": frozenset(), "gw4": frozenset({"2"})})
    listening.roll = lambda: {name: Standing(name, name, ("keymanager",), Head(1, 4)) for name in ("gw3", "gw4")}

    assert {"gw3": True, "gw4": False, "km1": False} == {each["node"]: each["removed"] for each in told()["nodes"]}
    assert ["gw4"] == [each["node"] for each in told()["nodes"] if each["rejoined"]]


def test_who_is_cut_off_says_so_at_once_and_nothing_of_others(listening, log, told):
    """Whether they are there, or have leases, it does not know; the database is not asked."""
    listening.cut_off, log.reading = lambda: "it does not answer", Deferred()
    listening.attendance.nodes = frozenset({"gw9"})
    listening.roll = lambda: {
        name: Standing(name, name, ("gateway",), Head(1, 4), holds=False) for name in ("gw3", "km1")
    }
    listening.look()
    found = told()

    assert "it does not answer" == found["cut_off"]
    assert [("gw3", "", True), ("km1", "ended", True)] == [
        (each["node"], each["lease"], each["there"]) for each in found["nodes"]
    ]
    assert 0 == log.reads


def test_at_the_stop_everybody_is_let_go(listening, connected):
    """They come again when it does."""
    opened, _ = connected()
    listening.startService()
    listening.stopService()
    opened.pump()

    assert not opened.is_open
    assert not listening.here.peers


def test_a_node_that_comes_again_and_again_does_not_fill_the_log(listening, clock, km, connected):
    """A line a second."""
    for _ in range(5):
        connected()
    connected("gw2")
    clock.advance(1)
    connected()

    assert ["gw1 is connected", "gw2 is connected", "gw1 is connected"] == km.lines
