"""Tests of twgw.storage.log."""

from tests.storage.conftest import NOW
from twgw.registry import Head, Record
from twgw.storage.log import FEW, append, first, head, prune, read_times, since, token_record, token_tag, written


def test_a_new_log_is_empty(read):
    """A new database is in its first epoch, at position 0."""
    assert Head(1, 0) == read(head)
    assert [] == read(since, 0)
    assert 0 == read(first)


def test_records_get_positions_one_after_the_other(write, read):
    """Each record has the next position; the last is returned."""
    assert 1 == write(append, [Record("tier", "tier:gold")])
    assert 3 == write(append, [Record("api", "api:pets:1.0"), Record("block", "block", "x")])

    assert Head(1, 3) == read(head)
    assert [
        Record("tier", "tier:gold", "", 1, 1, NOW),
        Record("api", "api:pets:1.0", "", 1, 2, NOW),
        Record("block", "block", "x", 1, 3, NOW),
    ] == read(since, 0)


def test_nothing_appended_moves_nothing(write, read):
    """An empty list of records costs no position."""
    assert 0 == write(append, [])
    assert Head(1, 0) == read(head)


def test_a_part_of_the_log_can_be_read(write, read):
    """Reading begins after a position and ends after so many."""
    write(append, [Record("tier", f"tier:{number}") for number in range(10)])

    assert [4, 5] == [record.pos for record in read(since, 3, 2)]


def test_what_is_undone_leaves_no_gap(database, write, read):
    """A transaction that fails takes its positions back."""

    def fail(connection):
        append(connection, [Record("tier", "tier:gold")], NOW)
        raise KeyError

    try:
        database.call(fail, write=True)
    except KeyError:
        write(append, [Record("tier", "tier:silver")])

    assert [(1, "tier:silver")] == [(record.pos, record.tag) for record in read(since, 0)]


def test_what_one_call_has_written_is_found_again(database, write, read):
    """Its records end at its position and have its time; there may be none."""
    write(append, [Record("tier", "tier:a")])
    database.call(append, [Record("api", f"api:{name}") for name in "bc"], NOW + 1, write=True)

    assert ["api:b", "api:c"] == [record.tag for record in read(written, 3, NOW + 1)]
    assert ["api:b"] == [record.tag for record in read(written, 2, NOW + 1)]
    assert ["tier:a"] == [record.tag for record in read(written, 1, NOW)]
    assert [] == read(written, 3, NOW) == read(written, 0, NOW)

    many = [Record("token", f"tok:{number}") for number in range(2 * FEW + 1)]
    database.call(append, many, NOW + 2, write=True)

    assert [each.tag for each in many] == [record.tag for record in read(written, 3 + len(many), NOW + 2)]
    assert 2 * FEW == len(read(written, 3 + len(many), NOW + 2, FEW + 1))


def test_when_records_were_written_can_be_asked(database, read):
    """Of those that are there."""
    for at in (NOW, NOW + 0.1):
        database.call(append, [Record("token", "tok:1")], at, write=True)

    assert {1: NOW, 2: NOW + 0.1} == read(read_times, 1, [2, 3, 1])


def test_old_records_are_deleted_but_not_the_last_ones(write, read, database):
    """What is both old and far behind goes; the rest stays, and it is known where it begins."""
    write(append, [Record("tier", f"tier:{number}") for number in range(10)])

    assert 0 == database.call(prune, NOW + 1, seconds=5, rows=4, write=True)
    assert 6 == database.call(prune, NOW + 10, seconds=5, rows=4, write=True)
    assert 7 == read(first)


def test_the_tag_of_a_token_is_the_beginning_of_its_digest():
    """32 hex digits are enough to name it, whatever the version of the pepper."""
    assert f"tok:{'ab' * 16}" == token_tag(f"v12:{'ab' * 32}")
    assert Record("token", f"tok:{'ab' * 16}") == token_record(f"v1:{'ab' * 32}")
