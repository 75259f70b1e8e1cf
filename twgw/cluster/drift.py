"""Does every gateway serve what the registry has?  Each says by a digest what it serves, and at which position.

A key manager reads the registry anew now and then, whatever the log says, and compares.  A gateway that serves
something else is told to read everything anew; that is an error of ours, or somebody has changed the database by hand,
so it is said, and measured, too.  Made by ``startup_cluster.py``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twgw.cluster.digests import digest
from twgw.cluster.membership import Membership
from twgw.cluster.reports import MOST_NACKS, Standing
from twgw.policy.interfaces import Log
from twgw.registry import Head
from twgw.storage.errors import Unavailable
from twgw.storage.prints import StoredPrints

EVERY = 10
"""Looks, of which there is one each second, between two comparisons."""
AGAIN = 6
"""Comparisons after which a gateway is told once more that still serves something else."""


class Comparison:
    """Compares, for one key manager.

    Args:
        database: with ``run``, as ``storage.database.Database`` has it.
        anew: tells a gateway to read everything anew.
    """

    def __init__(self, database: Any, membership: Membership, anew: Callable[[str], object], log: Log) -> None:
        self._database = database
        self._membership = membership
        self._anew = anew
        self._log = log
        self._registry = StoredPrints()
        self._prints: Mapping[str, int] = {}
        self._since = Head(0, 0)
        """The registry has had this since then, as far as was looked."""
        self._looks = 0
        self._told: dict[str, int] = {}
        """Comparisons since each gateway was told that serves something else."""
        self._busy = False

    def drifted(self) -> int:
        """How many gateways serve something else."""
        return len(self._told)

    def look(self) -> None:
        """See whether it is time; called every second."""
        self._looks += 1
        if self._looks % EVERY == 0 and not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self.compare()).addErrback(self._broke).addBoth(self._done)

    async def compare(self) -> None:
        """Compare what gateways have said by now with what the registry has."""
        here = self._membership
        standings = here.reports.standings(here.grants.holders)
        try:
            head, prints = await self._database.run(self._registry.read)
        except Unavailable:
            return
        if prints != self._prints:
            self._prints, self._since = prints, head
        told = {name: count for name, count in self._told.items() if name in {each.gateway for each in standings}}
        self._told = told
        for each in standings:
            if self._since <= each.applied <= head and each.report.digest:
                self._judge(each)

    def _judge(self, one: Standing) -> None:
        refused = {nack.api for nack in one.report.refused}
        unknown = len(one.report.refused) >= MOST_NACKS  # it has said as much as it may
        drifted = not unknown and digest(self._prints, refused) != one.report.digest
        self._membership.reports.drift(one.gateway, drifted=drifted)
        if not drifted:
            self._told.pop(one.gateway, None)
            return
        count = self._told[one.gateway] = self._told.get(one.gateway, -1) + 1
        if count % AGAIN == 0:
            self._log.error(
                "{node} serves something else than the database has at position {position}: it reads everything anew",
                node=one.node, position=one.applied.pos,
            )  # fmt: skip
            self._anew(one.gateway)

    def _broke(self, failure: Failure) -> None:
        self._log.error("what gateways serve was not compared: {error}", error=failure.getTraceback())

    def _done(self, _result: object) -> None:
        self._busy = False
