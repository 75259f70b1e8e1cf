"""What a key manager has promised, and what it may promise still.

Its session in the database is renewed by a write that also says how far the log is: until the session ends, it may give
leases, none of which is longer than what is left of the session, and each of which demands all that it knows.  It is
done with a position when every gateway that may hold a lease of it has that in force.

Pure; asked by ``membership.py`` for the gateway of its own process, by ``service.py`` for others.
"""

from attrs import define

from twgw.cluster.clocks import Clocks, Moment, Terms
from twgw.cluster.messages import Ack, LeaseAsked, LeaseGiven, LeaseReturned
from twgw.registry import Head

MOST_HOLDERS = 10_000
"""Gateways; more than any cluster has, so that nobody fills the memory with invented ones."""


@define
class Hold:
    """A gateway that may hold leases."""

    ends: Moment
    """From when it certainly holds none."""
    acked: Head
    """It holds none unless it has this in force."""
    number: int
    """Of the last question that was answered."""


class Grants:
    """The promises of one session."""

    def __init__(self, clocks: Clocks, terms: Terms) -> None:
        self.known = Head(0, 0)
        """How far the log is, as far as is known here."""
        self._clocks = clocks
        self._terms = terms
        self._ends: Moment | None = None
        """Of the session."""
        self._holds: dict[str, Hold] = {}

    # --- the session -------------------------------------------------------------------------------------

    def renewed(self, began: Moment, head: Head) -> None:
        """The session was renewed by a transaction that was begun at a moment, is committed, and read that head."""
        self.learn(head)
        self._ends = began.later(self._terms.session)

    def lost(self) -> None:
        """There is no session, or no more: nothing may be promised."""
        self._ends = None

    def left(self) -> float:
        """The seconds that are left of the session; none when it is not positive."""
        return self._ends.left(Moment.now(self._clocks)) if self._ends is not None else 0.0

    def learn(self, head: Head) -> None:
        """The log is at least that far: another key manager said so, or it was appended to here."""
        self.known = max(self.known, head)

    # --- gateways ----------------------------------------------------------------------------------------

    def give(self, asked: LeaseAsked) -> LeaseGiven | None:
        """A lease; None when none can be given."""
        now = Moment.now(self._clocks)
        seconds = min(self._terms.lease, self.left())
        if seconds <= 0:
            return None
        ends = now.later(self._terms.wait(seconds))
        hold = self._holds.get(asked.gateway)
        if hold is None or hold.ends.is_over(now):  # whatever it will use of ours demands what is known now
            if len(self._current(now)) >= MOST_HOLDERS:
                return None
            self._holds[asked.gateway] = Hold(ends, self.known, asked.number)
        else:
            hold.ends = Moment(max(hold.ends.raw, ends.raw), max(hold.ends.boot, ends.boot))
            hold.acked = max(hold.acked, asked.applied)
            hold.number = max(hold.number, asked.number)
        return LeaseGiven(asked.gateway, asked.number, seconds, self.known)

    def acked(self, ack: Ack) -> None:
        """A gateway says what it has in force."""
        hold = self._holds.get(ack.gateway)
        if hold is not None:
            hold.acked = max(hold.acked, ack.applied)

    def returned(self, it: LeaseReturned) -> None:
        """A gateway says that it uses no lease any more of those that it asked for so far."""
        hold = self._holds.get(it.gateway)
        if hold is not None and hold.number <= it.number:
            del self._holds[it.gateway]

    @property
    def done(self) -> Head:
        """What is in force wherever a lease of this session is good.  Never less than before."""
        holds = self._current(Moment.now(self._clocks)).values()
        return min([self.known, *(hold.acked for hold in holds)])

    @property
    def holders(self) -> dict[str, Head]:
        """Who may hold a lease, and what it has in force at least."""
        return {name: hold.acked for name, hold in self._current(Moment.now(self._clocks)).items()}

    def _current(self, now: Moment) -> dict[str, Hold]:
        self._holds = {name: hold for name, hold in self._holds.items() if not hold.ends.is_over(now)}
        return self._holds
