"""The three counters against slow models that remember everything."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.model import Algorithm, Limit
from twgw.throttle.limiter import EXACT_UP_TO, FixedWindow, SlidingWindow, State, TokenBucket, fresh

EIGHTHS = st.integers(0, 400).map(lambda n: n / 8)  # binary fractions: the models and the counters count alike
COSTS = st.sampled_from([1, 1, 1, 2, 3, 7])
STEPS = st.lists(st.tuples(EIGHTHS, COSTS), max_size=60)
AMOUNTS = st.integers(1, 9)
PERIODS = st.sampled_from([0.5, 1.0, 5.0, 7.5, 16.0])
START = 1_700_000_000.0


def limit(algorithm: Algorithm, amount: int = 3, period: float = 10, burst: int | None = None) -> Limit:
    """A limit of that algorithm."""
    return Limit(amount, period, algorithm, burst)


def take(state: State, now: float, cost: int = 1) -> bool:
    """Spend when it fits."""
    if not state.peek(now, cost):
        return False
    state.commit(now, cost)
    return True


def forward(steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """The same steps in the order of time."""
    return [(START + now, cost) for now, cost in sorted(steps)]


# --- what each one promises ------------------------------------------------------------------------


@given(STEPS, AMOUNTS, PERIODS)
def test_fixed_window_equals_a_count_for_each_label(steps: list[tuple[float, int]], amount: int, period: float) -> None:
    """A charge is admitted exactly when those admitted under its label leave room for it."""
    state = FixedWindow(limit(Algorithm.FIXED_WINDOW, amount, period))
    spent: dict[int, int] = {}
    for now, cost in forward(steps):
        label = int(now // period)
        left = amount - spent.get(label, 0)
        assert left == state.remaining(now)
        assert (cost <= left) == take(state, now, cost)
        if cost <= left:
            spent[label] = spent.get(label, 0) + cost


@given(STEPS, AMOUNTS, PERIODS)
def test_sliding_window_equals_a_log_of_all_charges(
    steps: list[tuple[float, int]], amount: int, period: float
) -> None:
    """A charge is admitted exactly when no window of the period that ends with it would hold more than the amount."""
    state = SlidingWindow(limit(Algorithm.SLIDING_WINDOW, amount, period))
    log: list[tuple[float, int]] = []
    for now, cost in forward(steps):
        left = amount - sum(spent for time, spent in log if time + period > now)
        assert left == state.remaining(now)
        assert (cost <= left) == take(state, now, cost)
        if cost <= left:
            log.append((now, cost))


@given(STEPS, AMOUNTS, PERIODS, st.integers(1, 12) | st.none())
def test_token_bucket_equals_a_bucket_counted_in_fractions(
    steps: list[tuple[float, int]], amount: int, period: float, burst: int | None
) -> None:
    """A charge is admitted exactly when a bucket without rounding holds as many tokens."""
    state = TokenBucket(limit(Algorithm.TOKEN_BUCKET, amount, period, burst))
    size = burst or amount
    tokens, last = Fraction(size), Fraction(0)
    for now, cost in forward(steps):
        tokens = min(Fraction(size), tokens + (Fraction(now) - last) * amount / Fraction(period))
        last = Fraction(now)
        assert int(tokens) == state.remaining(now)
        assert (cost <= tokens) == take(state, now, cost)
        if cost <= tokens:
            tokens -= cost


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 300)), max_size=120),
    st.integers(EXACT_UP_TO + 1, EXACT_UP_TO + 1500),
)
def test_a_large_sliding_window_never_admits_too_much_and_forgets_at_most_a_thousandth_late(
    steps: list[tuple[int, int]], amount: int
) -> None:
    """Between the exact window and one that is a thousandth longer."""
    period = 1000.0
    state = SlidingWindow(limit(Algorithm.SLIDING_WINDOW, amount, period))
    log: list[tuple[float, int]] = []
    for step, cost in sorted(steps):
        now = START + step / 4
        exact = amount - sum(spent for time, spent in log if time + period > now)
        longer = amount - sum(spent for time, spent in log if time + period + state.slot >= now)
        assert longer <= state.remaining(now) <= exact
        if take(state, now, cost):
            assert cost <= exact
            log.append((now, cost))
        else:
            assert cost > longer


def test_the_memory_of_a_sliding_window_is_bounded() -> None:
    """However many charges come, a counter keeps about a thousand slots."""
    state = SlidingWindow(limit(Algorithm.SLIDING_WINDOW, 10_000_000, 60))
    for n in range(20_000):
        state.commit(START + n * 0.01, 1)
    assert len(state.times) <= EXACT_UP_TO + 1
    assert len(state.times) == len(state.costs)


@pytest.mark.parametrize("amount", [1, 3, 7, 30, 333_333])
def test_a_whole_burst_is_admitted_whatever_the_rate(amount: int) -> None:
    """No token of a full bucket is lost by rounding, and none is won."""
    state = TokenBucket(limit(Algorithm.TOKEN_BUCKET, amount, 1))
    now = START + 0.1
    assert take(state, now, amount - 1) or amount == 1
    assert take(state, now)
    assert not take(state, now)


def test_a_token_comes_back_to_the_moment() -> None:
    """Fractions of a second that have no end in decimals are counted in full."""
    state = TokenBucket(limit(Algorithm.TOKEN_BUCKET, 1024, 1))
    assert take(state, START, 1024)
    assert not take(state, START + 1 / 2048)
    assert take(state, START + 1 / 1024)
    assert not take(state, START + 1 / 1024)


def test_the_burst_of_a_token_bucket_is_the_amount_unless_given() -> None:
    """``burst`` sets how many come at once, ``amount`` and ``period`` how fast they come back."""
    assert TokenBucket(limit(Algorithm.TOKEN_BUCKET, 4)).remaining(START) == 4
    state = TokenBucket(limit(Algorithm.TOKEN_BUCKET, 4, 8, burst=2))
    assert [take(state, START) for _ in range(3)] == [True, True, False]
    assert [take(state, START + wait) for wait in (1.5, 2, 2)] == [False, True, False]


# --- what all of them promise ----------------------------------------------------------------------

ALGORITHMS = pytest.mark.parametrize("algorithm", list(Algorithm))


@ALGORITHMS
@given(steps=STEPS, amount=AMOUNTS, period=PERIODS)
def test_time_that_goes_back_admits_no_more_than_time_that_stands_still(
    algorithm: Algorithm, steps: list[tuple[float, int]], amount: int, period: float
) -> None:
    """What a jumping clock admits, a clock that stands still at the latest charge admits too."""
    state = fresh(limit(algorithm, amount, period))
    honest = fresh(limit(algorithm, amount, period))
    latest = 0.0
    for step, cost in steps:
        now = START + step
        assert state.remaining(now) <= amount
        if take(state, now, cost):
            latest = max(latest, now)
            assert take(honest, latest, cost)


@ALGORITHMS
@given(steps=STEPS, amount=AMOUNTS, period=PERIODS, cost=COSTS)
def test_retry_after_is_the_first_moment_at_which_the_charge_fits(
    algorithm: Algorithm, steps: list[tuple[float, int]], amount: int, period: float, cost: int
) -> None:
    """A refused charge fits after that time and not before; one that never fits is told the length of the limit."""
    state = fresh(limit(algorithm, amount, period))
    now = 0.0
    for now, spent in forward(steps):
        take(state, now, spent)
    wait = state.retry_after(now, cost)
    if cost > amount:
        assert period == wait
        assert not state.peek(now + 10 * period, cost)
    elif state.peek(now, cost):
        assert wait == 0
    else:
        assert 0 < wait <= state.reset_after(now)
        assert state.peek(now + wait + 1e-6, cost)
        assert not state.peek(now + wait - 1e-6, cost)


@ALGORITHMS
@given(steps=STEPS, amount=AMOUNTS, period=PERIODS)
def test_reset_after_is_the_first_moment_at_which_all_is_left(
    algorithm: Algorithm, steps: list[tuple[float, int]], amount: int, period: float
) -> None:
    """After that time the counter equals a fresh one, as ``expires`` says too."""
    state = fresh(limit(algorithm, amount, period))
    assert state.expires() <= START
    now = START
    for now, spent in forward(steps):
        take(state, now, spent)
    wait = state.reset_after(now)
    assert (wait == 0) == (state.remaining(now) == amount)
    assert state.remaining(now + wait + 1e-6) == amount
    assert wait == pytest.approx(max(state.expires() - now, 0), abs=1e-6)
    if wait:
        assert state.remaining(now + wait - 1e-6) < amount


@ALGORITHMS
def test_peek_spends_nothing(algorithm: Algorithm) -> None:
    """Asking is free."""
    state = fresh(limit(algorithm))
    assert all(state.peek(START, 3) for _ in range(5))
    assert state.remaining(START) == 3
    assert state.reset_after(START) == 0


@ALGORITHMS
def test_a_cost_above_the_limit_is_always_refused(algorithm: Algorithm) -> None:
    """Waiting does not help, and nothing is spent."""
    state = fresh(limit(algorithm))
    assert not take(state, START, 4)
    assert not take(state, START + 1000, 4)
    assert take(state, START + 1000, 3)


def test_windows_are_aligned_to_unix_time() -> None:
    """A fixed window of a minute ends with the minute, whenever the first charge came."""
    state = FixedWindow(limit(Algorithm.FIXED_WINDOW, 1, 60))
    now = 1_700_000_040 + 59.5  # ..040 is a whole minute
    assert take(state, now)
    assert state.reset_after(now) == 0.5
    assert take(state, now + 0.5)
