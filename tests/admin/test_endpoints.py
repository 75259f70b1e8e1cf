"""/healthz, /readyz and /metrics, asked over real twisted.web in memory."""

import json

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twgw.admin.endpoints import at_once, site
from twgw.admin.status import assess
from twgw.metrics import Registry

PENDING = []


def asked(path, *, ready=True, method="GET", measure=at_once):
    """Status line, fields and body of an answer; ``measure`` may return what fires meanwhile."""
    metrics = Registry()
    metrics.counter("twgw_things", "Things.", ("kind",)).add(("a",), 2)
    registry = CollectorRegistry()
    registry.register(metrics)
    made = site(lambda: assess("n", position=1, apis=1, draining=not ready, fault=""), registry, measure)
    transport = StringTransport()
    channel = made.buildProtocol(None)
    channel.makeConnection(transport)
    channel.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    for each in PENDING:
        assert b"" == transport.value()
        each.callback(None)
    PENDING.clear()
    head, _, body = transport.value().partition(b"\r\n\r\n")
    channel.connectionLost(Failure(ConnectionDone()))
    return int(head.split()[1]), head.decode().lower(), body


def test_healthz_says_that_the_process_lives():
    """Whatever else is the case."""
    assert 200 == asked("/healthz", ready=False)[0]


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_readyz_says_whether_traffic_may_come(ready, status):
    """With the reasons, never from a cache."""
    code, head, body = asked("/readyz", ready=ready)

    assert (status, ready) == (code, json.loads(body)["ready"])
    assert "cache-control: no-store" in head


def test_metrics_are_read_by_a_real_parser():
    """As Prometheus reads them."""
    _, head, body = asked("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}

    assert [2.0] == [sample.value for sample in families["twgw_things"].samples]
    assert "text/plain" in head


@pytest.mark.filterwarnings("ignore:twisted.web.resource:DeprecationWarning")
def test_nothing_else_is_there():
    """And nothing is changed by other methods."""
    assert (404, 501) == (asked("/")[0], asked("/readyz", method="DELETE")[0])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_numbers_of_other_processes_are_waited_for(method):
    """Those of a scrape alone."""
    assert 200 == asked("/readyz")[0]

    def measure():
        PENDING.append(Deferred())
        return PENDING[-1]

    code, head, body = asked("/metrics", method=method, measure=measure)

    assert 200 == code
    assert ("twgw_things" in body.decode()) == (method == "GET")
    assert "content-length: " in head


def test_who_does_not_wait_for_them_gets_none():
    """What was asked for them is given up."""
    waiting, cancelled = [], []

    def measure():
        waiting.append(Deferred(cancelled.append))
        return waiting[-1]

    made = site(lambda: assess("n", position=1, apis=1, draining=False, fault=""), CollectorRegistry(), measure)
    transport, channel = StringTransport(), made.buildProtocol(None)
    channel.makeConnection(transport)
    channel.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    channel.connectionLost(Failure(ConnectionDone()))

    assert waiting == cancelled
    assert b"" == transport.value()
