"""What all connections of a node share looks after all of them."""

from twgw.cluster import protocol


def test_every_connection_is_looked_after(clock, node, wire):
    """Those that are silent for too long end; those that were let in meanwhile are looked at, too."""
    km = node("km1", "keymanager")
    opened = [wire(km, node(name, "gateway")) for name in ("gw1", "gw2")]
    clock.advance(protocol.SILENT + 1)
    third = wire(km, node("gw3", "gateway"))
    km.here.look()
    for each in opened:
        each.pump()

    assert [False, False, True] == [each.is_open for each in (*opened, third)]
    assert {third.server} == km.here.peers
    assert {"silent": 2} == km.refused
