"""A sliding window that all nodes count together, as one of them sees it: a counter for each tenth of it.

What may be let pass in a slice is what the ten before it have left, so eleven of them never hold more.  A closed
counter grants nothing any more: what it counted stays as it is, and is remembered.  Pure.  Made by ``accounts.py``,
called by ``shared.py``.
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

SLICES = 10
"""Of a window.  It costs one in eleven of the limit that the oldest slice is counted whole."""


class SlidingAccount:
    """At most ``amount`` in any window; the slices before the one that counts are closed."""

    __slots__ = (
        "amount", "asked", "asked_at", "closing", "frozen", "had", "kept", "label", "last", "left", "limit", "lost_at",
        "name", "nonce", "owed", "pending_until", "period", "seen", "slice", "tokens", "unit", "used_up",
    )  # fmt: skip

    def __init__(self, limit: Limit, name: str, kept: Kept | None = None) -> None:
        self.name = name
        self.kept = kept
        """Where it is kept what was counted; None: a loss uses up all windows that it is in."""
        self.period = limit.period
        self.slice = limit.period / SLICES
        self.unit = 1 + (limit.amount - 1) // MOST
        self.limit = limit.amount // self.unit
        self.amount = self.limit * self.unit
        self.label = 0
        self.tokens = self.had = self.last = self.asked = self.owed = 0
        self.left = self.amount
        self.seen = self.nonce = 0
        self.used_up = False
        self.frozen: dict[int, int] = {}
        """What was counted in slices that are closed."""
        self.closing: list[int] = []
        self.asked_at = self.lost_at = self.pending_until = 0.0

    def begin(self, label: int) -> None:
        """Forget the slice before, and what has left the window."""
        self.had -= self.tokens
        self.frozen = {old: count for old, count in self.frozen.items() if old >= label - SLICES}
        before = self.seen if label - self.label <= SLICES and self.label not in self.frozen else 0
        self.left = max(self.limit - sum(self.frozen.values()) - before, 0) * self.unit
        self.label = label
        self.tokens = self.seen = self.nonce = self.asked = 0
        self.closing = []
        self.used_up = False

    def peek(self, now: float, cost: int) -> bool | None:
        """Whether ``cost`` would be admitted; None when nobody knows without asking."""
        label = int(now // self.slice)
        if label > self.label:
            self.begin(label)
        if cost <= self.tokens:
            return True
        return False if self.used_up or cost > self.amount or now < self.pending_until else None

    def commit(self, cost: int) -> None:
        """Spend ``cost``, which ``peek`` let pass."""
        self.tokens -= cost

    def _key(self, label: int) -> str:
        lost = self.kept is not None and label * self.slice < self.lost_at
        return key_of(self.name, label, self.lost_at if lost else 0)

    def _before(self, label: int) -> int:
        """What was counted in a slice, for whoever has to make its counter."""
        if self.kept is None:
            return 0
        return min(max(self.kept.used(key_of(self.name, label, 0)), self.seen * (label == self.label)), self.limit)

    def _note(self, label: int, count: int) -> None:
        if self.kept is not None:
            self.kept.note(key_of(self.name, label, 0), count, (label + SLICES + 2) * self.slice + 60)

    def ask(self, about: Asking) -> list[Command]:
        """Commands that close the slices before, and reserve a block; none when nothing would come of it."""
        label = int(about.now // self.slice)
        if label > self.label:
            self.begin(label)
        if about.lost_at > self.lost_at:
            self.lost_at = about.lost_at
            self.nonce = self.nonce if self.kept is None else 0
        if self._lost() or self._is_pending(about.now):
            return []
        spent = self.had - self.tokens
        elapsed = max(about.now - self.asked_at, 1e-3)
        need = -(-(about.cost - self.tokens) // self.unit)
        waiting = -(-about.waiting // self.unit)
        wanted = block(self.left // self.unit, about.nodes, self.last, waiting, spent / self.unit / elapsed)
        self.asked = self.last = max(wanted, need)
        self.owed = -(-about.owed // self.unit)
        self.asked_at = about.now
        self.closing = [old for old in range(self.label - SLICES, self.label) if old not in self.frozen]
        lifetime = lifetime_of(2 * self.period + 60, about.now)
        commands: list[Command] = [
            close(self._key(old), about.nonce, lifetime, self._before(old)) for old in self.closing
        ]  # fmt: skip
        if self.closing and self.left < need * self.unit:
            # Probably there is nothing to be had, and what is reserved in vain counts for the whole window.
            self.asked, self.last = 0, 1
            return commands
        before = self._before(self.label)
        commands.append(reserve(self._key(self.label), about.nonce, self.asked + self.owed, lifetime, before))
        return commands

    def _is_pending(self, now: float) -> bool:
        """Whether nobody knows yet what was counted before a loss; what is known of slices before it is taken."""
        if self.kept is None or (self.label - SLICES) * self.slice >= self.lost_at:
            return False
        if not self.kept.knows(self.lost_at):
            self.pending_until = now + SOON
            return True
        for old in range(self.label - SLICES, self.label):
            if (old + 1) * self.slice <= self.lost_at and old not in self.frozen:
                self.frozen[old] = min(self.kept.used(key_of(self.name, old, 0)), self.limit)
        return False

    def _lost(self) -> bool:
        """Whether the window begins before what is not known, and never will be."""
        if self.kept is not None or (self.label - SLICES) * self.slice >= self.lost_at:
            return self.used_up
        self.used_up, self.left = True, 0
        return True

    def answered(self, replies: Sequence[Reply], lost_at: float) -> Heard:
        """Take what was granted."""
        asked, self.asked = self.asked, 0
        if not replies or len(replies) != len(self.closing) + bool(asked) or None in replies:
            return NOTHING
        if strange := [reply for reply in replies if not isinstance(reply, Answer)]:
            return self._end(REFUSED if any("SERVER" in str(reply) for reply in strange) else POISONED)
        values = [counted(reply.value) for reply in replies if isinstance(reply, Answer)]
        if not all(nonce for nonce, _, _ in values) or not all(closed for _, closed, _ in values[: len(self.closing)]):
            return self._end(POISONED)
        if self.kept is not None and lost_at > self.lost_at:
            return NOTHING  # they were lost meanwhile: the numbers are, too, and other counters are asked from now on
        for old, (_, _, count) in zip(self.closing, values, strict=False):
            self.frozen[old] = min(count, self.limit)
            self._note(old, self.frozen[old])
        self.lost_at = max(self.lost_at, lost_at)
        allowed = self.limit - sum(self.frozen.get(old, 0) for old in range(self.label - SLICES, self.label))
        if not asked:
            self.left = max(allowed - self.seen, 0) * self.unit
            self.used_up = self.left == 0
            return NOTHING
        nonce, closed, reached = values[-1]
        before = reached - asked - self.owed
        if before < 0:
            return self._end(POISONED)
        if (self.nonce and nonce != self.nonce) or before < self.seen:
            return self._made_anew(nonce, before)
        self.nonce, self.seen = nonce, reached
        self._note(self.label, min(reached, self.limit))
        if self._lost():
            return NOTHING
        if closed:  # another node's clock is ahead: go on where it is, but never farther than one slice
            if self.label <= self.asked_at // self.slice:
                self.begin(self.label + 1)
            else:
                self.used_up = True
            return NOTHING
        self.tokens += granted(allowed, reached, asked) * self.unit
        self.had = self.tokens
        self.left = max(allowed - reached, 0) * self.unit
        self.used_up = reached >= allowed
        return NOTHING

    def _made_anew(self, nonce: int, before: int) -> Heard:
        """The counter was lost: all that was counted is used up, or is counted again where it is known."""
        if self.kept is None:
            self.lost_at = self.asked_at
            return self._end(LOST)
        self.nonce, missing = nonce, self.seen - before
        lifetime = lifetime_of(2 * self.period + 60, self.asked_at)
        return Heard(LOST, (reserve(self._key(self.label), nonce, missing, lifetime),) if missing > 0 else ())

    def _end(self, fault: str) -> Heard:
        """Nothing more is granted in this slice."""
        self.used_up, self.left = True, 0
        return Heard(fault)

    def remaining(self, _now: float) -> int:
        """What could be spent at once, as far as is known."""
        return self.left + self.tokens

    def reset_after(self, now: float) -> float:
        """Seconds until the limit is whole again."""
        used = [old for old, count in self.frozen.items() if count] + [self.label] * bool(self.seen or self.used_up)
        return max((max(used) + SLICES + 1) * self.slice - now, 0.0) if used else 0.0

    def retry_after(self, now: float, cost: int) -> float:
        """Seconds until ``cost`` could fit; the period when it is more than the whole limit and never will."""
        if cost > self.amount:
            return self.period
        if now < self.pending_until and not self.used_up:
            return self.pending_until - now
        missing = -(-max(cost - self.left - self.tokens, 1) // self.unit)
        for old in range(self.label - SLICES, self.label):
            missing -= self.frozen.get(old, 0)
            if missing <= 0:
                return max((old + SLICES + 1) * self.slice - now, 0.0)
        return max((self.label + SLICES + 1) * self.slice - now, 0.0)

    def expires(self) -> float:
        """From this time on the account equals a fresh one."""
        return (self.label + 2) * self.slice
