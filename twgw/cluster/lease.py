"""Whether a gateway may trust what it knows, now.

A key manager gives a lease for some seconds, and says how far the log was that it knew.  The lease counts from the
moment at which the gateway asked, and only when the gateway has that much of the log in force.  So whatever is known
to a key manager is in force wherever one of its leases is good.

Pure; ``cache.py`` asks ``valid`` at each use of a fact, ``membership.py`` brings the answer to ``ask`` to ``take``.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import inf

from twgw.cluster.clocks import Clocks, Moment
from twgw.cluster.messages import Ack, LeaseAsked, LeaseGiven, LeaseReturned
from twgw.cluster.reports import Report
from twgw.policy.interfaces import Log
from twgw.registry import Head
from twgw.throttle.others import CountsOn

MOST_ASKED = 64
"""Questions whose answer is still taken; older ones came to nothing."""


UNKNOWN = "it is not known here what others revoked"
"""Why requests are refused without a lease."""


class Watch:
    """Says in the log when the lease of a gateway ends with no other after it, and when there is one again."""

    def __init__(self, valid: Callable[[], bool], log: Log) -> None:
        self._valid = valid
        self._log = log
        self._had = False
        self._told = False

    def look(self) -> None:
        """Called every second.  Before the first lease there is nothing to say: the node is not ready yet."""
        if self._valid():
            if self._told:
                self._log.info("there is a lease again: everybody is served")
            self._had, self._told = True, False
        elif self._had and not self._told:
            self._told = True
            self._log.error(
                "the lease has ended, and what others revoked is not known here: requests are refused with 503 until "
                "it is, but for APIs with when_isolated: stale"
            )


class Lease:
    """What one gateway was given, by however many key managers: it trusts what it knows while any lease is good."""

    def __init__(self, gateway: str, clocks: Clocks) -> None:
        self.gateway = gateway
        self.applied = Head(0, 0)
        """What is in force here."""
        self.counts = CountsOn()
        """Where this process counts limits; only told."""
        self.report = Report()
        """What is to be told of that."""
        self._clocks = clocks
        self._raw, self._boot = clocks.raw, clocks.boot
        self._ends_raw = self._ends_boot = -inf
        self._number = 0
        self._asked: OrderedDict[int, Moment] = OrderedDict()
        self._early: list[tuple[Head, Moment]] = []
        """What was given and does not count yet: what has to be in force, and until when."""

    def valid(self) -> bool:
        """Whether what is known may be used at this moment."""
        return self._raw() < self._ends_raw and self._boot() < self._ends_boot

    def left(self) -> float:
        """The seconds for which it is, without another lease; negative since when it is not."""
        return Moment(self._ends_raw, self._ends_boot).left(Moment.now(self._clocks))

    def ask(self) -> LeaseAsked:
        """A question for a key manager, to be sent now."""
        self._number += 1
        self._asked[self._number] = Moment.now(self._clocks)
        if len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
        return LeaseAsked(self.gateway, self._number, self.applied, self.counts, self.report)

    def ack(self) -> Ack:
        """What key managers are to know at once."""
        return Ack(self.gateway, self.applied, self.report)

    def take(self, given: LeaseGiven) -> None:
        """An answer came.  Those to nobody's question are let be."""
        ends = self.ends(given)
        if ends is None:
            return
        self._early.append((given.need, ends))
        self._use()

    def ends(self, given: LeaseGiven) -> Moment | None:
        """When what an answer says holds no longer; None for an answer to nobody's question."""
        asked = self._asked.get(given.number)
        return asked.later(given.seconds) if asked is not None and given.gateway == self.gateway else None

    def advance(self, applied: Head) -> None:
        """More of the log is in force."""
        self.applied = applied
        self._use()

    def give_back(self) -> LeaseReturned:
        """Trust nothing from here on, whatever was asked for before, and say so: nobody need wait for this gateway."""
        self._ends_raw = self._ends_boot = -inf
        self._asked.clear()
        self._early.clear()
        return LeaseReturned(self.gateway, self._number)

    def _use(self) -> None:
        """Let count what may: the lease that ends last, of those for which enough is in force."""
        now = Moment.now(self._clocks)
        waiting, self._early = self._early, []
        for need, ends in waiting:
            if ends.left(now) <= 0:
                continue
            if need > self.applied:
                self._early.append((need, ends))
            elif ends.left(now) > self.left():
                self._ends_raw, self._ends_boot = ends.raw, ends.boot
