"""The Limiter of one process: exact, answers at once, bounded in memory.

Made by ``tap.py`` and lent to policies as ``gateway.limiter``; the pipeline calls ``take_all`` for each request, the
service ``prune`` from a timer.  ``Limiter`` in ``policy/interfaces.py`` is what it keeps to.
"""

from collections.abc import Sequence

from twgw.model import Charge, Limit
from twgw.policy.interfaces import Clock, Decision
from twgw.throttle.limiter import FixedWindow, State, fresh
from twgw.throttle.tables import Tables

WHEN_FULL = 1.0
"""Seconds after which a charge is asked to come back when there is no room for its counter."""


class LocalLimiter:
    """Counts in this process.  At ``max_keys`` live counters it refuses what would need another one."""

    def __init__(self, clock: Clock, max_keys: int = 1_000_000) -> None:
        self._wall = clock.wall
        self._latest = 0.0
        self._counters: Tables[State] = Tables(max_keys)
        self._known = self._counters.known
        self.refused_full = 0
        """Charges refused because there was no room for their counter."""

    def __len__(self) -> int:
        """How many counters are kept."""
        return len(self._counters)

    def take_all(self, charges: Sequence[Charge]) -> list[Decision]:
        """Take every charge, or none of them when one does not fit.

        When one is refused, those that would have fitted say so and are not taken.
        Raises ValueError for a negative cost.
        """
        now = self._wall()
        if now < self._latest:
            now = self._latest  # or a counter that was let go would come back empty
        else:
            self._latest = now
            if now >= self._counters.next_due:
                self.prune(now, 2)
        # One charge on a counter that was used before is nearly all of the traffic, and most of it on a fixed window.
        if len(charges) == 1:
            charge = charges[0]
            cost = charge.cost
            known = self._known.get(id(charge.limit))
            if known is not None and cost > 0:
                state = known[1].counters.get(charge.key)
                if state.__class__ is FixedWindow and cost == 1:
                    period = state.period
                    label = now // period
                    if label > state.label:
                        state.label = label
                        state.used = 0
                    left = state.amount - state.used
                    wait = (state.label + 1) * period - now
                    if left > 0:
                        state.used += 1
                        return [Decision(charge, True, left - 1, wait)]
                    return [Decision(charge, False, 0, wait, wait)]
                if state is not None:
                    if state.peek(now, cost):
                        state.commit(now, cost)
                        return [Decision(charge, True, state.remaining(now), state.reset_after(now))]
                    wait = state.retry_after(now, cost)
                    return [Decision(charge, False, state.remaining(now), state.reset_after(now), wait)]
        return self._take(charges, now)

    def _take(self, charges: Sequence[Charge], now: float) -> list[Decision]:
        if not self._counters.room(len(charges)):
            self.prune(now, 64)
        states: list[State | None] = []
        new: dict[tuple[Limit, str], State] = {}
        pending: dict[int, int] = {}
        fits = []
        for charge in charges:
            if charge.cost < 0:
                raise ValueError(f"the cost of a charge must not be negative: {charge.cost}")
            state = self._counters.find(charge.limit, charge.key) or self._fresh(charge, new)
            states.append(state)
            if state is None:
                fits.append(False)
                continue
            cost = pending.get(id(state), 0) + charge.cost  # two charges may share a counter
            fits.append(state.peek(now, cost))
            pending[id(state)] = cost
        if all(fits):
            for charge, state in zip(charges, states, strict=True):
                if state is not None:
                    state.commit(now, charge.cost)
            for (limit, key), state in new.items():
                self._counters.keep(limit, key, state)
        decisions = []
        for charge, state, allowed in zip(charges, states, fits, strict=True):
            if state is None:
                decisions.append(Decision(charge, False, 0, WHEN_FULL, WHEN_FULL))
                continue
            wait = 0.0 if allowed else state.retry_after(now, pending[id(state)])
            decisions.append(Decision(charge, allowed, state.remaining(now), state.reset_after(now), wait))
        return decisions

    def _fresh(self, charge: Charge, new: dict[tuple[Limit, str], State]) -> State | None:
        """A counter that is kept when all charges fit; None when there is no room."""
        name = (charge.limit, charge.key)
        if name not in new:
            if not self._counters.room(len(new) + 1):
                self.refused_full += 1
                return None
            new[name] = fresh(charge.limit)
        return new[name]

    def prune(self, now: float, at_most: int) -> int:
        """Look at no more than ``at_most`` counters that are due; how many were let go."""
        self._latest = max(now, self._latest)
        return self._counters.prune(self._latest, at_most)
