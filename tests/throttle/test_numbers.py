"""Numbers that workers reserve with their parent: as memcached does it."""

from random import Random

import pytest

from twgw.memcached import read, written
from twgw.throttle.numbers import FULL, Numbers
from twgw.throttle.reservation import MONTH, Add, Answer, Put

NOW = 1_800_000_000.0


def test_who_adds_first_makes_the_value_and_all_others_add_to_it():
    """Each is told what it is after that."""
    numbers = Numbers()
    first, second = numbers.do([Add("a", 100, 1, 60), Add("a", 200, 5, 60)], NOW)

    assert (100, 105) == (first.value, second.value)
    assert second.cas > first.cas


def test_a_value_is_put_where_nobody_changed_it():
    """With the number of its last change; without one, whatever is there."""
    numbers = Numbers()
    (made,) = numbers.do([Add("a", 1, 1, 60)], NOW)

    assert [Answer(), "EX", "NF", Answer()] == numbers.do(
        [Put("a", 9, made.cas, 60), Put("a", 10, made.cas, 60), Put("b", 1, 7, 60), Put("b", 3)], NOW
    )
    assert [9, 4] == [it.value for it in numbers.do([Add("a", 5, 0, 60), Add("b", 5, 1, 60)], NOW)]


def test_values_end():
    """After their lifetime, or at a time of day; they take no room any more, also when nobody asks for them."""
    numbers = Numbers()
    numbers.do([Add("a", 1, 1, 10), Add("b", 1, 1, int(NOW) + 20), Add("c", 1, 1, 0), Put("d", 1, 0, 10)], NOW)
    assert MONTH < NOW

    assert [2, 7] == [it.value for it in numbers.do([Add("a", 7, 1, 60), Add("a", 7, 1, 60)][:1], NOW + 9.9)] + [
        it.value for it in numbers.do([Add("a", 7, 1, 60)], NOW + 10)
    ]
    numbers.do([], NOW + 100)

    assert 1 == len(numbers)
    assert [2] == [it.value for it in numbers.do([Add("c", 9, 1, 0)], NOW + 1e9)]


def test_what_was_put_anew_ends_by_its_new_lifetime():
    """Not by that of the value before it."""
    numbers = Numbers()
    numbers.do([Add("a", 1, 1, 10), Put("a", 5, 0, 1000)], NOW)

    assert [6] == [it.value for it in numbers.do([Add("a", 9, 1, 10)], NOW + 500)]


def test_there_is_an_end_to_how_many_there_are():
    """What is there goes on; a new one is refused, as memcached -M does it, until others have ended."""
    numbers = Numbers(most=2)
    numbers.do([Add("a", 1, 1, 10), Add("b", 1, 1, 10)], NOW)

    assert [FULL, FULL, Answer(2, 3), Answer()] == numbers.do(
        [Add("c", 1, 1, 10), Put("d", 1, 0, 10), Add("a", 1, 1, 10), Put("a", 1, 0, 10)], NOW
    )
    assert [1] == [it.value for it in numbers.do([Add("c", 1, 1, 10)], NOW + 11)]


def test_letting_go_takes_a_few_at_a_time():
    """However many end at once."""
    numbers = Numbers()
    numbers.do([Add(f"k{n}", 1, 1, 10) for n in range(100)], NOW)
    numbers.do([], NOW + 11)

    assert 92 == len(numbers)


@pytest.mark.parametrize("seed", range(5))
def test_it_answers_as_memcached_does(memcached, seed):
    """The same values, for any commands in any order."""
    random, numbers, last = Random(seed), Numbers(), {}
    for _ in range(300):
        key = f"{seed}{random.choice('abc')}"
        amount = random.choice([0, 1, 7, 2**32, 2**63])
        if random.random() < 0.5:
            ours = theirs = Add(key, amount, random.choice([0, 1, 2**63]), 600)
        elif last and random.random() < 0.7:
            key = random.choice(list(last))
            ours, theirs = (Put(key, amount, cas, 600) for cas in last[key])
        else:
            ours = theirs = Put(f"{seed}{random.choice('abc')}", amount, 0, 600)
        (said,) = numbers.do([ours], NOW)
        text = memcached.ask(written([theirs]).decode().removesuffix("mn\r\n"))
        (expected,) = read(f"{text}MN\r\n".encode(), [theirs])
        assert getattr(expected, "value", expected) == getattr(said, "value", said)
        if isinstance(ours, Add):
            last[key] = said.cas, expected.cas
