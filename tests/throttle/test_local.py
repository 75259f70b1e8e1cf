"""The limiter of one process against a model that forgets nothing."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.model import Algorithm, Charge, Limit
from twgw.policy.interfaces import Decision, Limiter
from twgw.throttle.limiter import State, fresh
from twgw.throttle.local import LocalLimiter

START = 1_700_000_000.0
MINUTE = Limit(3, 60)


class FakeClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Model:
    """Every counter for ever, asked one by one."""

    def __init__(self) -> None:
        self.counters: dict[tuple[Limit, str], State] = {}

    def state(self, charge: Charge) -> State:
        return self.counters.setdefault((charge.limit, charge.key), fresh(charge.limit))

    def take_all(self, charges: Sequence[Charge], now: float) -> list[Decision]:
        fits = []
        for place, charge in enumerate(charges):
            before = charges[: place + 1]
            same = [other for other in before if (other.limit, other.key) == (charge.limit, charge.key)]
            fits.append(self.state(charge).peek(now, sum(other.cost for other in same)))
        if all(fits):
            for charge in charges:
                self.state(charge).commit(now, charge.cost)
        decisions = []
        for charge, allowed in zip(charges, fits, strict=True):
            state = self.state(charge)
            cost = sum(c.cost for c in charges if (c.limit, c.key) == (charge.limit, charge.key))
            wait = 0.0 if allowed else state.retry_after(now, cost)
            decisions.append(Decision(charge, allowed, state.remaining(now), state.reset_after(now), wait))
        return decisions


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


def allowed(limiter: LocalLimiter, *charges: Charge) -> list[bool]:
    """Whether each charge was let pass."""
    return [decision.allowed for decision in limiter.take_all(charges)]


LIMITS = st.sampled_from([
    Limit(2, 2),
    Limit(3, 2, Algorithm.SLIDING_WINDOW),
    Limit(3, 8, Algorithm.TOKEN_BUCKET),
    Limit(5, 8),
])  # few, so that counters are met again
CHARGES = st.builds(Charge, st.sampled_from(["a", "b"]), LIMITS, cost=st.sampled_from([1, 1, 1, 1, 0, 2, 4]))
STEPS = st.lists(
    st.tuples(st.sampled_from([0, 0, 0.125, 0.5, 1, 3, 20]), st.lists(CHARGES, min_size=1, max_size=3)), max_size=40
)


@given(STEPS, st.integers(0, 5))
def test_it_decides_as_if_it_forgot_nothing(steps: list[tuple[float, list[Charge]]], at_most: int) -> None:
    """Letting counters go, the short way for one charge and shared counters change no decision."""
    clock = FakeClock()
    limiter = LocalLimiter(clock)
    model = Model()
    for wait, charges in steps:
        clock.time += wait
        assert model.take_all(charges, clock.time) == limiter.take_all(charges)
        limiter.prune(clock.time, at_most)


@given(STEPS, st.integers(1, 4))
def test_with_little_room_it_admits_no_more_than_the_model(
    steps: list[tuple[float, list[Charge]]], max_keys: int
) -> None:
    """What passes a full limiter passes a model that saw only what passed; the room is never exceeded."""
    clock = FakeClock()
    limiter = LocalLimiter(clock, max_keys)
    model = Model()
    for wait, charges in steps:
        clock.time += wait
        decisions = limiter.take_all(charges)
        assert len(limiter) <= max_keys
        if all(decision.allowed for decision in decisions):
            assert decisions == model.take_all(charges, clock.time)


def test_it_keeps_to_the_limiter_interface(clock: FakeClock) -> None:
    """A policy sees a Limiter that answers at once."""
    limiter: Limiter = LocalLimiter(clock)
    assert limiter.take_all([]) == []
    charge = Charge("a", MINUTE)
    end = 60 - START % 60
    assert limiter.take_all([charge]) == [Decision(charge, True, 2, end)]
    assert limiter.take_all([charge]) == [Decision(charge, True, 1, end)]
    assert limiter.take_all([charge]) == [Decision(charge, True, 0, end)]
    assert limiter.take_all([charge]) == [Decision(charge, False, 0, end, end)]


def test_a_refused_request_spends_nothing(clock: FakeClock) -> None:
    """When one charge does not fit, the others are left as they were, and say what is left of them."""
    limiter = LocalLimiter(clock)
    small, large = Charge("a", Limit(1, 60)), Charge("a", Limit(10, 60))
    assert allowed(limiter, small, large) == [True, True]
    refused = limiter.take_all([small, large])
    assert [decision.allowed for decision in refused] == [False, True]
    assert [decision.remaining for decision in refused] == [0, 9]
    assert limiter.take_all([large])[0].remaining == 8


def test_two_charges_on_one_counter_are_added_up(clock: FakeClock) -> None:
    """Each would fit alone; together they do not."""
    limiter = LocalLimiter(clock)
    assert allowed(limiter, Charge("a", MINUTE, cost=2), Charge("a", MINUTE, cost=2)) == [True, False]
    assert [0, 0] == [d.remaining for d in limiter.take_all([Charge("a", MINUTE), Charge("a", MINUTE, cost=2)])]


def test_an_edited_limit_starts_a_fresh_counter_and_an_equal_one_does_not(clock: FakeClock) -> None:
    """Counters go by what a limit says, not by which object says it."""
    limiter = LocalLimiter(clock)
    assert limiter.take_all([Charge("a", Limit(3, 60))])[0].remaining == 2
    assert limiter.take_all([Charge("a", Limit(3, 60))])[0].remaining == 1
    assert limiter.take_all([Charge("a", Limit(4, 60))])[0].remaining == 3
    assert limiter.take_all([Charge("a", Limit(3, 60))])[0].remaining == 0


def test_equal_limits_share_a_counter_after_theirs_was_let_go(clock: FakeClock) -> None:
    """A table that became empty is not counted in beside its successor."""
    limiter = LocalLimiter(clock)
    first, second = Limit(3, 60), Limit(3, 60)
    limiter.take_all([Charge("a", first)])
    limiter.take_all([Charge("a", second)])
    clock.time += 61
    assert limiter.prune(clock.time, 10) == 1
    assert [2, 1, 0] == [limiter.take_all([Charge("a", one)])[0].remaining for one in (first, second, first)]


def test_many_limit_objects_cost_no_memory(clock: FakeClock) -> None:
    """A policy that makes a Limit for each request neither splits a counter nor fills the process."""
    limiter = LocalLimiter(clock)
    decisions = [limiter.take_all([Charge("a", Limit(100_000, 3600))])[0] for _ in range(10_000)]
    assert decisions[-1].remaining == 90_000
    assert len(limiter._known) <= 4096


def test_counters_that_are_whole_again_are_let_go_bit_by_bit(clock: FakeClock) -> None:
    """Each call looks at two, ``prune`` at no more than it is told."""
    limiter = LocalLimiter(clock)
    for n in range(100):
        limiter.take_all([Charge(f"old-{n}", MINUTE)])
    assert len(limiter) == 100
    clock.time += 61
    limiter.take_all([Charge("new", MINUTE)])
    assert len(limiter) == 99
    assert limiter.prune(clock.time, 10) == 10
    assert len(limiter) == 89
    assert limiter.prune(clock.time, 1000) == 88
    assert limiter.prune(clock.time, 1000) == 0
    assert len(limiter) == 1


def test_memory_follows_the_keys_in_use(clock: FakeClock) -> None:
    """With a new key in each call the limiter holds at most those of two periods."""
    limiter = LocalLimiter(clock)
    most = 0
    for n in range(5000):
        clock.time += 0.125
        limiter.take_all([Charge(str(n), Limit(3, 8, Algorithm.TOKEN_BUCKET))])
        most = max(most, len(limiter))
    assert most <= 2 * 8 / 0.125


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_counter_in_use_is_never_let_go(clock: FakeClock, algorithm: Algorithm) -> None:
    """What is charged again and again stays, and stays exact."""
    limiter = LocalLimiter(clock)
    model = Model()
    charge = Charge("a", Limit(4, 5, algorithm))
    for _ in range(100):
        clock.time += 0.75
        assert model.take_all([charge], clock.time) == limiter.take_all([charge])
        limiter.prune(clock.time, 100)
        assert len(limiter) == 1


def test_a_full_limiter_refuses_new_keys_and_serves_the_old(clock: FakeClock) -> None:
    """It fails closed, counts what it refused, and takes new keys again when counters end."""
    limiter = LocalLimiter(clock, max_keys=2)
    assert [[True], [True], [False]] == [allowed(limiter, Charge(key, MINUTE)) for key in "abc"]
    assert limiter.refused_full == 1
    assert allowed(limiter, Charge("a", MINUTE)) == [True]
    refused = limiter.take_all([Charge("c", MINUTE)])[0]
    assert (refused.remaining, refused.retry_after) == (0, 1.0)
    assert limiter.refused_full == 2
    clock.time += 61
    assert allowed(limiter, Charge("c", MINUTE)) == [True]
    assert limiter.refused_full == 2


def test_a_full_limiter_counts_the_new_keys_of_one_request(clock: FakeClock) -> None:
    """Two new counters need room for two, and a refused request leaves none behind."""
    limiter = LocalLimiter(clock, max_keys=1)
    assert allowed(limiter, Charge("a", MINUTE), Charge("b", MINUTE)) == [True, False]
    assert len(limiter) == 0
    assert allowed(limiter, Charge("a", MINUTE), Charge("a", MINUTE)) == [True, True]


def test_a_counter_that_was_let_go_does_not_come_back_empty_when_time_goes_back(clock: FakeClock) -> None:
    """Back in the old window the limiter goes on counting in the latest."""
    limiter = LocalLimiter(clock)
    charge = Charge("a", MINUTE)
    assert [[True], [True], [True], [False]] == [allowed(limiter, charge) for _ in range(4)]
    clock.time += 61
    limiter.prune(clock.time, 10)
    clock.time -= 61
    assert [[True], [True], [True], [False]] == [allowed(limiter, charge) for _ in range(4)]
    clock.time += 61
    assert allowed(limiter, charge) == [False]


def test_a_negative_cost_is_an_error(clock: FakeClock) -> None:
    """No policy may give a limit back to itself by a mistake, alone or beside others."""
    limiter = LocalLimiter(clock)
    limiter.take_all([Charge("a", MINUTE)])
    with pytest.raises(ValueError, match="must not be negative: -1"):
        limiter.take_all([Charge("b", MINUTE), Charge("a", MINUTE, cost=-1)])
    assert limiter.take_all([Charge("a", MINUTE)])[0].remaining == 1
    assert len(limiter) == 1
