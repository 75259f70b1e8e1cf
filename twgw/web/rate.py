"""How often somebody may try: by client or account, by address, and by failures, in bounded memory.

Called by ``people.py`` and by the token endpoints, in threads, before anything is looked up.  Whoever claims to be a
client does not shut it out: failures are counted for each address apart, and a request counts for a client once it is
known to be its own.
"""

import threading
from collections import OrderedDict

from attrs import define, field

from twgw.model import Algorithm, Limit
from twgw.throttle.limiter import State, fresh

FAILURES = Limit(20, 60, Algorithm.SLIDING_WINDOW)
"""Failures that one address may have with one client or account in a minute."""
REMEMBERED = 20_000
"""Counters; the ones that were used last are kept."""


@define(eq=False)
class Rate:
    """What was asked in the last minute."""

    by_client: Limit
    by_address: Limit
    remembered: int = REMEMBERED
    _counters: "OrderedDict[tuple[str, ...], State]" = field(factory=OrderedDict)
    _lock: threading.Lock = field(factory=threading.Lock)

    def wait(self, client: str, address: str, now: float) -> float:
        """Count a request from an address; how many seconds it comes too early, 0 when it may go on."""
        with self._lock:
            counter = self._counter(("address", address), self.by_address)
            others = [
                self._counter(("client", client), self.by_client),
                self._counter(("failures", client, address), FAILURES),
            ]
            waits = [each.retry_after(now, 1) for each in (counter, *others) if not each.peek(now, 1)]
            if not waits:
                counter.commit(now, 1)
            return max(waits, default=0.0)

    def known(self, client: str, now: float) -> None:
        """Count a request of a client that has shown who it is."""
        self._count(("client", client), self.by_client, now)

    def failed(self, client: str, address: str, now: float) -> None:
        """Count a failure."""
        self._count(("failures", client, address), FAILURES, now)

    def _count(self, key: tuple[str, ...], limit: Limit, now: float) -> None:
        with self._lock:
            counter = self._counter(key, limit)
            if counter.peek(now, 1):
                counter.commit(now, 1)

    def _counter(self, key: tuple[str, ...], limit: Limit) -> State:
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = fresh(limit)
            while len(self._counters) > self.remembered:
                self._counters.popitem(last=False)
        else:
            self._counters.move_to_end(key)
        return found

    def __len__(self) -> int:
        return len(self._counters)
