"""Tests of twgw.storage.errors."""

from twgw.storage.errors import Conflict, Unavailable


def test_the_harmless_meaning_is_the_default():
    """What says no more did nothing, and stands in the way of a name."""
    assert not Unavailable("down").unknown
    assert not Conflict("exists already").changed
