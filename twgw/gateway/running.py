"""Drive a coroutine from a protocol without a Deferred for each request.

``pipeline.py`` runs with ``Running`` what has to wait for more than the upstream; inside it awaits a ``Pause`` (a
connection, a body), the ``Call`` of an upstream or a Twisted ``Deferred`` (a policy that calls another service).
A coroutine that never waits runs straight through.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


class Gone(Exception):
    """Nobody waits for the result any more: thrown into a coroutine that is abandoned."""


class Pause:
    """One thing to wait for, once.  ``wake`` or ``fail`` ends the wait; later calls are ignored."""

    __slots__ = ("_error", "_resume", "_result", "done")

    def __init__(self) -> None:
        self.done = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._resume: Callable[[], None] | None = None

    def wake(self, result: Any = None) -> None:
        """End the wait with a result."""
        if not self.done:
            self.done = True
            self._result = result
            resume, self._resume = self._resume, None  # no cycle is left behind for the garbage collector
            if resume is not None:
                resume()

    def fail(self, error: BaseException) -> None:
        """End the wait with an exception."""
        if not self.done:
            self.done = True
            self._error = error
            resume, self._resume = self._resume, None
            if resume is not None:
                resume()

    def then(self, resume: Callable[[], None]) -> None:
        """Call this when the wait ends."""
        self._resume = resume

    def __await__(self) -> Generator["Pause", None, Any]:
        if not self.done:
            yield self
        error = self._error
        if error is not None:
            try:
                raise error
            finally:
                del self, error  # its traceback leads here: together they would wait for the garbage collector
        return self._result


class Running:
    """A coroutine under way.  ``finished(error)`` is called once when it ended; never after ``cancel``."""

    __slots__ = ("_coroutine", "_finished", "_token")

    def __init__(self, coroutine: Coroutine[Any, Any, None], finished: Callable[[BaseException | None], None]) -> None:
        self._coroutine: Coroutine[Any, Any, None] | None = coroutine
        self._finished: Callable[[BaseException | None], None] | None = finished
        self._token: object = None
        """What is being waited for; an end of anything else is stale."""

    def start(self) -> None:
        """Run until the first wait."""
        self._step(None, None)

    def _step(self, value: Any, error: BaseException | None) -> None:
        coroutine = self._coroutine
        if coroutine is None:
            return
        try:
            waiting = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration:
            self._end(None)
            return
        except Exception as raised:  # noqa: BLE001 - handed to whoever started it
            self._end(raised)
            return
        self._token = waiting
        if isinstance(waiting, Deferred):
            waiting.addBoth(lambda result: self._resolved(waiting, result))
        elif hasattr(waiting, "then"):
            waiting.then(self._resume)
        else:
            self._step(None, TypeError(f"awaited {type(waiting).__name__}; await Deferreds and coroutines only"))

    def _end(self, error: BaseException | None) -> None:
        finished = self._finished
        self._coroutine = self._token = self._finished = None
        if finished is not None:
            finished(error)

    def _resume(self) -> None:
        self._step(None, None)

    def _resolved(self, waiting: object, result: object) -> None:
        if waiting is self._token:
            # A result is read from the Deferred by its __await__; an error is not yet there to be read.
            self._step(None, result.value if isinstance(result, Failure) else None)

    def cancel(self, error: BaseException) -> None:
        """Throw into the coroutine at its wait; what it does until its next wait is its clean-up."""
        coroutine, waiting = self._coroutine, self._token
        self._coroutine = self._token = self._finished = None
        if coroutine is None:
            return
        try:
            coroutine.throw(error)
        except (StopIteration, Exception):  # noqa: BLE001, S110 - it was told to end
            pass
        else:
            coroutine.close()
        error.__traceback__ = None  # it leads to this frame, which leads to it: a cycle for the garbage collector
        if isinstance(waiting, Deferred):
            waiting.addErrback(lambda _: None)
            waiting.cancel()


def run_detached(work: Awaitable[Any], failed: Callable[[BaseException], None]) -> None:
    """Wait for something for which nobody else waits; ``failed`` hears of an exception."""
    Running(_wait_for(work), lambda error: failed(error) if error is not None else None).start()


async def _wait_for(work: Awaitable[Any]) -> None:
    await work
