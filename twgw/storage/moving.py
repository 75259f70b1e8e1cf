"""Everything that is in one database, into another that is empty.  Called by ``twgw cluster init --db``.

A node that began on SQLite goes on in PostgreSQL or MariaDB with all that it had: keys that were given out, revisions,
users, the audit, secrets.  It is one transaction on either side, so whole or not at all; and what has arrived is
compared, row by row, before it is kept.  Run again after that, it finds that everything is there, and does nothing.

Each table goes along by itself, a new one too.  What is of a process that runs is not moved.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import Table, delete, func, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError

from twgw.storage import audit
from twgw.storage.database import Database
from twgw.storage.errors import Conflict, Unavailable
from twgw.storage.schema import audit_head, cluster_head, km_session, metadata
from twgw.storage.upgrade import upgrade

PIECE = 500
"""Rows that are read and written at once."""
HEADS = (cluster_head, audit_head)
"""What the tables are made with: a row each, which says that nothing has happened yet."""
OF_PROCESSES = (km_session,)
"""What ends with the process that wrote it."""


@frozen
class Moved:
    """What is in the other database now: rows by table, and entries of the audit, whose chain is whole."""

    rows: Mapping[str, int]
    entries: int
    again: bool
    """Whether it was there before."""


def move(source: Database, target: Database) -> Moved:
    """Copy everything, while nobody else can write to the source.

    Raises Unavailable, and Conflict when there is something else in the target, or a row that it does not take.
    """
    upgrade(source)
    upgrade(target)

    def begin(old: Connection) -> Moved:
        return target.call(_move, old, write=True)

    return source.call(begin, write=True)


def count_rows(connection: Connection) -> dict[str, int]:
    """The tables in which something is, and how many rows; none of them in a database that was just made."""
    found = {each.name: _count(connection, each) for each in metadata.sorted_tables if each not in HEADS}
    for head, column in ((cluster_head, cluster_head.c.pos), (audit_head, audit_head.c.seq)):
        found[head.name] = int(bool(connection.execute(select(column)).scalar_one()))
    return {name: rows for name, rows in found.items() if rows}


def in_use(path: Path, seconds: float = 1) -> bool:
    """Whether a process has this SQLite file open."""
    with closing(sqlite3.connect(path, timeout=seconds, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return True
        connection.execute("ROLLBACK")
    return False


def set_aside(path: Path) -> Path:
    """Give a SQLite file that was moved another name, so that no node begins on it anew.  Raises OSError."""
    target = _aside(path)
    for end in ("", "-wal", "-shm"):
        file = path.with_name(path.name + end)
        if file.exists():
            file.rename(target.with_name(target.name + end))
    return target


def look_aside(path: Path | None) -> None:
    """See that no node begins anew where what it had was moved.  ``path``: of its SQLite file.  Raises Unavailable."""
    if path is not None and not path.exists() and _aside(path).exists():
        way = "name that by --config or TWGW_CONFIG; to begin anew, take this file away"
        text = f"{_aside(path)}: what this node had was moved to another database, which its configuration names"
        raise Unavailable(text, way=way)


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.moved")


def _move(new: Connection, old: Connection) -> Moved:
    new.execute(select(cluster_head).with_for_update()).one()  # one at a time; nobody appends meanwhile
    there = count_rows(new)
    if there and not _same(new, old):
        text = ", ".join(f"{name} {rows}" for name, rows in sorted(there.items()))
        raise Conflict(f"the database is not empty (rows: {text}); name one that is, nothing was moved")
    if not there:
        for table in HEADS:
            new.execute(delete(table))
        for table in _tables():
            _copy(table, old, new)
        for table in _tables():
            if _digest(new, table) != _digest(old, table):
                raise Conflict(f"{table.name} did not arrive as it was; nothing was moved")
    chain = audit.verify(new)
    if chain.fault:
        raise Conflict(f"the audit is not whole: {chain.fault}; nothing was moved: twgw audit verify says more")
    return Moved({each.name: _count(new, each) for each in _tables()}, chain.entries, bool(there))


def _tables() -> Iterator[Table]:
    """All that is moved; what others refer to comes before them."""
    return (each for each in metadata.sorted_tables if each not in OF_PROCESSES)


def _copy(table: Table, old: Connection, new: Connection) -> None:
    for rows in _pieces(old, table):
        try:
            new.execute(insert(table), [dict(row._mapping) for row in rows])  # noqa: SLF001 - a row's public name
        except DataError as error:
            text = str(error.orig).strip().splitlines()[0]
            raise Conflict(f"{table.name}: a row is not taken there ({text}); nothing was moved") from error


def _pieces(connection: Connection, table: Table) -> Iterator[Any]:
    return connection.execute(select(table).execution_options(yield_per=PIECE)).partitions(PIECE)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _same(new: Connection, old: Connection) -> bool:
    return all(_digest(new, table) == _digest(old, table) for table in _tables())


def _digest(connection: Connection, table: Table) -> tuple[int, int]:
    """How many rows there are, and a sum over all of them: the same whatever their order."""
    count, total = 0, 0
    for rows in _pieces(connection, table):
        for row in rows:
            count += 1
            total += int.from_bytes(hashlib.sha256(repr(tuple(row)).encode()).digest())
    return count, total % (1 << 256)
