"""Time that promises are measured with: two clocks of the machine, read side by side, and no time of day.

``CLOCK_MONOTONIC_RAW`` is not slewed by whoever sets the time, ``CLOCK_BOOTTIME`` goes on while the machine sleeps.
Whoever holds something for a time believes the one that went further; whoever waits for the end of what another
holds believes the one that went less.  Used by ``lease.py``, ``grants.py`` and ``completion.py``.
"""

import time
from functools import partial
from typing import Protocol

from attrs import frozen


class Clocks(Protocol):
    """Two clocks that count seconds from anywhere, at a rate that is right to ``Terms.rate_error``."""

    def raw(self) -> float:
        """Seconds that nobody slews."""

    def boot(self) -> float:
        """Seconds that include those in which the machine slept."""


class MachineClocks:
    """Those of this machine."""

    raw = staticmethod(partial(time.clock_gettime, time.CLOCK_MONOTONIC_RAW))
    boot = staticmethod(partial(time.clock_gettime, time.CLOCK_BOOTTIME))


@frozen
class Moment:
    """Both clocks at once.  As the end of a time it is asked what holders and waiters want to know."""

    raw: float
    boot: float

    @classmethod
    def now(cls, clocks: Clocks) -> "Moment":
        """What the clocks show."""
        return cls(clocks.raw(), clocks.boot())

    def later(self, seconds: float) -> "Moment":
        """So many seconds later, on both."""
        return Moment(self.raw + seconds, self.boot + seconds)

    def latest(self, other: "Moment") -> "Moment":
        """When both are over."""
        return Moment(max(self.raw, other.raw), max(self.boot, other.boot))

    def left(self, now: "Moment") -> float:
        """The seconds that who holds something until then may rely on; none are left when it is not positive."""
        return min(self.raw - now.raw, self.boot - now.boot)

    def is_over(self, now: "Moment") -> bool:
        """Whether who waits for it may go on."""
        return now.raw >= self.raw and now.boot >= self.boot


@frozen
class Terms:
    """How long what is promised lasts, in seconds, and how wrong the clocks of two machines may be about it."""

    lease: float = 4.0
    """For which a gateway may trust what it knows, unless it is renewed."""
    session: float = 15.0
    """For which a key manager may grant leases, unless it is renewed in the database."""
    rate_error: float = 0.01
    """How much faster or slower than true time a clock may go."""
    margin: float = 0.05

    def wait(self, term: float) -> float:
        """How long to wait, by one's own clocks, until a term that another measures by its own is over.

        The slowest holder keeps it for term / (1 - error); the fastest waiter waits for wait / (1 + error).
        """
        return term * (1 + 3 * self.rate_error) + self.margin
