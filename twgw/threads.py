"""Calls that block, in a bounded number of threads: LDAP and password hashes.

Made by ``tap.py``, one for each user store and one for passwords, so that none takes the threads of another.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from twgw.policy.interfaces import Log

T = TypeVar("T")


@define(eq=False)
class ThreadLog:
    """The log of the node, for threads: it writes in the thread of the reactor."""

    reactor: Any
    log: Log

    def warn(self, text: str, **fields: Any) -> None:
        """Something to look at."""
        self.reactor.callFromThread(self.log.warn, text, **fields)

    def error(self, text: str, **fields: Any) -> None:
        """Something broken."""
        self.reactor.callFromThread(self.log.error, text, **fields)


class Threads:
    """At most ``most`` calls at a time; ``waiting`` more may wait for their turn."""

    def __init__(self, reactor: Any, name: str, most: int, waiting: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, most, name)
        self._room = most + waiting
        self.calls = 0
        """How many run or wait now."""

    async def run(self, call: Callable[[], T], timeout: float, late: Callable[[], None] | None = None) -> T:
        """What a call returns or raises.

        Raises BlockingIOError at once when too many wait, and TimeoutError after so many seconds; then, and when nobody
        waits any more, ``late`` is told, so that it can end the call: until that has ended it keeps its place.
        """
        if self.calls >= self._room:
            raise BlockingIOError("too many calls wait for a thread")
        if not self._pool.started:
            self._pool.start()
        self.calls += 1
        done: Deferred[T] = Deferred(lambda _: late() if late else None)

        def ended(success: bool, result: Any) -> None:
            self._reactor.callFromThread(settle, success, result)

        def settle(success: bool, result: Any) -> None:
            self.calls -= 1
            if not done.called:
                done.callback(result) if success else done.errback(result)

        def expire() -> None:
            if late:
                late()
            if not done.called:
                done.errback(Failure(TimeoutError(f"not done within {timeout:g} s")))

        timer = self._reactor.callLater(timeout, expire)
        self._pool.callInThreadWithCallback(ended, call)
        try:
            return await done
        finally:
            if timer.active():
                timer.cancel()

    def stop(self) -> None:
        """Wait for the calls that run."""
        if self._pool.started:
            self._pool.stop()
