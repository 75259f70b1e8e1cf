"""What a counter of this process tells of itself to be kept, and how one goes on from what was kept.

Nothing that was kept is forgotten too early: charges of a sliding window are kept by tenths of it, and count as made at
the end of theirs.  Pure.  Called by ``local.py`` for windows that are long enough (``kept.py``).
"""

from collections.abc import Iterator
from math import ceil

from twgw.throttle.kept import Counted, Kept
from twgw.throttle.limiter import TICKS, FixedWindow, SlidingWindow, State

SLICES = 10
MICRO = 10**6
LATER = 60.0
"""Seconds for which a value is kept that is worth nothing any more, as clocks differ."""


def changed(state: State) -> object:
    """What is another one when the counter has changed."""
    if isinstance(state, FixedWindow):
        return state.label, state.used
    if isinstance(state, SlidingWindow):
        return state.used, state.times[-1:]
    return state.full_at


def values_of(state: State, name: str) -> Iterator[Counted]:
    """What is to be kept of a counter."""
    if isinstance(state, FixedWindow):
        if state.used:
            yield Counted(f"{name}:{int(state.label):x}", state.used, state.expires() + LATER)
    elif isinstance(state, SlidingWindow):
        width = state.period / SLICES
        spent: dict[int, int] = {}
        for time, cost in zip(state.times, state.costs, strict=True):
            spent[int(time // width)] = spent.get(int(time // width), 0) + cost
        for label, cost in spent.items():
            yield Counted(f"{name}:{label:x}", cost, (label + 1) * width + state.period + LATER)
    elif state.full_at:
        yield Counted(name, ceil(state.expires() * MICRO), state.expires() + LATER)


def go_on(state: State, name: str, kept: Kept, now: float) -> None:
    """Let a fresh counter begin with what was kept of it."""
    if isinstance(state, FixedWindow):
        label = now // state.period
        if used := kept.used(f"{name}:{int(label):x}"):
            state.label, state.used = label, min(used, state.amount)
    elif isinstance(state, SlidingWindow):
        width = state.period / SLICES
        latest = int(now // width)
        for label in range(latest, latest - SLICES - 1, -1):
            cost = min(kept.used(f"{name}:{label:x}"), state.amount - state.used)
            if cost > 0:
                state.times.insert(0, min((label + 1) * width, now))
                state.costs.insert(0, cost)
                state.used += cost
        state.opened = state.times[-1] if state.times else 0.0
    elif full_at := kept.used(name):
        empty = int(now * TICKS) * state.amount + state.burst
        state.full_at = min(-(-full_at * TICKS // MICRO) * state.amount, empty)
