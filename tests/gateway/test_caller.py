"""Requests to one upstream: a target chosen, sent, tried again by one rule."""

import pytest

from twgw.gateway.running import Gone
from twgw.memory import MemoryGateway, RawUpstream
from twgw.model import Api, Target, Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def served(*urls, upstream=None, **more):
    targets = tuple(
        Target(url, weight) for url, weight in (each if isinstance(each, tuple) else (each, 1) for each in urls)
    )
    api = Api("pets", "1", "/", upstream=Upstream(targets=targets or (Target("http://pets.test"),), **more))
    return MemoryGateway(api, upstream=upstream or (lambda request: (200, {"Connection": "close"}, b"")))


def addresses(gateway):
    return [address for address, _ in gateway.network.attempts]


def test_targets_are_chosen_by_weight():
    """Round robin, the heavier one more often, evenly spread."""
    gateway = served(("http://192.0.2.1", 1), ("http://192.0.2.2", 2))
    for _ in range(6):
        gateway.get("/")

    assert {"192.0.2.1": 2, "192.0.2.2": 4} == {
        each: addresses(gateway).count(each) for each in set(addresses(gateway))
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_not_sent_is_sent_again(method):
    """Any method: no byte of it left."""
    gateway = served("http://192.0.2.1", "http://192.0.2.2", retries=1)
    gateway.network.refusing.add("192.0.2.1")

    assert [200, 200, 200] == [gateway.request(method, "/", body=b"x").status for _ in range(3)]


@pytest.mark.parametrize(
    ("method", "body", "status"), [("GET", None, 200), ("PUT", b"x", 200), ("POST", b"x", 502), ("PATCH", b"x", 502)]
)
def test_what_was_sent_is_sent_again_when_that_is_safe(method, body, status):
    """A connection that dies before an answer: idempotent requests have a second try, with their body."""
    cut = []

    def script(wire):
        if not cut:
            cut.append(wire)
            wire.transport.abortConnection()
        else:
            wire.transport.write(OK)

    gateway = served(upstream=RawUpstream(script), retries=1)

    assert status == gateway.request(method, "/", body=body).status
    if status == 200 and body:
        assert body == gateway.upstream_requests[-1].body


def test_what_was_answered_in_part_is_not_sent_again():
    """One byte of an answer is an answer."""

    def script(wire):
        wire.transport.write(b"H")
        wire.transport.loseConnection()

    gateway = served(upstream=RawUpstream(script), retries=5)

    assert 502 == gateway.get("/").status
    assert 1 == len(gateway.upstream_wires)


def test_retries_have_a_budget():
    """When everything fails, a tenth more is sent, not twice as much."""
    gateway = served(upstream=RawUpstream(lambda wire: wire.transport.abortConnection()), retries=1)
    for _ in range(100):
        gateway.get("/")

    assert 100 < len(gateway.upstream_wires) <= 122


def test_a_loop_is_broken():
    """508 when our own name stands in Via."""
    assert 508 == served().get("/", headers={"Via": "1.1 twgw"}).status


@pytest.mark.parametrize(("preserve", "host"), [(False, "pets.test:81"), (True, "gateway.test")])
def test_host_and_path(preserve, host):
    """The target's host or the client's; the path of the target's URL in front."""
    gateway = served("http://pets.test:81/v2/", preserve_host=preserve)
    gateway.get("/a?b=c")
    (request,) = gateway.upstream_requests

    assert ("/v2/a?b=c", host) == (request.target, request.headers["host"])
    assert "gateway.test" == request.headers["x-forwarded-host"]


def test_requests_without_a_body_say_so():
    """POST and its like with a length of nothing, GET without."""
    gateway = served()
    gateway.request("POST", "/")
    gateway.get("/")

    assert ["0", None] == [request.headers.get("content-length") for request in gateway.upstream_requests]


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("PUT", 200), ("DELETE", 200), ("POST", 502), ("MOVE", 502)]
)
def test_a_kept_connection_may_end_as_it_is_used(method, status):
    """The server closed it meanwhile: only what may be repeated is sent on another one, with its body."""
    heard = []

    def script(wire):
        heard.append(wire)
        if len(heard) == 2:
            wire.transport.loseConnection()
        else:
            wire.transport.write(OK)

    gateway = served(upstream=RawUpstream(script))
    gateway.get("/")

    assert status == gateway.request(method, "/", body=b"x").status
    assert (2 if status == 200 else 1) == len(gateway.upstream_wires)
    assert [b"x"] * (len(heard) - 1) == [request.body for request in gateway.upstream_requests[1:]]


def test_what_nobody_waits_for_any_more_is_abandoned():
    """Before and after a connection stands: nobody is told, and the server is not kept busy for nobody."""
    gateway = served(upstream=RawUpstream(lambda wire: None))
    client = gateway.begin("GET", "/")
    (edge,) = gateway.edges
    call, told = edge._exchange.waits_for, []
    call.then(lambda: told.append("answer"))
    call.cancel(Gone())
    gateway.clock.advance(0)

    assert ([], True) == (told, gateway.upstream_wires[0].closed)
    assert [] == client.answers("GET")
