"""Numbers that are reserved: each belongs to one node, and no more are granted than the limit has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.model import Algorithm, Limit, Unit
from twgw.throttle.reservation import (
    MONTH,
    NONCE,
    NUMBERS,
    Add,
    block,
    close,
    counted,
    granted,
    lifetime_of,
    name_of,
    place_of,
    reserve,
)  # fmt: skip


@given(st.integers(1, 50), st.lists(st.integers(1, 9), max_size=40), st.data())
def test_the_limit_is_granted_and_no_more(limit, blocks, data):
    """Whatever is asked for, in whatever order answers come, and whichever answers are lost."""
    count, answers = 0, []
    for asked in blocks:
        count += asked
        answers.append((count, asked))

    assert min(limit, count) == sum(granted(limit, *answer) for answer in answers)
    heard = data.draw(st.lists(st.sampled_from(answers), unique=True)) if answers else []
    assert sum(granted(limit, *answer) for answer in heard) <= limit


@given(st.integers(1, (1 << 20) - 1), st.integers(0, 4095), st.integers(0, NUMBERS - 1))
def test_a_value_is_what_was_put_into_it(nonce, closed, reached):
    """Who made it, how often it was closed, how far it counts."""
    assert (nonce, closed, reached) == counted(nonce * NONCE + closed * NUMBERS + reached)


def test_commands_make_a_counter_that_is_not_there():
    """With the nonce of who makes it; what is added to one that is there has none."""
    made, shut = reserve("k", 7, 5, 60), close("k", 7, 60)

    assert Add("k", 7 * NONCE + 5, 5, 60) == made
    assert (7, 0, 5) == counted(made.initial)
    assert (7, 1, 0) == counted(shut.initial)
    assert (7, 2, 5) == counted(made.initial + 2 * shut.delta)


@given(
    st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 1e9)
)
def test_no_node_takes_more_than_its_share_of_half_of_what_is_left(left, nodes, last, waiting, rate):
    """But always one: somebody has to find out that there is none."""
    asked = block(left, nodes, last, waiting, rate)

    assert 1 <= asked <= max(left / (2 * nodes), 1)


def test_blocks_follow_the_rate():
    """1, 2, 4, …, up to what is spent in a tenth of a second; at once less when it is slower."""
    sizes = [1]
    for _ in range(9):
        sizes.append(block(10**6, 4, sizes[-1], 1, 1000.0))

    assert [1, 2, 4, 8, 16, 32, 64, 100, 100, 100] == sizes
    assert 1 == block(10**6, 4, 100, 1, 3.0)
    assert 40 == block(10**6, 4, 1, 40, 3.0)  # those who wait are there already
    assert 1 == block(1, 4, 64, 40, 1000.0)


def test_a_lifetime_of_more_than_a_month_is_a_time():
    """Memcached takes a larger number for a UNIX time, long past."""
    assert 121 == lifetime_of(120.2, 1.7e9)
    assert MONTH == lifetime_of(MONTH, 1.7e9)
    assert 1.7e9 + 2 * MONTH == lifetime_of(2 * MONTH, 1.7e9)


def test_names_of_counters_hold_nothing_of_the_client():
    """Whatever stands in a key: letters that memcached takes, always as many; equal limits share, others do not."""
    name = name_of("twgw", Limit(5, 60), "client \r\nflush_all\0 ü")

    assert 17 == len(name)
    assert name.replace("+", "").replace("/", "").isalnum()
    assert name == name_of("twgw", Limit(5, 60), "client \r\nflush_all\0 ü")
    others = [
        name_of("other", Limit(5, 60), "a"), name_of("twgw", Limit(6, 60), "a"), name_of("twgw", Limit(5, 61), "a"),
        name_of("twgw", Limit(5, 60), "b"), name_of("twgw", Limit(5, 60, Algorithm.SLIDING_WINDOW), "a"),
        name_of("twgw", Limit(5, 60, Algorithm.TOKEN_BUCKET, 2), "a"),
        name_of("twgw", Limit(5, 60, unit=Unit.BYTES), "a"),
    ]  # fmt: skip
    assert 7 == len(set(others))


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_only_the_counters_of_a_server_move_when_it_is_taken_away(gone):
    """The others stay where they are, and those that move are shared out."""
    servers = ["a:11211", "b:11211", "c:11211"]
    names = [f"n{number}" for number in range(3000)]
    before = {name: servers[place_of(name, servers)] for name in names}
    rest = [server for server in servers if server != servers[gone]]
    after = {name: rest[place_of(name, rest)] for name in names}

    assert {name: server for name, server in before.items() if server != servers[gone]}.items() <= after.items()
    assert all(900 < list(before.values()).count(server) < 1100 for server in servers)
    assert all(1350 < list(after.values()).count(server) < 1650 for server in rest)
