"""What is left of a limit: the state of one counter, and time, to an answer.

One class for each ``Algorithm``, all with the same five questions; a counter that was never charged is a fresh one.
Pure: ``now`` is UNIX time in seconds and comes from the caller.  Called by ``throttle/local.py``.

``peek`` and ``commit`` are apart so that several charges can be decided before any is spent.  A clock that goes back
is taken as one that stood still: it may refuse too much, never admit too much.
"""

from twgw.model import Algorithm, Limit

EXACT_UP_TO = 1000
"""Sliding windows of at most this amount remember every charge; larger ones this many slots of time."""
TICKS = 1 << 30
"""In a second.  A power of two, so that a time is turned into ticks without rounding."""


class FixedWindow:
    """At most ``amount`` under each label ``now // period``, so windows begin at whole multiples of the period."""

    __slots__ = ("amount", "label", "period", "used")

    def __init__(self, limit: Limit) -> None:
        self.amount = limit.amount
        self.period = limit.period
        self.label = 0.0
        self.used = 0

    def _used(self, now: float) -> int:
        return 0 if now // self.period > self.label else self.used

    def peek(self, now: float, cost: int) -> bool:
        """Whether ``cost`` would be admitted."""
        return self._used(now) + cost <= self.amount

    def commit(self, now: float, cost: int) -> None:
        """Spend ``cost``, which ``peek`` let pass."""
        label = now // self.period
        if label > self.label:
            self.label = label
            self.used = 0
        self.used += cost

    def remaining(self, now: float) -> int:
        """What could be spent at once."""
        return self.amount - self._used(now)

    def reset_after(self, now: float) -> float:
        """Seconds until the limit is whole again."""
        return max(self.expires() - now, 0.0)

    def retry_after(self, now: float, cost: int) -> float:
        """Seconds until ``cost`` fits; the period when it is more than the whole limit and never will."""
        if cost > self.amount:
            return self.period
        return 0.0 if self.peek(now, cost) else self.reset_after(now)

    def expires(self) -> float:
        """From this time on the counter equals a fresh one."""
        return (self.label + 1) * self.period if self.used else 0.0


class SlidingWindow:
    """At most ``amount`` in any window ``[t, t + period)``.

    A log of what was spent when.  Charges of the same time share a slot; above ``EXACT_UP_TO`` so do those of
    ``period / 1000``, and then all count as the latest of them: they are forgotten late, never early.
    That costs up to a thousandth of the period and bounds the memory of a counter.
    """

    __slots__ = ("amount", "costs", "opened", "period", "slot", "times", "used")

    def __init__(self, limit: Limit) -> None:
        self.amount = limit.amount
        self.period = limit.period
        self.slot = 0.0 if limit.amount <= EXACT_UP_TO else limit.period / EXACT_UP_TO
        self.opened = 0.0
        """When the last slot began."""
        self.times: list[float] = []
        self.costs: list[int] = []
        self.used = 0
        """Sum of ``costs``."""

    def _gone(self, now: float) -> tuple[int, int]:
        """How many slots are past, and what was spent in them."""
        # ``now - time`` is exact for UNIX times, ``time + period`` may round a charge out of the window.
        slots = spent = 0
        for time in self.times:
            if now - time < self.period:
                break
            spent += self.costs[slots]
            slots += 1
        return slots, spent

    def peek(self, now: float, cost: int) -> bool:
        """Whether ``cost`` would be admitted."""
        return self.used + cost <= self.amount or self.used - self._gone(now)[1] + cost <= self.amount

    def commit(self, now: float, cost: int) -> None:
        """Spend ``cost``, which ``peek`` let pass."""
        slots, spent = self._gone(now)
        if slots:
            del self.times[:slots]
            del self.costs[:slots]
        self.used += cost - spent
        if self.times:
            now = max(now, self.times[-1])
            if now - self.opened <= self.slot:
                self.times[-1] = now
                self.costs[-1] += cost
                return
        self.opened = now
        self.times.append(now)
        self.costs.append(cost)

    def remaining(self, now: float) -> int:
        """What could be spent at once."""
        return self.amount - self.used + self._gone(now)[1]

    def reset_after(self, now: float) -> float:
        """Seconds until the limit is whole again."""
        return max(self.expires() - now, 0.0)

    def retry_after(self, now: float, cost: int) -> float:
        """Seconds until ``cost`` fits; the period when it is more than the whole limit and never will."""
        if cost > self.amount:
            return self.period
        excess = self.used + cost - self.amount
        wait = 0.0
        for time, spent in zip(self.times, self.costs, strict=True):
            if excess <= 0:
                break
            excess -= spent
            wait = time + self.period - now
        return max(wait, 0.0)

    def expires(self) -> float:
        """From this time on the counter equals a fresh one."""
        return self.times[-1] + self.period if self.times else 0.0


class TokenBucket:
    """``burst`` at once, refilled by ``amount`` each ``period``: the generic cell rate algorithm.

    The state is the time at which the bucket is full again, in whole units of 1 / ``amount`` ticks, of which a
    charge of 1 costs exactly ``period`` ticks: nothing is lost by rounding, however long it runs.
    """

    __slots__ = ("amount", "burst", "full_at", "one")

    def __init__(self, limit: Limit) -> None:
        self.amount = limit.amount
        self.one = max(round(limit.period * TICKS), 1)
        """What a charge of 1 costs."""
        self.burst = (limit.burst or limit.amount) * self.one
        """What the whole bucket is worth."""
        self.full_at = 0

    def _lack(self, now: float) -> int:
        """How much is missing from a full bucket."""
        lack = self.full_at - int(now * TICKS) * self.amount
        return max(lack, 0)

    def _seconds(self, units: int) -> float:
        return units / (self.amount * TICKS)

    def peek(self, now: float, cost: int) -> bool:
        """Whether ``cost`` would be admitted."""
        return self._lack(now) + cost * self.one <= self.burst

    def commit(self, now: float, cost: int) -> None:
        """Spend ``cost``, which ``peek`` let pass."""
        self.full_at = max(self.full_at, int(now * TICKS) * self.amount) + cost * self.one

    def remaining(self, now: float) -> int:
        """What could be spent at once."""
        return max((self.burst - self._lack(now)) // self.one, 0)

    def reset_after(self, now: float) -> float:
        """Seconds until the limit is whole again."""
        return self._seconds(self._lack(now))

    def retry_after(self, now: float, cost: int) -> float:
        """Seconds until ``cost`` fits; time to fill the bucket when it is more than that and never will."""
        if cost * self.one > self.burst:
            return self._seconds(self.burst)
        return self._seconds(max(self._lack(now) + cost * self.one - self.burst, 0))

    def expires(self) -> float:
        """From this time on the counter equals a fresh one."""
        return self._seconds(self.full_at)


State = FixedWindow | SlidingWindow | TokenBucket

_STATES: dict[Algorithm, type[State]] = {
    Algorithm.FIXED_WINDOW: FixedWindow,
    Algorithm.SLIDING_WINDOW: SlidingWindow,
    Algorithm.TOKEN_BUCKET: TokenBucket,
}


def fresh(limit: Limit) -> State:
    """The counter of a limit of which nothing was spent."""
    return _STATES[limit.algorithm](limit)
