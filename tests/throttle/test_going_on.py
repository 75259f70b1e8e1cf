"""A counter of a process that ended goes on in the next: nothing is forgotten too early, and not much too late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.model import Algorithm, Limit
from twgw.throttle.going_on import changed, go_on, values_of
from twgw.throttle.kept import Kept
from twgw.throttle.limiter import fresh

NOW = 1_700_000_000.0
LIMITS = [
    Limit(10, 3600), Limit(10, 3600, Algorithm.SLIDING_WINDOW), Limit(2000, 3600, Algorithm.SLIDING_WINDOW),
    Limit(10, 3600, Algorithm.TOKEN_BUCKET), Limit(7, 100, Algorithm.TOKEN_BUCKET, 3),
]  # fmt: skip


def restarted(state, limit, now):
    """The same counter in another process."""
    kept, made = Kept(), fresh(limit)
    for value in values_of(state, "n"):
        kept.note(*value)
    kept.read(kept.take(), NOW - 1)
    go_on(made, "n", kept, now)
    return made


@pytest.mark.parametrize("limit", LIMITS)
@given(spent=st.lists(st.tuples(st.floats(0, 3000), st.integers(1, 3)), max_size=30), later=st.floats(0, 4000))
def test_no_more_is_left_than_there_was(limit, spent, later):
    """Now, and at any time later; what has been taken is told of in few values."""
    state = fresh(limit)
    for after, cost in sorted(spent):
        if state.peek(NOW + after, cost):
            state.commit(NOW + after, cost)
    now = NOW + 3000
    assert len(list(values_of(state, "n"))) <= 12
    again = restarted(state, limit, now)
    for when in (now, now + later, now + 400):
        assert 0 <= again.remaining(when) <= state.remaining(when)
    whole = now + limit.period * 1.1 + 1
    assert (limit.burst or limit.amount) == again.remaining(max(whole, again.expires()))
    assert again.expires() <= max(state.expires(), now) + limit.period / 10 + 1e-3


@pytest.mark.parametrize("limit", LIMITS)
def test_a_counter_that_nobody_used_tells_nothing(limit):
    """And begins as a fresh one where nothing is kept."""
    assert [] == list(values_of(fresh(limit), "n"))
    again = restarted(fresh(limit), limit, NOW)
    assert (limit.burst or limit.amount) == again.remaining(NOW)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_change_is_seen(limit):
    """Each charge, and nothing else."""
    state = fresh(limit)
    before = changed(state)
    state.peek(NOW, 1)
    assert before == changed(state)
    state.commit(NOW, 1)
    assert before != changed(state)
