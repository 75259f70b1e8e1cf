"""Moments, and how long to wait: whoever waits is never quicker than whoever holds, however their clocks go."""

import time

from hypothesis import given
from hypothesis import strategies as st

from twgw.cluster.clocks import MachineClocks, Moment, Terms

ERRORS = st.floats(0, 0.33)
TERMS = st.floats(0.001, 10_000)
MOMENTS = st.builds(Moment, st.floats(0, 1e6), st.floats(0, 1e6))


def rates(error):
    """How a clock may go."""
    return st.floats(1 - error, 1 + error)


@given(st.data(), ERRORS, TERMS)
def test_a_wait_is_longer_than_the_term_however_the_clocks_go(data, error, term):
    """The slowest clock of a holder has shown the term before the fastest of a waiter has shown the wait."""
    holder, waiter = data.draw(rates(error)), data.draw(rates(error))

    assert term / holder < Terms(rate_error=error).wait(term) / waiter


def test_what_is_promised_by_default():
    """A gateway that is cut off delays a revocation by 4.2 s, a key manager by 15.5 s."""
    terms = Terms()

    assert (4.17, 15.5) == (round(terms.wait(terms.lease), 3), round(terms.wait(terms.session), 3))


@given(MOMENTS, st.floats(0.001, 100), st.floats(0, 200), st.floats(0, 200))
def test_nobody_holds_what_somebody_else_found_over(begin, seconds, raw, boot):
    """A holder believes the clock that went further, a waiter the one that went less."""
    end, now = begin.later(seconds), Moment(begin.raw + raw, begin.boot + boot)

    assert not (end.left(now) > 0 and end.is_over(now))
    assert (end.left(now) > 0) == (now.raw < end.raw and now.boot < end.boot)
    assert end.is_over(now) == (now.raw >= end.raw and now.boot >= end.boot)


def test_the_clocks_of_the_machine_go_on():
    """Both of them: the one that nobody slews and the one that counts sleep."""
    before = Moment.now(MachineClocks)
    after = Moment.now(MachineClocks)

    assert after.raw > before.raw
    assert after.boot > before.boot
    assert abs(before.boot - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60
