"""Tests of twgw.storage.audit."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, update

from tests.storage.conftest import NOW
from twgw.storage import audit
from twgw.storage.audit import append, list_audit, verify
from twgw.storage.schema import audit as table


@pytest.fixture
def three(write):
    """Three entries."""
    for number, actor in enumerate(("ann", "bob", "ann"), 1):
        assert number == write(
            append, actor=actor, action="tier.create", subject=f"tier {number}", before=None, after={"ä": number}
        )


def test_entries_are_found_again(three, read):
    """The newest first, in pieces, by who did it or to what it was done."""
    found = read(list_audit)

    assert [3, 2, 1] == [entry.seq for entry in found]
    assert ("ann", "tier.create", "tier 3", None, {"ä": 3}, NOW) == (
        found[0].actor, found[0].action, found[0].subject, found[0].before, found[0].after, found[0].at,
    )  # fmt: skip
    assert [2] == [entry.seq for entry in read(list_audit, 3, 1)]
    assert [3, 1] == [entry.seq for entry in read(list_audit, actor="ann")]
    assert [2] == [entry.seq for entry in read(list_audit, subject="tier 2")]


def test_an_untouched_chain_is_good(three, read, monkeypatch):
    """It is followed to its end, in pieces, and an empty one is good too."""
    monkeypatch.setattr(audit, "PIECE", 2)

    found = read(verify)

    assert (3, "", read(list_audit)[0].hash) == (found.entries, found.fault, found.hash)


def test_an_empty_chain_is_good(read):
    """Nothing is what was written."""
    assert (0, "") == (read(verify).entries, read(verify).fault)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (update(table).where(table.c.seq == 2).values(actor="eve"), "entry 2 is not what was written"),
        (update(table).where(table.c.seq == 2).values(after_text="{}"), "entry 2 is not what was written"),
        (update(table).where(table.c.seq == 2).values(at=NOW + 1), "entry 2 is not what was written"),
        (delete(table).where(table.c.seq == 2), "entry 2 is missing"),
        (delete(table).where(table.c.seq == 3), "the last entry should be 3, with the hash "),
    ],
)
def test_what_was_changed_shows(three, read, database, change, fault):
    """An entry that was changed or taken out breaks the chain there."""
    database.call(lambda connection: connection.execute(change), write=True)

    assert read(verify).fault.startswith(fault)


def test_entries_at_once_make_one_chain(database, read):
    """Writers that come at the same moment wait for each other."""

    def write(number):
        database.call(append, actor="ann", action="a", subject=str(number), now=NOW, write=True)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))

    assert (40, "") == (read(verify).entries, read(verify).fault)
