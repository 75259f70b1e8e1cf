"""Every bad request of ``tests/bad_input.py`` against a whole gateway in memory, in three ways."""

import gzip
import json

import pytest
from attrs import frozen

from tests.bad_input import GOOD, PASSED, REFUSED, chunked, get, post
from twgw import hookimpl
from twgw.memory import UPSTREAM, MemoryGateway, read_requests
from twgw.model import Api, Charge, Limit, Policy, State


def ids(vector):
    return f"{vector.row}: {vector.name[:40]}"


def pets():
    """A gateway before an upstream that answers every request with the body it got."""
    return MemoryGateway(Api("pets", "1.0", "/pets"), upstream=lambda request: (200, {}, request.body))


def send(connection, data, ways):
    """Send whole, or byte by byte as long as anybody listens."""
    for piece in [data] if ways == "whole" else [data[at : at + 1] for at in range(len(data))]:
        if connection.closed:
            return
        connection.send(piece)


def check_refusal(gateway, connection, vector, before, ways):
    """The right answer, the right end, and nothing of it at the upstream, which saw so many good requests before.

    Of a body that comes in pieces and turns out bad later, a part may have gone on, but never its end.
    """
    answers = connection.answers()
    assert [*[200] * before, vector.status] == [answer.status for answer in answers]
    document = json.loads(answers[-1].body)
    assert vector.status == document["status"]
    assert "smuggled" not in document["title"]
    assert "application/problem+json" == answers[-1].headers["content-type"]
    assert (not vector.keep, False) == (connection.closed, connection.reset)
    assert vector.keep == ("connection" not in answers[-1].headers)
    seen = gateway.upstream_requests
    assert [b"GET /good"] * before == [request.raw[:9] for request in seen]
    if vector.begun and ways != "whole":
        for wire in gateway.upstream_wires:
            assert b"" == read_requests(wire.received)[1] or wire.reset
    else:
        assert b"".join(request.raw for request in seen) == gateway.upstream_bytes
    if vector.keep:
        connection.send(GOOD)
        assert 200 == connection.answers()[-1].status
        assert before + 1 == len(gateway.upstream_requests)


@pytest.mark.parametrize("vector", REFUSED, ids=ids)
def test_whole(vector):
    """A bad request that comes at once is refused, and what follows a closing answer is not read."""
    gateway = pets()
    connection = gateway.connect()
    connection.send(vector.data if vector.keep else vector.data + GOOD)
    check_refusal(gateway, connection, vector, 0, "whole")


@pytest.mark.parametrize("vector", REFUSED, ids=ids)
def test_byte_by_byte(vector):
    """A bad request is refused in the same way however it is cut into pieces."""
    gateway = pets()
    connection = gateway.connect()
    send(connection, vector.data, "bytes")
    check_refusal(gateway, connection, vector, 0, "bytes")


@pytest.mark.parametrize("vector", [vector for vector in REFUSED if len(vector.data) < 400], ids=ids)
def test_in_two_pieces(vector):
    """A bad request is refused in the same way wherever it is cut in two."""
    gateway = pets()
    for at in range(1, len(vector.data)):
        connection = gateway.connect()
        connection.send(vector.data[:at])
        if not connection.closed:
            connection.send(vector.data[at:])
        check_refusal(gateway, connection, vector, 0, "pieces")
        connection.lose()
        gateway.fleet.close()
        gateway.upstream_wires.clear()


@pytest.mark.parametrize("ways", ["whole", "bytes"])
@pytest.mark.parametrize("vector", REFUSED, ids=ids)
def test_behind_a_good_one(vector, ways):
    """A bad request behind a good one is refused, and the good one is answered before it."""
    gateway = pets()
    connection = gateway.connect()
    send(connection, GOOD + vector.data, ways)
    check_refusal(gateway, connection, vector, 1, ways)


@pytest.mark.parametrize("ways", ["whole", "bytes"])
@pytest.mark.parametrize("vector", PASSED, ids=ids)
def test_carried(vector, ways):
    """A request that looks odd reaches the upstream in the one form it means, and the next one after it."""
    gateway = pets()
    connection = gateway.connect()
    send(connection, vector.data, ways)
    (answer,) = connection.answers()
    assert (200, vector.body) == (answer.status, answer.body)
    (request,) = gateway.upstream_requests
    assert request.raw.startswith(vector.line + b" HTTP/1.1\r\n")
    assert vector.body == request.body
    head = request.raw[: request.raw.find(b"\r\n\r\n") + 4].lower()
    assert [] == [text for text in vector.there if text not in head]
    assert [] == [text for text in vector.gone if text in head]
    if b"close" not in vector.data:
        send(connection, GOOD, ways)
        assert [200, 200] == [answer.status for answer in connection.answers()]
        assert "/good" == gateway.upstream_requests[1].target


# --- what single APIs may allow -----------------------------------------------------------------------------------


def test_underscores_by_choice():
    """An API may accept header names with underscores; another one does not."""
    gateway = MemoryGateway([Api("pets", "1.0", "/pets", underscores=True), Api("cats", "1.0", "/cats")])
    assert 200 == gateway.get("/pets", headers={"X_Api_Key": "a"}).status
    assert "a" == gateway.upstream_requests[0].headers["x_api_key"]
    assert 400 == gateway.get("/cats", headers={"X_Api_Key": "a"}).status


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "x_consumer_username", "Content_Length", "X_REAL_IP", "Transfer_Encoding"]
)
def test_reserved_names_with_underscores(name):
    """Where underscores are allowed, a name that servers take for one of the gateway's own still does not pass."""
    gateway = MemoryGateway(Api("pets", "1.0", "/pets", underscores=True))
    assert 200 == gateway.get("/pets", headers={name: "evil", "A_B": "c"}).status
    assert b"evil" not in gateway.upstream_bytes
    assert b"A_B: c" in gateway.upstream_bytes


def test_encoded_slashes_by_choice():
    """An API may accept encoded slashes; they stay encoded, and never hide dot segments."""
    gateway = MemoryGateway(Api("pets", "1.0", "/pets", encoded_slashes=True))
    assert [200, 400] == [gateway.get(path).status for path in ("/pets/a%2fb", "/pets/a%2f..%2fb")]
    assert ["/a%2Fb"] == [request.target for request in gateway.upstream_requests]


# --- rows that need a policy ----------------------------------------------------------------------------------------


class Limited:
    """A limit for each client address."""

    @frozen
    class Settings:
        """How many."""

        amount: int

    @staticmethod
    @hookimpl
    def twgw_throttle(exchange, settings):
        return Charge(exchange.request.client, Limit(settings.amount))


def test_invented_addresses_get_no_fresh_limit():
    """A client that invents X-Forwarded-For for every request spends one counter (row 26)."""
    gateway = MemoryGateway(
        Api("pets", "1.0", "/pets", policies=(Policy("limited", {"amount": 2}),)), plugins={"limited": Limited}
    )
    connection = gateway.connect()
    for number in range(4):
        connection.send(get(b"X-Forwarded-For: 10.0.0.%d" % number))
    assert [200, 200, 429, 429] == [answer.status for answer in connection.answers()]
    assert not connection.closed


def test_bombs_are_never_inflated():
    """A compressed body is carried as it is (row 34)."""
    bomb = gzip.compress(bytes(1 << 20), mtime=0)
    gateway = pets()
    connection = gateway.connect()
    connection.send(post(b"Content-Encoding: gzip", b"Content-Length: %d" % len(bomb), body=bomb))
    assert [bomb] == [request.body for request in gateway.upstream_requests]
    assert [bomb] == [answer.body for answer in connection.answers()]


def test_a_growing_body_stops_at_the_limit():
    """A chunked body is refused when it grows past the limit, and the upstream never sees an end of it (row 3)."""
    gateway = MemoryGateway(Api("pets", "1.0", "/pets"), max_request_body=100_000)
    connection = gateway.connect()
    connection.send(chunked(b""))
    for _ in range(20):
        connection.send(b"2710\r\n" + bytes(10_000) + b"\r\n")
    assert [413] == [answer.status for answer in connection.answers()]
    assert connection.closed
    assert ([], True) == (gateway.upstream_requests, gateway.upstream_wires[0].reset)


@pytest.mark.parametrize(
    "data",
    [
        get(target=b"/pets/\xc2\x9b31m"),
        get(b"User-Agent: \x9b31m\xff\xad", b"Referer: http://a/\x85b"),
        get(target=b"/pets/1?a=%0d%0a%1b[31m&b=\x7e"),
        get(target=b"/pets/%0d%0a%22,%22status%22:200"),
        get(target=b"/pets/'-{}()"),
        b"\x1b]0;evil\x07 / HTTP/1.1\r\n\r\n",
        get(b"Host: a\x0d\x0aevil"),
    ],
)
def test_logs_cannot_be_forged(data):
    """Whatever a client sends, the access log gets one line of plain JSON for it (row 44)."""
    log = Policy("access-log", {"path": "log"})
    gateway = MemoryGateway(State(policies=(log,), apis=(Api("pets", "1.0", "/pets", upstream=UPSTREAM),)))
    gateway.connect().send(data)
    (line,) = gateway.files.written["log"]
    assert line.endswith("}\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()
    json.loads(line)
