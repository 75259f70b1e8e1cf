"""There is room for so many connections."""

from types import SimpleNamespace

import pytest

from twgw.cluster.factory import PeerFactory

ADDRESS = SimpleNamespace(host="192.0.2.9")


@pytest.fixture
def km(node):
    """The node that listens."""
    return node("km1", "keymanager")


def test_more_connections_than_there_is_room_for_are_refused(km, node, wire):
    """Counted and logged."""
    wire(km, node("gw1", "gateway"))
    wire(km, node("gw2", "gateway"))

    assert PeerFactory(km.here, None, 3).buildProtocol(ADDRESS) is not None
    assert PeerFactory(km.here, None, 2).buildProtocol(ADDRESS) is None
    assert {"full": 1} == km.refused
    assert ["refused 192.0.2.9: too many connections are open"] == km.lines


def test_there_is_less_room_for_those_who_said_nothing_yet(km, node, wire):
    """Whoever only connects takes no place from nodes of the cluster."""
    wire(km, node("gw1", "gateway"))
    factory = PeerFactory(km.here, None, 10, 1)
    stranger = factory.buildProtocol(ADDRESS)
    km.here.peers.add(stranger)

    assert factory.buildProtocol(ADDRESS) is None
    assert {"full": 1} == km.refused


def test_our_own_connections_always_have_room(km):
    """They are to the few key managers that are named."""
    assert PeerFactory(km.here, "control", 0, 0).buildProtocol(ADDRESS) is not None


def test_one_address_does_not_take_the_room_of_all_strangers(km):
    """So nobody keeps a node out from one machine."""
    factory = PeerFactory(km.here, most_strangers=10, most_of_one=2)
    for _ in range(2):
        stranger = factory.buildProtocol(ADDRESS)
        stranger.transport = SimpleNamespace(getPeer=lambda: ADDRESS)
        km.here.peers.add(stranger)

    assert factory.buildProtocol(ADDRESS) is None
    assert factory.buildProtocol(SimpleNamespace(host="192.0.2.10")) is not None
    assert {"full": 1} == km.refused
