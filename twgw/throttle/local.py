"""The Limiter of one process: exact, answers at once, bounded in memory.

Made by ``tap.py`` and lent to policies as ``gateway.limiter``; the pipeline calls ``take_all`` for each request, the
service ``prune`` from a timer.  ``Limiter`` in ``policy/interfaces.py`` is what it keeps to.
"""

from collections.abc import Iterator, Sequence
from math import ceil

from attrs import define

from twgw.model import Charge, Limit
from twgw.policy.interfaces import Clock, Decision
from twgw.throttle.going_on import changed, go_on, values_of
from twgw.throttle.kept import LONG, Kept
from twgw.throttle.limiter import FixedWindow, State, fresh
from twgw.throttle.reservation import name_of
from twgw.throttle.tables import Tables

WHEN_FULL = 1.0
"""Seconds after which a charge is asked to come back when there is no room for its counter."""


@define(eq=False)
class Watched:
    """A counter of a long window."""

    state: State
    told: object = None
    """What it was when it was kept last."""


class LocalLimiter:
    """Counts in this process.  At ``max_keys`` live counters it refuses what would need another one.

    ``kept``: where it is kept what was counted of long windows, if anywhere.
    """

    def __init__(self, clock: Clock, max_keys: int = 1_000_000, kept: Kept | None = None) -> None:
        self._wall = clock.wall
        self._latest = 0.0
        self._counters: Tables[State] = Tables(max_keys)
        self._known = self._counters.known
        self.refused_full = 0
        """Charges refused because there was no room for their counter."""
        self._kept = kept
        self._watched: dict[str, Watched] = {}
        self._round: Iterator[str] = iter(())
        """Those that are still to be looked at before all were."""

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
                if self._kept is not None and limit.period > LONG:
                    self._watched[name_of("", limit, key)] = Watched(state)
        decisions = []
        for charge, state, allowed in zip(charges, states, fits, strict=True):
            if state is None:
                decisions.append(Decision(charge, False, 0, WHEN_FULL, WHEN_FULL))
                continue
            wait = 0.0 if allowed else state.retry_after(now, pending[id(state)])
            decisions.append(Decision(charge, allowed, state.remaining(now), state.reset_after(now), wait))
        return decisions

    def _fresh(self, charge: Charge, new: dict[tuple[Limit, str], State]) -> State | None:
        """A counter that is kept when all charges fit; None when there is no room, or nobody knows what was counted."""
        name = (charge.limit, charge.key)
        if name not in new:
            kept = self._kept if charge.limit.period > LONG else None
            if kept is not None and not kept.knows(0):
                return None
            if not self._counters.room(len(new) + 1):
                self.refused_full += 1
                return None
            new[name] = fresh(charge.limit)
            if kept is not None:
                go_on(new[name], name_of("", charge.limit, charge.key), kept, self._latest)
        return new[name]

    @property
    def lost_at(self) -> float:
        """Nothing is lost but with the process."""
        return 0.0

    def collect(self, now: float, share: float) -> None:
        """Note what is to be kept of a share of the long windows, in turn, as far as it has changed."""
        if self._kept is None:
            return
        for _ in range(ceil(share * len(self._watched))):
            name = next(self._round, None)
            if name is None:
                self._round = iter(list(self._watched))
                name = next(self._round)
            watched = self._watched.get(name)
            if watched is None:
                continue
            if (told := changed(watched.state)) != watched.told:
                watched.told = told
                for value in values_of(watched.state, name):
                    self._kept.note(*value)
            if watched.state.expires() <= now:
                del self._watched[name]

    def prune(self, now: float, at_most: int) -> int:
        """Look at no more than ``at_most`` counters that are due; how many were let go."""
        self._latest = max(now, self._latest)
        return self._counters.prune(self._latest, at_most)
