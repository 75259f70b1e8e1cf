"""Who had a position in force when a wait for it ended, and who was waited for until its lease had ended.

What is waited for is decided in ``completion.py``, by positions alone; this says it in names, for whoever asked.
Pure; ``membership.py`` calls the roll before and after.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from twgw.cluster.completion import Session
from twgw.cluster.reports import Nack, Standing, read
from twgw.registry import Head

MOST_TOLD = 20
"""Nacks that are shown to somebody."""
Roll = Mapping[str, Standing]
"""Every gateway by its name, and each other key manager by that of its session, as one without a name."""


@frozen
class Reached:
    """How a position came to be in force."""

    position: int
    seconds: float
    in_force: tuple[str, ...] = ()
    """Nodes that said that they have it."""
    ended: tuple[str, ...] = ()
    """Nodes that did not: it was waited until nothing that they hold was good any more."""
    nacks: Mapping[str, tuple[Nack, ...]] = field(factory=dict)
    """What nodes cannot have of what was asked for at that position or after it."""
    unprepared: Mapping[str, tuple[Nack, ...]] = field(factory=dict)
    """What nodes could not prepare that was asked for at that position."""

    def document(self) -> dict[str, Any]:
        """For whoever waited."""
        return {
            "position": self.position,
            "milliseconds": round(self.seconds * 1000, 1),
            "in_force": list(self.in_force),
            "lease_ended": list(self.ended),
            "refused": [shown(node, each) for node, nacks in self.nacks.items() for each in nacks][:MOST_TOLD],
        }  # fmt: skip


def shown(node: str, nack: Nack) -> dict[str, str]:
    """A nack, for whoever is to mend it."""
    return {"node": node, "api": nack.api, "reason": nack.text[:250]}


def call(sessions: Iterable[Session], silent: Collection[Session], own: str, here: Iterable[Standing]) -> Roll:
    """Who there is: by the sessions of others, and by what is known here of those that have leases of this one.

    Of sessions that have ended without a word (``silent``), nobody has a lease any more.
    """
    found: dict[str, Standing] = {}
    for session in sessions:
        if session.id != own:
            told, alive = read(session.report), session not in silent
            found[session.id] = Standing("", session.node, told.roles, session.done, alive)
            for each in told.gateways:
                _add(found, evolve(each, holds=each.holds and alive))
    for each in here:
        _add(found, each)
    return found


def _add(found: dict[str, Standing], one: Standing) -> None:
    """What was said last counts, whichever key manager heard it; a lease counts of whomever it is."""
    before = found.get(one.gateway, one)
    last = max(one, before, key=lambda each: each.applied)
    found[one.gateway] = evolve(last, holds=before.holds or one.holds)


def reached(before: Roll, after: Roll, wanted: Head, seconds: float, lease: float) -> Reached:
    """What became of a wait.

    Args:
        seconds: how long it took.
        lease: how long one lasts: whoever is gone in less has given its leases back, and was not waited for.
    """
    have = {name for name, each in after.items() if each.applied >= wanted}
    late = {
        name for name, each in before.items()
        if each.holds and each.applied < wanted and name not in have and (name in after or seconds >= lease)
    }  # fmt: skip
    everybody = {**before, **after}
    ended = sorted({everybody[name].node for name in late})
    nodes = {after[name].node for name in have if after[name].holds and after[name].gateway} - set(ended)
    return Reached(
        wanted.pos, seconds, tuple(sorted(nodes)), tuple(ended),
        _by_node(after, lambda it: [each for each in it.report.refused if each.position >= wanted.pos]),
        _by_node(after, lambda it: [each for each in it.report.unprepared if each.position == wanted.pos]),
    )  # fmt: skip


def _by_node(roll: Roll, which: Any) -> dict[str, tuple[Nack, ...]]:
    found: dict[str, dict[Nack, None]] = {}
    for each in sorted(roll.values(), key=lambda each: each.node):
        for nack in which(each):
            found.setdefault(each.node, {})[nack] = None
    return {node: tuple(nacks) for node, nacks in found.items()}
