"""Tests of twgw.storage.writing; what it writes is looked at in test_declared.py."""

import pytest

from tests.storage.conftest import NOW
from twgw.difference import Difference
from twgw.model import Tier
from twgw.storage.errors import Conflict
from twgw.storage.tiers import list_tiers
from twgw.storage.writing import Writer, write


def test_many_steps_are_told_piece_by_piece(database):
    """Of a thousand steps, progress is told a few times, and all are done."""
    steps = [Difference("added", "tier", f"t{number}", after=Tier(f"t{number}")) for number in range(1200)]
    told = []

    database.call(
        lambda connection: write(
            Writer(connection, "ann", NOW, "", tuple), steps, lambda done, whole: told.append((done, whole))
        ),
        write=True,
    )

    assert [(500, 1200), (1000, 1200), (1200, 1200)] == told
    assert 1200 == len(database.call(list_tiers, limit=2000))


def test_what_went_meanwhile_is_not_changed(database):
    """A step whose noun somebody has just removed undoes the whole."""
    steps = [
        Difference("added", "tier", "new", after=Tier("new")),
        Difference("changed", "tier", "old", before=Tier("old"), after=Tier("old", approval=True)),
    ]

    with pytest.raises(Conflict, match="a tier was removed by somebody else; look at the difference again"):
        database.call(lambda connection: write(Writer(connection, "ann", NOW, "", tuple), steps), write=True)

    assert [] == database.call(list_tiers)
