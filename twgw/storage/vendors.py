"""What differs between SQLite, PostgreSQL, MariaDB and MySQL: how to connect, and what their errors mean.

Used by ``database.py``, and by ``counted.py`` for the one statement that has no common form.
"""

import os
import socket
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pymysql
from sqlalchemy import Table, case, create_engine, event, func
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from twgw.storage.errors import Unavailable

PATIENCE = 5
"""Seconds that a server has beyond its own time limit before the connection is given up."""
UNHEARD = 5
"""Seconds after which a connection is given up whose other end acknowledges nothing.

Else the kernel sends what is lost again and again, ever more seldom: also when the network is back for long.
"""
TRIES = 20
"""How often a SQLite file is asked to write ahead, which others may be doing at the same moment."""

DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}


SCHEMA_LOCK = 0x74776777
"""Number of the lock under which the schema is changed."""
SCHEMA_WAIT = 600
"""Seconds that a node waits for another that changes the schema."""
APART = 2
"""Connections of PostgreSQL for single statements."""


class Verdict(Enum):
    """What an error says of its transaction."""

    AGAIN = "undone by the database, which may take it another time"
    LOST = "the connection is gone"
    REFUSED = "the database says no, and nothing was done"
    FAILED = "something broke"
    SCHEMA = "a table or a column is not there"
    BUG = "the statement is wrong"


def raising(dialect: str, table: Table, key: Sequence[str], columns: Sequence[str]) -> Any:
    """The statement that makes a row, or raises its columns to what they are not greater than already."""
    if dialect in {"mysql", "mariadb"}:
        made = mysql.insert(table)
        greatest = {name: func.greatest(table.c[name], made.inserted[name]) for name in columns}
        return made.on_duplicate_key_update(greatest)
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    new = insert.excluded
    raised = {name: case((new[name] > table.c[name], new[name]), else_=table.c[name]) for name in columns}
    return insert.on_conflict_do_update(index_elements=list(key), set_=raised)


def address(url: str) -> URL:
    """A URL as it is written, with the driver that we use.  Raises ValueError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError("must be a URL such as postgresql://user@host/name") from error
    kind = parsed.drivername.partition("+")[0]
    if kind not in DRIVERS:
        raise ValueError(f"must begin with sqlite:, postgresql:, mariadb: or mysql:, not {kind}:")
    if kind == "sqlite" and not parsed.database:
        raise ValueError("must name a file: sqlite:////var/lib/twgw/twgw.db")
    if kind != "sqlite" and not parsed.database:
        raise ValueError(f"must name a database: {kind}://user@host/name")
    return parsed.set(drivername=DRIVERS[kind])


def engines(
    url: str, *, password: str | None, pool_size: int, connect_timeout: float, statement_timeout: float
) -> tuple[Engine, Engine, Engine]:
    """An engine that only reads and sees one moment, one that writes, and one that reads a statement at a time.

    Nothing is connected yet.  The last is the first where a transaction need not be asked for by a message of its own.
    """
    place = address(url)
    if password and place.get_backend_name() != "sqlite":
        place = place.set(password=password)
    make = {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql}[place.get_backend_name()]
    options = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": connect_timeout,
        "pool_use_lifo": True,
        "pool_reset_on_return": None,  # a transaction has ended by then: no rollback more, which may get lost
    }
    reading = make(place, connect_timeout, statement_timeout, options, True)
    writing = make(place, connect_timeout, statement_timeout, options, False)
    if make is not _postgresql:
        return reading, writing, reading
    apart = {**options, "pool_size": APART, "isolation_level": "AUTOCOMMIT"}
    return reading, writing, make(place, connect_timeout, statement_timeout, apart, True)


def _write_ahead(connection: Any) -> None:
    """Keep a log of what is written.  SQLite waits for no lock when it is to begin with that: so we do, for a write's.

    Of several that begin at once one does it; the others find it done.
    """
    for _ in range(TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            connection.execute("BEGIN IMMEDIATE")  # waits, as long as a statement may
            connection.execute("ROLLBACK")
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _sqlite(place: URL, _: float, statement_timeout: float, options: dict[str, Any], reading: bool) -> Engine:
    path = Path(str(place.database))
    if not reading:  # one at a time, and whoever waits for it waits in order
        options = {**options, "pool_size": 1, "pool_timeout": statement_timeout}
    arguments = {"isolation_level": None, "timeout": statement_timeout, "check_same_thread": False}
    engine = create_engine(place, connect_args=arguments, **options)

    @event.listens_for(engine, "do_connect")
    def private(*_: Any) -> None:
        """The file holds secrets: it is made for its owner alone, and so are those that SQLite puts beside it."""
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        _write_ahead(connection)
        for line in ("synchronous = FULL", "foreign_keys = ON", f"query_only = {reading:d}"):
            connection.execute(f"PRAGMA {line}")

    def begin(dbapi_connection: Any) -> None:
        """What a driver that begins by itself has no use for; cheaper than a statement of a listener."""
        dbapi_connection.execute("BEGIN" if reading else "BEGIN IMMEDIATE")

    engine.dialect.do_begin = begin  # type: ignore[method-assign]
    return engine


def _postgresql(
    place: URL, connect_timeout: float, statement_timeout: float, options: dict[str, Any], reading: bool
) -> Engine:
    given_up = statement_timeout + PATIENCE
    settings = {
        "statement_timeout": f"{statement_timeout * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{given_up * 1000:.0f}",
        "default_transaction_isolation": r"repeatable\ read" if reading else r"read\ committed",
        "default_transaction_read_only": "on" if reading else "off",
        # the server gives it up, too, and lets go of what a node has locked that is gone
        "tcp_user_timeout": f"{UNHEARD * 1000}",
        "tcp_keepalives_idle": f"{UNHEARD}",
        "tcp_keepalives_interval": "1",
    }
    arguments = {
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "connect_timeout": max(2, round(connect_timeout)),  # libpq knows no less
        "tcp_user_timeout": UNHEARD * 1000,
        "keepalives_idle": UNHEARD,
        "keepalives_interval": 1,
        "application_name": "twgw",
    }
    engine = create_engine(place, connect_args=arguments, **options)

    class Impatient(psycopg.Connection[Any]):
        """Gives up a server that says nothing: one that is stopped does not keep its own time limit."""

        def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().wait(_within(gen, given_up), *args, **kwargs)
            except Silent:
                self.close()  # it is in the middle of an answer: a rollback would be an error in place of this one
                raise

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, kwargs: Any) -> Any:
        try:
            return Impatient.connect(*args, **kwargs)
        except psycopg.ProgrammingError as error:  # as for an option that it does not know
            raise psycopg.OperationalError(str(error)) from error

    return engine


class Silent(psycopg.OperationalError):
    """A server said nothing for longer than a statement may take."""


def _within(steps: Any, seconds: float) -> Generator[Any, Any, Any]:
    """The steps of a dialogue of psycopg, which end in an error when the server has been silent for too long."""
    deadline, ready = monotonic() + seconds, None
    try:
        while True:
            ready = yield steps.send(ready)
            if not ready and monotonic() > deadline:
                steps.close()
                raise Silent(f"the server said nothing for {seconds:.0f} s")
    except StopIteration as stop:
        return stop.value


def _mysql(
    place: URL, connect_timeout: float, statement_timeout: float, options: dict[str, Any], reading: bool
) -> Engine:
    arguments = {
        "connect_timeout": max(1, round(connect_timeout)),
        "read_timeout": statement_timeout + PATIENCE,
        "write_timeout": statement_timeout + PATIENCE,
        "charset": "utf8mb4",
    }
    isolation = "REPEATABLE READ" if reading else "READ COMMITTED"
    engine = create_engine(place, connect_args=arguments, isolation_level=isolation, **options)

    @event.listens_for(engine, "do_connect")
    def connect_socket(_dialect: Any, _record: Any, args: Any, kwargs: Any) -> Any:
        """PyMySQL leaves the socket open when a server does not answer there, and does not watch over it."""
        try:
            connection = pymysql.connect(*args, **kwargs, defer_connect=True)
        except TypeError as error:
            raise pymysql.OperationalError(2000, str(error)) from error
        path = str(connection.unix_socket or "")
        with ExitStack() as opened:
            try:
                place = _opened(path, connection.host, connection.port, kwargs["connect_timeout"])
            except OSError as error:
                where = path or f"{connection.host}:{connection.port}"
                raise pymysql.OperationalError(2003, f"cannot connect to {where}: {error}") from error
            opened.enter_context(place)
            connection.connect(place)
            opened.pop_all()
            return connection

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        limit = f"max_execution_time = {statement_timeout * 1000:.0f}"
        if "MariaDB" in connection.get_server_info():
            limit = f"max_statement_time = {statement_timeout:.0f}, "
            limit += f"idle_transaction_timeout = {statement_timeout + PATIENCE:.0f}"  # as PostgreSQL's above
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET SESSION {limit}, innodb_lock_wait_timeout = {max(1, round(statement_timeout))}, "
                "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
            )
            if reading:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")

    return engine


def _opened(path: str, host: str, port: int, timeout: float) -> socket.socket:
    """A connection that is given up when the other end is gone."""
    if path:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(timeout)
        try:
            made.connect(path)
        except OSError:
            made.close()
            raise
        return made
    made = socket.create_connection((host, port), timeout)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_USER_TIMEOUT, UNHEARD * 1000), (socket.TCP_KEEPIDLE, UNHEARD), (socket.TCP_KEEPINTVL, 1),
    ):  # fmt: skip
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def lock_schema(connection: Connection) -> None:
    """Let nobody else change the schema before the end of the transaction, or of the connection, and take one's time.

    SQLite needs nothing: whoever writes is alone.
    """
    tries = {
        "postgresql": (f"SELECT pg_try_advisory_xact_lock({SCHEMA_LOCK})", "SELECT pg_sleep(1)"),
        "mysql": ("SELECT GET_LOCK('twgw schema', 1)", "SELECT 1"),
    }
    if connection.dialect.name not in tries:
        return
    if connection.dialect.name == "mysql":
        connection.detach()  # the lock is the connection's, and goes with it
    lock, wait = tries[connection.dialect.name]
    for _ in range(SCHEMA_WAIT):
        if connection.exec_driver_sql(lock).scalar_one():
            return
        connection.exec_driver_sql(wait)
    raise Unavailable("another node is changing the schema and does not come to an end; look there")


# --- what an error means ---

_SQLSTATES = {
    **dict.fromkeys(("40001", "40P01", "55P03"), Verdict.AGAIN),
    **dict.fromkeys(("57014", "53100", "53200", "25006", "54000", "42501"), Verdict.REFUSED),
    **dict.fromkeys(("57P01", "57P02", "57P03", "08006", "08003", "25P03"), Verdict.LOST),
    **dict.fromkeys(("42P01", "42703"), Verdict.SCHEMA),
}
_NUMBERS = {
    **dict.fromkeys((1205, 1213, 1020), Verdict.AGAIN),
    **dict.fromkeys((1021, 1114, 1290, 1792, 1969, 3024, 1317), Verdict.REFUSED),
    **dict.fromkeys((1053, 1927, 2006, 2013, 2055), Verdict.LOST),
    **dict.fromkeys((1146, 1054), Verdict.SCHEMA),
}
_SQLITE = {
    "SQLITE_BUSY": Verdict.REFUSED,
    "SQLITE_BUSY_SNAPSHOT": Verdict.AGAIN,
    "SQLITE_FULL": Verdict.REFUSED,
    "SQLITE_READONLY": Verdict.REFUSED,
    "SQLITE_CANTOPEN": Verdict.REFUSED,
    "SQLITE_NOTADB": Verdict.FAILED,
    "SQLITE_CORRUPT": Verdict.FAILED,
}


def verdict(error: DBAPIError) -> Verdict:
    """What an error of a driver says of its transaction."""
    found = _known(error.orig)
    if found is not None:
        return found
    if error.connection_invalidated:
        return Verdict.LOST
    return Verdict.FAILED if isinstance(error, OperationalError) else Verdict.BUG


def _known(error: Any) -> Verdict | None:
    if isinstance(error, Silent):
        return Verdict.FAILED  # though the connection is lost: whoever waited for that long waits no second time
    if sqlstate := getattr(error, "sqlstate", None):
        return _SQLSTATES.get(sqlstate)
    if name := getattr(error, "sqlite_errorname", None):
        return Verdict.SCHEMA if "no such table" in str(error) or "no such column" in str(error) else _SQLITE.get(name)
    arguments = getattr(error, "args", ())
    return _NUMBERS.get(arguments[0]) if arguments and isinstance(arguments[0], int) else None
