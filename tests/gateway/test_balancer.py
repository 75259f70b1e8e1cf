"""Choices among servers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.gateway.balancer import Balancer

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=6)


def always(server: int) -> bool:
    """Every server is usable."""
    return True


def test_the_choices_are_spread_as_nginx_does() -> None:
    """The heavy server does not get all its share at once."""
    balancer = Balancer([5, 1, 1])
    assert [0, 0, 1, 0, 2, 0, 0] * 2 == [balancer.choose(always) for _ in range(14)]


def test_equal_servers_take_turns() -> None:
    """With equal weights it is plain round robin."""
    balancer = Balancer([1, 1, 1])
    assert [0, 1, 2, 0, 1, 2] == [balancer.choose(always) for _ in range(6)]


@given(WEIGHTS, st.integers(1, 3))
def test_each_server_gets_exactly_its_weight_in_a_round(weights: list[int], rounds: int) -> None:
    """Over as many choices as the weights add up to, again and again."""
    balancer = Balancer(weights)
    for _ in range(rounds):
        chosen = Counter(balancer.choose(always) for _ in range(sum(weights)))
        assert dict(enumerate(weights)) == chosen


@given(WEIGHTS)
def test_no_server_is_ever_more_than_one_choice_ahead_of_its_share(weights: list[int]) -> None:
    """At every moment of a round, not only at its end."""
    balancer = Balancer(weights)
    chosen: Counter[int | None] = Counter()
    for n in range(1, 2 * sum(weights) + 1):
        chosen[balancer.choose(always)] += 1
        assert all(chosen[server] - n * weight / sum(weights) < 1 for server, weight in enumerate(weights))


@given(WEIGHTS, st.lists(st.sets(st.integers(0, 5)), max_size=40))
def test_only_usable_servers_are_chosen(weights: list[int], usable_sets: list[set[int]]) -> None:
    """One of them whenever there is one, else none."""
    balancer = Balancer(weights)
    for usable in usable_sets:
        there = usable.intersection(range(len(weights)))
        chosen = balancer.choose(usable.__contains__)
        assert chosen in there if there else chosen is None


@given(WEIGHTS, st.integers(0, 30))
def test_a_server_that_comes_back_gets_no_more_than_its_share(weights: list[int], away: int) -> None:
    """What it missed is not made up for."""
    balancer = Balancer(weights)
    for _ in range(away):
        balancer.choose(lambda server: server != 0)
    chosen = [balancer.choose(always) for _ in range(2 * sum(weights))]
    assert abs(chosen.count(0) - 2 * weights[0]) <= 1


@pytest.mark.parametrize("weights", [[], [0], [1, -1]])
def test_there_must_be_servers_with_a_weight(weights: list[int]) -> None:
    """Nothing to choose from is an error at once, not at the first request."""
    with pytest.raises(ValueError, match="every weight must be > 0"):
        Balancer(weights)
