"""What gateways say of themselves with what they have in force, and what key managers keep of that in their sessions.

A report is told with each acknowledgement and each question for a lease: whole, so that one that is lost or late does
no harm.  A key manager writes the reports that it has into its session, in the transaction that says with what it is
done: whoever sees that a position is in force sees what could not be had of it, and where.

Pure; ``membership.py`` keeps them, ``rollcall.py`` reads them.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache

from attrs import evolve, field, frozen
from attrs.validators import max_len

from twgw.faults import SettingsError
from twgw.later import understood
from twgw.registry import Head
from twgw.schema import as_written

MOST_NACKS, LONGEST = 20, 500
"""Of one kind in a report, and characters of one."""
MOST_GATEWAYS = 1000
"""Of which a key manager keeps reports; beyond that the oldest is forgotten."""
LARGEST = 200_000
"""Characters of a session's text; beyond that what could not be had is left out."""
LARGEST_AT_ONCE = 20_000
"""Characters of such a text that are told in a message; a longer one is read in the database."""

MOST_OF_NODE = 250
"""Gateways of one node: its processes, and those before them."""

BEGINNING = Head(0, 0)


def plain(text: str) -> str:
    """A text that reaches logs and terminals: of what a gateway says, nothing but what can be seen."""
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


@frozen
class Nack:
    """What a gateway cannot have in force."""

    api: str = field(default="", converter=plain, validator=max_len(300))
    """Empty for the global policies."""
    position: int = 0
    """Of the record that asked for it, or of a later one in the same turn."""
    text: str = field(default="", converter=plain, validator=max_len(LONGEST))

    @classmethod
    def of(cls, api: str, position: int, texts: Iterable[str]) -> "Nack":
        """What is wrong with it, as far as there is room."""
        return cls(api[:300], position, "; ".join(texts)[:LONGEST])


@frozen
class Report:
    """What a gateway says of what it has in force at a position."""

    digest: str = field(default="", converter=plain, validator=max_len(64))
    """Over all that is served; see ``digests.py``.  Empty: it does not say."""
    refused: tuple[Nack, ...] = field(default=(), validator=max_len(MOST_NACKS))
    """What should be in force and cannot be had: what was in force of it before stays."""
    unprepared: tuple[Nack, ...] = field(default=(), validator=max_len(MOST_NACKS))
    """What it was asked to prepare and cannot."""
    counters: str = field(default="", converter=plain, validator=max_len(LONGEST))
    """How limits are counted: ``shared``, or why not; empty: by this process alone."""


@frozen
class Standing:
    """A gateway, as a key manager knows it."""

    gateway: str
    """Made anew at each start of a process."""
    node: str
    roles: tuple[str, ...] = ()
    applied: Head = BEGINNING
    holds: bool = True
    """Whether it may hold a lease; when not, its lease has ended without a word."""
    drifted: bool = False
    """Whether it serves something else than the registry has at that position."""
    report: Report = field(factory=Report)


@frozen
class About:
    """What a node with the database says of itself, for ``twgw doctor`` on another one."""

    version: str = field(default="", validator=max_len(100))
    at: float = 0.0
    """UNIX time there when it said so; 0: it does not say."""
    counters: Mapping[str, str] = field(factory=dict, validator=max_len(100))
    """The servers of memcached as it names them, and the mark that each has for it; empty: it does not answer."""


@frozen
class Told:
    """What a session says of its key manager and of the gateways that have leases of it."""

    roles: tuple[str, ...] = ()
    gateways: tuple[Standing, ...] = ()
    about: About = field(factory=About)


class Reports:
    """What the gateways of one key manager said last."""

    def __init__(self) -> None:
        self._known: dict[str, Standing] = {}

    def said(self, standing: Standing, holders: Callable[[], Collection[str]] = tuple) -> bool:
        """A gateway says how it stands; False when it speaks in the name of another node's, or of too many.

        ``holders``: who may hold a lease.
        """
        before = self._known.get(standing.gateway)
        if before is not None:
            if before.node != standing.node:
                return False
            if before.applied > standing.applied:  # an older message came later
                return True
            drifted = before.drifted and before.report.digest == standing.report.digest
            standing = evolve(standing, drifted=drifted)
        elif not self._has_room(standing.node, holders):
            return False
        self._known[standing.gateway] = standing
        while len(self._known) > MOST_GATEWAYS:
            del self._known[next(iter(self._known))]
        return True

    def _has_room(self, node: str, holders: Callable[[], Collection[str]]) -> bool:
        """Whether a node may have another gateway; its oldest one without a lease makes room."""
        own = [name for name, each in self._known.items() if each.node == node]
        if len(own) < MOST_OF_NODE:
            return True
        held = holders()
        oldest = next((name for name in own if name not in held), None)
        if oldest is not None:
            del self._known[oldest]
        return oldest is not None

    def is_of(self, gateway: str, node: str) -> bool:
        """Whether a gateway may be that of a node: it is, or nothing is known of it."""
        known = self._known.get(gateway)
        return known is None or known.node == node

    def left(self, gateway: str) -> None:
        """It stops, and uses no lease any more."""
        self._known.pop(gateway, None)

    def drift(self, gateway: str, *, drifted: bool) -> None:
        """It was seen whether a gateway serves what the registry has."""
        if gateway in self._known:
            self._known[gateway] = evolve(self._known[gateway], drifted=drifted)

    def standings(self, holders: Mapping[str, Head]) -> tuple[Standing, ...]:
        """How each stands.  ``holders``: who may hold a lease, as ``grants.py`` knows it."""
        known = {name: evolve(each, holds=name in holders) for name, each in self._known.items()}
        silent = {name: Standing(name, "", applied=applied) for name, applied in holders.items() if name not in known}
        return (*known.values(), *silent.values())


def write(told: Told) -> str:
    """What stands in a session."""
    text = json.dumps(as_written(told), separators=(",", ":"), allow_nan=False)
    if len(text) > LARGEST:
        brief = tuple(evolve(each, report=Report(each.report.digest)) for each in told.gateways)
        text = json.dumps(as_written(evolve(told, gateways=brief)), separators=(",", ":"), allow_nan=False)
    return text


@lru_cache(64)
def read(text: str) -> Told:
    """The same again; of another version, what is understood of it."""
    try:
        return understood(Told, json.loads(text)) if text else Told()
    except (SettingsError, ValueError, RecursionError):
        return Told()
