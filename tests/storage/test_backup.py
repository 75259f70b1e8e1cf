"""Tests of twgw.storage.backup."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.storage.conftest import NOW
from twgw.registry import Head
from twgw.storage import log
from twgw.storage.backup import backup
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.log import append, head, since
from twgw.storage.upgrade import schema_status


def test_a_copy_is_made_while_others_write(sqlite, tmp_path):
    """The copy is of one moment, one file, for its owner alone; it has everything acknowledged before it began."""
    began, stop = Event(), Event()

    def write():
        while not stop.is_set():
            sqlite.call(append, [log.BLOCKS], NOW, write=True)
            began.set()

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        began.wait()
        before = sqlite.call(head).pos
        backup(sqlite, tmp_path / "copy.db")
        stop.set()
        writing.result()

    assert ["copy.db"] == [path.name for path in tmp_path.iterdir()]
    assert 0o600 == (tmp_path / "copy.db").stat().st_mode & 0o777
    copy = Database(f"sqlite:///{tmp_path}/copy.db")
    found = copy.call(head)
    records = copy.call(since, 0, 1_000_000)
    copy.close()
    assert before <= found.pos <= sqlite.call(head).pos
    assert list(range(1, found.pos + 1)) == [record.pos for record in records]


def test_a_copy_is_a_database(sqlite, tmp_path):
    """It is taken into use by its name."""
    sqlite.call(append, [log.BLOCKS], NOW, write=True)

    backup(sqlite, tmp_path / "copy.db")

    copy = Database(f"sqlite:///{tmp_path}/copy.db")
    assert schema_status(copy).is_current
    assert Head(1, 1) == copy.call(head)
    assert 2 == copy.call(append, [log.BLOCKS], NOW, write=True)
    copy.close()


def test_nothing_is_written_over(sqlite, tmp_path):
    """An existing file stays as it is."""
    path = tmp_path / "mine"
    path.write_text("mine")

    with pytest.raises(FileExistsError):
        backup(sqlite, path)

    assert "mine" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "program"), [("postgresql", "pg_dump"), ("mariadb", "mariadb-dump")])
def test_other_databases_have_programs_of_their_own(tmp_path, kind, program):
    """Which one, is said."""
    database = Database(f"{kind}://gw@db/twgw")

    with pytest.raises(Unavailable, match=f"use {program}"):
        backup(database, tmp_path / "copy")
