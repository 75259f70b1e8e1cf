"""Whether a peer takes what it is sent; test_protocol.py has what comes of it."""

from twgw.cluster.outlet import Outlet
from twgw.memory_world import FakeClock


def test_it_is_blocked_since_the_peer_took_nothing():
    """Not since it was told so again; and when the peer takes something, all is forgotten."""
    clock = FakeClock()
    outlet = Outlet(clock.now)
    assert outlet.blocked_since is None
    outlet.pauseProducing()
    began = clock.now()
    clock.advance(1)
    outlet.pauseProducing()
    outlet.unsent = 7
    assert began == outlet.blocked_since

    outlet.resumeProducing()
    assert (None, 0) == (outlet.blocked_since, outlet.unsent)
    outlet.stopProducing()
