"""The workers of a node as processes: started, started again when they die, told to stop.

Made by ``startup_workers.py``.  A worker is told by a pipe: a line has it read its state again, the end of the pipe has
it drain and end.  When this process dies the kernel ends the workers (``worker.py`` has asked for that), so that none
serves on that nobody looks after.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from twgw.policy.interfaces import Log
from twgw.workers import lines
from twgw.workers.handed import Handed

PROGRAM = (sys.executable, "-P", "-m", "twgw.worker")
RELOAD = b"reload\n"
FIRST = 3
"""Of the descriptors that a worker inherits; before it are those that every process has."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a worker is started again: twice as long each time, until one lives."""
LIVES = 10.0
"""Seconds after which a worker is taken to live."""
LEEWAY = 3.0
"""Seconds beyond the time to drain after which a worker is killed that should have ended."""


class Child(ProcessProtocol):
    """One process."""

    transport: Any

    def __init__(self, number: int, log: Log, now: Callable[[], float]) -> None:
        self.number = number
        self.began = now()
        self.ended: Deferred[str] = Deferred()
        """Fires with how it ended."""
        self._log = log
        self._rest = ""

    def childDataReceived(self, descriptor: int, data: bytes) -> None:  # noqa: N802, ARG002 - Twisted's
        """It logs something."""
        *whole, self._rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        for line in filter(str.strip, whole):
            self._tell(line)
        self._rest = self._rest[-2 * lines.LONGEST :]

    def _tell(self, line: str) -> None:
        level, said = lines.read(line)
        tell = {"info": self._log.info, "warn": self._log.warn}.get(level, self._log.error)
        tell("worker {number}: {said}", number=self.number, said=said)

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """It is gone, and all that it wrote was read."""
        if self._rest.strip():
            self._tell(self._rest)
        self.ended.callback("" if reason.check(ProcessDone) else _words(reason.value))


def _words(end: Any) -> str:
    return f"killed by signal {end.signal}" if end.signal is not None else f"exit status {end.exitCode}"


class Children(Service):
    """All of them.

    Args:
        descriptors: what each of them inherits, once there are workers to start.
        hand: makes what worker ``number`` is handed, with the numbers that the descriptors have there.
        left: told of a worker that is gone, by its number.
        drain: seconds that workers may take to end.
    """

    def __init__(
        self, reactor: Any, log: Log, now: Callable[[], float], count: int, descriptors: Callable[[], list[int]],
        hand: Callable[[int, tuple[int, ...]], Handed], left: Callable[[int], object], drain: float,
    ) -> None:  # fmt: skip
        self.restarts = 0
        """How many were started again."""
        self.alive: dict[int, Child] = {}
        self._reactor = reactor
        self._log = log
        self._now = now
        self._count = count
        self._descriptors = descriptors
        self._hand = hand
        self._left = left
        self._drain = drain
        self._pauses: dict[int, float] = {}
        self._planned: dict[int, Any] = {}

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Start them."""
        super().startService()
        for number in range(1, self._count + 1):
            self._start(number)

    def _start(self, number: int) -> None:
        self._planned.pop(number, None)
        inherited = self._descriptors()
        given = tuple(range(FIRST, FIRST + len(inherited)))
        descriptors: Mapping[int, Any] = {0: "w", 1: 1, 2: "r", **dict(zip(given, inherited, strict=True))}
        child = Child(number, self._log, self._now)
        self.alive[number] = child
        child.ended.addCallback(self._ended, child)
        self._reactor.spawnProcess(child, PROGRAM[0], PROGRAM, env=os.environ, childFDs=descriptors)
        child.transport.writeToChild(0, self._hand(number, given).written())

    def _ended(self, how: str, child: Child) -> None:
        number = child.number
        del self.alive[number]
        self._left(number)
        if not self.running:
            return
        if self._now() - child.began >= LIVES:
            self._pauses.pop(number, None)
        pause = self._pauses.get(number, SHORTEST_PAUSE)
        self._pauses[number] = min(2 * pause, LONGEST_PAUSE)
        self._log.error(
            "worker {number} ended ({how}); another one begins in {pause:g} s", number=number, how=how or "by itself",
            pause=pause,
        )  # fmt: skip
        self.restarts += 1
        self._planned[number] = self._reactor.callLater(pause, self._start, number)

    def reload(self) -> None:
        """Have all of them read their state again."""
        for child in self.alive.values():
            child.transport.writeToChild(0, RELOAD)

    def stopService(self) -> Any:  # noqa: N802 - Twisted's name
        """Have all of them drain; fires when they are gone."""
        super().stopService()
        for planned in self._planned.values():
            planned.cancel()
        self._planned.clear()
        late = self._reactor.callLater(self._drain + LEEWAY, self._kill)
        done = DeferredList([self._stop(child) for child in self.alive.values()])
        return done.addCallback(lambda _: late.active() and late.cancel())

    def _stop(self, child: Child) -> "Deferred[None]":
        gone: Deferred[None] = Deferred()
        child.ended.addBoth(lambda _: gone.callback(None))
        child.transport.closeStdin()
        return gone

    def _kill(self) -> None:
        for child in self.alive.values():
            self._log.error("worker {number} has not ended in time and is killed", number=child.number)
            try:
                child.transport.signalProcess("KILL")
            except ProcessExitedAlready:
                continue
