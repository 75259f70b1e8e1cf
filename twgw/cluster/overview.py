"""How every node of a cluster stands, for ``twgw cluster status`` and whoever watches.  Pure; ``service.py`` asks."""

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from twgw.cluster.reports import Standing
from twgw.cluster.rollcall import Roll, shown

SHORT = 12
"""Digits of a digest that are shown."""


@frozen
class Row:
    """A node."""

    node: str
    roles: tuple[str, ...]
    position: int
    """Up to which everything is in force there."""
    lag: int
    """How much further the log is."""
    lease: str = ""
    """``held`` or ``ended``; empty where no gateway is, or where none has one yet."""
    digest: str = ""
    """Over what it serves: the same on all nodes that serve the same."""
    drifted: bool = False
    """Whether it serves something else than the database has."""
    counters: str = ""
    """How it counts limits: ``shared``, or why not; empty: each process alone."""
    gateways: int = 0
    """Its processes that carry traffic."""
    refused: tuple[dict[str, str], ...] = ()
    """What it cannot have in force, and why."""
    there: bool = True
    """Whether it is; else it is of the cluster, and stopped, dead or cut off."""
    removed: bool = False
    """Whether it was taken out of the cluster, and runs still."""
    rejoined: bool = False
    """Whether it was taken out once and joined anew: a process from before serves nothing."""
    seen_at: float | None = None
    """When one that is not there was there last, in UNIX time; None: not since the node that says so began."""


def absent(there: Iterable[Row], missing: Mapping[str, float | None]) -> list[Row]:
    """Every node by its name, also those that are ``missing``, with when each was there last."""
    found = {row.node: row for row in there}
    for node, seen_at in missing.items():
        found[node] = Row(node, found[node].roles if node in found else (), 0, 0, there=False, seen_at=seen_at)
    return [found[node] for node in sorted(found)]


def rows(roll: Roll, head: int) -> list[Row]:
    """Every node by its name; ``head`` is how far the log is."""
    nodes: dict[str, list[Standing]] = {}
    for each in roll.values():
        nodes.setdefault(each.node, []).append(each)
    return [_row(node, nodes[node], head) for node in sorted(nodes)]


def _row(node: str, all_of_it: Sequence[Standing], head: int) -> Row:
    gateways = [each for each in all_of_it if each.gateway]
    gateways = [each for each in gateways if each.holds] or gateways  # a process that was started anew counts once
    group = gateways or all_of_it
    position = min(each.applied.pos for each in group)
    return Row(
        node,
        tuple(sorted({role for each in all_of_it for role in each.roles})),
        position,
        max(0, head - position),
        ("held" if all(each.holds for each in gateways) else "ended") if gateways else "",
        ", ".join(sorted({each.report.digest[:SHORT] for each in gateways if each.report.digest})),
        any(each.drifted for each in gateways),
        "; ".join(sorted({each.report.counters for each in gateways if each.report.counters})),
        len(gateways),
        tuple(shown(node, nack) for nack in dict.fromkeys(nack for each in gateways for nack in each.report.refused)),
    )
