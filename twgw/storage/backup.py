"""A copy of a SQLite database that is in use, as of one moment.  Called by ``twgw db backup``.

PostgreSQL, MariaDB and MySQL have programs of their own for that, which know how to.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from twgw.newfile import appearing
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable

PROGRAMS = {"postgresql": "pg_dump", "mysql": "mariadb-dump --single-transaction, or mysqldump --single-transaction"}


def backup(database: Database, path: Path) -> None:
    """Copy to a new file, for its owner alone: it holds secrets.  Writers go on meanwhile.

    Raises Unavailable, FileExistsError, and OSError of the disk.
    """
    kind = database.reading.dialect.name
    if kind != "sqlite":
        raise Unavailable(f"{database.name}: use {PROGRAMS[kind]}")

    def copy(connection: object) -> None:
        source: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[attr-defined]
        with appearing(path) as draft, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, whatever it was beside

    database.call(copy)
