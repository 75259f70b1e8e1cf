"""Tests of twgw.web.resource: real twisted.web in memory, with a pool that runs at once or when it is told."""

import json
from ipaddress import ip_network

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site

from twgw.web.resource import Served


class Pool:
    """Threads that run when they are told."""

    def __init__(self):
        self.waiting, self.state = [], "made"

    def start(self):
        self.state = "started"

    def stop(self):
        assert not self.waiting
        self.state = "stopped"

    def callInThread(self, function, *arguments, **options):  # noqa: N802 - Twisted's name
        self.waiting.append(lambda: function(*arguments, **options))

    def run(self):
        while self.waiting:
            self.waiting.pop(0)()


class Wire:
    """A client on one connection."""

    def __init__(self, served):
        root = Resource()
        root.putChild(b"admin", served.resource())
        self.transport = StringTransport()
        self.channel = Site(root, requestFactory=served.request).buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def send(self, text, body=b""):
        self.channel.dataReceived(text.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    def answer(self):
        """Status, fields in lower case, body; None when nothing has come."""
        head, found, body = self.transport.value().partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        return (int(lines[0].split()[1]), lines[1:], body) if found else None


class Reactor(MemoryReactorClock):
    """Time that a test moves; calls from threads are made at once."""

    def callFromThread(self, function, *arguments, **options):  # noqa: N802 - Twisted's name
        function(*arguments, **options)


class World:
    """An application on a listener."""

    def __init__(self, answer=("200 OK", [], b"hello"), **options):
        self.reactor, self.pool, self.seen, self.waits = Reactor(), Pool(), [], []

        def application(environ, start_response):
            self.seen.append(environ)
            self.body = environ["wsgi.input"].read()
            start_response(answer[0], answer[1])
            return [answer[2]]

        def reached(position):
            assert 7 == position
            self.waits.append(Deferred())
            return self.waits[-1]

        self.served = Served(self.reactor, application, reached, pool=self.pool, **options)
        self.served.start()

    def ask(self, text="GET /admin/v1/x HTTP/1.1\nHost: a", body=b""):
        wire = Wire(self.served)
        wire.send(text, body)
        return wire


HELD = [("Twgw-Position", "7;503;10"), ("ETag", '"a"')]


def test_the_application_answers_in_a_thread():
    """It is given the whole path, and the body."""
    world = World()
    wire = world.ask("POST /admin/v1/a%20b?q=1 HTTP/1.1\nHost: a\nContent-Length: 3", b"abc")

    assert wire.answer() is None
    world.pool.run()
    status, _, body = wire.answer()
    assert (200, b"hello", b"abc") == (status, body.split(b"\r\n")[1], world.body)
    environ = world.seen[0]
    assert ("", "/admin/v1/a b", "q=1") == (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"])


@pytest.mark.parametrize(("fields", "body", "more"), [
    ("Content-Length: 11", b"x" * 11, b"x" * 9), ("Content-Length: 11", b"", b"x" * 9),
    ("Transfer-Encoding: chunked", b"6\r\nxxxxxx\r\n5\r\nxxxxx\r\n", b"5\r\nxxxxx\r\n0\r\n\r\n"),
])  # fmt: skip
def test_a_body_that_is_too_large_is_refused_as_it_comes(fields, body, more):
    """However long it would go on, and before the application sees any of it."""
    world = World(max_body=10)
    wire = world.ask(f"POST /admin/v1/x HTTP/1.1\nHost: a\n{fields}", body)

    status, _, told = wire.answer()
    assert (413, 413) == (status, json.loads(told)["status"])
    assert wire.transport.disconnecting
    wire.channel.dataReceived(more)
    assert [] == world.pool.waiting
    wire.channel.connectionLost(Failure(ConnectionDone()))


@pytest.mark.parametrize(("fields", "status"), [
    ("Transfer-Encoding: identity", 501), ("Transfer-Encoding: chunked\nTransfer-Encoding: identity", 501),
    ("Transfer-Encoding: identity\nTransfer-Encoding: chunked", 501), ("X: y\nHost: b", 400),
])  # fmt: skip
def test_what_a_proxy_may_read_in_another_way_is_refused(fields, status):
    """And nothing that follows on the connection is read: it may be meant for the body."""
    world = World()
    wire = world.ask(f"POST /admin/v1/x HTTP/1.1\nHost: a\n{fields}", b"GET /admin/v1/y HTTP/1.1\r\nHost: a\r\n\r\n")

    assert status == wire.answer()[0]
    assert 1 == wire.transport.value().count(b"HTTP/1.1 ")
    assert wire.transport.disconnecting
    assert [] == world.pool.waiting
    wire.channel.connectionLost(Failure(ConnectionDone()))


def test_a_body_of_the_size_that_is_allowed_is_taken():
    """The bound is the last that passes."""
    world = World(max_body=10)
    wire = world.ask("POST /admin/v1/x HTTP/1.1\nHost: a\nContent-Length: 10", b"x" * 10)
    world.pool.run()

    assert (200, b"x" * 10) == (wire.answer()[0], world.body)


def test_an_answer_is_held_until_the_gateway_has_applied_it():
    """In no thread; the field that says so is not sent."""
    world = World(("200 OK", HELD, b"revoked"))
    wire = world.ask()
    world.pool.run()

    assert wire.answer() is None
    assert 0 == world.served.calls
    world.waits[0].callback(None)
    status, fields, body = wire.answer()
    assert 200 == status
    assert b"revoked" in body
    assert [] == [field for field in fields if "position" in field]


@pytest.mark.parametrize(("unreached", "status", "words"), [("503", 503, b"not yet in force"), ("202", 202, b"hello")])
def test_what_is_not_in_force_in_time_is_told(unreached, status, words):
    """503 for what takes trust away, else 202 with what was made."""
    world = World(("201 Created", [("Twgw-Position", f"7;{unreached};10"), ("ETag", '"a"')], b"hello"))
    wire = world.ask()
    world.pool.run()
    world.reactor.advance(9.9)
    assert wire.answer() is None
    world.reactor.advance(0.2)

    found, fields, body = wire.answer()
    assert status == found
    assert words in body
    assert ("retry-after: 1" in fields) == (status == 503) == ('etag: "a"' not in fields)
    assert set() == world.served.held


class Told:
    """What is known of where a position is in force."""

    def __init__(self, *refused):
        self.refused = list(refused)

    def document(self):
        return {"position": 7, "refused": self.refused}


@pytest.mark.parametrize(
    ("unreached", "refused", "status"),
    [("503", (), 201), ("202", (), 201), ("202", ("n\u00f6",), 202), ("503", ("n",), 201)],
)
def test_where_it_is_in_force_is_told(unreached, refused, status):
    """With 202 where a node cannot have it; what takes trust away is in force there all the same."""
    world = World(("201 Created", [("Twgw-Position", f"7;{unreached};10")], b"hello"))
    wire = world.ask()
    world.pool.run()
    world.waits[0].callback(Told(*refused))

    found, fields, body = wire.answer()
    assert (status, True) == (found, b"hello" in body)
    assert [Told(*refused).document()] == [
        json.loads(field.removeprefix("twgw-reached: ")) for field in fields if field.startswith("twgw-reached")
    ]


def test_who_is_not_to_know_the_nodes_is_not_told():
    """A client of OAuth2, which is a stranger; nor how that was asked for."""
    world = World(("200 OK", [("Twgw-Position", "7;503;10"), ("Twgw-Untold", "1")], b"hello"))
    wire = world.ask()
    world.pool.run()
    world.waits[0].callback(Told("n"))

    found, fields, body = wire.answer()
    assert (200, True) == (found, b"hello" in body)
    assert [] == [field for field in fields if field.startswith(("twgw-reached", "twgw-untold"))]


def test_a_follower_that_fails_is_not_taken_for_one_that_has_applied():
    """Fail closed."""
    world = World(("200 OK", HELD, b"revoked"))
    wire = world.ask()
    world.pool.run()
    world.waits[0].errback(Failure(ValueError("log")))

    assert 503 == wire.answer()[0]


def test_who_leaves_is_waited_for_no_longer():
    """Nothing is written to a connection that is gone."""
    world = World(("200 OK", HELD, b"revoked"))
    wire = world.ask()
    world.pool.run()
    wire.channel.connectionLost(Failure(ConnectionDone()))
    world.waits[0].callback(None)

    assert wire.answer() is None


def test_too_many_at_once_are_sent_away():
    """Threads and what waits for them are bounded."""
    world = World(max_waiting=2)
    wires = [world.ask() for _ in range(3)]

    assert [None, None, 503] == [wire.answer() and wire.answer()[0] for wire in wires]
    world.pool.run()
    assert [200, 200, 503] == [wire.answer()[0] for wire in wires]
    again = world.ask()
    world.pool.run()
    assert 200 == again.answer()[0]


def test_a_stop_waits_for_what_is_under_way():
    """Then the threads end; what is held is let go, and what comes now is sent away."""
    world = World(("200 OK", HELD, b"revoked"))
    held = world.ask()
    world.pool.run()
    late = world.ask()
    stopped = Deferred.fromCoroutine(world.served.stop())

    assert 503 == held.answer()[0]
    assert 503 == world.ask().answer()[0]
    assert "started" == world.pool.state
    world.pool.run()
    assert "stopped" == world.pool.state
    assert stopped.called
    assert 503 == late.answer()[0]


def test_a_stop_with_nothing_under_way_is_at_once():
    """As after a quiet night."""
    world = World()
    Deferred.fromCoroutine(world.served.stop())

    assert "stopped" == world.pool.state


def seen(fields, **options):
    """What the application sees of a request with these fields."""
    world = World(**options)
    world.ask(f"GET /admin/v1/x HTTP/1.1\nHost: a\n{fields}")
    world.pool.run()
    return [world.seen[0].get(name) for name in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST")]


FORWARDED = "X-Forwarded-For: 10.1.1.1, 9.9.9.9\nX-Forwarded-Proto: https\nX-Forwarded-Host: shop.example"


def test_proxies_are_believed_only_when_they_are_trusted():
    """Address, scheme and host."""
    trusted = (ip_network("192.168.1.0/24"),)

    assert ["192.168.1.1", "http", "a"] == seen(FORWARDED)
    assert ["9.9.9.9", "https", "shop.example"] == seen(FORWARDED, trusted_proxies=trusted)
    assert ["192.168.1.1", "http", "a"] == seen("X-Other: 1", trusted_proxies=trusted)


def test_the_public_url_is_what_it_says():
    """Whatever the request says."""
    assert ["192.168.1.1", "https", "api.example:8443"] == seen(FORWARDED, public_url="https://api.example:8443")


def test_an_underscore_is_no_dash():
    """WSGI could not tell X_Forwarded_For from X-Forwarded-For."""
    assert 400 == World().ask("GET /admin/v1/x HTTP/1.1\nHost: a\nX_Forwarded_For: 1.1.1.1").answer()[0]
