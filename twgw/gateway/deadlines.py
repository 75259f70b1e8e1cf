"""Absolute deadlines for very many connections with one timer.

``edge.py`` and ``upstream.py`` set ``deadline`` on themselves, an attribute and nothing more, and are asked to
``expire`` when it has passed.  Moving a deadline later costs one assignment; nothing is
scheduled or cancelled for a request.
"""

from collections.abc import Callable
from typing import Final, Protocol

RESOLUTION: Final = 0.25
"""Seconds between two looks at the clock: how late a deadline may be noticed."""
REVISIT: Final = 4.0
"""Seconds after which a connection is looked at again at the latest, however far away its deadline is."""


class Watched(Protocol):
    """What has a deadline, in seconds of the clock (infinite: none), and the slot in which it is looked at next."""

    deadline: float
    slot: int

    def expire(self, now: float) -> None:
        """The deadline has passed.  It is watched no longer unless it sets a later one and watches again."""


class Deadlines:
    """Looks at everything watched, in slots of time.  ``schedule(seconds, call)`` is the reactor's ``callLater``."""

    def __init__(self, now: Callable[[], float], schedule: Callable[[float, Callable[[], None]], object]) -> None:
        self.now = now
        self._schedule = schedule
        self._slots: dict[int, list[Watched]] = {}
        self._next = int(now() / RESOLUTION)
        self._running = False

    def start(self) -> None:
        """Begin to look at the clock."""
        self._running = True
        self._next = int(self.now() / RESOLUTION)
        self._schedule(RESOLUTION, self._tick)

    def stop(self) -> None:
        """End with the next look."""
        self._running = False

    def arm(self, watched: Watched, seconds: float) -> None:
        """Set a deadline so many seconds from now."""
        self.set(watched, self.now() + seconds)

    def set(self, watched: Watched, deadline: float) -> None:
        """Set a deadline, by the same clock as ``now``."""
        watched.deadline = deadline
        if watched.slot < 0 or deadline < watched.slot * RESOLUTION:
            self.watch(watched)

    def watch(self, watched: Watched) -> None:
        """Begin to watch, or mind a deadline that was moved to an earlier time."""
        now = self.now()
        slot = int(min(watched.deadline, now + REVISIT) / RESOLUTION) + 1
        watched.slot = slot = max(slot, self._next)
        waiting = self._slots.get(slot)
        if waiting is None:
            self._slots[slot] = [watched]
        else:
            waiting.append(watched)

    def forget(self, watched: Watched) -> None:
        """Watch no longer; it is dropped from its slot when that comes, within REVISIT seconds."""
        watched.slot = -1

    def _tick(self) -> None:
        if not self._running:
            return
        now = self.now()
        last = int(now / RESOLUTION)
        while self._next <= last:
            slot = self._next
            self._next += 1
            for watched in self._slots.pop(slot, ()):
                if watched.slot != slot:
                    continue  # forgotten, or watched again in an earlier slot
                if watched.deadline <= now:
                    watched.slot = -1
                    watched.expire(now)
                else:
                    self.watch(watched)
        self._schedule(RESOLUTION, self._tick)
