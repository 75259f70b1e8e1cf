"""What was counted of long windows, beside the counters themselves: it outlives them, whatever they are lost by.

Each value only grows: how much of a window was reserved by all nodes, as far as one has heard, or when a bucket is full
again.  So it may be told several times and by several nodes, and the greatest is right.  Every few seconds what grew
is written where it is kept, the database; it is read at the start, and after a loss once all have told what they know.
What was counted since the last writing is lost when nobody is left who knows it.

Pure.  Accounts note here and look here; ``shared_limits.py`` and ``tap.py`` bring the writing and the reading.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import inf
from typing import NamedTuple, Protocol

LONG = 60.0
"""Seconds of a period above which it is kept what was counted."""
EVERY = 10.0
"""Seconds between two writings."""
SETTLE = 2.0
"""Seconds after a loss in which every node that knows more says so, before what is kept counts."""
AT_ONCE = 5000
"""Values that are written at once."""


class Counted(NamedTuple):
    """One value: of which counter, how much, and from which time on nobody needs it."""

    key: str
    used: int
    ends: float


class Kept:
    """The values that this process knows."""

    def __init__(self) -> None:
        self._read: dict[str, Counted] = {}
        self._grown: dict[str, Counted] = {}
        self.read_at = -inf
        """UNIX time before the last reading: what was written until then is known."""

    def __len__(self) -> int:
        """How many wait to be written."""
        return len(self._grown)

    def note(self, key: str, used: int, ends: float) -> None:
        """So much was counted."""
        self._grown[key] = Counted(key, used, ends)

    def used(self, key: str) -> int:
        """How much was counted, as far as is known."""
        read, grown = self._read.get(key), self._grown.get(key)
        return max(read.used if read else 0, grown.used if grown else 0)

    def knows(self, lost_at: float) -> bool:
        """Whether all is known that was counted before a loss; with 0, whatever was written before the start."""
        return self.read_at >= (lost_at + SETTLE if lost_at else 0.0)

    def read(self, values: Iterable[Counted], asked_at: float) -> None:
        """Take what is kept, as of a time."""
        self._read = {value.key: value for value in values if value.ends > asked_at}
        self.read_at = asked_at

    def take(self, at_most: int = AT_ONCE) -> list[Counted]:
        """Values to be written now."""
        keys = list(self._grown)[:at_most]
        return [self._grown.pop(key) for key in keys]

    def put_back(self, values: Iterable[Counted]) -> None:
        """They were not written, or nobody knows; what grew meanwhile is newer."""
        for value in values:
            self._grown.setdefault(value.key, value)


class Counting(Protocol):
    """What counts."""

    @property
    def lost_at(self) -> float:
        """When counters were lost last, in UNIX time; 0: never."""

    def collect(self, now: float, share: float) -> None:
        """Note what grew and was not noted yet, of a share of all counters."""


class Keeper:
    """Writes and reads what is kept, when it is time.  ``tick`` is called a few times a second.

    Args:
        write: writes some values; what it raises is told by it.  Returns whether they are written.
        read: reads all values; None when they cannot be read now.
        start: runs a coroutine.
        counting: what counts: when counters of it were lost last, and what has grown in it.
    """

    def __init__(
        self, kept: Kept, write: Callable[[Sequence[Counted]], Awaitable[bool]],
        read: Callable[[], Awaitable[Sequence[Counted] | None]], start: Callable[[Awaitable[None]], object],
        wall: Callable[[], float], counting: Counting,
    ) -> None:  # fmt: skip
        self.kept = kept
        self.written = self.failures = 0
        """Values, and attempts that came to nothing, since the start."""
        self._write = write
        self._read = read
        self._start = start
        self._wall = wall
        self._counting = counting
        self._lost = 0.0
        self._next = wall() + EVERY
        self._last = wall()
        self._writing = self._reading = False

    def tick(self) -> None:
        """See what is due."""
        now, lost = self._wall(), self._counting.lost_at
        self._counting.collect(now, min((now - self._last) / EVERY, 1.0))
        self._last = now
        if not self._writing and (now >= self._next or lost > self._lost):
            self._lost, self._next, self._writing = lost, now + EVERY, True
            self._start(self.flush())
        if not self._reading and not self.kept.knows(lost) and now >= lost + SETTLE:
            self._reading = True
            self._start(self._look(now))

    async def flush(self) -> None:
        """Write all that grew."""
        try:
            while (values := self.kept.take()) and await self._written(values):
                self.written += len(values)
        finally:
            self._writing = False

    async def _written(self, values: Sequence[Counted]) -> bool:
        done = False
        try:
            done = await self._write(values)
        finally:
            if not done:
                self.kept.put_back(values)
                self.failures += 1
        return done

    async def _look(self, now: float) -> None:
        try:
            values = await self._read()
            if values is not None:
                self.kept.read(values, now)
        finally:
            self._reading = False
