"""A fixed window that all nodes count together, as one of them sees it: a counter for each window.

Pure.  Made by ``accounts.py``, called by ``shared.py``.
"""

from collections.abc import Sequence

from twgw.model import Limit
from twgw.throttle.asking import LOST, NOTHING, POISONED, REFUSED, Asking, Heard
from twgw.throttle.reservation import (
    MOST,
    Answer,
    Command,
    Reply,
    block,
    close,
    counted,
    granted,
    lifetime_of,
    reserve,
)  # fmt: skip


class FixedAccount:
    """At most ``amount`` under each label ``now // period``: a counter for each label."""

    __slots__ = (
        "amount", "asked", "asked_at", "had", "label", "last", "left", "limit", "name", "nonce", "period", "seen",
        "tokens", "unit", "used_up",
    )  # fmt: skip

    def __init__(self, limit: Limit, name: str) -> None:
        self.name = name
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

    def begin(self, label: float) -> None:
        """Forget the window before."""
        self.label = label
        self.had -= self.tokens
        self.tokens = self.seen = self.nonce = self.asked = 0
        self.left = self.amount
        self.used_up = False

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
        return False if self.used_up or cost > self.amount else None

    def commit(self, cost: int) -> None:
        """Spend ``cost``, which ``peek`` let pass."""
        self.tokens -= cost

    def ask(self, about: Asking) -> list[Command]:
        """Commands that reserve a block; none when nothing would come of it."""
        label = about.now // self.period
        if label > self.label:
            self.begin(label)
        if self.begun < about.lost_at:
            self.used_up, self.left = True, 0
        if self.used_up:
            return []
        spent = self.had - self.tokens
        elapsed = max(about.now - self.asked_at, 1e-3)
        need = -(-(about.cost - self.tokens) // self.unit)
        waiting = -(-about.waiting // self.unit)
        wanted = block(self.left // self.unit, about.nodes, self.last, waiting, spent / self.unit / elapsed)
        self.asked = self.last = max(wanted, need)
        self.asked_at = about.now
        key = f"{self.name}:{int(label):x}"
        return [reserve(key, about.nonce, self.asked, lifetime_of(2 * self.period + 60, about.now))]

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
            # It was lost and made anew: nobody is to be granted anything of the new one.
            tell = close(f"{self.name}:{int(self.label):x}", nonce, lifetime_of(2 * self.period + 60, self.asked_at))
            return Heard(self._end(LOST).fault, (tell,))
        self.nonce, self.seen = nonce, count
        if closed or self.begun < lost_at:
            return self._end("")
        self.tokens += granted(self.limit, count, asked) * self.unit
        self.had = self.tokens
        self.left = max(self.limit - count, 0) * self.unit
        self.used_up = count >= self.limit
        return NOTHING

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
        return self.period if cost > self.amount else self.reset_after(now)

    def expires(self) -> float:
        """From this time on the account equals a fresh one."""
        return (self.label + 1) * self.period
