"""Keep what is counted against long limits in the database, so that no restart, and no loss of memcached, forgets it.

Made by ``tap.py`` where there is one.  ``throttle/kept.py`` says what is written and read, and when.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import define, field
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.python.failure import Failure

from twgw.config import Config
from twgw.metrics import SINCE, Registry
from twgw.policy.interfaces import Clock, Log
from twgw.reader import Reader
from twgw.storage.errors import Unavailable
from twgw.throttle.kept import Counted, Keeper, Kept
from twgw.throttle.local import LocalLimiter
from twgw.throttle.shared import SharedLimiter

EVERY = 0.25
"""Seconds between two looks at what is due."""


@define(eq=False)
class Store:
    """Where values are written to and read from: a place in the database, by whatever way leads there."""

    reader: Reader
    place: str
    wall: Callable[[], float]
    log: Log
    _fault: str = field(default="", init=False)

    async def write(self, values: Sequence[Counted]) -> bool:
        """Whether they are written."""
        try:
            await self.reader.keep_counted(self.place, values, self.wall())
        except Unavailable as error:
            return self._failed(error)
        return self._done()

    async def read(self) -> Sequence[Counted] | None:
        """All values; None when nobody answers."""
        try:
            found = await self.reader.counted(self.place, self.wall())
        except Unavailable as error:
            self._failed(error)
            return None
        self._done()
        return found

    def _failed(self, error: Unavailable) -> bool:
        if not self._fault:
            self.log.warn("what is counted against long limits is in memory only: {error}", error=error)  # noqa: G010 - not logging's
        self._fault = str(error)
        return False

    def _done(self) -> bool:
        if self._fault:
            self.log.info("what is counted against long limits is kept again")
        self._fault = ""
        return True


class Keeping(TimerService):
    """The timer that looks after it."""

    def __init__(
        self, reactor: Any, clock: Clock, kept: Kept, reader: Reader, place: str, log: Log, metrics: Registry,
        limiter: SharedLimiter | LocalLimiter,
    ) -> None:  # fmt: skip
        self._wall = clock.wall
        self._limiter = limiter
        self._log = log
        self._under_way: set[Deferred[None]] = set()
        """What is written or read just now."""
        self.store = Store(reader, place, clock.wall, log)
        self.keeper = Keeper(kept, self.store.write, self.store.read, self._start, clock.wall, limiter)
        super().__init__(EVERY, self.keeper.tick)
        self.clock = reactor
        gauge, keeper = metrics.gauge, self.keeper
        gauge("twgw_limit_kept", "Values of long limits since the start that were written to the database.", (),
              lambda: keeper.written, SINCE)  # fmt: skip
        gauge("twgw_limit_unkept", "Values of long limits that wait to be written to the database.", (),
              lambda: len(kept))  # fmt: skip
        gauge("twgw_limit_keeping_failures", "Attempts since the start to write them that failed.", (),
              lambda: keeper.failures, SINCE)  # fmt: skip

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Read what is kept before there is traffic, where that can be.  Raises Unavailable."""
        super().privilegedStartService()
        now = self._wall()
        found = self.store.reader.counted_at_start(self.store.place, now)
        if found is not None:
            self.keeper.kept.read(found, now)

    def stopService(self) -> "Deferred[Any]":  # noqa: N802 - Twisted's name
        """Traffic has ended: write the last of it.

        What is on its way already is waited for: whatever leads to the database is cut off after this.
        """
        stopped = maybeDeferred(super().stopService)
        self._limiter.collect(self._wall(), 1.0)
        stopped.addCallback(lambda _: DeferredList(list(self._under_way)))
        return stopped.addCallback(lambda _: Deferred.fromCoroutine(self.keeper.flush())).addErrback(self._broke)

    def _start(self, work: Awaitable[None]) -> None:
        done: Deferred[None] = Deferred.fromCoroutine(work)  # type: ignore[arg-type]
        self._under_way.add(done)
        done.addErrback(self._broke).addBoth(lambda _: self._under_way.discard(done))

    def _broke(self, failure: Failure) -> None:
        self._log.error("what is counted could not be kept: {error}", error=failure.getTraceback())


def keeping(
    node: MultiService, reactor: Any, backing: Any, config: Config, limiter: SharedLimiter | LocalLimiter,
    clock: Clock, log: Log, metrics: Registry,
) -> Keeping | None:  # fmt: skip
    """Give a node what keeps it; None where no database is the state."""
    if backing.kept is None:
        return None
    place = "" if config.memcached.servers else config.node.name
    made = Keeping(reactor, clock, backing.kept, backing.reader, place, log, metrics, limiter)
    node.addService(made)
    return made
