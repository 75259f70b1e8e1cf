"""Tests of twgw.storage.upgrade, and of every step in twgw/storage/migrations/, whoever adds one."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Boolean, Float, Integer, MetaData, event, func, insert, select, text

from tests.storage.conftest import NOW
from twgw.registry import Record
from twgw.storage import audit, log, migrations
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.schema import metadata
from twgw.storage.upgrade import released, schema_status, upgrade

FIXED = {"cluster_head", "audit_head", "alembic_version"}
"""Tables whose one row the steps themselves make."""
LOOKING = ("SELECT", "SHOW", "DESCRIBE", "PRAGMA", "BEGIN")
"""How statements begin that change nothing."""


class BrokenOff(Exception):
    """An upgrade goes no further."""


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def empty(request, memory, servers):
    """Open a database of each kind, without tables; the same one each time, with connections of its own."""
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        if request.param == "sqlite":
            url = f"sqlite:///{folder}/twgw.db"
        else:
            servers(request.param)
            url = servers.running[request.param].make(f"upgrade_{Path(folder).name[-8:].lower()}")
        opened = []

        def empty():
            opened.append(Database(url))
            return opened[-1]

        yield empty
        for each in opened:
            each.close()


def is_as_wanted(database):
    """The tables are those of schema.py, with their first rows."""
    assert schema_status(database).is_current
    assert [] == database.call(different)
    assert 0 == database.call(log.head).pos
    assert 1 == database.call(log.append, [Record("x", "x")], NOW, write=True)
    assert 1 == database.call(audit.append, actor="a", action="a", subject="a", now=NOW, write=True)


def different(connection):
    """What the tables of a database have that schema.py has not, and the other way round."""
    options = {"compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def tables(connection):
    """The tables as they are there, what is referred to first."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in FIXED]


def fill(connection):
    """A row in every table, whatever its columns are; what refers to another table finds its row.  Their names."""
    for table in tables(connection):
        connection.execute(insert(table).values({column.name: a_value(column.type) for column in table.columns}))
    return {table.name for table in tables(connection)}


def filled(connection):
    """The names of all tables, and of those that have just one row."""
    found = tables(connection)
    counts = {each.name: connection.execute(select(func.count()).select_from(each)).scalar_one() for each in found}
    return counts.keys(), {name for name, count in counts.items() if count == 1}


def a_value(kind):
    """One value for each type.  A document has to be one: a step may read it."""
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, Integer | Float):
        return 1
    return "a" if kind.length else "{}"


# --- the steps ---


def test_the_steps_are_one_line():
    """Each file in versions/ is one step, numbered as its name is, and follows the one before it."""
    files = sorted(path.stem for path in Path(migrations.__file__).with_name("versions").glob("v*.py"))

    assert [f"{number:04}" for number in range(1, len(files) + 1)] == released()
    assert released() == [name[1:].partition("_")[0] for name in files]


def test_migrations_lead_to_the_tables_of_this_version(database):
    """A database that went through all steps has what schema.py says, no more and no less."""
    assert [] == database.call(different)


@pytest.mark.parametrize("schema", released())
def test_every_released_schema_goes_forward(empty, schema):
    """Whatever schema a database was made with, it comes to this version's, with all that was in it."""
    database = empty()
    upgrade(database, schema)
    assert schema == schema_status(database).current
    before = database.call(fill, write=True)

    assert schema == upgrade(database).current

    assert schema_status(database).is_current
    assert [] == database.call(different)
    there, kept = database.call(filled)
    assert before & there == before & kept


@pytest.mark.parametrize("schema", ["", *released()[:-1]])
def test_an_upgrade_that_is_broken_off_is_done_by_the_next(empty, schema):
    """Wherever it was broken off, it is brought to its end by running it again, and nothing that was there is lost."""
    database = empty()
    before = set()
    if schema:
        upgrade(database, schema)
        before = database.call(fill, write=True)
    stride = 1 if database.writing.dialect.name == "mysql" else 9  # the others keep nothing of what is broken off
    seen = set()
    while is_broken_off(empty(), seen, stride):
        assert not schema_status(database).is_current

    assert len(seen) > 1
    assert schema_status(database).is_current
    assert [] == database.call(different)
    there, kept = database.call(filled)
    assert before & there == before & kept
    if not schema:
        is_as_wanted(database)


def is_broken_off(database, seen, stride):
    """Upgrade as far as the so-manieth statement that no run before came to; whether there is one."""
    fresh = []

    def count(_connection, _cursor, statement, parameters, *_):
        step = (statement, str(parameters))
        if not statement.strip().upper().startswith(LOOKING) and step not in seen:
            seen.add(step)
            fresh.append(step)
            if len(fresh) == stride:
                raise BrokenOff

    event.listen(database.writing, "before_cursor_execute", count)
    try:
        upgrade(database)
    except BrokenOff:
        return True
    else:
        return False
    finally:
        database.close()


def test_nodes_that_upgrade_at_once_wait_for_each_other(empty):
    """One of them does it, the others find it done."""
    databases = [empty() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(upgrade, databases))

    assert 1 == sum(each.current is None for each in found)
    assert 3 == sum(each.is_current for each in found)
    is_as_wanted(databases[0])


# --- the whole ---


def test_a_second_upgrade_does_nothing(database):
    """Every start may ask for it."""
    assert upgrade(database).is_current
    assert schema_status(database).is_current


def test_a_later_schema_is_left_alone(database):
    """An old version does not touch what a new one made, and says what to do."""
    later = text("UPDATE alembic_version SET version_num='9999'")
    database.call(lambda connection: connection.execute(later), write=True)

    with pytest.raises(Unavailable, match="has schema 9999, which is later than this version of twgw"):
        upgrade(database)

    assert "9999" == schema_status(database).current
