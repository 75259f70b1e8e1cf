"""Numbers that the workers of a node reserve, kept by their parent: it does what memcached does for several nodes.

So that workers need no memcached to count together.  A value that is not there is made, one that is there is added to,
and one is put only where nobody changed it meanwhile; what ``reservation.py`` says of the answers holds here as there.

Pure.  Asked by ``workers/reserving.py``.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf

from attrs import define

from twgw.throttle.reservation import MONTH, Add, Answer, Command, Put, Reply

MOST = 2_000_000
"""Values, about 300 bytes each; with that many it refuses to make another one."""
FULL = "SERVER_ERROR out of memory storing object"
BITS = 1 << 64


@define
class Kept:
    """One value."""

    value: int
    cas: int
    ends: float


class Numbers:
    """All of them.  ``do`` is told the time, in UNIX seconds."""

    def __init__(self, most: int = MOST) -> None:
        self._kept: dict[str, Kept] = {}
        self._due: list[tuple[float, str]] = []
        """When to look at what may have ended."""
        self._most = most
        self._changes = 0

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._kept)

    def do(self, commands: Sequence[Command], now: float) -> list[Reply]:
        """Do all of them, in order, and say what became of each."""
        self._forget(now, 2 * len(commands) + 8)
        return [self._add(it, now) if isinstance(it, Add) else self._put(it, now) for it in commands]

    def _find(self, key: str, now: float) -> Kept | None:
        kept = self._kept.get(key)
        return kept if kept is not None and kept.ends > now else None

    def _add(self, add: Add, now: float) -> Reply:
        kept = self._find(add.key, now)
        if kept is None:
            return self._make(add.key, add.initial, add.lifetime, now)
        self._changes += 1
        kept.value, kept.cas = (kept.value + add.delta) % BITS, self._changes
        return Answer(kept.value, kept.cas)

    def _put(self, put: Put, now: float) -> Reply:
        if put.cas:
            kept = self._find(put.key, now)
            if kept is None:
                return "NF"
            if kept.cas != put.cas:
                return "EX"
        made = self._make(put.key, put.value, put.lifetime, now)
        return made if isinstance(made, str) else Answer()

    def _make(self, key: str, value: int, lifetime: int, now: float) -> Reply:
        if len(self._kept) >= self._most and key not in self._kept:
            return FULL
        self._changes += 1
        ends = inf if not lifetime else float(lifetime) if lifetime > MONTH else now + lifetime
        self._kept[key] = Kept(value, self._changes, ends)
        if lifetime:
            heappush(self._due, (ends, key))
        return Answer(value, self._changes)

    def _forget(self, now: float, at_most: int) -> None:
        """Let go of what has ended: a few at a time, so that nobody waits for it."""
        while at_most and self._due and self._due[0][0] <= now:
            at_most -= 1
            _, key = heappop(self._due)
            kept = self._kept.get(key)
            if kept is not None and kept.ends <= now:
                del self._kept[key]
