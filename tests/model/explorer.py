"""Every history of a small cluster, walked through: can anybody trust something after its revocation was done?

One position of the log is appended; gateways, key managers and whoever waits are the objects of ``twgw/cluster/``, put
together anew for each step from a state of plain numbers, and taken apart again.  What they do not decide is chosen
in every possible way: messages are lost, doubled and overtaken, everybody pauses as long as it likes, transactions take
time.  Times are counted back from now, so the states are finitely many although time goes on: what is found to hold
holds for ever.

What is left out changes nothing: a gateway may read the log whenever there is something to read, a process that dies is
one that never moves again, its successor being another one, and a revocation that can be done is done at once, as
nobody else notices, and what is wrong later is wrong then too.
"""

from functools import cache
from typing import NamedTuple

from attrs import frozen

from tests.model.walk import walk
from twgw.cluster.messages import Ack, LeaseAsked, LeaseGiven
from twgw.registry import Head

HEADS = (Head(1, 0), Head(1, 1))
"""How far the log may be; the revocation is the last of it."""
NEVER, WAITING, DONE = "never", "waiting", "done"


class Still:
    """Clocks that stand: it is always now, and everything else was or will be."""

    raw = boot = staticmethod(lambda: 0)


class Row(NamedTuple):
    """Of a session in the database."""

    done: int
    renewed: bool = False
    """Since it was last seen by who waits."""
    again: bool = False
    """Since the look that is under way."""


class Manager(NamedTuple):
    """A key manager."""

    ends: int = 0
    known: int = 0
    renewal: tuple[int, int, int | None] | None = None
    """Under way: for how long, what it publishes, and what it has read."""
    row: Row | None = None
    holds: "tuple[Hold | None, ...]" = ()
    remembers: bool = False
    """What the database has lost; of ``epochs.py``."""


class Hold(NamedTuple):
    """Of a gateway, as a key manager knows it."""

    acked: int
    leases: tuple[tuple[int, int], ...]
    """What each demands, and when it is over."""


class Question(NamedTuple):
    """Of a gateway to one key manager, on its way, and its answer."""

    age: int
    applied: int
    answer: tuple[int, int] | None = None


class Gateway(NamedTuple):
    """A gateway."""

    ends: int = 0
    applied: int = 0
    early: tuple[tuple[int, int], ...] = ()
    """Leases that do not count yet: what each demands, and when it ends."""
    questions: tuple[Question | None, ...] = ()


class Waiter(NamedTuple):
    """Whoever revokes."""

    phase: str = NEVER
    age: int = 0
    """Of the commit."""
    seen: tuple[int | None, ...] = ()
    """For how long each session has not changed, as far as is known."""
    look: tuple[int, tuple[Row | None, ...]] | None = None
    """What a look that is under way has read: the head, and the rows."""
    view: tuple[int, tuple[int | None, ...]] = (0, ())
    """What the last look saw: the head, and what each session was done with."""
    told: tuple[bool, ...] = ()


class State(NamedTuple):
    """Of the whole."""

    head: int
    managers: tuple[Manager, ...]
    gateways: tuple[Gateway, ...]
    waiter: Waiter


@frozen
class World:
    """What is explored.  Times are ticks."""

    managers: int = 1
    predecessors: int = 0
    """Of the key managers: those that have a session and never renew it, as they are killed one day."""
    gateways: int = 1
    lease: int = 1
    session: int = 2
    slow_looks: bool = False
    """Whether a look at the database takes time, as renewals do anyway."""
    quick: bool = False
    """Whether questions and transactions come to where they go at once, and only what they bring takes its time.

    That is the worst that they can do: both count from when they were sent.
    """
    broken: str = ""
    """A rule of the database or of the machine that is not kept."""


UNLOCKED = "a renewal reads the log without its lock"
TAKEN_AWAY = "a row is taken away while leases are good"
TAKEN_BLINDLY = "a row is taken away although it was renewed"
WAITED_BEFORE = "the wait begins before the commit"
STOOD_STILL = "a clock stands still for a tick"
BROKEN = (UNLOCKED, TAKEN_AWAY, TAKEN_BLINDLY, WAITED_BEFORE, STOOD_STILL)


def put(items, index, item):
    """A tuple with another item."""
    return (*items[:index], item, *items[index + 1 :])


def less(ticks):
    return max(0, ticks - 1)


class Explorer:
    """Breadth first, so that what is found is as short as it can be.

    Positions are numbers in a state, and those of ``heads`` for the objects.
    """

    heads = HEADS
    first = 0
    """The first that may be asked for a lease, of what has a row in the database."""

    def __init__(self, code, world):
        self.code = code
        self.world = world
        self.top = len(self.heads) - 1
        self.position = self.heads[self.top]
        self.terms = code.clocks.Terms(lease=world.lease, session=world.session, rate_error=0, margin=0)
        for each in (
            self.older_manager, self.older_gateway, self.older_waiter, self.renewals, self.give, self.hears, self.done,
            self.take, self.advance, self.ask, self.returned, self.silent, self.is_done, self.is_valid,
            self.number,
        ):  # fmt: skip
            setattr(self, each.__name__, cache(each))
        managers, gateways = world.managers, world.gateways
        self.begin = State(
            0,
            tuple(
                Manager(
                    ends=world.session if number < world.predecessors else 0,
                    row=Row(0) if number < world.predecessors else None,
                    holds=(None,) * gateways,
                )
                for number in range(managers)
            ),
            (Gateway(questions=(None,) * managers),) * gateways,
            Waiter(seen=(None,) * managers, view=(0, (None,) * managers), told=(False,) * managers),
        )

    def run(self, most=5_000_000):
        """How many states there are, and the shortest way to one that must not be; None when there is none."""
        return walk(self.begin, self.steps, self.is_wrong, most)

    def is_wrong(self, state):
        """Whether somebody may trust what was revoked, after that was said to be done."""
        return state.waiter.phase == DONE and any(
            gateway.applied < self.top and self.is_valid(gateway) for gateway in state.gateways
        )

    # --- objects of a state, and states of objects -----------------------------------------------------------

    def at(self, ticks):
        return self.code.clocks.Moment(ticks, ticks)

    def number(self, head):
        """Of the last of ``heads`` that is not further than that."""
        return max((number for number, each in enumerate(self.heads) if each <= head), default=0)

    def lease(self, gateway):
        made = self.code.lease.Lease("g", Still)
        made.applied = self.heads[gateway.applied]
        made._ends_raw = made._ends_boot = gateway.ends
        made._early = [(self.heads[need], self.at(ends)) for need, ends in gateway.early]
        made._asked = {number: self.at(-each.age) for number, each in enumerate(gateway.questions) if each}
        return made

    def leased(self, gateway, lease):
        early = {}
        for need, ends in lease._early:
            early[self.number(need)] = max(ends.raw, early.get(self.number(need), 0))
        early = tuple(sorted(early.items()))
        return gateway._replace(ends=max(0, lease._ends_raw), early=early)

    def grants(self, manager):
        made = self.code.grants.Grants(Still, self.terms)
        made.known = self.heads[manager.known]
        made._ends = self.at(manager.ends) if manager.ends else None
        made._holds = {
            str(number): self.code.grants.Hold(
                self.heads[hold.acked], 0, {self.heads[need]: self.at(ends) for need, ends in hold.leases}
            )
            for number, hold in enumerate(manager.holds) if hold
        }  # fmt: skip
        return made

    def granted(self, manager, grants):
        holds = tuple(self.held(grants._holds.get(str(number))) for number in range(self.world.gateways))
        ends = max(0, grants._ends.raw) if grants._ends else 0
        return manager._replace(ends=ends, known=self.number(grants.known), holds=holds)

    def held(self, hold):
        if hold is None:
            return None
        leases = sorted((self.number(need), ends.raw) for need, ends in hold.leases.items() if ends.raw > 0)
        return Hold(self.number(hold.acked), tuple(leases)) if leases else None

    def completion(self, waiter):
        made = self.code.completion.Completion(Still, self.terms)
        made._since = {str(number): self.at(-age) for number, age in enumerate(waiter.seen) if age is not None}
        made._told = {str(number): self.position for number, told in enumerate(waiter.told) if told}
        head, sessions = waiter.view
        made.view = self.code.completion.View(
            self.heads[head],
            tuple(self.session(number, Row(done)) for number, done in enumerate(sessions) if done is not None),
        )
        return made

    def session(self, number, row):
        return self.code.completion.Session(str(number), "", int(row.renewed), self.heads[row.done])

    # --- what one of them does -------------------------------------------------------------------------------

    def older_manager(self, manager):
        renewal = manager.renewal
        return manager._replace(
            ends=less(manager.ends),
            renewal=renewal and (min(renewal[0] + 1, self.world.session), *renewal[1:]),
            holds=tuple(hold and older_hold(hold) for hold in manager.holds),
        )

    def older_gateway(self, gateway):
        questions = tuple(
            each._replace(age=each.age + 1) if each and each.age < self.world.lease else None
            for each in gateway.questions
        )
        early = tuple((need, ends - 1) for need, ends in gateway.early if ends > 1)
        return gateway._replace(ends=less(gateway.ends), early=early, questions=questions)

    def older_waiter(self, waiter):
        session = self.world.session
        return waiter._replace(
            age=min(waiter.age + 1, session) if waiter.phase == WAITING else 0,
            seen=tuple(age if age is None else min(age + 1, session) for age in waiter.seen),
        )

    def renewals(self, manager, head):
        """What may become of the session: by what name, and whether it is a new one."""
        if manager.renewal is None:
            done = self.number(self.grants(manager).done) if manager.row else 0
            begun = manager._replace(renewal=(0, done, None))
            if self.world.quick:
                return self.committed(begun, head)
            return [("begins to renew its session", begun, False)]
        given_up = ("gives up a renewal", manager._replace(renewal=None), False)
        age, _, read = manager.renewal
        if read is None:
            return [given_up, *self.committed(manager, head)]
        grants = self.grants(manager)
        grants.renewed(self.at(-age), self.heads[read])
        return [given_up, ("has renewed its session", self.granted(manager, grants)._replace(renewal=None), False)]

    def committed(self, manager, head):
        """What may come of a transaction."""
        age, done, _ = manager.renewal
        if manager.row is None:
            made = manager._replace(ends=0, renewal=(age, 0, head), row=Row(head, True, True))
            return [("registers a session", made, True)]
        renewed = manager._replace(row=Row(max(done, manager.row.done), True, True))
        found = [("renews its session", renewed._replace(renewal=(age, 0, head)), False)]
        if self.world.broken == UNLOCKED:
            found.append(("renews its session, having read before", renewed._replace(renewal=(age, 0, 0)), False))
        return found

    def give(self, manager, number, question):
        grants = self.grants(manager)
        given = grants.give(LeaseAsked(str(number), 0, self.heads[question.applied]))
        if given is None:
            return None
        return self.granted(manager, grants), question._replace(answer=(given.seconds, self.number(given.need)))

    def hears(self, manager, number, applied):
        grants = self.grants(manager)
        grants.acked(Ack(str(number), self.heads[applied]))
        return self.granted(manager, grants)

    def done(self, manager):
        """Whether it is done with the position, and whether nobody holds a lease of it."""
        grants = self.grants(manager)
        return grants.done >= self.position, not grants.holders

    def ask(self, gateway, manager):
        question = Question(0, self.number(self.lease(gateway).ask().applied))
        return gateway._replace(questions=put(gateway.questions, manager, question))

    def take(self, gateway, manager):
        lease = self.lease(gateway)
        seconds, need = gateway.questions[manager].answer
        lease.take(LeaseGiven("g", manager, seconds, self.heads[need]))
        return self.leased(gateway, lease)

    def advance(self, gateway, head):
        lease = self.lease(gateway)
        lease.advance(self.heads[head])
        return self.leased(gateway._replace(applied=head), lease)

    def is_valid(self, gateway):
        return self.lease(gateway).valid()

    def is_done(self, waiter):
        completion = self.completion(waiter)
        return completion.done >= self.position or completion.has_passed(self.at(-waiter.age))

    def returned(self, waiter):
        """The waiter after its look."""
        head, rows = waiter.look
        completion = self.completion(waiter)
        sessions = tuple(self.session(number, row) for number, row in enumerate(rows) if row)
        completion.saw(self.code.completion.View(self.heads[head], sessions))
        numbers = [str(number) for number in range(self.world.managers)]
        done = {each.id: self.number(each.done) for each in completion.view.sessions}
        return waiter._replace(
            look=None,
            seen=tuple(-completion._since[it].raw if it in done else None for it in numbers),
            view=(head, tuple(done.get(it) for it in numbers)),
            told=tuple(it in completion._told for it in numbers),
        )

    def silent(self, waiter):
        return {int(each.id) for each in self.completion(waiter).silent}

    # --- steps of the whole ------------------------------------------------------------------------------------

    def steps(self, state):
        """Everything that may happen next."""
        if state.waiter.phase == WAITING and self.is_done(state.waiter):
            yield "the revocation is done", self.end(state)
            return
        yield "a tick", self.tick(state)
        for number, manager in enumerate(state.managers):
            for name, after in self.manager_steps(state, number, manager):
                yield f"key manager {number} {name}", after
        for number, gateway in enumerate(state.gateways):
            for name, after in self.gateway_steps(state, number, gateway):
                yield f"gateway {number} {name}", after
        if state.waiter.phase != DONE:
            yield from self.waiter_steps(state, state.waiter)

    def tick(self, state):
        return State(
            state.head,
            tuple(map(self.older_manager, state.managers)),
            tuple(map(self.older_gateway, state.gateways)),
            self.older_waiter(state.waiter),
        )

    def manager_steps(self, state, number, manager):
        managers = state.managers
        for name, after, anew in () if number < self.world.predecessors else self.renewals(manager, state.head):
            if state.waiter.phase == DONE:
                after = self.unwatched(after)  # noqa: PLW2901 - the same with less
            waiter = forgotten(state.waiter, number) if anew else state.waiter
            yield name, state._replace(managers=put(managers, number, after), waiter=waiter)
        done, free = self.done(manager)
        if manager.row is not None and (free or self.world.broken == TAKEN_AWAY):
            ended = manager._replace(ends=0, row=None, renewal=None)
            waiter = forgotten(state.waiter, number)
            yield "ends its session", state._replace(managers=put(managers, number, ended), waiter=waiter)
        waiter = state.waiter
        if done and waiter.phase != DONE and waiter.seen[number] is not None and not waiter.told[number]:
            yield "says that it is done", state._replace(waiter=waiter._replace(told=put(waiter.told, number, True)))
        if state.head == self.top > manager.known:
            told = manager._replace(known=self.top)
            yield "is told of the revocation", state._replace(managers=put(managers, number, told))
        for at, gateway in enumerate(state.gateways):
            question = Question(0, gateway.applied) if self.world.quick else gateway.questions[number]
            given = self.give(manager, at, question) if question is not None else None
            if given is not None:
                granted, answered = given
                if state.waiter.phase == DONE:
                    granted = self.unwatched(granted)
                asked = gateway._replace(questions=put(gateway.questions, number, answered))
                yield (
                    f"gives gateway {at} a lease",
                    state._replace(managers=put(managers, number, granted), gateways=put(state.gateways, at, asked)),
                )
            hold = manager.holds[at]
            if hold and gateway.applied > hold.acked:
                heard = self.hears(manager, at, gateway.applied)
                yield f"hears of gateway {at}", state._replace(managers=put(managers, number, heard))

    def gateway_steps(self, state, number, gateway):
        for manager, question in list(enumerate(gateway.questions))[self.first :]:
            if not self.world.quick:
                asked = self.ask(gateway, manager)
                yield f"asks key manager {manager}", state._replace(gateways=put(state.gateways, number, asked))
            if question is not None and question.answer is not None:
                leased = self.take(gateway, manager)
                yield (
                    f"takes the lease of key manager {manager}",
                    state._replace(gateways=put(state.gateways, number, leased)),
                )
        if state.head != gateway.applied:
            advanced = self.advance(gateway, state.head)
            yield "has the log in force", state._replace(gateways=put(state.gateways, number, advanced))
        if self.world.broken == STOOD_STILL and gateway.ends:
            after = self.tick(state)
            kept = after.gateways[number]._replace(ends=gateway.ends)
            yield "does not notice a tick", after._replace(gateways=put(after.gateways, number, kept))

    def waiter_steps(self, state, waiter):
        broken = self.world.broken
        if waiter.phase == NEVER and state.head == self.top - 1:
            age = self.world.session if broken == WAITED_BEFORE else 0
            waiting = waiter._replace(phase=WAITING, age=age)
            yield "the revocation is committed", state._replace(head=self.top, waiter=waiting)
        if self.world.slow_looks and waiter.look is None:
            yield "a look reads", read(state)
        elif waiter.look is None:
            yield "a look", self.looked(read(state))
        else:
            yield "the look ends", self.looked(state)
        for number in self.silent(waiter):
            manager = state.managers[number]
            if manager.row and (not manager.row.renewed or broken == TAKEN_BLINDLY):
                gone = manager._replace(row=None)
                yield (
                    f"the row of key manager {number} is taken away",
                    state._replace(managers=put(state.managers, number, gone), waiter=forgotten(waiter, number)),
                )

    def end(self, state):
        none = self.begin.waiter._replace(phase=DONE)
        return state._replace(managers=tuple(map(self.unwatched, state.managers)), waiter=none)

    def unwatched(self, manager):
        """Without what only the waiter asks for."""
        renewal = manager.renewal and (manager.renewal[0], 0, manager.renewal[2])
        return manager._replace(row=manager.row and Row(0), holds=(None,) * self.world.gateways, renewal=renewal)

    def looked(self, state):
        managers = tuple(
            each._replace(row=each.row._replace(renewed=each.row.again, again=False)) if each.row else each
            for each in state.managers
        )
        return state._replace(waiter=self.returned(state.waiter), managers=managers)


def older_hold(hold):
    leases = tuple((need, ends - 1) for need, ends in hold.leases if ends > 1)
    return hold._replace(leases=leases) if leases else None


def read(state):
    """A look reads, in one moment of the database."""
    look = (state.head, tuple(each.row and each.row._replace(again=False) for each in state.managers))
    managers = tuple(each._replace(row=each.row._replace(again=False)) if each.row else each for each in state.managers)
    return state._replace(managers=managers, waiter=state.waiter._replace(look=look))


def forgotten(waiter, number):
    """Without the session of a key manager: its next one has another name."""
    head, sessions = waiter.view
    return waiter._replace(
        look=waiter.look and (waiter.look[0], put(waiter.look[1], number, None)),
        seen=put(waiter.seen, number, None),
        view=(head, put(sessions, number, None)),
        told=put(waiter.told, number, False),
    )
