"""The gateway role: listeners, timers, drain.  With real sockets and signals in tests/wire/test_gateway.py."""

import signal
from functools import partial

import pytest
from twisted.internet.defer import execute
from twisted.internet.testing import MemoryReactorClock

from twgw.config import load
from twgw.faults import InvalidFileError
from twgw.gateway.lookup import Lookup
from twgw.gateway.redeploy import Redeployer
from twgw.gateway.service import EdgeFactory, GatewayService, on_signals
from twgw.memory_world import FakeClock
from twgw.testing import gateway as lent

STATE = "apis: [{name: m, version: '1', base_path: /, policies: [{name: mock-response}]}]\n"


def service(tmp_path, listeners=None, later=False, **environment):
    (tmp_path / "apis.yaml").write_text(STATE)
    config = load(None, {"TWGW_STATE_FILE": str(tmp_path / "apis.yaml"), **environment}, {})
    reactor, flushed = MemoryReactorClock(), []
    lookup = Lookup(FakeClock(), lambda key: f"v1:{key}")
    source = partial(Redeployer, config.state.file, lookup=lookup, in_thread=execute)
    made = GatewayService(reactor, config, lent(), source, lambda: flushed.append(1), listeners, later=later)
    return made, reactor, flushed


def test_it_listens_once_its_state_is_in_force(tmp_path):
    """On every listener, with the same deployment."""
    made, reactor, _ = service(tmp_path, TWGW_GATEWAY_LISTEN="tcp:81,tcp:82:interface=127.0.0.1")
    made.privilegedStartService()

    assert [(81, "::"), (82, "127.0.0.1")] == [(port, interface) for port, _, _, interface in reactor.tcpServers]
    assert 1 == made.source.deployment.position


def test_it_does_not_listen_with_a_bad_state(tmp_path):
    """The start fails, with every fault."""
    made, reactor, _ = service(tmp_path)
    (tmp_path / "apis.yaml").write_text("apis: 1\n")

    with pytest.raises(InvalidFileError):
        made.privilegedStartService()
    assert [] == reactor.tcpServers


def test_connections_are_limited(tmp_path):
    """One too many is refused and counted."""
    made, _, _ = service(tmp_path, TWGW_GATEWAY_MAX_CONNECTIONS="1")
    made.privilegedStartService()
    factory = EdgeFactory(made._fronts[0][0], made)
    made.edges.add(factory.buildProtocol(None))

    assert factory.buildProtocol(None) is None
    assert 1 == made.refused_connections


def test_workers_share_the_connections_of_a_node(tmp_path):
    """What one of them may hold is its part."""
    made, _, _ = service(tmp_path, TWGW_GATEWAY_MAX_CONNECTIONS="3", TWGW_GATEWAY_WORKERS="2")
    for number in range(2):
        assert made.has_room()
        made.edges.add(number)

    assert not made.has_room()


def test_it_takes_connections_where_and_when_it_is_told_to(tmp_path):
    """A worker those of its parent, once it is ready; the parent none."""
    listened = []
    where = load(None, {}, {}).gateway.listen[0]
    made, reactor, _ = service(tmp_path, [(where, listened.append)], later=True)
    made.privilegedStartService()
    assert [] == listened
    made.listen()
    assert ([EdgeFactory], []) == ([type(each) for each in listened], reactor.tcpServers)

    parent, reactor, _ = service(tmp_path, [])
    parent.privilegedStartService()
    assert ([], 1) == (reactor.tcpServers, parent.source.deployment.position)


def test_a_drain_ends_when_nothing_is_left(tmp_path):
    """Or when the time is up."""
    made, _, flushed = service(tmp_path)
    made.privilegedStartService()
    made.startService()
    done = made.stopService()

    assert done.called
    assert made.draining
    assert flushed


def test_signals():
    """The first asks to stop, the second ends; SIGHUP reloads."""

    class Reactor:
        def callFromThread(self, call):  # noqa: N802 - Twisted's name
            call()

    told = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        on_signals(Reactor(), lambda: told.append("stop"), lambda: told.append("reload"), lambda: told.append("end"))
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
            signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert ["reload", "stop", "end"] == told
