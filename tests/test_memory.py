"""The gateway in memory: what a test sees of it."""

import doctest

import pytest
from attrs import frozen

from twgw import hookimpl, memory
from twgw.faults import InvalidFileError, SettingsError
from twgw.memory import MemoryGateway, NoAnswerError, RawUpstream, read_requests
from twgw.model import Api, Charge, Credential, Limit, Policy, Route, State, Target, Upstream


class Limited:
    """A small rate limit."""

    @frozen
    class Settings:
        """What it allows."""

        amount: int
        period: float = 60

    @staticmethod
    @hookimpl
    def twgw_throttle(exchange, settings):
        return Charge(exchange.request.client, Limit(settings.amount, settings.period))


class Keyed:
    """A small key-auth."""

    @staticmethod
    @hookimpl
    def twgw_authenticate(exchange, gateway):
        secret = exchange.request.headers.get("x-key")
        return gateway.credentials.find("api-key", secret) if secret else None


class Slow:
    """Waits a second, notes it, calls another service."""

    @staticmethod
    @hookimpl
    async def twgw_receive(exchange, gateway):
        gateway.log.info("waits at {wall:.0f}", wall=gateway.clock.wall())
        await gateway.clock.sleep(1)
        gateway.files.lines("notes").write("waited\n")
        await gateway.http.request("GET", "http://other.test/")


def pets(*policies, **more):
    return Api("pets", "1.0", "/pets", policies=policies, **more)


def test_examples():
    """The examples in the docstrings are true."""
    assert 0 == doctest.testmod(memory).failed


def test_refuses_after_the_limit():
    """The third call within a minute is refused, and a minute later allowed again."""
    gateway = MemoryGateway(pets(Policy("limited", {"amount": 2, "period": 60})), plugins={"limited": Limited})

    assert [200, 200, 429] == [gateway.get("/pets").status for _ in range(3)]

    gateway.clock.advance(60)

    assert 200 == gateway.get("/pets").status


def test_upstream_sees_the_request():
    """An upstream function gets method, target, fields and body, and its answer is the client's."""
    gateway = MemoryGateway(pets(), upstream=lambda request: (201, {"X-Pet": "7"}, request.body.upper()))

    answer = gateway.post("/pets/new?a=1", b"rex", headers={"X-Colour": "brown"})

    assert (201, "7", b"REX") == (answer.status, answer.headers["x-pet"], answer.body)
    (request,) = gateway.upstream_requests
    assert ("POST", "/new?a=1", "brown") == (request.method, request.target, request.headers["X-COLOUR"])
    assert request.raw == gateway.upstream_bytes


def test_chunked_request():
    """A body in chunks reaches the upstream function as a whole."""
    gateway = MemoryGateway(pets(), upstream=lambda request: (200, {}, request.body))
    chunked = {"Transfer-Encoding": "chunked"}

    assert b"Rexy" == gateway.post("/pets", b"3\r\nRex\r\n1\r\ny\r\n0\r\n\r\n", headers=chunked).body


def test_head_and_bodiless_answers():
    """HEAD, 204 and 304 have no body, whatever the upstream function returns."""
    gateway = MemoryGateway(pets(), upstream=lambda request: (int(request.target[1:]), {}, b"body"))

    assert b"" == gateway.request("HEAD", "/pets/200").body
    assert [b"", b"", b"body"] == [gateway.get(f"/pets/{status}").body for status in (204, 304, 200)]


def test_keys():
    """A key belongs to an application that is subscribed to every API."""
    gateway = MemoryGateway(
        pets(Policy("keyed"), tiers=("Gold",)), plugins={"keyed": Keyed}, keys={"dev-only-key": "shop"}
    )

    assert 401 == gateway.get("/pets", headers={"X-Key": "unknown"}).status
    assert 200 == gateway.get("/pets", headers={"X-Key": "dev-only-key"}).status
    assert isinstance(gateway.exchanges[-1].credential, Credential)
    assert "shop" == gateway.exchanges[-1].credential.application
    assert "Gold" == gateway.gateway.subscriptions.find("shop", "pets:1.0").tier


def test_world_of_a_policy():
    """Time, log and files of a policy are the test's; other services are not there."""
    gateway = MemoryGateway(pets(Policy("slow")), plugins={"slow": Slow})
    connection = gateway.begin("GET", "/pets")

    assert [] == connection.answers()
    with pytest.raises(NoAnswerError, match="waits; see begin"):
        gateway.get("/pets")

    gateway.clock.advance(1)

    assert [500] == [answer.status for answer in connection.answers()]
    assert ["waited\n", "waited\n"] == gateway.files.written["notes"]
    assert ("info", "waits at 1800000000") == gateway.log.lines[0]
    assert "GET http://other.test/: give MemoryGateway an http that answers" in gateway.log.lines[-1][1]


def test_states():
    """A state may be a text, a State, or several APIs; its global policies count."""
    text = """
policies: []
apis:
  - {name: pets, version: "1.0", base_path: /pets, upstream: {targets: [{url: "echo:"}]}}
"""
    assert '"method": "GET"' in MemoryGateway(text).get("/pets").body.decode()
    limits = (Policy("limited", {"amount": 1}),)
    state = State(policies=limits, apis=(pets(upstream=Upstream((Target("http://10.0.0.1:81"),))),))
    gateway = MemoryGateway(state, plugins={"limited": Limited})
    assert [200, 429] == [gateway.get("/pets").status for _ in range(2)]
    assert [("10.0.0.1", 81)] == gateway.network.attempts
    several = MemoryGateway([pets(), Api("cats", "1.0", "/cats")])
    assert [200, 200, 404] == [several.get(path).status for path in ("/pets", "/cats", "/dogs")]


def test_broken_states():
    """What cannot be deployed raises, and a running gateway stays as it was."""
    with pytest.raises(InvalidFileError, match="base_path"):
        MemoryGateway("apis: [{name: pets, version: '1.0', base_path: pets}]")
    gateway = MemoryGateway(pets())
    with pytest.raises(SettingsError, match="no policy 'unheard-of' is installed"):
        gateway.deploy(pets(Policy("unheard-of")))
    assert 200 == gateway.get("/pets").status


def test_deploy():
    """Another state serves from the next request on, on open connections too."""
    gateway = MemoryGateway(pets())
    connection = gateway.connect()
    connection.send(b"GET /cats HTTP/1.1\r\nHost: a\r\n\r\n")
    gateway.deploy(Api("cats", "1.0", "/cats", routes=(Route("/*", ("GET",)),)))
    connection.send(b"GET /cats HTTP/1.1\r\nHost: a\r\n\r\n")

    assert [404, 200] == [answer.status for answer in connection.answers()]


def test_raw_upstream():
    """A scripted upstream sends any bytes, and its connections are in the test's hand."""
    gateway = MemoryGateway(pets(), upstream=RawUpstream())
    connection = gateway.begin("GET", "/pets")
    (wire,) = gateway.upstream_wires
    assert wire.received.startswith(b"GET / HTTP/1.1\r\n")

    wire.send(b"HTTP/1.1 103 \r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 2\r\nA: 1\r\nA: 2\r\n\r\nok")

    (answer,) = connection.answers()
    assert (200, b"ok", (103,), "1, 2") == (answer.status, answer.body, answer.interim, answer.headers["a"])


def test_answers_whose_end_is_the_close():
    """An answer without length is whole when the connection was closed in order, and never when it was cut."""
    gateway = MemoryGateway(pets(), upstream=RawUpstream())
    connection = gateway.connect()
    connection.send(b"GET /pets HTTP/1.0\r\n\r\n")
    gateway.upstream_wires[0].send(b"HTTP/1.1 200 OK\r\n\r\nbod")
    assert [] == connection.answers()
    gateway.upstream_wires[0].lose()
    assert [b"bod"] == [answer.body for answer in connection.answers()]

    connection = gateway.connect()
    connection.send(b"GET /pets HTTP/1.0\r\n\r\n")
    gateway.upstream_wires[1].send(b"HTTP/1.1 200 OK\r\n\r\nbod")
    gateway.upstream_wires[1].abort()
    assert (True, []) == (connection.reset, connection.answers())


def test_what_upstreams_received():
    """Whole requests are told from what is not whole yet."""
    requests, rest = read_requests(b"GET /a HTTP/1.1\r\nHost: b\r\n\r\nPOST /c HTTP/1.1\r\nContent-Length: 3\r\n\r\nxy")

    assert ["/a"] == [request.target for request in requests]
    assert rest.startswith(b"POST /c")


def test_settings_of_the_listener():
    """Options are those of a listener; an unknown one is an error."""
    gateway = MemoryGateway(pets(), header_timeout=3)
    connection = gateway.connect()
    connection.send(b"GET ")
    for _ in range(5):
        gateway.clock.advance(1)
    assert [408] == [answer.status for answer in connection.answers()]
    with pytest.raises(TypeError, match="header_timeuot"):
        MemoryGateway(pets(), header_timeuot=3)
