"""Tests of twgw.storage.moving: out of SQLite, into PostgreSQL and MariaDB."""

from pathlib import Path

import pytest
from sqlalchemy import event, insert, select, update

from tests.databases import clear
from tests.storage.conftest import NOW, a_credential, an_api
from tests.storage.test_upgrade import BrokenOff, a_value
from twgw.storage import audit, log, moving
from twgw.storage.apis import create_api, publish
from twgw.storage.applications import create_application
from twgw.storage.credentials import add_credential, find_by_digest, revoke_credential
from twgw.storage.errors import Conflict
from twgw.storage.moving import HEADS, OF_PROCESSES, count_rows, in_use, move, set_aside
from twgw.storage.schema import application, metadata, tier
from twgw.storage.schema import audit as entries


@pytest.fixture(params=["postgresql", "mariadb"])
def target(request):
    """A database for several nodes, with the tables of this version and nothing in them."""
    database = request.getfixturevalue("servers")(request.param)
    yield database
    database.call(clear, write=True)


@pytest.fixture
def source(sqlite):
    """A node's SQLite database with something in every table."""

    def fill(connection):
        for table in metadata.sorted_tables:
            if table not in (*HEADS, entries, log.cluster_log):
                connection.execute(insert(table).values({each.name: a_value(each.type) for each in table.columns}))
        for number in range(5):
            create_application(connection, f"shop {number} ä€𝄞", owner="ann", now=NOW + number / 7)
        create_api(connection, an_api(), owner="ann", now=NOW)
        publish(connection, "pets:1.0", 1, now=NOW)
        for name, mark in (("AbCdEfGh", "a"), ("BcDeFgHi", "b")):
            add_credential(connection, a_credential("shop 0 ä€𝄞", name, mark), now=NOW)
        revoke_credential(connection, "api-key", "BcDeFgHi", now=NOW)
        for number in range(3):
            audit.append(connection, actor="ann", action="x", subject=f"tier {number}", after={"ä": 1}, now=NOW + 0.1)

    sqlite.call(fill, write=True)
    return sqlite


def everything(database):
    """All rows of all tables that are moved."""

    def read(connection):
        tables = [table for table in metadata.sorted_tables if table not in OF_PROCESSES]
        return {table.name: sorted(map(repr, connection.execute(select(table)).all())) for table in tables}

    return database.call(read)


def is_empty(database):
    return {} == database.call(count_rows)


def test_tables_that_were_just_made_are_empty(database):
    """Whoever adds a row in a step of the migrations says so in HEADS."""
    assert is_empty(database)


def test_all_there_is_goes_along(source, target, monkeypatch):
    """Row for row, in pieces, with positions, digests and the chain of the audit; but no session of a process."""
    monkeypatch.setattr(moving, "PIECE", 2)
    before = everything(source)
    done = move(source, target)

    assert before == everything(target)
    assert {name: len(rows) for name, rows in before.items()} == done.rows
    assert (3, False) == (done.entries, done.again)
    assert all(done.rows.values()), "this test is of every table"
    assert "km_session" not in target.call(count_rows)
    assert source.call(log.head) == target.call(log.head)
    assert "" == target.call(audit.verify).fault
    found = [target.call(find_by_digest, "api-key", f"v1:{mark * 64}").valid for mark in "ab"]
    assert [True, False] == found


def test_the_new_database_goes_on_from_there(source, target):
    """The log and the audit take up where they were."""
    position = source.call(log.head).pos
    move(source, target)

    assert position + 1 == target.call(log.append, [log.BLOCKS], NOW, write=True)
    assert 4 == target.call(audit.append, actor="a", action="a", subject="a", now=NOW, write=True)
    assert "" == target.call(audit.verify).fault


def test_what_was_moved_is_not_moved_again(source, target):
    """A second time finds it there; one that was changed since is not the same."""
    move(source, target)
    again = move(source, target)
    target.call(create_application, "late", owner="bob", now=NOW, write=True)

    assert again.again
    assert everything(source)["credential"] == everything(target)["credential"]
    with pytest.raises(Conflict, match=r"is not empty \(rows: .*application 7,.*\); name one that is, nothing was"):
        move(source, target)


def test_a_database_that_somebody_uses_is_refused(source, target):
    """What is in it is named, and stays."""
    target.call(create_application, "mine", owner="bob", now=NOW, write=True)
    before = everything(target)

    with pytest.raises(Conflict, match=r"is not empty \(rows: application 1\)"):
        move(source, target)

    assert before == everything(target)


def test_a_row_that_does_not_fit_leaves_nothing_behind(source, target):
    """SQLite has no lengths; the table is named."""
    long = insert(tier).values(name="x" * 101, document="{}", tag="", created_at=0, updated_at=0, stamp=1)
    source.call(lambda connection: connection.execute(long), write=True)

    with pytest.raises(Conflict, match=r"tier: a row is not taken there \(.*\); nothing was moved"):
        move(source, target)

    assert is_empty(target)


@pytest.mark.parametrize("number", [1, 5, 12, 19])
def test_what_is_broken_off_is_not_there_at_all(source, target, number):
    """Wherever that was; the next time does it."""
    seen = []

    def count(_connection, _cursor, statement, *_):
        if statement.startswith(("INSERT", "DELETE")):
            seen.append(statement)
            if len(seen) == number:
                raise BrokenOff

    event.listen(target.writing, "before_cursor_execute", count)
    with pytest.raises(BrokenOff):
        move(source, target)
    event.remove(target.writing, "before_cursor_execute", count)

    assert is_empty(target)
    assert not move(source, target).again
    assert everything(source) == everything(target)


def test_what_arrives_is_looked_at(source, target, monkeypatch):
    """One letter that is another is one too many."""
    copy = moving._copy

    def careless(table, old, new):
        copy(table, old, new)
        if table is application:
            new.execute(update(table).where(table.c.owner == "ann").values(owner="bob"))

    monkeypatch.setattr(moving, "_copy", careless)
    with pytest.raises(Conflict, match="application did not arrive as it was; nothing was moved"):
        move(source, target)

    assert is_empty(target)


def test_an_audit_that_was_tampered_with_is_not_moved(source, target):
    """Nobody would know later where it happened."""
    source.call(lambda it: it.execute(update(entries).where(entries.c.seq == 2).values(actor="eve")), write=True)

    with pytest.raises(Conflict, match="the audit is not whole: entry 2 is not what was written; nothing was moved"):
        move(source, target)

    assert is_empty(target)


def test_it_is_known_whether_somebody_has_a_file_open(sqlite):
    """Also when nobody writes."""
    path = Path(sqlite.name.removeprefix("sqlite:///"))
    sqlite.call(log.head)

    assert in_use(path, 0)
    sqlite.close()
    assert not in_use(path, 0)


def test_a_file_that_was_moved_is_set_aside(tmp_path):
    """With what SQLite puts beside it, and for its owner alone as before."""
    for name in ("twgw.db", "twgw.db-wal"):
        (tmp_path / name).write_text(name)

    assert tmp_path / "twgw.db.moved" == set_aside(tmp_path / "twgw.db")
    assert ["twgw.db.moved", "twgw.db.moved-wal"] == sorted(path.name for path in tmp_path.iterdir())
