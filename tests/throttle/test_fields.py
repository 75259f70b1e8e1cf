"""What a client reads about its limits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.model import Algorithm, Charge, Limit, Unit
from twgw.policy.interfaces import Decision
from twgw.throttle.fields import lines, policy_item, quoted, retry_after


def fields(decisions: list[Decision]) -> list[tuple[str, ...]]:
    """The lines as name and value."""
    return [tuple(line.split(": ", 1)) for line in lines(decisions).splitlines()]


BURST = Charge("key", Limit(20, 60), "burst")
DAILY = Charge("key", Limit(5000, 86400), "daily")


def test_one_charge_reads_as_in_the_draft() -> None:
    """The name quoted, quota and window, what is left and for how long, rounded up."""
    assert [("RateLimit-Policy", '"burst";q=20;w=60'), ("RateLimit", '"burst";r=3;t=41')] == fields(
        [Decision(BURST, True, 3, 40.2)]
    )


def test_bytes_are_named() -> None:
    """A quota of bytes says so; one of requests need not."""
    charge = Charge("key", Limit(5000, 60, unit=Unit.BYTES), "data")

    assert '"data";q=5000;qu="content-bytes";w=60' == policy_item(charge)


def test_the_limit_nearest_to_empty_comes_first() -> None:
    """In both fields: refused ones, then the fewest left, then the longest to wait."""
    assert [
        ("RateLimit-Policy", '"burst";q=20;w=60, "daily";q=5000;w=86400'),
        ("RateLimit", '"burst";r=3;t=41, "daily";r=4000;t=80000'),
    ] == fields([Decision(DAILY, True, 4000, 80000.0), Decision(BURST, True, 3, 40.2)])
    assert '"daily";r=9;t=7, "burst";r=3;t=41' == fields(
        [Decision(BURST, True, 3, 40.2), Decision(DAILY, False, 9, 80000.0, 6.5)]
    )[1][1]
    assert '"daily";r=0;t=50, "burst";r=0;t=10' == fields(
        [Decision(BURST, True, 0, 10.0), Decision(DAILY, True, 0, 50.0)]
    )[1][1]


def test_hidden_charges_are_left_out() -> None:
    """A limit that clients shall not see leaves no trace; with nothing to show there are no fields."""
    hidden = Charge("key", Limit(7, 60), "secret", hidden=True)
    assert '"burst";r=3;t=41' == fields([Decision(hidden, True, 0, 50), Decision(BURST, True, 3, 41)])[1][1]
    assert [] == fields([Decision(hidden, True, 0, 50)])
    assert [] == fields([])


def test_a_refused_client_reads_when_to_come_back() -> None:
    """``t`` is then the wait of that charge, never later than ``Retry-After``."""
    decision = Decision(BURST, False, 0, 59.0, 2.5)
    assert '"burst";r=0;t=3' == fields([decision])[1][1]
    assert 3 == retry_after([decision])


def test_a_token_bucket_shows_its_size_and_the_time_to_fill_it() -> None:
    """So what is left is never more than the quota."""
    assert '"default";q=100;w=60' == policy_item(Charge("k", Limit(100, 60, Algorithm.TOKEN_BUCKET)))
    assert '"default";q=10;w=6' == policy_item(Charge("k", Limit(100, 60, Algorithm.TOKEN_BUCKET, 10)))
    assert '"default";q=1;w=1' == policy_item(Charge("k", Limit(100, 60, Algorithm.TOKEN_BUCKET, 1)))
    assert '"default";q=100;w=60' == policy_item(Charge("k", Limit(100, 60, Algorithm.FIXED_WINDOW, 1)))


def test_windows_below_a_second_are_shown_as_one() -> None:
    """``w`` is a positive integer in the draft."""
    assert '"default";q=5;w=1' == policy_item(Charge("k", Limit(5, 0.25)))
    assert '"default";q=5;w=2' == policy_item(Charge("k", Limit(5, 1.5)))


def test_numbers_stay_in_the_range_of_structured_fields() -> None:
    """Larger ones are cut, not sent as something that a parser must refuse."""
    charge = Charge("k", Limit(10**30, 60))
    assert '"default";q=999999999999999;w=60' == policy_item(charge)
    assert '"default";r=999999999999999;t=1' == fields([Decision(charge, True, 10**29, 0.5)])[1][1]


@given(st.text())
def test_a_quoted_name_is_a_structured_string(name: str) -> None:
    """Whatever a name holds, the field stays well-formed, and ASCII names are read back as they were."""
    text = quoted(name)
    assert re.fullmatch(r'"(?:[ !#-\[\]-~]|\\["\\])*"', text)
    if name.isascii() and name.isprintable():
        assert name == re.sub(r"\\(.)", r"\1", text[1:-1])


@pytest.mark.parametrize(
    ("waits", "expected"), [([], 1), ([0.0], 1), ([0.2], 1), ([1.0], 1), ([1.01], 2), ([3, 40.5, 7], 41)]
)
def test_retry_after_is_the_longest_wait_rounded_up(waits: list[float], expected: int) -> None:
    """Only refused charges count, hidden ones too, and it is never 0."""
    refused = [Decision(Charge("k", Limit(1), hidden=True), False, 0, 99, wait) for wait in waits]
    assert expected == retry_after([Decision(BURST, True, 3, 400), *refused])
