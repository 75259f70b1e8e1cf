"""Passwords of people."""

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from twgw import passwords
from twgw.memory_world import FakeClock, run_now
from twgw.passwords import LONGEST, REMEMBERED, Passwords, fault_of, hashed, is_hashed, matches

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
STORED = CHEAP.hash("right")


def done(coroutine):
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return end.value.value


def test_a_password_is_stored_by_argon2id():
    """Each time with another salt."""
    one, other = hashed("prôtégé"), hashed("prôtégé")

    assert one.startswith("$argon2id$")
    assert one != other
    assert matches(one, "prôtégé")
    assert not matches(one, "protege")


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$", "v1:" + "ab" * 32, "$2b$12$x"])
def test_what_is_no_stored_password_matches_nothing(stored):
    """Not even an empty one."""
    assert not matches(stored, "")
    assert not matches(stored, "right")
    assert not is_hashed(stored)


def test_a_stored_password_may_cost_only_so_much():
    """Of argon2id alone."""
    assert is_hashed(STORED)
    assert is_hashed(hashed("a"))
    assert not is_hashed(PasswordHasher(1, 8, 1, type=Type.I).hash("a"))
    assert not is_hashed(STORED.replace("m=8", "m=4194304"))
    assert not is_hashed(STORED.replace("t=1", "t=1000"))


def test_nobody_has_a_password_that_is_compared_all_the_same(monkeypatch):
    """The same function runs with the same cost, and never says yes."""
    compared = []

    class Watching:
        def verify(self, stored, password):
            compared.append(stored)
            return True

        def hash(self, password):
            return hashed(password)

    stored = hashed("a")
    monkeypatch.setattr(passwords, "_hasher", Watching())
    assert matches(stored, "a")
    monkeypatch.setattr(passwords, "_NOBODY", [STORED])
    assert not matches("", "a")

    assert [stored, STORED] == compared


class Counting:
    """Comparisons, counted."""

    def __init__(self):
        self.clock = FakeClock()
        self.times = 0
        self.passwords = Passwords(self.clock, run_now, self.compare)

    def compare(self, stored, password):
        self.times += 1
        return matches(stored, password)

    def verify(self, stored, password, keep=0.0):
        return done(self.passwords.verify(stored, password, keep))


def test_a_right_password_may_be_known_again():
    """For as long as is wanted, and not longer; a wrong one never is."""
    world = Counting()
    assert [True] * 3 == [world.verify(STORED, "right", 10) for _ in range(3)]
    assert 1 == world.times
    assert [False] * 2 == [world.verify(STORED, "wrong", 10) for _ in range(2)]
    assert 3 == world.times

    world.clock.advance(10)
    assert world.verify(STORED, "right", 10)
    assert 4 == world.times


def test_unless_it_is_wanted_each_one_is_compared():
    """Also one that somebody else lets be known again."""
    world = Counting()
    world.verify(STORED, "right", 10)
    world.verify(STORED, "right")

    assert 2 == world.times


def test_another_stored_password_is_compared_anew():
    """Who changes a password changes what is known."""
    world = Counting()
    assert world.verify(STORED, "right", 60)

    assert not world.verify(CHEAP.hash("other"), "right", 60)
    assert not world.verify("", "right", 60)


def test_what_is_known_is_bounded_and_holds_no_password():
    """Hashes under a key of the process; the oldest goes first."""
    world = Counting()
    world.passwords.compare = lambda _stored, _password: True
    for number in range(REMEMBERED + 1):
        world.verify(STORED, f"canary-{number}", 60)

    assert REMEMBERED == len(world.passwords._known)
    assert "canary" not in repr(world.passwords) + str(world.passwords._known)
    assert world.passwords._key.hex() not in repr(world.passwords)


def test_a_very_long_password_is_wrong():
    """Without being compared."""
    world = Counting()

    assert not world.verify(STORED, "x" * (LONGEST + 1))
    assert 0 == world.times


def test_a_guess_is_dear():
    """In memory and in passes over it (RFC 9106, 4)."""
    found = extract_parameters(hashed("a"))

    assert (Type.ID, 64 * 1024, 3) == (found.type, found.memory_cost, found.time_cost)


@pytest.mark.parametrize(("password", "words"), [
    ("short", "must be 8 to 256 characters"), ("x" * 257, "must be 8 to 256 characters"),
    ("Margaret", "must be harder to guess"), ("aaaaaaaaaa", "must be harder to guess"), ("correct horse", ""),
])  # fmt: skip
def test_what_is_no_good_password(password, words):
    """Length counts; the name of the account and one letter over and over do not."""
    assert words == fault_of(password, "margaret")
