"""Servers that are left out, and how often a request is sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.gateway.health import Health, RetryBudget


def pauses(health: Health, start: float, times: int) -> list[float]:
    """How long each of several failing probes keeps the server out."""
    found = []
    now = start
    for _ in range(times):
        health.started(now)
        health.failed(now)
        until = now
        while not health.usable(until):
            until += 0.5
        found.append(until - now)
        now = until
    return found


def test_a_server_is_usable_until_a_connection_fails() -> None:
    """Then it is left out for ``fail_timeout``."""
    health = Health(5)
    assert health.usable(0)
    health.started(0)
    assert health.usable(0)
    health.failed(1)
    assert not health.usable(1)
    assert not health.usable(5.9)
    assert health.usable(6)


def test_the_pause_doubles_up_to_a_minute() -> None:
    """Each time that the server is tried and fails again."""
    assert [5, 10, 20, 40, 60, 60] == pauses(Health(5), 100, 6)


def test_a_longer_pause_is_kept_as_it_was_set() -> None:
    """``fail_timeout`` above a minute does not grow and is not cut."""
    assert [90, 90, 90] == pauses(Health(90), 100, 3)


def test_one_success_ends_it() -> None:
    """The server is usable at once and the next pause is short again."""
    health = Health(5)
    pauses(health, 0, 3)
    health.succeeded()
    assert health.usable(0)
    assert pauses(health, 0, 2) == [5, 10]


def test_after_the_pause_one_request_probes() -> None:
    """The others wait for its outcome, and asking is not probing."""
    health = Health(5)
    health.failed(0)
    assert health.usable(5)
    assert health.usable(5)
    health.started(5)
    assert not health.usable(5)
    health.failed(6)
    assert not health.usable(15.9)
    assert health.usable(16)


def test_a_probe_that_nobody_reports_on_is_given_up() -> None:
    """After another pause the next may try."""
    health = Health(5)
    health.failed(0)
    health.started(5)
    assert not health.usable(9.9)
    assert health.usable(10)
    health.started(10)
    health.failed(10.5)
    assert not health.usable(20.4)
    assert health.usable(20.5)


def test_many_failures_at_once_count_as_one() -> None:
    """Requests that were on their way when the server went away do not make its pause longer."""
    health = Health(5)
    for _ in range(50):
        health.failed(1)
    health.failed(3)
    assert health.usable(6)


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), st.integers(0, 12))
def test_retries_stay_within_their_share(requests: list[bool], ratio: float, minimum: int) -> None:
    """In any stretch of requests no more are retried than ``minimum`` and ``ratio`` of them, from the first on."""
    budget = RetryBudget(ratio, minimum)
    granted = []
    for wanted in requests:
        budget.request()
        granted.append(wanted and budget.retry())
    for start in range(len(granted)):
        stretch = granted[start:]
        assert sum(stretch) <= minimum + ratio * len(stretch) + 1e-6


def test_a_budget_that_was_used_up_fills_again() -> None:
    """Ten requests pay for one retry, to the request."""
    budget = RetryBudget()
    assert [True] * 10 + [False] == [budget.retry() for _ in range(11)]
    for _ in range(9):
        budget.request()
        assert not budget.retry()
    budget.request()
    assert budget.retry()
    assert not budget.retry()


@pytest.mark.parametrize("quiet", [0, 1, 100_000])
def test_a_long_time_without_retries_saves_no_more_than_the_minimum(quiet: int) -> None:
    """So a whole upstream that fails at once is not met by a wave of retries."""
    budget = RetryBudget(0.1, 3)
    for _ in range(quiet):
        budget.request()
    assert [True, True, True, False] == [budget.retry() for _ in range(4)]
