"""The parts of shared limits put together, on real servers.  Several processes: tests/wire/test_shared_limits.py."""

import threading

import pytest
from twisted.internet.task import Clock

from twgw.clock import ReactorClock
from twgw.config import load
from twgw.gateway.running import Running
from twgw.memory_world import MemoryLog
from twgw.metrics import Registry
from twgw.model import Algorithm, Charge, Limit
from twgw.shared_limits import ALONE, EVERY, TRIES, SharedLimits, faults_of, shared_limits
from twgw.throttle.kept import Kept
from twgw.throttle.others import Others
from twgw.throttle.settings import Memcached, ServerAddress

PATIENCE = 10


class Turns(Clock):
    """A clock that takes calls of threads."""

    def __init__(self):
        super().__init__()
        self.from_threads, self.news = [], threading.Condition()

    def callFromThread(self, call, *arguments):  # noqa: N802 - Twisted's name
        with self.news:
            self.from_threads.append((call, arguments))
            self.news.notify_all()

    def go_on(self, until):
        """Turn after turn, until something is so."""
        while not until():
            self.advance(0)
            with self.news:
                assert self.news.wait_for(lambda: self.from_threads, PATIENCE)
                calls, self.from_threads = self.from_threads, []
            for call, arguments in calls:
                call(*arguments)


def made(reactor, *servers, kept=None, **more):
    settings = Memcached(servers=tuple(map(ServerAddress.from_text, servers)), **{"timeout": PATIENCE, **more})
    return SharedLimits(reactor, settings, ReactorClock(reactor), Registry(), MemoryLog(), kept=kept)


def known():
    """What is kept of long windows: nothing yet, and that is known."""
    values = Kept()
    values.read([], 1.0)
    return values


def take(reactor, limits, charge):
    """What becomes of one charge."""
    found = []
    decisions = limits.limiter.take_all([charge])
    if isinstance(decisions, list):
        return decisions[0]

    async def wait():
        found.append((await decisions)[0])

    Running(wait(), lambda error: error and found.append(error)).start()
    reactor.go_on(lambda: found)
    return found[0]


def test_two_nodes_count_together(memcached):
    """On one server: the limit is that of both."""
    reactor = Turns()
    nodes = [made(reactor, memcached.name) for _ in range(2)]
    limit = Limit(10, 86400 * 30)
    allowed = [take(reactor, nodes[number % 2], Charge("a", limit)).allowed for number in range(30)]

    assert 10 == sum(allowed)
    names = memcached.names()
    assert 3 == len(names)
    assert not any(name.startswith("a") for name in names)
    for node in nodes:
        node.stop()


def test_clusters_are_told_apart(memcached):
    """By their namespace: neither counts what the other one does."""
    reactor = Turns()
    nodes = [made(reactor, memcached.name, namespace=name) for name in ("one", "two")]
    assert [True, True] == [take(reactor, node, Charge("a", Limit(1, 86400 * 30))).allowed for node in nodes]
    for node in nodes:
        node.stop()


@pytest.mark.parametrize("servers", [1, 3])
def test_what_is_measured_and_told_of_a_server_that_is_gone(memcached, servers):
    """A line with its name and the reason; the others count on."""
    reactor = Turns()
    gone = [f"127.0.0.1:{port}" for port in range(1, servers)]
    limits = made(reactor, memcached.name, *gone)
    for server in limits.servers:
        server.tick()
    reactor.go_on(lambda: all(server.batches and not server._busy for server in limits.servers))
    faults = list(limits.faults())
    assert servers - 1 == len(faults)
    assert all("refused" in fault for fault in faults)
    assert memcached.name not in str(faults)
    for _ in range(3):
        take(reactor, limits, Charge("a", Limit(10, 60)))
    limits.stop()


def look(reactor, *nodes):
    """Every node looks at its servers, once, and hears of them."""
    for node in nodes:
        for server in node.servers:
            server._sent_at = 0.0  # as if nobody had asked for a while
        node._look()
        reactor.go_on(lambda node=node: not any(server._busy or server._planned for server in node.servers))
        for server in node.servers:
            server._sent_at, server.tick = server._wall(), lambda: None
        node._look()
        for server in node.servers:
            del server.tick


def test_a_first_answer_that_is_late_is_nothing_to_tell(memcached):
    """A node that begins is slow to read; a server that has never answered after some tries is told of."""
    reactor = Turns()
    node = made(reactor, memcached.name)
    memcached.stop()
    look(reactor, node)
    assert node.servers[0].down
    memcached.start()
    look(reactor, node)
    assert not node.servers[0].down
    assert [] == node._log.lines
    memcached.stop()
    look(reactor, node)
    assert 1 == len(node._log.lines), "it has answered, and does not any more"
    node.stop()

    other = made(reactor, memcached.name)
    for tries in range(1, TRIES + 1):
        look(reactor, other)
        assert (tries == TRIES) == ("degraded" in str(other._log.lines))
    other.stop()


def test_a_loss_and_an_outage_are_told_once(memcached):
    """When they begin, and when it is over."""
    reactor = Turns()
    node = made(reactor, memcached.name)
    look(reactor, node)
    memcached.ask("flush_all\r\n")
    look(reactor, node)
    look(reactor, node)
    memcached.stop()
    look(reactor, node)
    look(reactor, node)
    memcached.start()
    look(reactor, node)

    texts = [text for _, text in node._log.lines]
    assert 1 == sum("has lost its data" in text for text in texts[:1])
    assert 1 == sum("degraded to the share" in text for text in texts)
    assert 1 == sum("counted together again" in text for text in texts)
    node.stop()


@pytest.mark.parametrize("limit", [Limit(60, 86400 * 30), Limit(60, 3600, Algorithm.SLIDING_WINDOW),
                                   Limit(60, 3600, Algorithm.TOKEN_BUCKET)])  # fmt: skip
def test_of_a_clock_that_is_far_behind_it_is_told_once_by_how_much(memcached, limit):
    """In the log, and for whoever asks how the node is, with the way out; limits refuse until it is over."""
    reactor, charge = Turns(), Charge("a", limit)
    node = made(reactor, memcached.name)
    look(reactor, node)
    (server,) = node.servers

    def mark(seconds):
        value = server._new_mark(server._wall() + seconds)
        memcached.ask(f"ms {server._mark_key} {len(str(value))} T0\r\n{value}\r\n")
        look(reactor, node)
        look(reactor, node)

    mark(3600)
    assert [] == list(node.faults()), "it was replaced"
    mark(3600)
    (line,) = node.faults()
    assert 3000 < server.ahead < 3601
    assert f"{memcached.name}: the clock of this node is {server.ahead:.0f} s behind that of another one" in line
    assert "start that node anew" in line
    assert not take(reactor, node, charge).allowed
    mark(0)
    assert [] == list(node.faults())
    assert ["error", "info"] == [level for level, text in node._log.lines if "another one" in text or "ahead" in text]
    node.stop()


@pytest.mark.parametrize("limit", [Limit(60, 86400 * 30), Limit(60, 3600, Algorithm.SLIDING_WINDOW),
                                   Limit(60, 3600, Algorithm.TOKEN_BUCKET)])  # fmt: skip
def test_a_real_flush_never_lets_pass_more(memcached, limit):
    """Two nodes that knew the server, and one that has never asked for this: the limit is that of all three."""
    reactor, charge = Turns(), Charge("a", limit)
    nodes = [made(reactor, memcached.name) for _ in range(3)]
    look(reactor, *nodes)
    before = sum(take(reactor, nodes[number % 2], charge).allowed for number in range(12))
    assert 12 == before
    memcached.ask("flush_all\r\n")
    after = sum(take(reactor, nodes[number % 3], charge).allowed for number in range(2, 120))
    assert before + after <= 60
    assert not take(reactor, nodes[2], charge).allowed
    for node in nodes:
        node.stop()


@pytest.mark.parametrize("limit", [Limit(60, 86400 * 30), Limit(60, 3600, Algorithm.SLIDING_WINDOW),
                                   Limit(60, 3600, Algorithm.TOKEN_BUCKET)])  # fmt: skip
@pytest.mark.parametrize("value", ["x", "", "18446744073709551615", "9" * 40, "0", " ", "-1", "1"])
@pytest.mark.parametrize("keeps", [False, True])
def test_a_real_poisoned_memcached_refuses(memcached, limit, value, keeps):
    """All of its values are spoiled: nothing breaks, no more is let pass, and other counters go on after a while.

    Also where it is kept what was counted.
    """
    reactor, charge = Turns(), Charge("a", limit)
    nodes = [made(reactor, memcached.name, kept=known() if keeps else None) for _ in range(2)]
    look(reactor, *nodes)
    before = sum(take(reactor, nodes[number % 2], charge).allowed for number in range(10))
    memcached.ask("".join(f"ms {name} {len(value)} T0\r\n{value}\r\n" for name in memcached.names()))
    after = sum(take(reactor, nodes[number % 2], charge).allowed for number in range(120))
    assert before + after <= 60
    told = [[*node.limiter.faults.values(), *(server.losses for server in node.servers)] for node in nodes]
    assert any(map(sum, told))
    for node in nodes:
        node.stop()


def test_nodes_that_count_elsewhere_are_told_once(memcached):
    """In the log, for whoever asks how the node is, and in figures; and when it is over."""
    others = [Others(2)]
    reactor, metrics, log = Turns(), Registry(), MemoryLog()
    settings = Memcached(servers=(ServerAddress.from_text(memcached.name),), timeout=PATIENCE)
    node = shared_limits(reactor, settings, ReactorClock(reactor), metrics, log, lambda: others[-1])
    look(reactor, node)
    assert [] == list(faults_of(node, None))
    others.append(Others(2, apart=("b", "c")))
    look(reactor, node)
    look(reactor, node)
    (line,) = faults_of(node, None)
    assert f"b, c: other servers are named in [memcached] there; {ALONE}" == line
    found = {family.name: family.samples[0].value for family in metrics.collect() if family.samples}
    assert (2, 2) == (found["twgw_limit_nodes"], found["twgw_limit_apart"])
    others.append(Others(3))
    look(reactor, node)
    assert ["error", "info"] == [level for level, text in log.lines if "servers" in text]
    assert not [text for _, text in log.lines if "does not answer" in text], "it does, and is not asked"
    node.stop()


def test_a_node_without_servers_is_told_when_others_have_some():
    """It counts in itself all the same."""
    assert shared_limits(None, Memcached(), None, None, None, None) is None
    assert [] == list(faults_of(None, None)) == list(faults_of(None, Others))
    (line,) = faults_of(None, lambda: Others(apart=("b",)))
    assert f"b: other servers are named in [memcached] there; {ALONE}" == line


def test_the_configuration_asks_for_it(tmp_path, memcached):
    """With servers a node counts there, and says what it measures; without them it counts by itself."""
    from twgw.tap import Node
    from twgw.throttle.local import LocalLimiter
    from twgw.throttle.shared import SharedLimiter

    where = {"TWGW_NODE_DATA_DIR": str(tmp_path / "data"), "TWGW_STATE_FILE": str(tmp_path / "apis.yaml")}
    node = Node(Clock(), load(None, {**where, "TWGW_MEMCACHED_SERVERS": memcached.name}, {}))
    assert isinstance(node.gateway.limiter, SharedLimiter)
    assert EVERY == node.shared.looks.step
    names = {family.name: family for family in node.metrics.collect()}
    assert {"twgw_memcached_available", "twgw_limit_degraded", "twgw_limit_counter_faults"} <= names.keys()
    node.shared.servers[0].down = True
    says = "it does not answer; limits counted there are degraded to the share of one node"
    assert [f"memcached: {memcached.name}: {says}"] == list(node.status().warnings)
    assert isinstance(Node(Clock(), load(None, where, {})).gateway.limiter, LocalLimiter)
