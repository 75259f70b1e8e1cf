"""Group commit: calls of several threads that wait to write become one transaction.

SQLite lets one write at a time, and each commit waits for the disk, some milliseconds.  Whoever comes while another
writes waits; then the first of those who wait does the work of all, in their order, and commits once.  When one of them
fails, all of it is undone and each is done by itself, so nobody notices the others.  Used by ``database.py``.

Where what they want is of one kind (``work``), as tokens to be voided, it is done with a few statements for all; on
every database, as whoever appends to the log keeps all others from it until its commit.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from attrs import define, field

from twgw.storage.errors import Unavailable

MOST = 32
"""Calls in one transaction."""

Function = Callable[[Any], Any]
"""Of a connection."""
Work = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""What is done for some who wait, given a connection and what each of them wants: a result for each."""


def _one_by_one(connection: Any, functions: Sequence[Function]) -> list[Any]:
    """Each wants a function called."""
    return [function(connection) for function in functions]


@define(eq=False)
class Turn:
    """A call that waits."""

    wanted: Any
    result: Any = None
    error: BaseException | None = None
    leads: bool = False
    woken: threading.Event = field(factory=threading.Event)


class Together:
    """Calls of functions in as few transactions as may be.

    Args:
        transact: runs a function of a connection in one transaction, and returns what it returns.
        patience: seconds after which a call that is not begun is given up.
    """

    def __init__(self, transact: Callable[[Function], Any], patience: float, work: Work = _one_by_one) -> None:
        self._transact = transact
        self._work = work
        self._patience = patience
        self._lock = threading.Lock()
        self._waiting: deque[Turn] = deque()
        self._led = False
        """Somebody leads, or has been told to."""

    def call(self, function: Function) -> Any:
        """What the function returns, after its transaction was committed; or what it raises.

        It is run in another caller's thread perhaps, in the context of this one.  Raises TimeoutError when nobody came
        to it.
        """
        context = copy_context()
        return self.share(lambda connection: context.run(function, connection))

    def share(self, wanted: Any) -> Any:
        """What the work makes of what is wanted, in the same way."""
        turn = Turn(wanted)
        with self._lock:
            self._waiting.append(turn)
            turn.leads, self._led = not self._led, True
        if not turn.leads and not turn.woken.wait(self._patience):
            if self._withdraw(turn):
                raise TimeoutError
            turn.woken.wait()
        if turn.leads:
            self._lead()
        if turn.error is not None:
            raise turn.error
        return turn.result

    def _withdraw(self, turn: Turn) -> bool:
        """Leave the queue; False when it is too late for that."""
        with self._lock:
            if turn.leads or turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True

    def _lead(self) -> None:
        """Do what waits, oneself first; then tell another to."""
        with self._lock:
            turns = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        try:
            self._do(turns)
        finally:
            with self._lock:
                heir = self._waiting[0] if self._waiting else None
                self._led = heir is not None
                if heir is not None:
                    heir.leads = True
            for turn in (*turns, *([heir] if heir is not None else [])):
                turn.woken.set()

    def _do(self, turns: Sequence[Turn]) -> None:
        if len(turns) > 1:
            try:
                results = self._transact(partial(self._work_for, turns))
            except Unavailable as error:
                for turn in turns:
                    turn.error = error
                return
            except Exception:  # noqa: BLE001, S110 - nothing was done: now each learns whether it is its own
                pass
            else:
                for turn, result in zip(turns, results, strict=True):
                    turn.result = result
                return
        for turn in turns:
            try:
                (turn.result,) = self._transact(partial(self._work_for, [turn]))
            except BaseException as error:  # noqa: BLE001 - its caller raises it
                turn.error = error

    def _work_for(self, turns: Sequence[Turn], connection: Any) -> Sequence[Any]:
        return self._work(connection, [turn.wanted for turn in turns])
