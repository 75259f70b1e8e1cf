"""Connections to key managers stay: made again when they end, with pauses that grow, and said once."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Nobody
from twisted.python.failure import Failure

from twgw.cluster import links as module
from twgw.cluster import protocol
from twgw.cluster.carrying import Carrier
from twgw.cluster.commands import GATEWAY
from twgw.cluster.links import Link, Links
from twgw.cluster.messages import LeaseReturned
from twgw.cluster.settings import Address


class Door:
    """In place of the network: a key manager in memory, when it is open."""

    def __init__(self, wire, km, gw):
        self._wire, self._km, self._gw = wire, km, gw
        self.open = True
        self.tries = 0
        self.wires = []

    def connect(self, link="control"):
        self.tries += 1
        done = Deferred()
        if not self.open:
            done.errback(Failure(Nobody("refused")))
            return done
        self.wires.append(self._wire(self._km, self._gw, link=link))
        done.callback(self.wires[-1].client)
        return done

    def pump(self):
        for wire in self.wires:
            wire.pump()


@pytest.fixture
def gw(node):
    """The gateway."""
    return node("gw1", "gateway")


@pytest.fixture
def door(node, wire, gw):
    """Leads to a key manager."""
    return Door(wire, node("km1", "keymanager"), gw)


@pytest.fixture
def ready():
    """How often a connection was made."""
    return []


@pytest.fixture
def link(door, gw, ready):
    """One connection."""
    return Link("km1:8091", door.connect, gw.here, lambda: ready.append(1))


def test_it_connects_and_asks_whether_the_other_end_is_alive(link, door, ready, gw):
    """Once; then it only asks."""
    link.look()
    assert (door.wires[0].client, "", [1]) == (link.peer, link.why, ready)
    link.look()
    door.pump()

    assert 1 == door.tries
    assert "connected to km1:8091" in gw.lines


def test_pauses_grow_while_nobody_is_there(clock, link, door, gw):
    """Up to five seconds; the reason is said once."""
    door.open = False
    for _ in range(60):
        link.look()
        clock.advance(1)

    assert 10 < door.tries < 20
    assert 1 == len([line for line in gw.lines if "no connection to km1:8091" in line])
    assert link.why

    door.open = True
    clock.advance(module.LONGEST_PAUSE)
    link.look()
    assert link.peer is not None


def test_a_connection_that_ended_is_made_again_at_once(link, door, gw):
    """And that is said."""
    link.look()
    link.lost()
    assert "the connection ended" == link.why
    link.look()

    assert 2 == door.tries
    assert [
        "connected to km1:8091", "no connection to km1:8091: the connection ended", "connected to km1:8091",
    ] == gw.lines  # fmt: skip


def test_a_peer_that_is_silent_is_left(clock, gw, node, wire):
    """It is frozen: nothing comes, nothing ends; after a few seconds it is taken for gone."""
    door = Door(wire, node("km1", "keymanager"), gw)
    link = Link("km1:8091", door.connect, gw.here, lambda: None)
    gw.here.left = lambda _peer: link.lost()
    link.look()
    door.wires[0].ends[0].pauseProducing()
    for _ in range(int(protocol.ALIVE) + 2):
        clock.advance(1)
        gw.here.look()
        if link.peer is not None:
            link.look()
    door.pump()

    assert None is link.peer
    assert {"unanswered": 1} == gw.refused


@pytest.fixture
def links(clock, gw, door, monkeypatch, ready):
    """The connections to two key managers, of which the first is behind the door."""
    monkeypatch.setattr(
        module, "opened",
        lambda _reactor, address, _tls, factory: door.connect(factory._link) if address.host == "km1" else _never(),
    )  # fmt: skip
    made = Links(clock, (Address("km0"), Address("km1")), gw.tls, gw.here, lambda: ready.append(1))
    yield made
    made.stopService()
    door.pump()


def _never():
    return Deferred().addErrback(lambda _: None)


def test_each_key_manager_has_two_connections(links, door, ready):
    """One that is never full; whoever is connected can be asked."""
    assert "km0:8091: it was not tried yet; km1:8091: it was not tried yet" == links.why
    links.look()
    assert 0 == door.tries

    links.startService()

    assert 2 == door.tries == len(ready)
    assert [["km1"], ["km1"], []] == [[peer.name for peer in links.peers(kind)] for kind in ("control", "bulk", "x")]
    assert {"control", "bulk"} == {wire.server.link for wire in door.wires}


def test_whether_somebody_answers_is_known_once_it_was_tried(links):
    """One is enough: the first key manager is not reached, and nobody waits for it."""
    early = links.tried()
    links.look()
    assert not early.called

    links.startService()

    assert early.called
    assert links.tried().called


def test_that_nobody_answers_is_known_once_all_were_tried(gw, monkeypatch):
    """Or when the node stops: nobody waits longer than that."""
    doors = {name: Deferred() for name in ("km0", "km1", "km2")}
    monkeypatch.setattr(
        module, "opened",
        lambda _reactor, address, _tls, factory: doors[address.host] if factory._link == "bulk" else _never(),
    )  # fmt: skip
    made = Links(None, tuple(map(Address, doors)), gw.tls, gw.here, lambda: None)
    made.startService()
    waiting = made.tried()
    for name in ("km0", "km1"):
        doors[name].errback(Failure(Nobody("refused")))
        assert not waiting.called
    other = made.tried()

    doors["km2"].errback(Failure(Nobody("refused")))
    assert waiting.called
    assert other.called
    assert "not tried" not in made.why

    cut_short = Links(None, (Address("km1"),), gw.tls, gw.here, lambda: None)
    late = cut_short.tried()
    cut_short.stopService()
    assert late.called


def test_who_is_gone_is_not_asked(links, door):
    """Until the connection is there again; at the stop all of them end."""
    links.startService()
    for wire in door.wires:
        wire.server.close()
    door.pump()
    assert [] == links.peers("bulk")

    links.look()
    assert 1 == len(links.peers("bulk"))

    links.stopService()
    door.pump()
    assert [] == links.peers("bulk")
    assert not links.here.peers


def test_what_was_said_last_is_heard_before_they_end(node, links, door):
    """As that a lease is given back: nobody waits for its end then."""
    heard, said = [], LeaseReturned("g", 1)
    carrier = Carrier({LeaseReturned: GATEWAY}, lambda _peer, message: heard.append(message))
    door._km = node("km1", "keymanager", answers=carrier.answers)
    links.startService()
    for peer in links.peers("control"):
        carrier.tell(peer, said)
    stopped = links.stopService()
    assert not stopped.called

    door.pump()
    assert stopped.called
    assert [said] == heard
    assert not links.here.peers


def test_whoever_takes_nothing_is_not_waited_for_long(clock, links, door):
    """It is cut off."""
    links.startService()
    door.wires[0].ends[0].pauseProducing()
    stopped = links.stopService()
    door.pump()
    assert not stopped.called
    assert 1 == len(links.here.peers)

    clock.advance(module.PATIENCE)
    assert stopped.called
    door.pump()
    assert not links.here.peers
