"""MemoryCluster: key managers, gateways, a database and all that is between them, on a time of their own.

The nodes are the real ``Membership`` (so ``Grants``, ``Completion``, ``Census``), ``Lease``, ``Follower``, ``Facts``
and ``Cache``; the database is a stand-in with the contract of ``storage/cluster.py`` and ``storage/log.py``.  What
goes wrong is drawn from a seed, which plays the same again: messages are lost, late, doubled and overtaken, processes
stop, die and come again, links are cut, transactions hang and commit although nobody hears of it, machines sleep, and
no two clocks go equally fast.  The promise is checked after every event.
"""

import random
from heapq import heappop, heappush
from math import inf
from types import SimpleNamespace

from attrs import evolve
from twisted.internet.defer import Deferred

from twgw.cache import Fact
from twgw.cluster.messages import LeaseGiven
from twgw.cluster.messages import News as Told
from twgw.gateway.compiling import Ready
from twgw.gateway.follower import Follower
from twgw.gateway.registry import Facts, Keys, Rights
from twgw.gateway.running import Running
from twgw.memory_world import MemoryLog
from twgw.metrics import Registry
from twgw.policy.interfaces import Unanswered
from twgw.registry import Head, News, Record, Served
from twgw.storage import cluster
from twgw.storage.errors import Unavailable
from twgw.storage.remembered import Remembered

EVERY, GIVES_UP = 1.0, 5.0
"""Seconds between two looks of a node, and those after which it no longer waits for a transaction."""
LATE = 0.1
"""The share of answers about keys that come seconds later."""
TERMS = ((1.0, 1.0), (1.0, 2.0), (2.0, 4.0), (1.5, 6.0))
"""Seconds of a lease and a session: each schedule has one of them."""


class Clocks:
    """Those of a machine: neither is quite right, and one stands still while the machine sleeps."""

    def __init__(self, world, rates):
        self._world, self.rates = world, rates
        self.slept = 0.0
        self.begin = world.random.uniform(0, 1000)

    def raw(self):
        return self.begin + self.rates[0] * (self._world.time - self.slept)

    def boot(self):
        return self.begin + self.rates[1] * self._world.time


class Machine:
    """A process: it may stop, sleep and die.  Whatever is to be done by it waits meanwhile, or is forgotten."""

    def __init__(self, world, name, rate_error):
        rate = lambda: 1 + rate_error * world.random.choice([-1, -0.3, 0.3, 1])
        self.world, self.name = world, name
        self.clocks = Clocks(world, (rate(), rate()))
        self.still_until = 0.0
        self.alive = True

    def do(self, call):
        """Now, or when it goes on."""
        if not self.alive:
            return
        if self.world.time < self.still_until:
            self.world.at(self.still_until - self.world.time, lambda: self.do(call))
        else:
            call()

    def after(self, seconds, call):
        """As its clocks have it."""
        self.world.at(seconds / self.clocks.rates[0], lambda: self.do(call))

    def callLater(self, seconds, call):  # noqa: N802 - Twisted's name
        """A timer."""
        timer = SimpleNamespace(going=True)
        timer.cancel = lambda: setattr(timer, "going", False)
        self.after(seconds, lambda: call() if timer.going else None)
        return timer

    @property
    def runs(self):
        return self.alive and self.world.time >= self.still_until


class Database:
    """What all key managers share."""

    def __init__(self, world, kept):
        self.world, self.kept = world, kept
        self.head = Head(1, 0)
        self.records, self.sessions, self.revoked, self.written = [], {}, {}, {}
        self.noted = None
        """What the last transaction appended, or read of the log, as ``storage/remembered.py`` has it."""
        self.still_until = 0.0
        self.saved = None

    # --- transactions: each happens in one moment ---

    def do(self, function, *args, remembered=None, **_named):
        """One of ``storage/cluster.py``, or of those below."""
        self.noted = None
        more = (remembered,) if remembered is not None else ()
        return getattr(self, function.__name__, function)(*args, *more)

    def register(self, session, node, known, counting, report, remembered):
        times = self._see(known, remembered)
        self.sessions[session] = cluster.Session(session, node, 1, self.head, counting, report)
        return self._view(times)

    def renew(self, session, done, known, counting, report, remembered):
        times = self._see(known, remembered)
        row = self.sessions.get(session)
        if row is None:
            return None
        self.sessions[session] = cluster.Session(session, row.node, row.beats + 1, done, counting, report)
        return self._view(times)

    def remove(self, sessions):
        for each in sessions:
            if (row := self.sessions.get(each.id)) is not None and row.beats == each.beats:
                del self.sessions[each.id]

    def end(self, session):
        self.sessions.pop(session, None)

    def revoke(self, key):
        """A key is void; the position, also when it was before."""
        if key not in self.revoked:
            self.head = Head(self.head.epoch, self.head.pos + 1)
            self.revoked[key] = self.head.pos
            self.records.append(Record("token", f"key:{key}", epoch=self.head.epoch, pos=self.head.pos))
            self.noted = self.head, self.world.time
            self.written[self.head] = self.world.time
            del self.records[: -self.kept]
        return self.revoked[key]

    def news(self, since):
        first = self.records[0].pos if self.records else self.head.pos + 1
        if since.epoch != self.head.epoch or since.pos + 1 < first:
            return None
        found = [each for each in self.records if each.pos > since.pos][:3]
        if found:
            last = Head(self.head.epoch, found[-1].pos)
            self.noted = last, self.written[last]
        return News(tuple(found), more=bool(found) and found[-1].pos < self.head.pos)

    def everything(self):
        return self.head, Served()

    def where(self):
        return self.head

    def fact(self, head, wanted):
        """What is known of a key, ``head`` having been read before."""
        name = wanted.digests[0]
        return Fact(head.pos, head.epoch, inf, (f"key:{name}",), None if name in self.revoked else name), {}

    def _see(self, known, remembered):
        sought = remembered.times
        known = max([known, *sought])
        found = {each: self.written.get(each) for each in (self.head, *sought) if each.epoch == self.head.epoch}
        if self.head < known or any(sought.get(each, at) != at for each, at in found.items()):
            self.head = Head(known.epoch + 1, max(self.head.pos, known.pos) + cluster.APART)
            self.records.clear()
            self.sessions = {
                name: evolve(each, beats=each.beats + cluster.APART) for name, each in self.sessions.items()
            }
            name = f"lost-{self.head.epoch}"
            self.sessions[name] = cluster.Session(name, cluster.LOST, 0, Head(0, 0))
            return {self.head: None}
        return found

    def _view(self, times):
        return cluster.View(self.head, tuple(self.sessions[name] for name in sorted(self.sessions)), times=times)

    # --- what goes wrong ---

    def save(self):
        """A backup."""
        self.saved = self.head, list(self.records), dict(self.sessions), dict(self.revoked), dict(self.written)

    def forget(self, *, again):
        """The backup is brought back, and as much is appended ``again`` before anybody looks."""
        lost = self.head
        self.head, self.records, self.sessions, self.revoked, self.written = (
            it if isinstance(it, Head) else it.copy() for it in self.saved
        )
        while again and self.head < lost:
            self.revoke(f"another after {self.head.pos}")


class Door:
    """How one process reaches the database: ``call`` and ``run`` as ``storage.database.Database`` has them."""

    def __init__(self, machine):
        self.machine, self.world = machine, machine.world
        self.cut_until = 0.0
        self.remembered = Remembered()

    def call(self, function, *args, **named):
        if self.world.time < max(self.cut_until, self.world.database.still_until):
            raise Unavailable("the database does not answer")
        return self.world.database.do(function, *args, **named)

    def run(self, function, *args, **named):
        """In a while; it may be done although its answer is not heard."""
        world, done = self.world, Deferred()
        chance = world.random.random

        def end(result, noted=None, *, failed=False):
            if noted is not None:
                self.remembered.note(*noted)
            if not done.called:
                (done.errback if failed else done.callback)(result)

        def arrive():
            until = max(self.cut_until, world.database.still_until)
            if world.time < until:
                world.at(until - world.time + world.delay(), arrive)
                return
            if chance() < world.lose:
                return
            result = world.database.do(function, *args, **named)
            noted = world.database.noted
            if chance() >= world.lose:
                world.at(world.delay(), lambda: self._back(lambda: end(result, noted)))

        world.at(world.delay(), arrive)
        lost = Unavailable("the database does not answer")
        self.machine.after(GIVES_UP, lambda: end(lost, failed=True))
        return done

    def _back(self, call):
        wait = self.cut_until - self.world.time
        if wait > 0:
            self.world.at(wait, lambda: self._back(call))
        else:
            self.machine.do(call)


class Reader:
    """The registry as the gateway of a process with the database reads it.  ``run`` runs a transaction."""

    name = whom = "the database"

    def __init__(self, machine, run):
        self._world, self._machine, self._hurry = machine.world, machine, run
        self.stuck_until = 0.0
        """Its connection is not that of leases, and may hang by itself."""

    def _run(self, function, *args):
        wait = self.stuck_until - self._world.time
        if wait <= 0:
            return self._hurry(function, *args)
        return self._later(wait).addCallback(lambda _: self._hurry(function, *args))

    def at_start(self):
        return None

    async def everything(self, _most=None):
        return await self._run(self._world.database.everything)

    async def news(self, since, _most):
        return await self._run(self._world.database.news, since)

    async def apis(self, names):
        return await self._run(lambda: dict.fromkeys(names))

    async def facts(self, wanted, _now):
        head = await self._run(self._world.database.where)
        found = await self._run(lambda: [self._world.database.fact(head, each) for each in wanted])
        if self._world.random.random() < LATE:
            await self._later(3 * self._world.random.random())
        return found

    def _later(self, seconds):
        done = Deferred()
        self._world.at(seconds, lambda: self._machine.do(lambda: done.callback(None)))
        return done


class Gateway:
    """What answers requests in one process."""

    def __init__(self, machine, lease, run, advanced):
        world = machine.world
        self.machine, self.lease = machine, lease
        clock = SimpleNamespace(now=machine.clocks.raw, wall=machine.clocks.boot)
        self.cache = world.code.cache.Cache(most_facts=8, most_tags=4)
        self.log = MemoryLog()
        self.reader = reader = Reader(machine, run)
        metrics = Registry()
        self.facts = Facts(self.cache, reader, clock, self.log, metrics)
        self.keys = Keys(self.facts, clock, lambda key: (key,))
        lent = SimpleNamespace(clock=clock, log=self.log, metrics=metrics)
        self.follower = Follower(
            reader, self.facts, Rights(self.facts, clock), self._in_thread, dict, lent, None, lambda _deployment: None,
            None, lease.valid, advanced,
        )  # fmt: skip
        self.follower._compiled = lambda *_: Ready(SimpleNamespace(compiled={}))  # there are no APIs
        self.follower._anew = True  # as after load(), where nobody can be asked yet

    def _in_thread(self, function, *args):
        done = Deferred()
        world = self.machine.world
        world.at(world.delay(), lambda: self.machine.do(lambda: done.callback(function(*args))))
        return done

    def request(self, key, sent):
        """One with a key, that was sent at a time; whoever accepts it says so to the world."""
        if not self.lease.valid():
            self.machine.world.refused += 1
            return
        found = self.keys.find("api-key", key)
        if isinstance(found, str) or found is None:
            self._answer(key, sent, found)
            return

        async def wait():
            try:
                self._answer(key, sent, await found)
            except Unanswered:
                self.machine.world.refused += 1

        def ended(error):
            if error is not None:
                raise error

        Running(wait(), ended).start()

    def _answer(self, key, sent, found):
        if found is not None:
            self.machine.world.accepted(self, key, sent)
        else:
            self.machine.world.refused += 1


class KeyManager:
    """A process with the database, whose gateway is another one if you like."""

    def __init__(self, world, name, rate_error=0.01):
        self.world, self.name = world, name
        self.machine = Machine(world, name, rate_error)
        self.door = Door(self.machine)
        self.log = MemoryLog()
        self.member = world.code.membership.Membership(
            self.door, self.machine, self.machine.clocks, world.terms, name, self.machine.clocks.boot, self.log
        )
        self.gateway = Gateway(self.machine, self.member.lease, self.door.run, self.member.advanced)
        self.member.behind = self.gateway.follower.poll
        self.member.tell = self._tell
        self.member.begin()
        self.gateway.follower.poll()
        self.machine.after(world.random.uniform(0, EVERY), self._look)

    def _look(self):
        self.member.look()
        self.gateway.follower.look()
        self.machine.after(EVERY, self._look)

    def _tell(self, message):
        """To gateways, as ``startup_cluster.py`` does; to other key managers where the schedule has a mesh."""
        for each in self.world.gateways:
            if isinstance(message, Told):
                self.world.send(self, each, message)
        if self.world.mesh and not isinstance(message, Told):
            for each in self.world.managers:
                if each is not self:
                    self.world.send(self, each, message)

    def hear(self, sender, message):
        """A message came."""
        answer = self.member.heard(message, sender.name, ("gateway",))
        if answer is not None:
            self.world.send(self, sender, answer)

    def revoke(self, key, sent):
        """A call that ends a key: it returns when that is in force everywhere, or fails."""
        world = self.world

        async def revoke():
            try:
                position = await self.door.run(world.database.revoke, key, write=True)
                epoch = self.member.grants.known.epoch
                wait = self.member.reached(position)
                self.machine.after(20, wait.cancel)
                await wait
            except Exception:  # noqa: BLE001 - whatever it is, nothing was promised
                world.failed += 1
            else:
                world.returned(key, Head(epoch, position), sent)

        Deferred.fromCoroutine(revoke())


class Distant:
    """A gateway without a database, as ``startup_cluster.FromKeyManagers`` puts it together."""

    def __init__(self, world, name, rate_error=0.01):
        self.world, self.name = world, name
        self.machine = Machine(world, name, rate_error)
        self.lease = world.code.lease.Lease(f"{name} {world.random.random()}", self.machine.clocks)
        self.gateway = Gateway(self.machine, self.lease, self._run, self._in_force)
        self.machine.after(world.random.uniform(0, EVERY), self._look)

    def _look(self):
        self.gateway.follower.look()
        self._ask()
        self.machine.after(EVERY, self._look)

    def _ask(self):
        for each in self.world.managers:
            self.world.send(self, each, self.lease.ask())

    def _in_force(self, head, report):
        self.lease.report = report
        self.lease.advance(head)
        for each in self.world.managers:
            self.world.send(self, each, self.lease.ack())
        if not self.lease.valid():
            self._ask()

    def hear(self, _sender, message):
        """A lease, or that the log went on."""
        if isinstance(message, LeaseGiven):
            self.lease.take(message)
        elif isinstance(message, Told) and message.head.pos > self.gateway.follower.applied:
            self.gateway.follower.poll()

    def _run(self, function, *args):
        """A question to a key manager, that asks the database."""
        world, done = self.world, Deferred()
        manager = world.random.choice(world.managers)

        def end(result):
            if not done.called:
                done.callback(result)

        def ask():
            answered = manager.door.run(function, *args)
            answered.addCallbacks(
                lambda it: world.carry(manager, self, lambda: end(it)), lambda _failure: None
            )

        world.carry(self, manager, ask)
        lost = Unavailable("no key manager answers")
        self.machine.after(GIVES_UP, lambda: done.called or done.errback(lost))
        return done


class World:
    """Time, the network, the nodes and the promise."""

    def __init__(self, seed, code, rate_error=0.01):
        self.random, self.code = random.Random(seed), code
        self.time, self._events, self._count = 0.0, [], 0
        self.lose = self.double = 0.0
        self.slow = 0.005
        self.refused = self.failed = self.served = 0
        self.void = 0
        """The epoch up to which nothing is promised, as the database forgot it."""
        self.promised, self.revoked = Head(0, 0), {}
        """How far what was promised goes, and when the revocation of each key had returned."""
        self.wrong = []
        self.cut = {}
        chance = self.random
        lease, session = chance.choice(TERMS)
        self.terms = code.clocks.Terms(lease, session)
        self.mesh = chance.random() < 0.3
        self.database = Database(self, kept=chance.choice([3, 1000]))
        self.rate_error = rate_error
        self.managers, self.gateways = [], []
        for number in range(chance.choice([1, 2, 2, 3])):
            self.managers.append(KeyManager(self, f"k{number}", rate_error))
        for number in range(chance.choice([0, 1, 1, 2])):
            self.gateways.append(Distant(self, f"g{number}", rate_error))
        self.keys = 0

    # --- time and network ---

    def at(self, delay, call):
        """Call something in so many seconds."""
        self._count += 1
        heappush(self._events, (self.time + delay, self._count, call))

    def delay(self):
        return self.slow * (0.2 + self.random.expovariate(1))

    def carry(self, sender, receiver, call):
        """A message on its way, which may be lost, late or doubled."""
        chance = self.random.random
        while chance() >= self.lose:
            wait = max(self.delay(), self.cut.get((sender.name, receiver.name), 0.0) - self.time)
            self.at(wait, lambda: receiver.machine.do(call))
            if chance() >= self.double:
                return

    def send(self, sender, receiver, message):
        self.carry(sender, receiver, lambda: receiver.hear(sender, message))

    # --- the promise ---

    def returned(self, key, head, _sent):
        """The revocation of a key has returned."""
        if head.epoch <= self.void:
            return
        self.revoked.setdefault(key, self.time)
        self.promised = max(self.promised, head)
        for each in (*self.managers, *self.gateways):
            for wait in (0.0, 0.05, 0.5):
                self.at(wait, lambda it=each: self._request(it, key))

    def accepted(self, gateway, key, sent):
        """A request with a key was served."""
        self.served += 1
        if sent > self.revoked.get(key, inf):
            self.wrong.append(f"{self.time:.3f}: {gateway.machine.name} served {key}, sent at {sent:.3f}")

    def check(self):
        """Wherever a lease is good, all is in force that was promised."""
        promised = self.promised.epoch, self.promised.pos
        for each in (*self.managers, *self.gateways):
            gateway = each.gateway
            known = gateway.cache.epoch, gateway.follower.applied
            if known < promised and each.machine.runs and gateway.lease.valid():
                self.wrong.append(f"{self.time:.3f}: {each.name} trusts {known}, promised is {promised}")

    def forget(self, *, again=False):
        """The database is that of a backup; what was promised before is void (A5), what is promised later is not."""
        if self.database.saved is not None:
            self.database.forget(again=again)
            self.void = max(self.database.head.epoch, self.promised.epoch)
            self.promised, self.revoked = Head(0, 0), {}

    def restart_some(self):
        """Key managers die, and come again after a loss was seen or before, knowing of none."""
        for each in list(self.managers):
            if self.random.random() < 0.5:
                self.at(2 * self.random.random(), lambda it=each: self._kill(it))

    # --- a schedule ---

    def run(self, seconds=20.0):
        """Let everything happen until something is wrong, or for so long."""
        for what, rate in ((self._revoke, 0.8), (self._ask, 3.0), (self._trouble, 0.9)):
            self._again(what, rate)
        events = self._events
        while events and events[0][0] <= seconds and not self.wrong:
            self.time, _, call = heappop(events)
            call()
            if self.promised.pos:
                self.check()
        return self

    def _again(self, what, rate):
        def now():
            what()
            self.at(self.random.expovariate(rate), now)

        self.at(self.random.expovariate(rate), now)

    def _revoke(self):
        """A new key, or one more time the last."""
        self.keys += self.random.random() < 0.8
        key, manager, sent = f"key{self.keys}", self.random.choice(self.managers), self.time
        for each in (*self.managers, *self.gateways):
            self._request(each, key)
        self.at(0.3 * self.random.random(), lambda: manager.machine.do(lambda: manager.revoke(key, sent)))

    def _ask(self):
        each = self.random.choice((*self.managers, *self.gateways))
        self._request(each, f"key{max(0, self.keys - self.random.randrange(4))}")

    def _request(self, each, key):
        sent = self.time
        each.machine.do(lambda: each.gateway.request(key, sent))

    def _long(self):
        """Mostly about as long as what is promised."""
        session = self.terms.session
        return self.random.choice([0.1, 0.5, self.terms.lease, session, session + 1, 2 * session]) * (
            0.5 + self.random.random()
        )

    def _trouble(self):
        chance, until = self.random, self.time + self._long()
        everybody = (*self.managers, *self.gateways)
        manager, each = chance.choice(self.managers), chance.choice(everybody)
        what = chance.choice(TROUBLES)
        if what == "stop":
            each.machine.still_until = max(each.machine.still_until, until)
        elif what == "sleep":
            each.machine.still_until = max(each.machine.still_until, until)
            each.machine.clocks.slept += each.machine.still_until - self.time
        elif what == "cut from the database":
            manager.door.cut_until = until
        elif what == "the database stops":
            self.database.still_until = self.time + min(3 * self.terms.session, until - self.time)
        elif what == "cut":
            other = chance.choice(everybody)
            for pair in ((each.name, other.name), (other.name, each.name))[: chance.choice([1, 2])]:
                self.cut[pair] = until
        elif what == "reads hang":
            each.gateway.reader.stuck_until = until
        elif what == "kill":
            self._kill(each)
        elif what == "network":
            self.lose, self.double = chance.choice([0, 0, 0.05, 0.3]), chance.choice([0, 0.3])
            self.slow = chance.choice([0.001, 0.005, 0.05, 0.3])

    def _kill(self, each):
        """It dies, and its successor begins, when the database lets it."""
        if not each.machine.alive:
            return
        each.machine.alive = False

        def again():
            try:
                if each in self.managers:
                    self.managers[self.managers.index(each)] = KeyManager(self, each.name, self.rate_error)
                else:
                    self.gateways[self.gateways.index(each)] = Distant(self, each.name, self.rate_error)
            except Unavailable:
                self.at(0.5, again)

        self.at(self.random.uniform(0.1, 2), again)


TROUBLES = ("stop", "stop", "sleep", "cut from the database", "cut from the database", "the database stops", "cut",
            "cut", "reads hang", "kill", "network")  # fmt: skip
