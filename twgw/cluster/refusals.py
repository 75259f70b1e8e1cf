"""Count what is refused between nodes, and say it in the log without letting a flood of it fill that."""

from collections.abc import Callable
from typing import Protocol

from attrs import define, field

from twgw.policy.interfaces import Log

EVERY = 1.0
"""Seconds between two lines for the same reason."""


class Counter(Protocol):
    """A counter of ``metrics.py`` with one label."""

    def add(self, labels: tuple[str, ...] = (), amount: float = 1) -> None:
        """Count."""


@define(eq=False)
class Refusals:
    """What was refused, by its reason.  ``now`` is monotonic."""

    counter: Counter
    log: Log
    now: Callable[[], float]
    _said: dict[str, float] = field(factory=dict)
    _unsaid: dict[str, int] = field(factory=dict)

    def add(self, reason: str, who: str, why: str, *, ours: bool = False) -> None:
        """Count one, and say so, unless another for this reason was said a moment ago.

        ``ours``: it should have been done, and the fault is here.
        """
        self.counter.add((reason,))
        last, now = self._said.get(reason), self.now()
        if last is not None and now - last < EVERY:
            self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
            return
        self._said[reason] = now
        more = self._unsaid.pop(reason, 0)
        others = f" ({more} more like it before)" if more else ""
        say = self.log.error if ours else self.log.warn
        say("refused {who}: {why}{others}", who=who, why=why, others=others)
