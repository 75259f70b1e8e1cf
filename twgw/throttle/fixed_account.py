"""A fixed window that all nodes count together, as one of them sees it: a counter for each window.

Pure.  Made by ``accounts.py``, called by ``shared.py``.
"""

from collections.abc import Sequence

from twgw.model import Limit
from twgw.throttle.asking import LOST, NOTHING, POISONED, REFUSED, SOON, Asking, Heard
from twgw.throttle.kept import Kept
from twgw.throttle.reservation import (
    MOST,
    Answer,
    Command,
    Reply,
    block,
    close,
    counted,
    granted,
    key_of,
    lifetime_of,
    reserve,
)  # fmt: skip


class FixedAccount:
    """At most ``amount`` under each label ``now // period``: a counter for each label."""

    __slots__ = (
        "amount", "asked", "asked_at", "had", "kept", "label", "last", "left", "limit", "lost_at", "name", "nonce",
        "pending_until", "period", "seen", "tokens", "unit", "used_up",
    )  # fmt: skip

    def __init__(self, limit: Limit, name: str, kept: Kept | None = None) -> None:
        self.name = name
        self.kept = kept
        """Where it is kept what was counted; None: a loss uses up the window."""
        self.period = limit.period
        self.unit = 1 + (limit.amount - 1) // MOST
        """What one number is worth."""
        self.limit = limit.amount // self.unit
        """In numbers."""
        self.amount = self.limit * self.unit
        self.label = 0.0
        self.tokens = 0
        self.had = 0
        """Tokens after the last answer; what is missing of it now was spent since then."""
        self.left = 0
        """What no node has reserved yet, as far as is known."""
        self.seen = 0
        """The highest number that was heard of."""
        self.nonce = 0
        self.used_up = False
        self.asked = self.last = 0
        self.asked_at = 0.0
        self.lost_at = 0.0
        """Of the loss in this window after which the counter began that is asked; 0: none."""
        self.pending_until = 0.0
        """Until then nobody knows what was counted."""

    def begin(self, label: float) -> None:
        """Forget the window before."""
        self.label = label
        self.had -= self.tokens
        self.tokens = self.seen = self.nonce = self.asked = 0
        self.left = self.amount
        self.used_up = False
        self.lost_at = self.pending_until = 0.0

    @property
    def begun(self) -> float:
        """When the window began."""
        return self.label * self.period

    def peek(self, now: float, cost: int) -> bool | None:
        """Whether ``cost`` would be admitted; None when nobody knows without asking."""
        label = now // self.period
        if label > self.label:
            self.begin(label)
        if cost <= self.tokens:
            return True
        return False if self.used_up or cost > self.amount or now < self.pending_until else None

    def commit(self, cost: int) -> None:
        """Spend ``cost``, which ``peek`` let pass."""
        self.tokens -= cost

    def ask(self, about: Asking) -> list[Command]:
        """Commands that reserve a block; none when nothing would come of it."""
        label = about.now // self.period
        if label > self.label:
            self.begin(label)
        kept = self.kept
        if about.lost_at and kept is None and self.begun < about.lost_at:
            self.used_up, self.left = True, 0
        if self.used_up or (kept is not None and not self._known(about, kept)):
            return []
        unit = self.unit
        spent, elapsed = self.had - self.tokens, max(about.now - self.asked_at, 1e-3)
        need = -(-(about.cost - self.tokens) // unit)
        waiting = -(-about.waiting // unit)
        wanted = block(self.left // unit, about.nodes, self.last, waiting, spent / unit / elapsed)
        self.asked = self.last = asked = max(wanted, need)
        self.asked_at = about.now
        lifetime = lifetime_of(2 * self.period + 60, about.now)
        before = self._before(kept) if kept is not None else 0
        return [reserve(self._key, about.nonce, asked, lifetime, before)]

    @property
    def _key(self) -> str:
        return key_of(self.name, int(self.label), self.lost_at)

    def _known(self, about: Asking, kept: Kept) -> bool:
        """Whether it is known what was counted; after a loss the window goes on in another counter."""
        lost_at = about.lost_at if self.begun < about.lost_at else 0.0
        if not kept.knows(lost_at):
            self.pending_until = about.now + SOON
            return False
        if lost_at != self.lost_at:
            self.lost_at, self.nonce = lost_at, 0
        return True

    def _before(self, kept: Kept) -> int:
        """What was counted, for whoever has to make the counter."""
        return min(max(kept.used(key_of(self.name, int(self.label), 0)), self.seen), self.limit)

    def answered(self, replies: Sequence[Reply], lost_at: float) -> Heard:
        """Take what was granted."""
        asked, self.asked = self.asked, 0
        reply = replies[0] if replies else None
        if not asked or reply is None:
            return NOTHING  # the window has ended, or nobody knows: the numbers are lost
        if not isinstance(reply, Answer):
            return self._end(REFUSED if "SERVER" in reply else POISONED)
        nonce, closed, count = counted(reply.value)
        if not nonce or count < asked:
            return self._end(POISONED)
        if (self.nonce and nonce != self.nonce) or count - asked < self.seen:
            return self._lost(nonce, count - asked)
        if self.kept is not None and self.begun < lost_at != self.lost_at:
            return NOTHING  # it was lost meanwhile: the numbers are, too
        self.nonce, self.seen = nonce, count
        if closed or (lost_at and self.begun < lost_at and self.kept is None):
            return self._end("")
        if self.kept is not None:
            self.kept.note(key_of(self.name, int(self.label), 0), count, (self.label + 1) * self.period + 60)
        self.tokens = self.had = self.tokens + granted(self.limit, count, asked) * self.unit
        left = self.limit - count
        self.left = max(left, 0) * self.unit
        self.used_up = left <= 0
        return NOTHING

    def _lost(self, nonce: int, before: int) -> Heard:
        """The counter was lost and made anew: nobody is to be granted anything of it, or what was counted before."""
        lifetime = lifetime_of(2 * self.period + 60, self.asked_at)
        if self.kept is None:
            return Heard(self._end(LOST).fault, (close(self._key, nonce, lifetime),))
        self.nonce = nonce
        missing = self.seen - before
        tell = (reserve(self._key, nonce, missing, lifetime),) if missing > 0 else ()
        return Heard(LOST, tell)

    def _end(self, fault: str) -> Heard:
        """Nothing more is granted in this window."""
        self.used_up, self.left = True, 0
        return Heard(fault) if fault else NOTHING

    def remaining(self, _now: float) -> int:
        """What could be spent at once, as far as is known."""
        return self.left + self.tokens

    def reset_after(self, now: float) -> float:
        """Seconds until the limit is whole again."""
        return max((self.label + 1) * self.period - now, 0.0)

    def retry_after(self, now: float, cost: int) -> float:
        """Seconds until ``cost`` could fit; the period when it is more than the whole limit and never will."""
        if cost > self.amount:
            return self.period
        return self.pending_until - now if now < self.pending_until and not self.used_up else self.reset_after(now)

    def expires(self) -> float:
        """From this time on the account equals a fresh one."""
        return (self.label + 1) * self.period
