"""Many deadlines, one timer."""

from math import inf

from twisted.internet.task import Clock

from twgw.gateway.deadlines import RESOLUTION, REVISIT, Deadlines


class Watched:
    """Notes when it expired."""

    def __init__(self):
        self.deadline, self.slot, self.expired = inf, -1, []

    def expire(self, now):
        self.expired.append(now)


def watching():
    clock = Clock()
    deadlines = Deadlines(clock.seconds, clock.callLater)
    deadlines.start()
    return clock, deadlines


def run(clock, seconds):
    for _ in range(int(seconds / RESOLUTION)):
        clock.advance(RESOLUTION)


def test_a_deadline_is_noticed_in_time():
    """Never before, and at most two looks after."""
    for seconds in (0.1, 1, 3.9, 4, 10, 61.3):
        clock, deadlines = watching()
        one = Watched()
        deadlines.arm(one, seconds)
        run(clock, seconds + 1)

        assert 1 == len(one.expired)
        assert seconds <= one.expired[0] <= seconds + 2 * RESOLUTION


def test_a_deadline_may_move_either_way():
    """Later by an assignment, earlier by arming it again."""
    clock, deadlines = watching()
    later, earlier = Watched(), Watched()
    deadlines.arm(later, 5)
    deadlines.arm(earlier, 60)
    later.deadline = 20.0
    run(clock, 2)
    deadlines.arm(earlier, 1)
    run(clock, 2)
    assert (0, 1) == (len(later.expired), len(earlier.expired))
    run(clock, 20)

    assert 1 == len(later.expired)


def test_what_is_forgotten_does_not_expire():
    """And is let go within REVISIT seconds."""
    clock, deadlines = watching()
    one = Watched()
    deadlines.arm(one, 60)
    deadlines.forget(one)
    run(clock, REVISIT + 1)

    assert ([], {}) == (one.expired, deadlines._slots)


def test_an_end_is_an_end():
    """After stop nothing is scheduled any more."""
    clock, deadlines = watching()
    deadlines.stop()
    run(clock, 1)

    assert [] == clock.getDelayedCalls()
