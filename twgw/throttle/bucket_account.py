"""A token bucket that all nodes fill from together, as one of them sees it: the generic cell rate algorithm.

One value says when the bucket is full again; each token moves it on by a step of time.  A block is a stretch of steps
that nobody else has; a step may be spent when it is no farther ahead than the whole bucket, and within ``AHEAD``
seconds after that.  What was reserved too early is kept until it may be spent: nothing is given back, and nobody asks
meanwhile. Pure.  Made by ``accounts.py``, called by ``shared.py``.
"""

from collections.abc import Sequence
from math import ceil

from twgw.model import Limit
from twgw.throttle.asking import LOST, NOTHING, POISONED, REFUSED, SOON, Asking, Heard
from twgw.throttle.kept import Kept
from twgw.throttle.reservation import AHEAD, Add, Answer, Command, Put, Reply, block, lifetime_of

TICKS = 4096 * 1_000_000
"""In a second."""
TRIES = 5
"""Attempts to begin a bucket that other nodes begin, too."""
UNAWARE = 1.5
"""Seconds after a loss for which a node may still spend what it reserved before, as it does not know yet."""
FARTHEST = 60
"""Seconds that a bucket may be behind, beside twice its size; one that says more was not written by a node."""


class BucketAccount:
    """``burst`` at once, refilled by ``amount`` each ``period``."""

    __slots__ = (
        "amount", "asked", "asked_at", "at", "cas", "count", "found", "full_at", "granted_at", "had", "kept", "last",
        "loose", "loose_until", "lost_at", "name", "one", "owed", "putting", "seen", "target", "tries", "unit",
        "used_up_until", "whole",
    )  # fmt: skip

    def __init__(self, limit: Limit, name: str, kept: Kept | None = None) -> None:
        self.name = name
        self.kept = kept
        """Where it is kept when it is full again; None: a loss empties it."""
        burst = limit.burst or limit.amount
        self.unit = min(ceil(limit.amount / (limit.period * 1e6)), burst)
        self.one = ceil(self.unit * limit.period * TICKS / limit.amount)
        """What one unit costs, in ticks."""
        self.amount = burst // self.unit * self.unit
        self.whole = burst // self.unit * self.one
        """What a full bucket is worth, in ticks."""
        self.at = self.count = 0
        """Where our stretch begins, and how many units it has."""
        self.granted_at = 0.0
        self.loose = 0
        """Tokens left of an earlier stretch, to be spent before ``loose_until``."""
        self.loose_until = 0.0
        self.full_at = 0
        """When the bucket is full again, in ticks, as far as is known."""
        self.seen = 0
        self.cas = self.asked = self.owed = self.last = self.had = self.target = self.tries = 0
        self.found = 0
        """What the bucket had when it was to be begun anew."""
        self.asked_at = self.lost_at = self.used_up_until = 0.0
        self.putting = False
        """Whether the bucket is being begun."""

    def _ready(self, now: float) -> int:
        """How many units may be spent now; those of which the time is over are dropped."""
        reached = int(now * TICKS) + self.whole - self.at
        if self.count and now > self.granted_at + AHEAD:
            gone = min(max((reached - int(AHEAD * TICKS)) // self.one, 0), self.count)
            self.at += gone * self.one
            self.count -= gone
            reached -= gone * self.one
        if now > self.loose_until:
            self.loose = 0
        return min(max(reached // self.one, 0), self.count)

    def peek(self, now: float, cost: int) -> bool | None:
        """Whether ``cost`` would be admitted; None when nobody knows without asking."""
        ready = self._ready(now)
        if cost <= self.loose + ready * self.unit:
            return True
        if ready < self.count or cost > self.amount or now < self.used_up_until:
            return False
        return None

    def commit(self, cost: int) -> None:
        """Spend ``cost``, which ``peek`` let pass."""
        if cost > self.loose:
            units = -(-(cost - self.loose) // self.unit)
            self.at += units * self.one
            self.count -= units
            self.loose += units * self.unit
            self.loose_until = max(self.loose_until, self.granted_at + AHEAD)
        self.loose -= cost

    def lose(self, lost_at: float) -> None:
        """All begin anew with a bucket that is empty at that time: steps beyond it that were reserved are theirs."""
        self.lost_at = max(self.lost_at, lost_at)
        if self.kept is None:
            own = self._emptied - self.at
            self.count = min(self.count, max(own // self.one, 0))

    @property
    def _emptied(self) -> int:
        """When a bucket is full again that all was lost of."""
        return int((self.lost_at + UNAWARE) * TICKS) + self.whole if self.lost_at else 0

    def ask(self, about: Asking) -> list[Command]:
        """The command that reserves a stretch, or the one that begins it now, where the bucket was full."""
        now = int(about.now * TICKS)
        self.lost_at = max(self.lost_at, about.lost_at)
        if self.kept is None:
            self.target = max(now, self._emptied)
        elif self._emptied > now and not self.kept.knows(self.lost_at):
            self.used_up_until = about.now + SOON
            return []
        else:
            self.target = max(now, self.kept.used(self.name))
        lifetime = lifetime_of((self.target + self.whole - now) / TICKS + 60, about.now)
        self.putting = bool(self.cas)
        if self.cas:
            cas, self.cas = self.cas, 0
            self.target = max(self.target, self.found)  # whoever began it anew before us has what is below
            return [Put(self.name, self.target + (self.owed + self.asked) * self.one, cas, lifetime)]
        ready = self._ready(about.now)
        spent = self.had - self.loose - ready * self.unit
        if ready:
            self.loose += ready * self.unit
            self.loose_until = about.now + AHEAD
            self.at += ready * self.one
            self.count -= ready
        elapsed = max(about.now - self.asked_at, 1e-3)
        soon = 2 * int(AHEAD * TICKS)  # what comes back meanwhile is shared out like the rest
        left = max(now + self.whole + soon - max(self.full_at, self.target), 0) // self.one
        need = -(-(about.cost - self.loose) // self.unit)
        waiting = -(-about.waiting // self.unit)
        self.asked = self.last = max(block(left, about.nodes, self.last, waiting, spent / self.unit / elapsed), need)
        self.owed = -(-about.owed // self.unit)
        self.asked_at = about.now
        step = (self.asked + self.owed) * self.one
        return [Add(self.name, self.target + step, step, lifetime)]

    def answered(self, replies: Sequence[Reply], lost_at: float) -> Heard:
        """Take what was granted."""
        asked, reply = self.asked, replies[0] if replies else None
        if not asked or reply is None:
            self.asked = self.cas = 0
            return NOTHING
        lost = lost_at > self.lost_at
        self.lost_at = max(self.lost_at, lost_at)
        if reply in {"EX", "NF"}:  # somebody was quicker
            self.tries += 1
            return self._end("") if self.tries > TRIES else NOTHING
        if not isinstance(reply, Answer):
            return self._end(REFUSED if "SERVER" in reply else POISONED)
        if self.putting:
            self.tries = 0
            return self._end("") if lost else self._grant(self.target + self.owed * self.one)
        at = reply.value - asked * self.one
        if at > self.target + 2 * self.whole + FARTHEST * TICKS or at < 0:
            return self._end(POISONED)
        fault = LOST if reply.value <= self.seen else ""
        if fault:
            self.lost_at = self.asked_at if self.kept is None else self.lost_at
            self.target = max(self.target, self.seen if self.kept is not None else 0)
        self.seen = 0 if fault else reply.value
        if at < self.target or lost or fault:
            self.cas, self.found = reply.cas, at
            return Heard(fault)
        self.tries = 0
        return self._grant(at)

    def _grant(self, at: int) -> Heard:
        self.at, self.count, self.granted_at = at, self.asked, self.asked_at
        self.full_at = self.seen = at + self.asked * self.one
        if self.kept is not None:
            self.kept.note(self.name, self.full_at, self.full_at / TICKS + 60)
        self.had = self.loose + self.count * self.unit
        self.asked = 0
        return NOTHING

    def _end(self, fault: str) -> Heard:
        """Ask nobody for a while."""
        self.used_up_until = self.asked_at + max(self.one / TICKS, AHEAD)
        self.asked = self.cas = self.tries = 0
        return Heard(fault)

    def remaining(self, now: float) -> int:
        """What could be spent at once, as far as is known."""
        ticks = int(now * TICKS)
        free = max(ticks + self.whole - max(self.full_at, ticks), 0)
        return self.loose + (self._ready(now) + free // self.one) * self.unit

    def reset_after(self, now: float) -> float:
        """Seconds until the limit is whole again."""
        return max(self.full_at / TICKS - now, 0.0)

    def retry_after(self, now: float, cost: int) -> float:
        """Seconds until ``cost`` could fit; time to fill the bucket when it is more than that and never will."""
        if cost > self.amount:
            return self.whole / TICKS
        if self.count:
            units = min(-(-max(cost - self.loose, 0) // self.unit), self.count)
            return max((self.at + units * self.one - self.whole) / TICKS - now, 0.0)
        return max(self.used_up_until - now, 0.0)

    def expires(self) -> float:
        """From this time on the account equals a fresh one."""
        return max(self.full_at / TICKS, self.used_up_until, self.granted_at + AHEAD)
