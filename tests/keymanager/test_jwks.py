"""Tests of twgw.keymanager.jwks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw import jwt
from twgw.keymanager.jwks import ANNOUNCED_SECONDS, CACHE_SECONDS, due, next_change, overlap, ring_of
from twgw.registry import SecretKey

NOW = 1_800_000_000.0
KEYS = [jwt.generate("ES256") for _ in range(4)]


def row(version, age, retires=None):
    """A row of a key that was made so many seconds ago, and is retired in so many."""
    return SecretKey(
        "signing", version, KEYS[version].to_text(), NOW - age, None if retires is None else NOW + retires
    )


def signing(*rows):
    ring = ring_of(rows, NOW)
    return KEYS.index(next(key for key in KEYS if key.id == ring.signing.id)), len(ring.published)


def test_the_first_key_signs_at_once():
    """There is nobody yet who could have an older copy."""
    assert (1, 1) == signing(row(1, 0))


def test_a_new_key_is_published_before_it_signs():
    """The one before signs on meanwhile."""
    assert (1, 2) == signing(row(2, 0), row(1, 9999, 5000))
    assert (1, 2) == signing(row(2, ANNOUNCED_SECONDS - 1), row(1, 9999, 5000))
    assert (2, 2) == signing(row(2, ANNOUNCED_SECONDS), row(1, 9999, 5000))


def test_two_rotations_in_a_row_leave_nobody_without():
    """The newest that everybody knows signs."""
    assert (1, 3) == signing(row(3, 5), row(2, 10), row(1, 9999))
    assert (2, 3) == signing(row(3, 5), row(2, 700), row(1, 9999))


def test_keys_are_published_longer_than_they_may_be_kept():
    """Whoever keeps a copy has the new key before it signs."""
    assert CACHE_SECONDS < ANNOUNCED_SECONDS


@given(st.floats(1, 1e6), st.floats(0, 1e5))
def test_a_token_never_outlives_its_key(life, when):
    """Whenever a token is issued, the key that signed it is published until the last who forgives has let go of it."""
    rotated = NOW - when
    rows = [
        SecretKey("signing", 2, KEYS[2].to_text(), rotated, None),
        SecretKey("signing", 1, KEYS[1].to_text(), NOW - 1e7, rotated + overlap(life)),
    ]
    if ring_of(rows, NOW).signing.id == KEYS[1].id:
        assert NOW + life + jwt.MOST_SKEW <= rows[1].retire_at + 1e-3


def test_the_next_change_is_known():
    """When a key begins to sign, or one is retired."""
    assert NOW + 100 == next_change([row(2, ANNOUNCED_SECONDS - 100), row(1, 9999, 5000)], NOW)
    assert NOW + 5000 == next_change([row(2, 9999), row(1, 99999, 5000)], NOW)
    assert next_change([row(1, 9999)], NOW) is None


@pytest.mark.parametrize(
    ("age", "every", "expected"), [(99, 100, False), (100, 100, True), (1e9, 0, False), (0, 1, False)]
)
def test_a_new_key_is_due_in_time(age, every, expected):
    """The age of the newest counts."""
    assert expected == due([row(2, age), row(1, age + 1e6)], NOW, every)
    assert not due([], NOW, every)


def test_keys_are_told_to_nobody():
    """Not by a representation."""
    assert "KEY" not in repr(ring_of([row(1, 0)], NOW)).upper()
