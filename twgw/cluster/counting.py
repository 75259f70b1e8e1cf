"""How many gateways count limits together, as leases tell each of them.

A gateway that counts alone, as memcached does not answer, lets pass its share: the limit divided by how many count.
The shares add up to no more than the limit while whoever counts a share is counted by all others.  So each session in
the database names the gateways that may hold a lease of it, every lease says how many there are in all sessions, and a
gateway that comes is given no share until all leases have ended that do not count it: one that was given before its
name was committed lasts no longer than the session under which it was given.  One that goes is counted until no lease
of it can be good any more.  A gateway without a lease answers nothing, and counts nothing.

Pure; ``membership.py`` asks ``Census``, and who holds leases ``Company``.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from math import inf

from twgw.cluster.clocks import Clocks, Moment, Terms
from twgw.cluster.completion import Session, View
from twgw.cluster.lease import Lease
from twgw.cluster.messages import LeaseGiven
from twgw.registry import Head
from twgw.throttle.others import CountsOn, Others

MOST_NAMES = 10
"""Nodes that are named to each other as counting elsewhere."""
NOBODY = Others(nodes=1, share=False)
"""What is known without a lease."""


class Census:
    """What a key manager knows of all gateways that count."""

    def __init__(self, clocks: Clocks, terms: Terms) -> None:
        self._clocks = clocks
        self._term = terms.wait(terms.session)
        self._told: dict[str, CountsOn] = {}
        """Where each gateway counts that asked for a lease of ours."""
        self._since: dict[str, Moment] = {}
        """By when our session named each of them."""
        self._view = View(Head(0, 0))

    def asked(self, gateway: str, counts: CountsOn) -> None:
        """A gateway is about to be given a lease."""
        self._told[gateway] = counts

    def named(self, holders: Iterable[str]) -> dict[str, CountsOn]:
        """What the session is to say at its next renewal, ``holders`` being who may hold a lease of it."""
        self._told = {gateway: self._told[gateway] for gateway in holders if gateway in self._told}
        return dict(self._told)

    def saw(self, view: View, named: Mapping[str, CountsOn], *, anew: bool = False) -> None:
        """A renewal that named some is committed, and read that; ``anew``: it began a session."""
        now = Moment.now(self._clocks)
        before = {} if anew else self._since
        self._since = {gateway: before.get(gateway, now) for gateway in named}
        self._view = view

    def others(self, gateway: str) -> Others:
        """What a lease of a gateway is to say."""
        all_named = _named(self._view.sessions)
        known = {**all_named, **self._told}
        servers = known.get(gateway, CountsOn()).servers
        apart = {each.node for name, each in known.items() if name != gateway and each.servers != servers}
        since = self._since.get(gateway)
        share = since is not None and since.later(self._term).is_over(Moment.now(self._clocks))
        silent = sum(each.counting is None for each in self._view.sessions)  # of a version that names nobody
        return Others(max(len(known) + silent, 1), share, tuple(sorted(apart))[:MOST_NAMES])


def _named(sessions: Iterable[Session]) -> dict[str, CountsOn]:
    return {gateway: counts for each in sessions for gateway, counts in (each.counting or {}).items()}


class Company:
    """What a gateway was told of the others, with each lease that is good still."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._told: deque[tuple[Moment, Others]] = deque()
        self._known = NOBODY
        self._until = Moment(-inf, -inf)
        """For how long that holds, unless something is heard."""

    def take(self, given: LeaseGiven, lease: Lease) -> None:
        """An answer to a question for a lease came."""
        ends = lease.ends(given)
        if ends is not None:
            self._told.append((ends, given.others))
            self._work_out()

    def left(self) -> None:
        """Leases were given back."""
        self._told.clear()
        self._work_out()

    def others(self) -> Others:
        """What is to be believed: the most that a good lease says, and a share when one gives it."""
        if self._until.left(Moment.now(self._clocks)) <= 0:
            self._work_out()
        return self._known

    def _work_out(self) -> None:
        """What it is until the next lease ends."""
        now = Moment.now(self._clocks)
        self._told = deque((ends, others) for ends, others in self._told if ends.left(now) > 0)
        good = [others for _, others in self._told]
        if not good:
            self._known, self._until = NOBODY, Moment(inf, inf)
            return
        apart = sorted({name for others in good for name in others.apart})
        share = any(others.share for others in good)
        self._known = Others(max(others.nodes for others in good), share, tuple(apart))
        self._until = Moment(min(ends.raw for ends, _ in self._told), min(ends.boot for ends, _ in self._told))
