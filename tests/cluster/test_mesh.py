"""Key managers hear of each other at once, by connections to whomever the sessions name."""

import pytest
from twisted.internet.defer import Deferred

from tests.cluster.test_links import Door
from twgw.cluster.carrying import Carrier
from twgw.cluster.commands import KEY_MANAGER
from twgw.cluster.completion import Session
from twgw.cluster.mesh import Mesh
from twgw.cluster.messages import Relay, RelayDone
from twgw.cluster.settings import Address
from twgw.registry import Head


def session(name, address):
    return Session(f"session-{name}", name, 1, Head(1, 1), address=address)


@pytest.fixture
def a(node):
    """The key manager whose connections these are."""
    return node("a", "keymanager")


@pytest.fixture
def heard():
    """What the other one was told, and by whom."""
    return []


@pytest.fixture
def b(node, heard):
    """Another one, with one more that nobody can reach."""
    carrier = Carrier(
        {Relay: KEY_MANAGER, RelayDone: KEY_MANAGER}, lambda peer, message: heard.append((peer.name, message))
    )
    return node("b", "keymanager", answers=dict(carrier.answers))


@pytest.fixture
def door(wire, a, b):
    return Door(wire, b, a)


@pytest.fixture
def sessions():
    """As the database has them."""
    return [session("a", "a:8091"), session("b", "b:8091"), session("old", "")]


@pytest.fixture
def mesh(a, door, sessions, wire, b):
    """The connections of the first."""
    asked = []

    def connect(address, here):
        asked.append(address)
        if address.host != "b":
            return Deferred()
        made = Deferred()
        door.wires.append(wire(b, type(a)(a.tls, here), link="relay"))
        made.callback(door.wires[-1].client)
        return made

    made = Mesh("a:8091", a.here, connect, lambda: sessions)
    made.asked = asked
    made.startService()
    yield made
    if made.running:
        made.stopService()


def test_whoever_has_a_session_is_connected_and_told(mesh, door, heard):
    """Not the node itself, nor one that says no address; once."""
    mesh.look()
    mesh.look()
    for message in (Relay(Head(1, 7)), RelayDone("session-a", Head(1, 7), "[]")):
        mesh.tell(message)
    door.pump()

    assert [Address("b")] == mesh.asked
    assert [("a", Relay(Head(1, 7))), ("a", RelayDone("session-a", Head(1, 7), "[]"))] == heard


def test_a_session_that_is_gone_is_left(mesh, door, sessions, b):
    """And one that comes is connected."""
    mesh.look()
    sessions[1:] = [session("c", "c:9000")]
    mesh.look()
    door.pump()
    mesh.tell(Relay(Head(1, 7)))

    assert [Address("b"), Address("c", 9000)] == mesh.asked
    assert ["c:9000"] == list(mesh.links)
    assert not door.wires[0].is_open
    assert [] == [line for line in b.lines if "no connection" in line]


def test_a_connection_that_ended_is_made_again(mesh, door):
    """At the next look."""
    mesh.look()
    door.wires[0].ends[1].abortConnection()
    door.pump()
    mesh.look()

    assert 2 == len(door.wires)


def test_one_that_comes_when_it_is_not_wanted_any_more_is_closed(mesh, sessions, node, wire):
    """Its session went while it was being opened."""
    sessions[1:] = [session("c", "c:9000")]
    mesh.look()
    link, late = mesh.links["c:9000"], wire(node("c", "keymanager"), node("a", "keymanager"), link="relay")
    sessions[1:] = []
    mesh.look()
    link._connected(late.client)
    late.pump()

    assert not late.is_open


@pytest.mark.parametrize("address", ["[fe80::1%eth0]:8091", "b:8091:later", "b" * 254, " "])
def test_an_address_that_is_not_understood_is_said_and_costs_nobody_else(mesh, sessions, a, b, door, address):
    """A later version may write others."""
    sessions.append(session("c", address))
    for _ in range(2):
        mesh.look()
    door.pump()

    assert 1 == len(door.wires)
    assert 1 == len([line for line in a.lines if line.startswith(f"no connection to c at {address}: ")])


def test_when_the_node_stops_they_end(mesh, door):
    """And nothing is opened any more."""
    mesh.look()
    mesh.stopService()
    door.pump()
    mesh.look()

    assert not door.wires[0].is_open
    assert 1 == len(door.wires)


def test_a_gateway_may_not_speak_as_a_key_manager(node, wire, b, heard):
    """Its messages are refused, and counted."""
    gateway = wire(b, node("gw1", "gateway"))
    Carrier({}, lambda _peer, _message: None).tell(gateway.client, RelayDone("session-b", Head(1, 99)))
    gateway.pump()

    assert [] == heard
    assert 1 == sum(b.refused.values())
