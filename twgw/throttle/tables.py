"""Counters by their limit and key: found quickly, bounded in number, let go when they are worth nothing any more.

Made by each limiter.  A counter is known by the definition of its limit and by the key, so an edited limit starts a
fresh one, and a reload that changes nothing keeps them all.  A counter whose limit is whole again is let go within
seconds: each ``take_all`` looks at two that are due, so that memory follows what is in use and no single request pays
for it.
"""

from heapq import heappop, heappush
from math import ceil, inf
from typing import Generic, Protocol, TypeVar

from twgw.model import Limit

KNOWN_OBJECTS = 4096


class Expiring(Protocol):
    """What can be kept here."""

    def expires(self) -> float:
        """From this time on it equals a fresh one."""


S = TypeVar("S", bound=Expiring)


class Table(Generic[S]):
    """The counters of one limit by their key; never empty."""

    __slots__ = ("counters", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.counters: dict[str, S] = {}


class Tables(Generic[S]):
    """All counters of a limiter, ``max_keys`` at most."""

    __slots__ = ("_due", "_max_keys", "_seconds", "_size", "_tables", "known", "next_due")

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._size = 0
        self._tables: dict[Limit, Table[S]] = {}
        self.known: dict[int, tuple[Limit, Table[S]]] = {}
        """The table by the identity of a Limit: hashing one costs more than the whole decision.

        It holds the Limit, so that no other object can get its identity.
        """
        self._due: dict[int, list[tuple[Table[S], str]]] = {}
        """Each counter once, under the second (rounded up) in which it expires or will be looked at again."""
        self._seconds: list[int] = []
        """The keys of ``_due``, a heap."""
        self.next_due: float = inf

    def __len__(self) -> int:
        """How many counters are kept."""
        return self._size

    def room(self, more: int) -> bool:
        """Whether there is room for so many more."""
        return self._size + more <= self._max_keys

    def find(self, limit: Limit, key: str) -> S | None:
        """The counter of a limit and a key."""
        known = self.known.get(id(limit))
        if known is None:
            table = self._tables.get(limit)
            if table is None:
                return None
            if len(self.known) >= KNOWN_OBJECTS:
                self.known.clear()
            known = self.known[id(limit)] = (limit, table)
        return known[1].counters.get(key)

    def keep(self, limit: Limit, key: str, state: S) -> None:
        """Keep a counter that was not there."""
        table = self._tables.get(limit)
        if table is None:
            table = self._tables[limit] = Table(limit)
        table.counters[key] = state
        self._size += 1
        self._schedule(state.expires(), table, key)

    def _schedule(self, expires: float, table: Table[S], key: str) -> None:
        second = ceil(expires)
        due = self._due.get(second)
        if due is None:
            due = self._due[second] = []
            heappush(self._seconds, second)
            self.next_due = self._seconds[0]
        due.append((table, key))

    def prune(self, now: float, at_most: int) -> int:
        """Look at no more than ``at_most`` counters that are due; how many were let go."""
        gone = 0
        while at_most > 0 and self._seconds and self._seconds[0] <= now:
            due = self._due[self._seconds[0]]
            while due and at_most > 0:
                at_most -= 1
                table, key = due.pop()
                expires = table.counters[key].expires()
                if expires > now:
                    self._schedule(expires, table, key)
                    continue
                del table.counters[key]
                gone += 1
                if not table.counters:
                    # Every way to the table goes with it: one limit must never count in two.
                    del self._tables[table.limit]
                    self.known.clear()
            if not due:
                del self._due[heappop(self._seconds)]
        self._size -= gone
        self.next_due = self._seconds[0] if self._seconds else inf
        return gone
