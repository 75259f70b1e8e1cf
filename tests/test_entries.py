"""Entries that prove what they say: whatever stands in their place, only what a node put there is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.credentials import Pepper
from twgw.entries import LARGEST, name_of, opened, seal
from twgw.reader import Key, Right

PEPPER, OTHER = Pepper("v1", b"p" * 32), Pepper("v2", b"q" * 32)
KEY = Key(b"mine", "api-key", ("v1:aa",))


def test_what_was_sealed_is_opened_under_its_name():
    """By whoever has the pepper."""
    entry = seal(PEPPER, "k1", b"data")
    assert b"data" == opened(PEPPER, "k1", entry)
    assert opened(OTHER, "k1", entry) is None
    assert opened(PEPPER, "k2", entry) is None


@given(st.binary(max_size=60), st.integers(0, 30), st.integers(1, 255))
def test_nothing_else_is_opened(garbage, place, change):
    """Any bytes, a bit that was turned, an end that is missing."""
    entry = bytearray(seal(PEPPER, "k1", b"some data here"))
    assert opened(PEPPER, "k1", garbage) is None
    assert opened(PEPPER, "k1", bytes(entry[:place])) is None or place == len(entry)
    entry[place % len(entry)] ^= change
    assert opened(PEPPER, "k1", bytes(entry)) is None


def test_what_is_too_large_is_not_kept():
    """A server would not take it, or another one's values would be pushed out."""
    assert seal(PEPPER, "k1", b"x" * LARGEST) is None


@pytest.mark.parametrize(
    "other",
    [KEY._replace(kind="token"), KEY._replace(digests=("v1:ab",)), KEY._replace(digests=("v1:aa", "")),
     Right("api-key", "v1:aa"), Right("key", "api-key")],
)  # fmt: skip
def test_names_differ_and_tell_nothing(other):
    """Another kind, digest, cluster or pepper is another name; how a fact is called in a process is not in it."""
    mine = name_of(PEPPER, "a", KEY)
    assert mine == name_of(PEPPER, "a", KEY._replace(fact=b"other"))
    assert 4 == len({mine, name_of(PEPPER, "a", other), name_of(PEPPER, "b", KEY), name_of(OTHER, "a", KEY)})
    assert 33 == len(mine)
    assert mine.isalnum()
