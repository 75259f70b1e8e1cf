"""The servers behind an API: chosen, connected, tried again, remembered."""

import pytest

from twgw.memory import MemoryGateway, RawUpstream
from twgw.model import Api, Target, Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def served(*urls, upstream=None, **more):
    targets = tuple(
        Target(url, weight) for url, weight in (each if isinstance(each, tuple) else (each, 1) for each in urls)
    )
    api = Api("pets", "1", "/", upstream=Upstream(targets=targets or (Target("http://pets.test"),), **more))
    return MemoryGateway(api, upstream=upstream or (lambda request: (200, {"Connection": "close"}, b"")))


def later(gateway, seconds):
    for _ in range(int(seconds * 4)):
        gateway.clock.advance(0.25)


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


def test_all_addresses_of_a_name_are_used():
    """And the name is asked again after dns_ttl."""
    gateway = served()
    gateway.network.names["pets.test"] = ["192.0.2.1", "192.0.2.2"]
    for _ in range(4):
        gateway.get("/")
    assert {"192.0.2.1", "192.0.2.2"} == set(addresses(gateway))

    gateway.network.names["pets.test"] = ["192.0.2.3"]
    later(gateway, 31)
    gateway.get("/")
    gateway.network.attempts.clear()
    gateway.get("/")

    assert ["192.0.2.3"] == addresses(gateway)


def test_an_address_that_refuses_is_left_out_for_some_seconds():
    """The request goes to the next one at once; after the pause it is tried again."""
    gateway = served(fail_timeout=5, retries=0)
    gateway.network.names["pets.test"] = ["192.0.2.1", "192.0.2.2"]
    gateway.network.refusing.add("192.0.2.1")

    assert [200] * 6 == [gateway.get("/").status for _ in range(6)]
    assert 1 == addresses(gateway).count("192.0.2.1")

    gateway.network.refusing.clear()
    later(gateway, 6)
    for _ in range(4):
        gateway.get("/")

    assert 2 < addresses(gateway).count("192.0.2.1")


def test_the_only_target_is_tried_whatever_happened():
    """There is nothing to lose: the first request after it came back is served."""
    gateway = served("http://192.0.2.1", retries=0)
    gateway.network.refusing.add("192.0.2.1")
    assert 502 == gateway.get("/").status
    gateway.network.refusing.clear()

    assert 200 == gateway.get("/").status


def test_a_silent_address_costs_connect_timeout():
    """Then it is a 502."""
    gateway = served("http://192.0.2.1", connect_timeout=3, retries=0)
    gateway.network.silent.add("192.0.2.1")
    client = gateway.begin("GET", "/")
    later(gateway, 2.5)
    assert [] == client.answers("GET")
    later(gateway, 1.5)

    assert [502] == [answer.status for answer in client.answers("GET")]


def test_a_name_without_an_address_is_a_502():
    """The log says which."""
    gateway = served(retries=0)
    gateway.network.names["pets.test"] = []

    assert 502 == gateway.get("/").status
    assert "pets.test" in gateway.exchanges[0].reason


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


def test_idle_connections_end():
    """After keepalive_timeout, and above max_idle_connections at once."""
    gateway = served(upstream=RawUpstream(lambda wire: wire.transport.write(OK)), keepalive_timeout=9)
    gateway.get("/")
    later(gateway, 8)
    assert not gateway.upstream_wires[0].closed
    later(gateway, 3)
    assert gateway.upstream_wires[0].closed

    unpooled = served(upstream=RawUpstream(lambda wire: wire.transport.write(OK)), max_idle_connections=0)
    unpooled.get("/")
    later(unpooled, 1)
    assert unpooled.upstream_wires[0].closed


def test_connections_to_what_is_no_longer_named_end():
    """With the deployment that takes it away; those that stay are kept warm."""
    gateway = served("http://192.0.2.1", upstream=RawUpstream(lambda wire: wire.transport.write(OK)))
    gateway.get("/")
    gateway.deploy(Api("pets", "1", "/", upstream=Upstream((Target("http://192.0.2.2"),))))
    gateway.fleet.retain([Upstream((Target("http://192.0.2.2"),))])
    later(gateway, 1)

    assert gateway.upstream_wires[0].closed
    assert 200 == gateway.get("/").status


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
