"""A process with the database as a member of the cluster: its session, the lease of its gateway, and who waits.

Each second, and more often while somebody waits, one transaction renews the session, says with what it is done, and
reads how far the log is and how far the other sessions are (``storage/cluster.py``).  What follows from that is decided
in ``grants.py``, ``lease.py`` and ``completion.py``.  Made by ``startup.py`` where ``[cluster]`` is on.

Messages of others only make it quicker: ``heard`` takes them, ``tell`` is what they are sent with.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from twgw.cluster.clocks import Clocks, Moment, Terms
from twgw.cluster.commands import Refused
from twgw.cluster.completion import Completion, View
from twgw.cluster.counting import Census, Company
from twgw.cluster.grants import Grants
from twgw.cluster.lease import Lease
from twgw.cluster.messages import Ack, Anew, LeaseAsked, LeaseGiven, LeaseReturned, News, Relay, RelayDone
from twgw.cluster.removals import Removals
from twgw.cluster.reports import LARGEST_AT_ONCE, About, Report, Reports, Standing, Told, write
from twgw.cluster.rollcall import Reached, Roll, call, reached
from twgw.policy.interfaces import Log
from twgw.registry import Head
from twgw.storage import cluster
from twgw.storage.errors import Unavailable
from twgw.throttle.others import CountsOn

FOREIGN = "it speaks in the name of another node's gateway, or of too many"
HASTE = 0.05
"""Seconds between two renewals when somebody does."""
LATEST = 60.0
"""Seconds after which nobody waits for an answer of the database any more: what is said then it has, or has again."""
SILENT = 3.0
"""Seconds within which a database that answers has renewed it, twice over."""


class Lost(Exception):
    """The database has lost what it had committed; whether a change that is waited for is among that, nobody knows."""


@frozen
class Wait:
    """Somebody who waits for a position to be in force over the whole cluster."""

    wanted: Head
    committed: Moment
    """It was, before that."""
    roll: Roll
    """Who there was then."""
    done: "Deferred[Reached]"


class Membership:
    """One session after the other, each under a name of its own.

    Args:
        database: with ``call``, ``run`` and ``remembered``, as ``storage.database.Database`` has them.
        reactor: for waits between renewals.
        wall: UNIX time, which is only told.
        roles: of this node, which are only told.
        address: where other key managers reach this one.
    """

    def __init__(
        self, database: Any, reactor: Any, clocks: Clocks, terms: Terms, node: str, wall: Callable[[], float], log: Log,
        roles: tuple[str, ...] = (), address: str = "",
    ) -> None:  # fmt: skip
        self.session = ""
        self.address = address
        self.grants = Grants(clocks, terms)
        self.completion = Completion(clocks, terms)
        self.census = Census(clocks, terms)
        self.company = Company(clocks)
        """Who counts limits, as the gateway in this process is told."""
        self.lease = Lease(uuid4().hex, clocks)
        """Of the gateway in this process."""
        self.reports = Reports()
        self.removals = Removals()
        """Who was taken out of the cluster."""
        self.taken_out: Callable[[], str] = str
        """Why the certificate of this node is refused: then it gives no leases."""
        self.lends = True
        """Whether there is a gateway in this process."""
        self.outage = ""
        """Why the session was not renewed the last time; empty when it was."""
        self.about: Callable[[], About] = About
        """What this node says of itself."""
        self.behind: Callable[[], object] = lambda: None
        """Called when the log is further than the gateway in this process."""
        self.reread: Callable[[], object] = lambda: None
        """Has the gateway in this process read everything anew."""
        self.counters: Callable[[], str] = str
        """How the gateway in this process counts limits."""
        self.tell: Callable[[Anew | News | Relay | RelayDone], object] = lambda _message: None
        """Sends Anew and News to the gateways, Relay and RelayDone to the key managers that are connected."""
        self._database = database
        self._reactor = reactor
        self._clocks = clocks
        self._terms = terms
        self._node = node
        self._roles = roles
        self._wall = wall
        self._log = log
        self._published = self._said = Head(0, 0)
        """With what others know that we are done: from the database, from messages."""
        self._announced = Head(0, 0)
        """How far others were told that the log is."""
        self._forgotten, self._until = 0, Moment.now(clocks)
        """Up to there, and until then, a position may be one of those that the database has lost, which is said late; a
        new epoch begins far behind it."""
        self._out = ""
        self._waits: list[Wait] = []
        self._renewing = False
        self._next: Any = None
        self._stopped = False

    # --- the session -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a session, before there is traffic.  Raises Unavailable."""
        began, name = Moment.now(self._clocks), uuid4().hex
        register, wall = cluster.register, self._wall()
        if self.lends:
            self.census.asked(self.lease.gateway, self.lease.counts)
        named, known = self.census.named([self.lease.gateway]), self.grants.known
        more = {"address": self.address, "remembered": self._database.remembered, "now": wall}
        view = self._database.call(register, name, self._node, known, named, self._told(), write=True, **more)
        self._begun(began, name, view, named)

    def look(self) -> None:
        """See what is due; called every second."""
        if (why := self.taken_out()) and why != self._out:
            self._log.error("this node serves nothing: {why}", why=why)
        self._out = why
        self._lend()
        self._settle()
        self.renew()

    def renew(self) -> None:
        """Renew the session now, unless that is under way."""
        if not self._renewing and not self._stopped:
            self._renewing = True
            Deferred.fromCoroutine(self._renew()).addErrback(self._broke).addBoth(self._renewed)

    async def _renew(self) -> None:
        run, known, remembered = self._database.run, self.grants.known, self._database.remembered
        began, done, told = Moment.now(self._clocks), self.done, self._told()
        named = self.census.named(self.grants.holders)
        try:
            view = await run(cluster.renew, self.session, done, known, named, told, write=True, remembered=remembered)
            if view is None and not self._stopped:  # others took it away, as it had ended
                self.grants.lost()
                began, name = Moment.now(self._clocks), uuid4().hex
                more = {"address": self.address, "remembered": remembered, "now": self._wall()}
                view = await run(cluster.register, name, self._node, known, named, told, write=True, **more)
                self._begun(began, name, view, named)
            elif view is not None:
                self.census.saw(view, named)
                self._read(began, view, done)
            if view is not None and (silent := [each for each in self.completion.silent if each.id != self.session]):
                await run(cluster.remove, silent, write=True)
        except Unavailable as error:
            self.outage = str(error)
            return
        self.outage = ""

    def _begun(self, began: Moment, name: str, view: View, named: Mapping[str, CountsOn]) -> None:
        self.session = name
        self.census.saw(view, named, anew=True)
        self._read(began, view, view.head)

    def _read(self, began: Moment, view: View, published: Head) -> None:
        """A transaction is committed, and this is what it read."""
        before, looked = self.grants.known, self.completion.view.head
        self.grants.renewed(began, view.head)
        self.completion.saw(view)
        self.removals.saw(view.head, view.removed)
        self._database.remembered.found(view.times)
        if 0 < looked.epoch < view.head.epoch:
            self._forgotten = looked.pos + cluster.APART // 2
            self._until = Moment.now(self._clocks).later(LATEST)
        self._published = published
        if 0 < before.epoch < view.head.epoch:
            self._log.error(
                "the database has lost what it had committed: the log was at {before} before; what was revoked lately "
                "may be good again, so revoke it once more; see docs/cluster.md", before=before.pos,
            )  # fmt: skip
        self._lend()
        if view.head > before:
            self.tell(News(view.head))
        if before.epoch and view.head > self.lease.applied:  # when it begins, it reads everything anyway
            self.behind()
        self._advanced()

    def _renewed(self, _result: object) -> None:
        self._renewing = False
        self._hasten()

    def _hasten(self) -> None:
        """Renew soon when somebody waits, here or elsewhere."""
        waiting = self._waits or (self.grants.done > self._published and not self.outage)
        if waiting and not self._renewing and self._next is None and not self._stopped:
            self._next = self._reactor.callLater(HASTE, self._due)

    def _due(self) -> None:
        self._next = None
        self._settle()
        self.renew()

    def _broke(self, failure: Failure) -> None:
        self._log.error("the session could not be renewed: {error}", error=failure.getTraceback())

    async def stop(self) -> None:
        """The gateway has stopped: end the session, when nobody holds a lease of it."""
        if self._let_go():
            try:
                await self._database.run(cluster.end, self.session, write=True)
            except Unavailable:
                return  # the others wait until it has ended by itself

    def abandon(self) -> None:
        """The start failed, so that there is no gateway: the same, in this thread."""
        if self._let_go():
            with suppress(Unavailable):  # as above
                self._database.call(cluster.end, self.session, write=True)

    def _let_go(self) -> bool:
        """Give no lease any more, and take that of the gateway here back; whether nobody holds one then."""
        self._stopped = True
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self.grants.returned(self.lease.give_back())
        self.company.left()
        free = not self.grants.holders
        self.grants.lost()
        return free and bool(self.session)

    # --- gateways ----------------------------------------------------------------------------------------

    def advanced(self, head: Head, report: Report | None = None) -> None:
        """The gateway in this process has more in force, and has read who was taken out by then."""
        if self.lease.applied.epoch:  # at the start it has read what is served, and no more
            self.removals.reached(head)
        self.grants.learn(head)
        self.lease.report = evolve(report or self.lease.report, counters=self.counters())
        self.lease.advance(head)
        if self.lends:
            self._note(self.lease.ack(), self._node, self._roles)
        self.grants.acked(self.lease.ack())
        self._advanced()

    def heard(self, message: object, node: str = "", roles: tuple[str, ...] = ()) -> object:
        """What to answer a message of a node with some roles, if anything.

        Raises Refused when it is one of another node's gateway.
        """
        if isinstance(message, LeaseAsked):
            self._note(message, node, roles)
            return self._give(message)
        if isinstance(message, Ack):
            self._note(message, node, roles)
            self.grants.acked(message)
        elif isinstance(message, LeaseReturned):
            if not self.reports.is_of(message.gateway, node):
                raise Refused(FOREIGN)
            self.grants.returned(message)
            if message.gateway not in self.grants.holders:
                self.reports.left(message.gateway)
        elif isinstance(message, RelayDone):
            self.completion.told(message)
        elif isinstance(message, Relay) and message.head > self.grants.known:
            self.grants.learn(message.head)
            self.tell(News(message.head))
            self.behind()
            if not self.lends:
                self.renew()  # which reads who was taken out
        self._advanced()
        return None

    def _note(self, message: LeaseAsked | Ack, node: str, roles: tuple[str, ...]) -> None:
        standing = Standing(message.gateway, node, roles, message.applied, report=message.report)
        if not self.reports.said(standing, lambda: self.grants.holders):
            raise Refused(FOREIGN)

    @property
    def done(self) -> Head:
        """What gateways that may hold a lease of this session have in force, and who was taken out by when, we know."""
        if self.taken_out() and self.grants.holders:  # it is done with no more until these leases have ended
            return max(self._published, self._said)
        return min(self.grants.done, self.removals.as_of)

    def _told(self) -> str:
        """What the session is to say, as of this moment."""
        return write(Told(self._roles, self.reports.standings(self.grants.holders), self.about()))

    def roll(self) -> Roll:
        """Everybody who is there."""
        silent = self.completion.silent
        return call(self.completion.sessions, silent, self.session, self.reports.standings(self.grants.holders))

    def nodes(self) -> Roll:
        """The same, with this node, and without what is known still of nodes that were taken out."""
        there = {name: it for name, it in self.roll().items() if it.holds or not self.removals.is_out(it.node)}
        return {**there, self.session: Standing("", self._node, self._roles, self.grants.known)}

    @property
    def others(self) -> set[str]:
        """Where other key managers are reached."""
        return {each.address for each in self.completion.there} - {"", self.address}

    @property
    def cut_off(self) -> str:
        """Why it is not known here how others stand now; empty while it is."""
        silent = self._terms.session - self.grants.left()
        return self.outage or (f"the database has not answered for {silent:.0f} s" if silent > SILENT else "")

    def anew(self, gateway: str) -> None:
        """Have a gateway read everything anew."""
        if gateway == self.lease.gateway:
            self.reread()
        else:
            self.tell(Anew(gateway))

    def _give(self, asked: LeaseAsked) -> LeaseGiven | None:
        given = None if self.taken_out() else self.grants.give(asked)
        if given is None:
            return None
        self.census.asked(asked.gateway, asked.counts)
        return evolve(given, others=self.census.others(asked.gateway))

    def _lend(self) -> None:
        if not self.lends:
            return
        self.lease.report = evolve(self.lease.report, counters=self.counters())
        asked = self.lease.ask()
        self._note(asked, self._node, self._roles)
        if (given := self._give(asked)) is not None:
            self.company.take(given, self.lease)
            self.lease.take(given)

    def _advanced(self) -> None:
        """Whoever may hold a lease may have more in force: tell those who wait for it."""
        done = RelayDone(self.session, self.done)
        self.completion.told(done)
        if done.done > max(self._published, self._said):
            self._said = done.done
            if len(report := self._told()) <= LARGEST_AT_ONCE:
                self.tell(evolve(done, report=report))
        self._settle()
        self._hasten()

    # --- who waits ---------------------------------------------------------------------------------------

    def reached(self, position: int) -> "Deferred[Reached]":
        """Fires when a position is in force wherever requests are answered.  Called after it was committed.

        Fails with Lost when the database has gone back behind it.  What was just appended here counts when a look has
        found it: an older one may have seen that position taken by a record that the database has lost since.
        """
        if position <= self._forgotten and not self._until.is_over(Moment.now(self._clocks)):
            return fail(Lost("the database has lost what it had committed"))
        wanted, roll = Head(self.grants.known.epoch, position), self.roll()
        done: Deferred[Reached] = Deferred(self._give_up)
        wait = Wait(wanted, Moment.now(self._clocks), roll, done)
        if self._is_done(wanted, self.completion.done):
            return succeed(self._outcome(wait, roll))
        self._waits.append(wait)
        self.grants.learn(wanted)
        self._announce(wanted)
        if wanted > self.lease.applied:
            self.behind()
        if wanted > self.completion.view.head or self._database.remembered.is_new(wanted):
            self.renew()
        return done

    def _is_done(self, wanted: Head, done: Head) -> bool:
        return wanted <= done and not self._database.remembered.is_new(wanted)

    def _announce(self, wanted: Head) -> None:
        """Others are to read up to a position.  Of many who wait at once few say something: it is all that is known."""
        if wanted > self._announced:
            self._announced = self.grants.known
            for message in (News(self._announced), Relay(self._announced)):
                self.tell(message)

    def tried(self, position: int) -> "Deferred[Reached]":
        """The same, for as long as a lease may last at most: then it fires, too, with who has said nothing by then."""
        done = self.reached(position)
        wait = next((each for each in self._waits if each.done is done), None)
        if wait is not None:
            done.addTimeout(
                self._terms.wait(self._terms.lease) + HASTE, self._reactor, lambda *_: self._outcome(wait, self.roll()),
            )  # fmt: skip
        return done

    def _give_up(self, done: "Deferred[Reached]") -> None:
        self._waits = [wait for wait in self._waits if wait.done is not done]

    def _settle(self) -> None:
        """Tell those whose wait is over."""
        done, epoch = self.completion.done, self.completion.view.head.epoch
        waits, self._waits = self._waits, []
        roll = self.roll() if waits else {}
        for wait in waits:
            if wait.wanted.epoch < epoch:
                wait.done.errback(Lost("the database has lost what it had committed"))
            elif self._is_done(wait.wanted, done) or self.completion.has_passed(wait.committed):
                wait.done.callback(self._outcome(wait, roll))
            else:
                self._waits.append(wait)

    def _outcome(self, wait: Wait, roll: Roll) -> Reached:
        seconds = Moment.now(self._clocks).raw - wait.committed.raw
        return reached(wait.roll, roll, wait.wanted, seconds, self._terms.lease)
