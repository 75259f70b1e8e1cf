"""Upstreams that misbehave: 502, 504 or a cut connection, never a wrong, mixed or half body that looks whole."""

import pytest

from twgw.memory import MemoryGateway, NoAnswerError, RawUpstream
from twgw.model import Api, Target, Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello"


def behind(script, **more):
    """A gateway in front of one scripted server."""
    upstream = Upstream(targets=(Target("http://pets.test"),), **{"retries": 0, **more})
    return MemoryGateway(Api("pets", "1", "/", upstream=upstream), upstream=RawUpstream(script))


def says(data, *, then=None):
    """A server that answers every request with these bytes, then closes or cuts."""

    def script(wire):
        wire.transport.write(data)
        if then:
            getattr(wire.transport, then)()

    return script


BROKEN = {
    "repeated length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
    "no status": b"hello\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare line feed": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n",
    "control character": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "surplus bytes": OK + b"!",
    "second response": OK + OK,
    "body of 204": b"HTTP/1.1 204 No Content\r\n\r\nhello",
    "body of 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "surplus after chunks": CHUNKED + b"more",
    "switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "flood of 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + OK,
    "head without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000,
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_understood_is_a_502(name):
    """The client gets our answer and keeps its connection; that server connection is never used again."""
    gateway = behind(says(BROKEN[name]))
    client = gateway.connect()
    for _ in range(2):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert [502, 502] == [answer.status for answer in client.answers("GET", "GET")]
    assert not client.closed
    assert [True, True] == [wire.closed for wire in gateway.upstream_wires]
    assert ["upstream", "upstream"] == [exchange.refused_by for exchange in gateway.exchanges]


@pytest.mark.parametrize("cut", ["loseConnection", "abortConnection"])
@pytest.mark.parametrize(("response", "framed"), [(OK, True), (CHUNKED, True), (UNTIL_CLOSE, False)])
def test_a_response_that_ends_early_never_looks_whole(response, framed, cut):
    """At whatever byte: 502 before the head is whole, a cut connection after; whole ones come through whole."""
    bodies = {OK: b"hello", CHUNKED: b"hello world", UNTIL_CLOSE: b"hello"}
    head_end = response.index(b"\r\n\r\n") + 4
    for end in range(len(response) + 1):
        gateway = behind(says(response[:end], then=cut))
        client = gateway.begin("GET", "/")
        answers = client.answers("GET")
        whole = end == len(response) if framed else (end >= head_end and cut == "loseConnection")
        if whole and cut == "abortConnection" and not answers[0].body.startswith(b"hello"):
            assert 502 == answers[0].status, end  # the reset overtook the bytes
        elif whole:
            expected = bodies[response] if framed else response[head_end:end]
            assert [(200, expected)] == [(answer.status, answer.body) for answer in answers], end
        elif end < head_end:
            assert [502] == [answer.status for answer in answers], end
        else:
            assert (502 in [answer.status for answer in answers]) or client.reset, end


@pytest.mark.parametrize("response", [OK, CHUNKED])
def test_a_response_may_come_byte_by_byte(response):
    """However it is cut into pieces, it is the same."""
    whole = behind(says(response)).get("/")

    def script(wire):
        for at in range(len(response)):
            wire._clock.callLater(at / 1000, wire.transport.write, response[at : at + 1])

    gateway = behind(script)
    client = gateway.begin("GET", "/")
    gateway.clock.advance(1)
    (slow,) = client.answers("GET")

    assert (whole.status, whole.body) == (slow.status, slow.body)


def test_what_comes_when_nothing_was_asked_is_no_answer():
    """A surplus response that comes later ends the connection; the next request has one of its own."""
    gateway = behind(says(OK))
    assert b"hello" == gateway.get("/").body
    gateway.upstream_wires[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    assert b"hello" == gateway.get("/").body
    assert [True, False] == [wire.closed for wire in gateway.upstream_wires]


def test_a_clean_connection_is_used_again():
    """After a whole response; not after ``Connection: close``, HTTP/1.0 or a body that the close ends."""
    kept, ended = behind(says(OK)), behind(says(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
    for gateway in (kept, ended):
        assert [200, 200] == [gateway.get("/").status for _ in range(2)]

    assert (1, 2) == (len(kept.upstream_wires), len(ended.upstream_wires))


def test_an_answer_to_head_has_no_body():
    """Its length is told; the connection is clean."""
    gateway = behind(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
    answer = gateway.request("HEAD", "/")

    assert (200, "5") == (answer.status, answer.headers["content-length"])
    assert 200 == gateway.request("HEAD", "/").status
    assert 1 == len(gateway.upstream_wires)


def test_hints_go_on_to_the_client():
    """103 as it is; 100 is ours to say."""
    gateway = behind(says(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))
    answer = gateway.get("/")

    assert ((103,), 200) == (answer.interim, answer.status)
    old = gateway.connect()
    old.send(b"GET / HTTP/1.0\r\n\r\n")
    assert old.received.startswith(b"HTTP/1.1 200")


def test_a_server_that_does_not_answer_is_a_504():
    """After response_timeout; its connection is gone."""
    gateway = behind(lambda wire: None, response_timeout=7)
    client = gateway.begin("GET", "/")
    gateway.clock.advance(6.9)
    assert [] == client.answers("GET")
    for _ in range(4):
        gateway.clock.advance(0.25)

    assert [504] == [answer.status for answer in client.answers("GET")]
    assert gateway.upstream_wires[0].closed


def test_a_server_that_stops_inside_a_body_cuts_the_client():
    """After idle_timeout: the client must not take what it has for the whole."""
    gateway = behind(says(OK[:-2]), idle_timeout=5)
    client = gateway.begin("GET", "/")
    for _ in range(24):
        gateway.clock.advance(0.25)

    assert client.reset
    assert client.received.endswith(b"\r\n\r\nhel")


def test_an_answer_before_the_end_of_the_request_is_passed_on():
    """And both connections end: what is left of the body would be misread."""
    early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"
    gateway = behind(says(early))
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 1000)

    assert [413] == [answer.status for answer in client.answers("POST")]
    assert client.closed
    assert gateway.upstream_wires[0].closed


def test_request_and_response_may_overlap():
    """A server that answers while it reads is not cut off."""
    got = []

    def script(wire):
        if not got:
            wire.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        got.append(1)
        wire.transport.write(b"1\r\nx\r\n")
        if wire.received.endswith(b"END"):
            wire.transport.write(b"0\r\n\r\n")

    gateway = behind(script)
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 80003\r\n\r\n" + b"x" * 40000)
    client.send(b"x" * 40000)
    client.send(b"END")

    (answer,) = client.answers("POST")
    assert (200, len(got)) == (answer.status, len(answer.body))


def test_a_client_that_leaves_is_told_to_the_upstream():
    """The request is abandoned, not finished for nobody."""
    gateway = behind(lambda wire: None)
    client = gateway.begin("GET", "/")
    client.lose()

    assert gateway.upstream_wires[0].closed
    assert [499] == [exchange.status for exchange in gateway.exchanges]
    with pytest.raises(NoAnswerError):
        gateway.get("/")


@pytest.mark.parametrize(
    "surplus", [b"xyz\r\n", b"5\r\nhelloX", b"-1\r\n", b"0\r\n\r\nmore", b"0\r\nContent-Length: 1\r\n\r\n"]
)
def test_chunks_that_go_wrong_inside_a_body_cut_the_client(surplus):
    """The head is out already: no end that looks like one is sent, and that server connection is never used again."""
    first = CHUNKED[: CHUNKED.index(b"6\r\n")]
    gateway = behind(says(first))
    client = gateway.begin("GET", "/")
    gateway.upstream_wires[0].send(surplus)

    assert client.reset
    assert client.received.endswith(b"\r\n\r\n5\r\nhello\r\n")
    gateway.begin("GET", "/")
    assert [True, False] == [wire.closed for wire in gateway.upstream_wires]


def test_more_than_the_length_that_comes_later_cuts_the_client():
    """The body is not ended by bytes that may belong to another response."""
    gateway = behind(says(OK[:-2]))
    client = gateway.begin("GET", "/")
    gateway.upstream_wires[0].send(b"lo!")

    assert client.reset
    assert client.received.endswith(b"\r\n\r\nhel")
    assert gateway.upstream_wires[0].closed


@pytest.mark.parametrize(("connection", "connections"), [(b"", 2), (b"Connection: keep-alive\r\n", 1)])
def test_an_old_server_is_understood(connection, connections):
    """HTTP/1.0 ends its connections unless it says otherwise."""
    gateway = behind(says(b"HTTP/1.0 200 OK\r\n" + connection + b"Content-Length: 5\r\n\r\nhello"))

    assert [b"hello", b"hello"] == [gateway.get("/").body for _ in range(2)]
    assert connections == len(gateway.upstream_wires)


@pytest.mark.parametrize("response", [OK, CHUNKED])
def test_nothing_is_left_of_a_client_that_leaves_inside_a_response(response):
    """At whatever byte: the log says 499, the server is told, no connection and no deadline stays."""
    for cut in range(len(response)):
        gateway = behind(says(response[:cut]))
        gateway.begin("GET", "/").lose()

        assert [499] == [exchange.status for exchange in gateway.exchanges], cut
        assert [True] == [wire.closed for wire in gateway.upstream_wires], cut
        assert set() == gateway.edges, cut
        for _ in range(8):
            gateway.clock.advance(1)
        assert {} == gateway.deadlines._slots, cut
        assert [(set(), [])] == [(server.connections, server.idle) for server in gateway.fleet.servers], cut


@pytest.mark.parametrize("size", [50_000, 70_000, 100_000, 130_000, 150_000, 200_000, 1_000_000])
def test_a_slow_client_holds_nobody_else_up(size):
    """A connection that a slow client made wait at its last piece serves the next client as any other."""
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"z" * size
    gateway = behind(says(response))
    slow = gateway.connect()
    slow.pause()
    slow.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert size == len(gateway.get("/").body)
    slow.resume()
    assert [size] == [len(answer.body) for answer in slow.answers("GET")]
