"""Time of the machine."""

from twisted.internet.task import Clock

from twgw.clock import ReactorClock


def test_wall_time_moves_in_step_with_monotonic_time():
    """Whoever sets the system's clock opens no window: the difference stays what it was at the start."""
    clock = ReactorClock(Clock())

    assert abs((clock.wall() - clock.now()) - (clock.wall() - clock.now())) < 1
    assert clock.now() <= clock.now()


def test_a_sleep_ends_with_its_time():
    """Not before, and without blocking."""
    reactor = Clock()
    coroutine = ReactorClock(reactor).sleep(3)
    waiting = coroutine.send(None)
    reactor.advance(2.9)

    assert not waiting.called

    reactor.advance(0.1)

    assert waiting.called
    coroutine.close()
