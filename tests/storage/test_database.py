"""Tests of twgw.storage.database."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import event, text
from twisted.internet.defer import Deferred

from tests.storage.conftest import NOW
from tests.storage.test_together import WAIT, Seen
from twgw.registry import Head, Record
from twgw.storage.database import Database
from twgw.storage.errors import Conflict, Unavailable
from twgw.storage.log import append, head
from twgw.storage.remembered import Remembered
from twgw.storage.schema import setting


def insert(connection, name="a"):
    connection.execute(setting.insert().values(name=name, document="{}", updated_at=NOW, stamp=1))


def count(connection):
    return len(connection.execute(setting.select()).all())


def test_a_transaction_is_whole(database):
    """What a function raises undoes everything it did, and is passed on."""

    def fail(connection):
        insert(connection)
        raise KeyError("x")

    with pytest.raises(KeyError):
        database.call(fail, write=True)
    assert 0 == database.call(count)

    database.call(insert, write=True)
    assert 1 == database.call(count)


def test_what_was_committed_is_not_undone_after_it(database, monkeypatch):
    """A rollback more would be another message to the server, and a traceback in the log where it is gone by then."""
    assert (0, 0) == (database.call(count), database.call(count, write=True)), "there are connections"
    undone = []
    for engine in (database.reading, database.writing):
        monkeypatch.setattr(engine.dialect, "do_rollback", undone.append)
    database.call(insert, write=True)
    assert 1 == database.call(count)

    assert [] == undone


def test_reading_writes_nothing(database):
    """A transaction that was not begun for writing is refused to."""
    with pytest.raises(Unavailable, match="nothing was done"):
        database.call(insert)

    assert 0 == database.call(count)


def test_a_read_of_single_statements_may_see_what_came_between(database):
    """Without a snapshot, on the servers; it can write nothing either."""

    def twice(connection, name):
        before = count(connection)
        database.call(insert, name, write=True)
        return before, count(connection)

    assert (0, 0) == database.call(twice, "a")
    assert database.call(twice, "b", snapshot=False) in {(1, 1), (1, 2)}
    assert 2 == database.call(count, snapshot=False)
    with pytest.raises(Unavailable, match="nothing was done"):
        database.call(insert, "c", snapshot=False)


def test_the_same_again_is_a_conflict(database):
    """What the tables forbid is a Conflict, and undone."""
    database.call(insert, write=True)

    with pytest.raises(Conflict, match="something else is in the way"):
        database.call(insert, write=True)


def test_run_without_a_reactor_is_done_at_once(database):
    """A test need not wait for a thread."""
    done = database.run(append, [Record("tier", "tier:a")], NOW, write=True)

    assert isinstance(done, Deferred)
    assert 1 == done.result
    assert Head(1, 1) == database.run(head).result


def test_missing_tables_are_named_with_the_way_out(tmp_path):
    """A database that was never upgraded says which command does it."""
    database = Database(f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(Unavailable, match="run: twgw db upgrade"):
        database.call(head)

    database.close()


def test_the_file_is_for_its_owner(tmp_path):
    """The file and its log hold secrets: nobody else reads them."""
    database = Database(f"sqlite:///{tmp_path}/private.db")

    database.call(lambda connection: connection.execute(text("CREATE TABLE t (a INTEGER)")), write=True)

    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    database.close()
    assert found == dict.fromkeys(("private.db", "private.db-wal", "private.db-shm"), 0o600)


def test_writers_of_sqlite_who_wait_are_written_together(sqlite):
    """One commit, so one wait for the disk; who is refused is refused alone."""
    queue = sqlite._together._waiting = Seen()
    begun, go, commits = Event(), Event(), []
    event.listen(sqlite.writing, "commit", lambda _: commits.append(1))

    def hold(connection):
        begun.set()
        assert go.wait(WAIT)
        insert(connection, "first")

    with ThreadPoolExecutor() as threads:
        futures = [threads.submit(sqlite.call, hold, write=True)]
        assert begun.wait(WAIT)
        futures += [threads.submit(sqlite.call, insert, name, write=True) for name in "abcd"]
        for _ in futures:
            assert queue.joined.acquire(timeout=WAIT)
        go.set()
        assert [None] * 5 == [each.exception(WAIT) for each in futures]
    assert (5, 2) == (sqlite.call(count), len(commits))

    with pytest.raises(Conflict):
        sqlite.call(insert, "a", write=True)


def test_what_was_appended_is_noted_once_it_is_committed(database):
    """By the position of its last record; what was undone is not."""
    database.remembered = Remembered()

    def fail(connection):
        append(connection, [Record("token", "tok:1")], NOW)
        raise KeyError("x")

    with pytest.raises(KeyError):
        database.call(fail, write=True)
    database.call(insert, write=True)
    assert {} == database.remembered.times

    database.call(append, [Record("token", "tok:1"), Record("token", "tok:2")], NOW + 0.25, write=True)
    database.call(count)
    assert {Head(1, 2): NOW + 0.25} == database.remembered.times
