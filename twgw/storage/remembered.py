"""What this process knows to stand in the log, until a look at the database has found it there.

A database that a standby took over which was behind, or that was brought back from a backup, may be appended to before
anybody looks.  Then its positions are as they were and its records are not, which shows by when they were written.  So
whatever a process appended or read is looked for with the next renewal of its session (``cluster.py``).

``database.py`` notes what was appended, ``reader.py`` what was read, each in whatever thread that was.
"""

from collections.abc import Mapping
from threading import Lock

from twgw.registry import Head

MOST = 200
"""Records that are still to be looked for; of more the oldest are not."""
Times = Mapping[Head, float | None]
"""When records were written, by their positions; None where there is none."""


class Remembered:
    """Records of the log, by their positions."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._new: dict[Head, float] = {}
        self._last: Times = {}
        """Of those that were found, which is found only where those before it are."""

    def note(self, head: Head, at: float) -> None:
        """A record stands there that was written then; that is committed, and may have been seen already."""
        with self._lock:
            if self._last.get(head) != at:
                self._new[head] = at
            if len(self._new) > MOST:
                del self._new[next(iter(self._new))]

    def is_new(self, head: Head) -> bool:
        """Whether one was noted of which nobody has seen that it is still there."""
        return head in self._new

    @property
    def times(self) -> Times:
        """All that is to be looked for."""
        with self._lock:
            return {**self._last, **self._new}

    def found(self, times: Times) -> None:
        """These were found, the last of the log among them."""
        if not times:
            return
        last = max(times)
        with self._lock:
            self._last = {last: times[last]}
            self._new = {
                head: at for head, at in self._new.items() if head.epoch >= last.epoch and times.get(head) != at
            }
