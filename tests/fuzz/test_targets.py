"""What fuzzing found before, and a moment of it with a seed, as part of the tests; ``make fuzz`` does it for long."""

import random

import pytest

from tests.fuzz.targets import CORPUS, TARGETS

ROUNDS = {
    "request": 2000, "response": 2000, "chunked": 1500, "requests": 500, "answers": 300, "state": 100,
    "configuration": 200, "token": 1000, "keys": 500,
}  # fmt: skip
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
def test_no_promise_is_broken_by_chance(name):
    """By thousands of inputs that are almost right."""
    target = TARGETS[name]
    chance = random.Random(20261123)
    for _ in range(ROUNDS[name]):
        target.check(mutated(chance.choice(target.seeds), chance))


@pytest.mark.parametrize("name", TARGETS)
def test_no_promise_is_broken_by_what_was_found(name):
    """By the seeds, and by what fuzzing kept because it reached something new."""
    target = TARGETS[name]
    found = sorted((CORPUS / name).iterdir())
    for data in (*target.seeds, *(path.read_bytes() for path in found)):
        target.check(data)
    assert found
