"""The parts of shared limits put together, on real servers.  Several processes: tests/wire/test_shared_limits.py."""

import threading

import pytest
from twisted.internet.task import Clock

from twgw.clock import ReactorClock
from twgw.config import load
from twgw.gateway.running import Running
from twgw.metrics import Registry
from twgw.model import Charge, Limit
from twgw.shared_limits import EVERY, SharedLimits
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


def made(reactor, *servers, **more):
    settings = Memcached(servers=tuple(map(ServerAddress.from_text, servers)), **{"timeout": PATIENCE, **more})
    return SharedLimits(reactor, settings, ReactorClock(reactor), Registry())


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
