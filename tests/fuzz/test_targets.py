"""A moment of fuzzing with a seed, as part of the tests; ``make fuzz`` does it for long."""

import random

import pytest

from tests.fuzz.targets import TARGETS

ROUNDS = {"request": 3000, "response": 2000, "chunked": 2000, "gateway": 150, "state": 200, "token": 1000, "keys": 500}
PIECES = (b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b"chunked", b"0", b"%2e", b"/", b"..", b"\xff")


def mutated(seed, chance):
    """A seed with a few changes."""
    data = bytearray(seed)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data[at:at] = chance.choice(PIECES)
            case 1:
                del data[at : at + chance.randrange(1, 9)]
            case 2 if at < len(data):
                data[at] = chance.randrange(256)
            case _:
                data[at:at] = data[max(0, at - chance.randrange(20)) : at]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_no_promise_is_broken(name):
    """By thousands of requests that are almost right."""
    target, seeds = TARGETS[name]
    chance = random.Random(20261123)
    for _ in range(ROUNDS[name]):
        target(mutated(chance.choice(seeds), chance))
