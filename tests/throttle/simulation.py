"""Several nodes, memcached and the network between them, on a clock of their own: a seed plays the same again.

The nodes are the real ``SharedLimiter`` and ``CounterServer``.  Everything that goes wrong is chosen by the seed:
batches and answers that are lost or late, nodes that stand still, clocks that differ, servers that lose their data.
"""

import random
from functools import partial
from heapq import heappop, heappush

from twgw.gateway.running import Pause, Running
from twgw.model import Charge
from twgw.throttle.kept import Keeper, Kept
from twgw.throttle.others import Others
from twgw.throttle.reservation import Add, Answer
from twgw.throttle.servers import CounterServer
from twgw.throttle.shared import SharedLimiter

START = 1_700_000_000.0
TIMEOUT = 0.05
TICK = 0.25


class FakeMemcached:
    """What memcached 1.6.18 does with the two commands."""

    def __init__(self):
        self.items = {}
        self.cas = 0
        self.commands = 0
        self.up = True

    def do(self, command):
        """Do one of them."""
        self.commands += 1
        self.cas += 1
        known = self.items.get(command.key)
        if isinstance(command, Add):
            value = command.initial if known is None else known[0]
            if known is not None:
                if not isinstance(value, int) or not 0 <= value < 1 << 64:
                    return "CLIENT_ERROR cannot increment or decrement non-numeric value"
                value = (value + command.delta) % (1 << 64)
            self.items[command.key] = (value, self.cas)
            return Answer(value, self.cas)
        if command.cas and known is None:
            return "NF"
        if command.cas and known[1] != command.cas:
            return "EX"
        self.items[command.key] = (command.value, self.cas)
        return Answer()


class World:
    """Time, servers and nodes."""

    def __init__(self, seed, nodes=3, servers=1, skew=0.0, declared=None, max_keys=10_000, keeps=False):
        self.random = random.Random(seed)
        self.skew = skew
        self.time = 0.0
        self._events = []
        self._count = 0
        self.servers = {f"m{number}:11211": FakeMemcached() for number in range(servers)}
        self.lose = self.lose_answer = self.late = 0.0
        """Shares of batches that never come, whose answer never comes, that come after the time-out."""
        self.admitted = []
        """Of every request that was let pass: real time, time of the node, key, cost, whether it was decided alone."""
        self.refused = 0
        self.keeps = keeps
        self.database, self.database_is_up = {}, True
        """What is kept of long windows."""
        self._declared, self._max_keys = declared or nodes, max_keys
        self.nodes = [self.node() for _ in range(nodes)]

    def node(self):
        """A process that begins."""
        return Node(self, self.random.uniform(-self.skew, self.skew), self._declared, self._max_keys)

    def kill(self, node):
        """A process ends with all that it knew, and another one begins in its place."""
        node.dead = True
        self.nodes[self.nodes.index(node)] = self.node()

    def at(self, delay, call):
        """Call something in so many seconds."""
        self._count += 1
        heappush(self._events, (self.time + delay, self._count, call))

    def run(self, until):
        """Let time go on."""
        while self._events and self._events[0][0] <= until:
            self.time, _, call = heappop(self._events)
            call()
        self.time = until

    def load(self, charges, rate, until, node=None):
        """Requests at random times, at one node or at any."""
        def request():
            if self.time < until:
                (node or self.random.choice(self.nodes)).request(charges)
                self.at(self.random.expovariate(rate), request)

        self.at(self.random.expovariate(rate), request)

    def travel(self, node, name, commands, answered):
        """A batch on its way, and back."""
        server = self.servers[name]
        chance = self.random.random
        there = 0.0001 * (1 + chance())
        if chance() < self.late:
            there += self.random.uniform(0, 3 * TIMEOUT)
        lost, lost_answer, done = chance() < self.lose, chance() < self.lose_answer, []

        def end(replies):
            if not done:
                done.append(True)
                node.when_running(lambda: answered(replies))

        def arrive():
            if server.up and not lost:
                replies = [server.do(command) for command in commands]
                if not lost_answer:
                    self.at(0.0001, lambda: end(replies))

        if server.up or lost:
            self.at(there, arrive)
            self.at(TIMEOUT, lambda: end(None))
        else:
            self.at(there, lambda: end(None))  # the connection is refused


class Node:
    """A limiter with a clock that may be wrong, and which stands still at times."""

    def __init__(self, world, skew, declared, max_keys):
        self.world, self.skew = world, skew
        self.still_until = 0.0
        self.others = Others(declared)
        self.servers = [
            CounterServer(
                name, partial(world.travel, self, name), partial(world.at, 0), self.wall, world.random.randrange
            )
            for name in world.servers
        ]  # fmt: skip
        self.dead = False
        self.kept = Kept() if world.keeps else None
        self.limiter = SharedLimiter(self, self.servers, lambda: self.others, world.random.randrange,
                                     max_keys=max_keys, kept=self.kept)  # fmt: skip
        self.keeper = Keeper(self.kept, self._write, self._read, self._start, self.wall, self.limiter)
        if world.keeps:
            self.kept.read(world.database.values(), self.wall())
        self.decisions = []
        world.at(world.random.uniform(0, TICK), self._tick)

    def wall(self):
        return START + self.world.time + self.skew

    def when_running(self, call):
        """Now, or when the node goes on."""
        if self.world.time < self.still_until:
            self.world.at(self.still_until - self.world.time, lambda: self.when_running(call))
        else:
            call()

    def stand_still(self, seconds):
        self.still_until = self.world.time + seconds

    def _tick(self):
        if self.dead:
            return
        self.when_running(lambda: [self.limiter.heed(), *(server.tick() for server in self.servers)])
        if self.kept is not None:
            self.when_running(self.keeper.tick)
        self.world.at(TICK, self._tick)

    async def _database(self):
        """The way there, or back."""
        pause = Pause()
        self.world.at(self.world.random.uniform(0.001, 0.1), lambda: self.when_running(pause.wake))
        await pause
        return self.world.database_is_up and not self.dead

    async def _write(self, values):
        if not await self._database():
            return False
        kept = self.world.database
        for value in values:
            if value.key not in kept or kept[value.key].used < value.used:
                kept[value.key] = value
        return await self._database()

    async def _read(self):
        found = list(self.world.database.values()) if await self._database() else None
        return found if await self._database() else None

    def _start(self, work):
        Running(work, lambda error: error and self.world.at(0, partial(_fail, error))).start()

    def request(self, charges):
        self.when_running(lambda: self._request(charges))

    def _request(self, charges):
        if self.dead:
            return
        decided = self.limiter.take_all(charges)
        if isinstance(decided, list):
            self._decided(decided)
            return

        async def wait():
            self._decided(await decided)

        def ended(error):
            if error is not None:
                raise error

        Running(wait(), ended).start()

    def _decided(self, decisions):
        if self.dead:
            return
        self.decisions = decisions
        if not all(decision.allowed for decision in decisions):
            self.world.refused += 1
            return
        for decision in decisions:
            charge = decision.charge
            alone = charge.name.endswith("(degraded)")
            self.world.admitted.append((self.world.time, self.wall(), charge.key, charge.cost, alone))


def _fail(error):
    raise error


def charge(limit, key="a", cost=1):
    """What requests are charged."""
    return Charge(key, limit, cost=cost)


# --- the checker: it knows nothing of how they count ---


def by_label(world, period, key="a"):
    """What was let pass under each label of a fixed window."""
    found = {}
    for _, wall, of, cost, _ in world.admitted:
        if of == key:
            found[wall // period] = found.get(wall // period, 0) + cost
    return found


def most_within(world, seconds, key="a"):
    """The most that was let pass in any interval ``[t, t + seconds)`` of real time."""
    times = [(time, cost) for time, _, of, cost, _ in world.admitted if of == key]
    most = total = first = 0
    for time, cost in times:
        total += cost
        while time - times[first][0] >= seconds:
            total -= times[first][1]
            first += 1
        most = max(most, total)
    return most


def burst_over(world, rate, key="a"):
    """The most by which any interval went past ``rate`` times its length."""
    most = total = 0.0
    least = 0.0
    for time, _, of, cost, _ in world.admitted:
        if of == key:
            least = min(least, total - rate * time)
            total += cost
            most = max(most, total - rate * time - least)
    return most
