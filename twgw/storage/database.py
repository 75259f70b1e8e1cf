"""The database: one transaction around a query function, in a thread that may wait.

Made by ``tap.py`` and the commands.  The reactor's side awaits ``run``; what has a thread of its own uses ``call``.
This file knows the vendors (``vendors.py`` their settings); no other does.

A reading transaction sees one moment of the database and can write nothing.  A writing one sees what is committed, and
locks what it changes; on SQLite it is the only one, and does the work of all who wait (``together.py``).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from twisted.internet.defer import Deferred, execute
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twgw.storage.errors import Conflict, Unavailable
from twgw.storage.log import APPENDED
from twgw.storage.remembered import Remembered
from twgw.storage.together import Together
from twgw.storage.vendors import Verdict, engines, verdict
from twgw.storage.ways import way_out, words

T = TypeVar("T")

ATTEMPTS = 5
"""How often a transaction is begun that was undone through no fault of its own."""
WAITING = 2000
"""Calls of ``run`` that may wait for a thread; more are refused at once."""


class Database:
    """A database and its connections: some for reading, some for writing.

    ``pool_size`` connections of each kind; SQLite has one for writing, PostgreSQL some more for single statements.
    Times in seconds.  Without a reactor, ``run`` does its work at once.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        pool_size: int = 4,
        connect_timeout: float = 5,
        statement_timeout: float = 30,
        reactor: Any = None,
    ) -> None:
        self.reading, self.writing, self._apart = engines(
            url,
            password=password,
            pool_size=pool_size,
            connect_timeout=connect_timeout,
            statement_timeout=statement_timeout,
        )
        self.name = url
        self.remembered = Remembered()
        """What is known of the log."""
        self._statement_timeout = statement_timeout
        self._reactor = reactor
        self._waiting = 0
        alone = self.writing.dialect.name == "sqlite"
        self._together = Together(partial(self._once, self.writing), statement_timeout) if alone else None
        self._threads = ThreadPool(0, 2 * pool_size, name="database") if reactor is not None else None

    def call(
        self,
        function: Callable[..., T],
        *args: Any,
        write: bool = False,
        snapshot: bool = True,
        **kwargs: Any,
    ) -> T:
        """What ``function(connection, *args, **kwargs)`` returns, after its transaction was committed.

        What it raises undoes the transaction.  It may be called again, in a new one, when the database undid the first.
        Without ``snapshot`` each statement that reads may see a later moment than the one before; that saves asking the
        server to begin and to end.

        Raises:
            Unavailable: the database did not do it; ``unknown`` when nobody can say whether it did.
            Conflict: what is there already is in the way.
        """
        for left in reversed(range(ATTEMPTS)):
            try:
                if write and self._together is not None:
                    return self._in_turn(function, args, kwargs)
                engine = self.writing if write else self.reading if snapshot else self._apart
                return self._once(engine, lambda connection: function(connection, *args, **kwargs))
            except _Undone as error:
                if not left:
                    raise Unavailable(f"{self.name}: {error}; nothing was done, try again") from error.__cause__
        raise AssertionError("the last attempt returns or raises")

    def run(
        self,
        function: Callable[..., T],
        *args: Any,
        write: bool = False,
        **kwargs: Any,
    ) -> "Deferred[T]":
        """The same as ``call``, in a thread of the database's own.  Called in the reactor's thread."""
        call: Callable[..., T] = self.call
        if self._threads is None:
            return execute(call, function, *args, write=write, **kwargs)
        if self._waiting >= WAITING:
            return execute(self._refuse)
        if not self._threads.started:
            self._threads.start()
        self._waiting += 1
        done = deferToThreadPool(self._reactor, self._threads, call, function, *args, write=write, **kwargs)
        return done.addBoth(self._done)

    def _refuse(self) -> Any:
        raise Unavailable(f"{self.name}: {WAITING} calls wait for it already; nothing was done, try again")

    def _done(self, result: Any) -> Any:
        self._waiting -= 1
        return result

    def close(self) -> None:
        """End the threads, after what they are doing, and the connections."""
        if self._threads is not None and self._threads.started:
            self._threads.stop()
        self.reading.dispose()
        self._apart.dispose()
        self.writing.dispose()

    def _in_turn(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        """In one transaction with others who wait for the only connection that writes."""
        assert self._together is not None
        try:
            result: T = self._together.call(lambda connection: function(connection, *args, **kwargs))
        except TimeoutError as error:
            raise Unavailable(f"{self.name}: others are still writing; nothing was done, try again later") from error
        return result

    def _once(self, engine: Engine, function: Callable[[Any], T]) -> T:
        committing = False
        try:
            with engine.connect() as connection:
                connection.begin()
                connection.info[APPENDED] = None  # what was may be of one that was undone
                result = function(connection)
                committing = True
                connection.commit()
                if (appended := connection.info[APPENDED]) is not None:
                    self.remembered.note(*appended)
                return result
        except IntegrityError as error:
            raise Conflict(f"something else is in the way: {_line(error)}") from error
        except PoolTimeout as error:
            text = f"{self.name}: every connection is in use; nothing was done, try again later"
            raise Unavailable(text) from error
        except DBAPIError as error:
            raise self._explained(error, committing) from error

    def _explained(self, error: DBAPIError, committing: bool) -> Exception:
        """What an error of the driver means to who called."""
        found = verdict(error)
        if found is Verdict.AGAIN or (found is Verdict.LOST and not committing):
            return _Undone(_line(error))
        if committing and found is not Verdict.REFUSED:
            text = f"failed while committing ({_line(error)}); it may be done or not: look before doing it again"
            return Unavailable(f"{self.name}: {text}", unknown=True)
        if found is Verdict.SCHEMA:
            return Unavailable(f"{self.name}: has not this version's tables ({_line(error)}); run: twgw db upgrade")
        if found is Verdict.BUG:
            return error
        return Unavailable(f"{self.name}: {_line(error)}; nothing was done", way=way_out(error.orig))


class _Undone(Exception):
    """The database undid a transaction, or lost its connection before the end: to be tried again."""


def _line(error: DBAPIError) -> str:
    """The first line of what a driver says: the rest may quote values."""
    lines = words(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
