"""Whoever holds the fewest connections takes the next."""

import os

import pytest

from twgw.workers.balance import GONE, Balance, numbers_in, shared_memory


@pytest.fixture
def board():
    """Shared memory for three."""
    descriptor = shared_memory(3)
    yield descriptor
    os.close(descriptor)


def test_who_holds_the_fewest_takes_the_next(board):
    """Who holds as few as they takes it as well; each sees what the others wrote."""
    held = [5, 5, 5]
    workers = [Balance(numbers_in(board, 3), place, lambda place=place: held[place]) for place in range(3)]
    for each in workers:
        each.tell()

    assert [True] * 3 == [each.mine() for each in workers]

    held[0] = 6
    assert [False, True, True] == [each.mine() for each in workers]

    held[:] = [6, 6, 4]
    for each in workers:
        each.tell()
    assert [False, False, True] == [each.mine() for each in workers]


def test_who_is_gone_takes_none(board):
    """Nobody leaves anything to them."""
    numbers = numbers_in(board, 3)
    numbers[1] = numbers[2] = GONE

    assert Balance(numbers, 0, lambda: 20_000).mine()
