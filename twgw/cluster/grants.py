"""What a key manager has promised, and what it may promise still.

Its session in the database is renewed by a write that also says how far the log is: until the session ends, it may give
leases, none of which is longer than what is left of the session, and each of which demands all that it knows.  It is
done with a position when every gateway that may hold a lease of it has that in force, or only such as demand it.

So whoever asks for leases and says nothing holds a position up as long as those last that were given before it was
known, and no longer.  And whoever has not followed the log for long is given none, and holds nothing up at all.

Pure; asked by ``membership.py`` for the gateway of its own process, by ``service.py`` for others.
"""

from attrs import define, field

from twgw.cluster.clocks import Clocks, Moment, Terms
from twgw.cluster.messages import Ack, LeaseAsked, LeaseGiven, LeaseReturned
from twgw.registry import Head

MOST_HOLDERS = 10_000
"""Gateways; more than any cluster has, so that nobody fills the memory with invented ones."""
MOST_LEASES = 64
"""Of one gateway, that demand so many positions which it does not have; it asks each second, and they last for four."""


@define
class Hold:
    """A gateway that may hold leases."""

    acked: Head
    """It has this in force."""
    number: int
    """Of the last question that was answered."""
    leases: dict[Head, Moment] = field(factory=dict)
    """What is in force wherever some of them count, and from when those are certainly over."""

    def given(self, need: Head, ends: Moment) -> None:
        """It has one more, that counts where ``need`` is in force."""
        need = max(need, self.acked)
        self.leases[need] = ends.latest(self.leases.get(need, ends))

    def said(self, applied: Head) -> None:
        """It has that in force."""
        self.acked = max(self.acked, applied)
        leases, self.leases = self.leases, {}
        for need, ends in leases.items():
            self.given(need, ends)

    def has_room(self, need: Head, now: Moment) -> bool:
        """Whether account can be kept of one more that demands that."""
        return self.is_free(now) or need in self.leases or len(self.leases) < MOST_LEASES

    def is_free(self, now: Moment) -> bool:
        """Whether it certainly holds none any more."""
        for need in [need for need, ends in self.leases.items() if ends.is_over(now)]:
            del self.leases[need]
        return not self.leases


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
        self._due = self._next_due = Head(0, 0)
        """What whoever follows the log has in force, now and after the next mark."""
        self._marked: Moment | None = None

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
        if asked.applied < self._overdue(now):  # it does not follow: no lease would count, and each would be waited for
            return None
        hold = self._holds.get(asked.gateway)
        if hold is None:
            if len(self._holds) >= MOST_HOLDERS and len(self._current(now)) >= MOST_HOLDERS:
                return None
            hold = self._holds[asked.gateway] = Hold(asked.applied, asked.number)
        if not hold.has_room(self.known, now):
            return None
        hold.said(asked.applied)
        hold.given(self.known, now.later(self._terms.wait(seconds)))
        hold.number = max(hold.number, asked.number)
        return LeaseGiven(asked.gateway, asked.number, seconds, self.known)

    def _overdue(self, now: Moment) -> Head:
        """What was known for as long as a session lasts, and at most for twice that."""
        if self._marked is None or self._marked.later(self._terms.session).is_over(now):
            self._due, self._next_due, self._marked = self._next_due, self.known, now
        return self._due

    def acked(self, ack: Ack) -> None:
        """A gateway says what it has in force."""
        hold = self._holds.get(ack.gateway)
        if hold is not None:
            hold.said(ack.applied)

    def returned(self, it: LeaseReturned) -> None:
        """A gateway says that it uses no lease any more of those that it asked for so far."""
        hold = self._holds.get(it.gateway)
        if hold is not None and hold.number <= it.number:
            del self._holds[it.gateway]

    @property
    def done(self) -> Head:
        """What is in force wherever a lease of this session is good.  Never less than before."""
        holds = self._current(Moment.now(self._clocks)).values()
        return min([self.known, *(min(hold.leases) for hold in holds)])

    @property
    def holders(self) -> dict[str, Head]:
        """Who may hold a lease, and what it has in force at least."""
        return {name: hold.acked for name, hold in self._current(Moment.now(self._clocks)).items()}

    def _current(self, now: Moment) -> dict[str, Hold]:
        self._holds = {name: hold for name, hold in self._holds.items() if not hold.is_free(now)}
        return self._holds
