"""Every history of a small limit that nodes count together on a server that loses its data: is too much ever let pass?

The nodes are ``FixedAccount`` and ``CounterServer`` of ``twgw/throttle/``, the server is ``Numbers``, which does what
memcached does; put together anew for each step, and taken apart again.  What they do not decide is chosen in every
possible way: when a node asks, when its batch is done, and whether in one go, when the answer comes, and whether, when
the server loses everything, and when old data come back.  A batch that nobody waits for any more may be done as well.
Time goes through ``World.times``; clocks of nodes differ from it.
"""

from math import inf
from typing import NamedTuple

from attrs import frozen

from tests.model.walk import walk
from twgw.model import Limit
from twgw.throttle.asking import Asking

BEGIN = 8000.0
"""UNIX time of the first window."""
COUNTER = ("label", "seen", "nonce", "used_up", "left", "asked")
SERVER = ("_mark", "_looks", "_looked_at", "_lost_last", "_objected_at", "_repairs", "lost_at", "down")
"""What a state keeps of a counter, and of a server, as a node sees them."""


@frozen
class World:
    """What is explored."""

    batches: tuple[int, ...] = (3, 2)
    """How many each node may send."""
    skews: tuple[float, ...] = (0.125, 0.0)
    """Of the clock of each."""
    farthest: float = 60.0
    """Seconds after which a mark is from the future."""
    objects: bool = True
    """Whether nodes replace one that is, the first time."""
    times: tuple[float, ...] = (0.0, 0.875, 1.0)
    """In seconds; a window has one."""
    amount: int = 1
    """The limit."""
    losses: int = 1
    """How often the server loses its data."""
    returns: int = 0
    """How often it has older ones then."""


class Flight(NamedTuple):
    """A batch that is under way."""

    asked_at: float
    size: int
    """How many of its commands are about the counter."""
    commands: tuple = ()
    """Those that are to be done."""
    replies: tuple = ()


class Node(NamedTuple):
    """A node."""

    batches: int
    counter: tuple
    server: tuple
    flight: Flight | None = None
    late: tuple = ()
    """Commands that may be done although nobody waits for them."""
    tell: tuple = ()
    """Those that go with the next batch."""
    looked: bool = False
    """Since the data were saved that may come back."""


class State(NamedTuple):
    """Of the whole."""

    time: int
    data: tuple
    nodes: tuple[Node, ...]
    passed: tuple[int, ...]
    """How much was let pass in each window."""
    losses: int
    returns: int
    saved: tuple | None = None
    exposed: bool = False
    """Whether data were lost, and no node has looked since that knew of them: nothing is promised for whoever comes."""


class Explorer:
    """Breadth first."""

    def __init__(self, code, world):
        self.code, self.world = code, world
        self.limit = Limit(world.amount, 1)
        code.servers.FARTHEST = world.farthest
        counter, server = self.counter(), self.server(0, 0)
        server._objected_at = 0.0 if world.objects else BEGIN - 1
        nodes = [Node(batches, taken(counter, COUNTER), taken(server, SERVER)) for batches in world.batches]
        windows = int(max(world.times) + max(world.skews)) + 1
        self.begin = State(0, (), tuple(nodes), (0,) * windows, world.losses, world.returns)

    def run(self, most=1_000_000):
        """How many states there are, and the shortest way to one in which too much was let pass; None without one."""
        return walk(self.begin, self.steps, self.is_wrong, most)

    def is_wrong(self, state):
        """Whether more was let pass than the limit."""
        return max(state.passed) > self.world.amount

    # --- objects of a state ------------------------------------------------------------------------------------

    def now(self, state, number):
        return BEGIN + self.world.times[state.time] + self.world.skews[number]

    def counter(self, values=None):
        made = self.code.fixed_account.FixedAccount(self.limit, "counter")
        made.label = BEGIN
        return put_back(made, COUNTER, values)

    def server(self, now, random, values=None, send=None):
        made = self.code.servers.CounterServer(
            "server", send, lambda call: call() if send else None, lambda: now, lambda _below: random
        )
        return put_back(made, SERVER, values)

    def do(self, data, commands):
        """What the server answers, and what it has then."""
        numbers = self.code.numbers.Numbers()
        numbers._kept = {key: self.code.numbers.Kept(value, 0, inf) for key, value in data}
        replies = numbers.do(commands, BEGIN)
        return tuple(replies), tuple(sorted((key, kept.value) for key, kept in numbers._kept.items()))

    # --- steps -------------------------------------------------------------------------------------------------

    def steps(self, state):
        """Everything that may happen next."""
        if state.time + 1 < len(self.world.times):
            yield "time goes on", state._replace(time=state.time + 1)
        for number, node in enumerate(state.nodes):
            for name, after in self.node_steps(state, number, node):
                yield f"node {number} {name}", after
        if state.losses and state.data:
            yield "the data are lost", state._replace(data=(), losses=state.losses - 1, exposed=True)
        if state.returns and state.saved is None and state.data:
            nodes = tuple(node._replace(looked=False) for node in state.nodes)
            yield "the data are saved", state._replace(saved=state.data, nodes=nodes)
        if state.saved is not None and all(node.looked or not met(node) for node in state.nodes):
            yield (
                "old data come back",
                state._replace(data=state.saved, saved=None, returns=state.returns - 1, exposed=True),
            )

    def node_steps(self, state, number, node):
        def after(it, **more):
            return state._replace(nodes=(*state.nodes[:number], it, *state.nodes[number + 1 :]), **more)

        flight = node.flight
        if flight is None:
            if node.batches:
                if not node.server[-1]:
                    yield "asks", after(self.sent(state, number, node, asks=True))
                yield "looks", after(self.sent(state, number, node, asks=False))
        elif flight.commands:
            yield "is not answered", after(self.unanswered(state, number, node))
            if knows(node) or not state.exposed:
                size = flight.size - len(flight.replies) or len(flight.commands)
                replies, data = self.do(state.data, flight.commands[:size])
                flight = Flight(flight.asked_at, flight.size, flight.commands[size:], flight.replies + replies)
                done = node._replace(flight=flight, looked=not flight.commands or node.looked)
                yield "is heard", after(done, data=data, exposed=state.exposed and bool(flight.commands))
        else:
            yield "is not answered", after(self.unanswered(state, number, node))
            it, label, passed = self.answered(state, number, node)
            windows = list(state.passed)
            windows[label] += passed
            yield f"is answered, and lets pass {passed}", after(it, passed=tuple(windows))
        if node.late and (knows(node) or not state.exposed):
            yield "is heard late", after(node._replace(late=()), data=self.do(state.data, node.late)[1])

    def sent(self, state, number, node, *, asks):
        """The node after it has sent a batch."""
        now, batches, sent = self.now(state, number), node.batches - 1, []
        random = 100 * (number + 1) + 2 * batches
        server = self.server(now, random, node.server, lambda commands, _told: sent.extend(commands))
        counter, about = self.counter(node.counter), Asking(now, 1, 1, len(state.nodes), random, server.lost_at)
        made = []

        def make(_now):
            made.extend([*node.tell, *(counter.ask(about) if asks else ())])
            return made

        server.ask(make, lambda _replies: None)
        flight = Flight(now, len(made), tuple(sent))
        return Node(batches, taken(counter, COUNTER), taken(server, SERVER), flight, node.late, looked=node.looked)

    def answered(self, state, number, node):
        """The node after its answer, in which window it lets pass something by that, and how much."""
        flight, now = node.flight, self.now(state, number)
        server = self.server(now, 100 * (number + 1) + 2 * node.batches + 1, node.server)
        counter, heard = self.counter(node.counter), []

        def told(replies):
            counter.peek(now, 1)
            heard.append(counter.answered(replies[len(replies) - bool(counter.asked) :], server.lost_at))

        server._told(flight.asked_at, [(flight.size, told)], list(flight.replies), len(flight.replies))
        passed = 0
        while counter.peek(now, 1):
            counter.commit(1)
            passed += 1
        it = node._replace(
            counter=taken(counter, COUNTER), server=taken(server, SERVER), flight=None, tell=heard[0].tell
        )
        return it, int(counter.label - BEGIN), passed

    def unanswered(self, state, number, node):
        """The node when it waits no more."""
        server = self.server(self.now(state, number), 0, node.server)
        counter = self.counter(node.counter)
        server._told(node.flight.asked_at, [], None, 0)
        counter.answered([None], server.lost_at)
        return node._replace(
            counter=taken(counter, COUNTER), server=taken(server, SERVER), flight=None, late=node.flight.commands
        )


def knows(node):
    """Whether a node has known the server's data."""
    return node.server[0] != 0


def met(node):
    """Whether it has, or will when an answer comes that is on its way."""
    return knows(node) or (node.flight is not None and not node.flight.commands)


def taken(it, names):
    """What an object knows."""
    return tuple(tuple(value) if isinstance(value := getattr(it, name), list) else value for name in names)


def put_back(it, names, values):
    """An object that knows that."""
    for name, value in zip(names, values or (), strict=values is not None):
        setattr(it, name, list(value) if isinstance(value, tuple) else value)
    return it
