"""The client's side: order, framing, deadlines, back-pressure, and clients that leave at any byte."""

import gc
import weakref
from types import SimpleNamespace

import pytest

from twgw import hookimpl
from twgw.memory import MemoryGateway, RawUpstream
from twgw.model import Api, Policy, Target, Upstream
from twgw.policy.exchange import Problem, Response

UPSTREAM = Upstream(targets=(Target("http://pets.test"),))
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


def served(upstream=None, module=None, **options):
    policies = (Policy("p"),) if module else ()
    return MemoryGateway(
        Api("pets", "1", "/", upstream=UPSTREAM, policies=policies),
        upstream=upstream or (lambda request: (200, {}, request.target.encode())),
        plugins={"p": module} if module else None,
        **options,
    )


def policy(**functions):
    return SimpleNamespace(**{name: hookimpl(function) for name, function in functions.items()})


def pass_time(gateway, seconds, step=0.25):
    """The clock moves in steps, as it does in life."""
    for _ in range(int(seconds / step)):
        gateway.clock.advance(step)


def test_pipelined_requests_are_answered_in_order():
    """A thousand of them, sent at once."""
    client = served().connect()
    client.send(b"".join(GET % number for number in range(1000)))

    assert [f"/{number}".encode() for number in range(1000)] == [each.body for each in client.answers(*["GET"] * 1000)]


def test_answers_of_policies_do_not_pile_up():
    """A thousand answers without any upstream: no recursion, right order."""
    gateway = served(module=policy(twgw_forward=lambda exchange: Response(200, body=exchange.request.path.encode())))
    client = gateway.connect()
    client.send(b"".join(GET % number for number in range(1000)))

    assert [f"/{number}".encode() for number in range(1000)] == [each.body for each in client.answers(*["GET"] * 1000)]


@pytest.mark.parametrize(
    ("request_line", "connection", "closes"),
    [("1.1", "", False), ("1.1", "close", True), ("1.0", "", True), ("1.0", "keep-alive", False)],
)
def test_persistence(request_line, connection, closes):
    """The connection lives as long as the client wants it to."""
    field = f"Connection: {connection}\r\n" if connection else ""
    client = served().connect()
    client.send(f"GET / HTTP/{request_line}\r\nHost: a\r\n{field}\r\n".encode())

    assert client.received.startswith(b"HTTP/1.1 200")
    assert closes == client.closed == (b"Connection: close\r\n" in client.received)


@pytest.mark.parametrize(
    ("upstream", "module", "dates"),
    [
        ({}, None, 1),
        ({"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, None, 1),
        ({"date": "Sun, 06 Nov 1994 08:49:37 GMT"}, None, 1),
        ({}, policy(twgw_forward=lambda: Response(204)), 1),
        ({}, policy(twgw_receive=lambda: Problem(403, "No")), 1),
        ({"Date": "x"}, policy(twgw_respond=lambda exchange: exchange.response.headers.remove("date")), 0),
    ],
)
def test_an_answer_has_one_date(upstream, module, dates):
    """The upstream's own, else ours (RFC 9110, 6.6.1); a policy that takes it away has its way."""
    client = served(lambda request: (200, upstream, b""), module).connect()
    client.send(GET % 1)

    assert dates == client.received.lower().count(b"\r\ndate: ")
    assert upstream.get("Date", "").encode() in client.received or dates == 0


@pytest.mark.parametrize(
    ("name", "host", "status"),
    [
        ("a.test", "a.test", 200),
        ("a.test", "A.Test.:8443", 200),
        ("a.test", "b.test", 421),
        ("a.test", "a.test.b", 421),
        ("a.test", "192.0.2.1", 421),
        ("", "b.test", 200),
    ],
)
def test_a_request_over_tls_is_for_the_name_that_tls_was_opened_to(name, host, status):
    """Another one is misdirected: nothing of it reaches the upstream, and the connection ends."""
    gateway = served(scheme="https", server_name=lambda _transport: name)
    client = gateway.connect()
    ask = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    client.send(ask + ask)

    assert ([421] if status == 421 else [200, 200]) == [each.status for each in client.answers()]
    assert (status == 421) == client.closed
    assert (status == 421) == (b"" == gateway.upstream_bytes)


@pytest.mark.parametrize("chunks", [[b"hello"], [b"he", b"llo"], [b"x" * 70000, b"y" * 70000]])
def test_chunked_bodies_go_through(chunks):
    """In whatever pieces; the upstream gets the same body."""
    gateway = served(lambda request: (200, {}, request.body))
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in chunks:
        client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    client.send(b"0\r\n\r\n")

    assert [b"".join(chunks)] == [answer.body for answer in client.answers("POST")]
    assert [b"".join(chunks)] == [request.body for request in gateway.upstream_requests]


def test_leave_to_send_a_body_is_given_after_the_policies_said_yes():
    """Not by a refusal, whose answer ends the connection; and not twice."""
    asks = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n%b\r\n"
    refusing = policy(twgw_receive=lambda exchange: Problem(403, "No") if "x-no" in exchange.request.headers else None)
    gateway = served(lambda request: (200, {}, request.body), refusing)
    yes, no = gateway.connect(), gateway.connect()
    yes.send(asks % b"")
    no.send(asks % b"X-No: 1\r\n")

    assert b"HTTP/1.1 100 Continue\r\n\r\n" == yes.received
    assert [403] == [answer.status for answer in no.answers("POST")]
    assert no.closed

    yes.send(b"hello")

    assert [(200, b"hello", (100,))] == [(each.status, each.body, each.interim) for each in yes.answers("POST")]


@pytest.mark.parametrize(
    ("sent", "length", "keeps"), [(5, 5, True), (0, 5, True), (1000, 65000, True), (0, 200000, False)]
)
def test_the_body_of_a_refused_request(sent, length, keeps):
    """A small one is read to its end, and the connection goes on; a large one ends it."""
    gateway = served(module=policy(twgw_receive=lambda exchange: Problem(403, "No") if exchange.request.body else None))
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length + b"x" * sent)

    assert [403] == [answer.status for answer in client.answers("POST")]
    assert keeps != client.closed
    if keeps:
        client.send(b"x" * (length - sent) + GET % 7)
        assert [403, 200] == [answer.status for answer in client.answers("POST", "GET")]
        assert [b"/7"] == [answer.body for answer in client.answers("POST", "GET")[1:]]


# --- deadlines: absolute, whatever trickles in ---


def test_a_slow_head_is_refused():
    """408 ten seconds after its first byte, although bytes keep coming."""
    gateway = served()
    client = gateway.connect()
    client.send(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(9):
        pass_time(gateway, 1)
        client.send(b"y")
    assert b"" == client.received
    pass_time(gateway, 2)

    assert [408] == [answer.status for answer in client.answers("GET")]
    assert client.closed


def test_a_client_that_says_nothing_is_let_go():
    """A new connection after header_timeout, an idle one after keepalive_timeout."""
    gateway = served()
    silent, idle = gateway.connect(), gateway.connect()
    idle.send(GET % 1)
    pass_time(gateway, 11)

    assert (True, False) == (silent.closed, idle.closed)

    pass_time(gateway, 50)

    assert idle.closed
    assert 0 == len(gateway.edges)


def test_a_slow_body_is_refused():
    """408 when it falls below 1 KiB a second after its grace; the upstream does not take it for a whole one."""
    gateway = served(RawUpstream())
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(12):
        client.send(b"x" * 10)
        pass_time(gateway, 1)

    assert [408] == [answer.status for answer in client.answers("POST")]
    assert gateway.upstream_wires[0].closed


def test_a_body_that_is_fast_enough_is_taken():
    """However long it takes."""
    gateway = served(lambda request: (200, {}, b"%d" % len(request.body)))
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(50):
        client.send(b"x" * 2000)
        pass_time(gateway, 1)

    assert [b"100000"] == [answer.body for answer in client.answers("POST")]


def endless(size):
    """An upstream that answers with so many bytes, at once."""
    return lambda request: (200, {}, b"z" * size)


def test_a_client_that_takes_nothing_is_cut_off():
    """Thirty seconds after it stopped reading; the upstream is let go."""
    gateway = served(endless(5_000_000))
    client = gateway.connect()
    client.pause()
    client.send(GET % 1)
    pass_time(gateway, 29)
    assert 1 == len(gateway.edges)
    pass_time(gateway, 3)

    assert 0 == len(gateway.edges)
    assert [499] == [exchange.status for exchange in gateway.exchanges]


def test_a_slow_client_gets_everything():
    """Whatever its pace, as long as it takes something."""
    gateway = served(endless(3_000_000))
    client = gateway.connect()
    for _ in range(100):
        client.pause()
        if not client.received:
            client.send(GET % 1)
        pass_time(gateway, 5)
        client.resume()
        if len(client.received) > 3_000_000:
            break

    assert [3_000_000] == [len(answer.body) for answer in client.answers("GET")]


# --- clients that leave ---


@pytest.mark.parametrize("end", ["lose", "abort"])
def test_nothing_is_left_of_a_client_that_leaves(end):
    """At whatever byte of its request: no connection, no deadline, no coroutine, no garbage for the collector."""
    data = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    for cut in range(len(data) + 1):
        gateway = served(RawUpstream())
        client = gateway.connect()
        client.send(data[:cut])
        getattr(client, end)()

        assert 0 == len(gateway.edges), cut
        assert all(wire.closed for wire in gateway.upstream_wires), cut
        assert all(exchange.status == 499 for exchange in gateway.exchanges), cut
        pass_time(gateway, 6, 1)
        assert {} == gateway.deadlines._slots, cut


def test_half_a_close_never_makes_a_part_look_whole():
    """A client that sends no more has left; if it still reads, its answer is cut, not ended in order."""
    gateway = served(RawUpstream())
    client = gateway.connect()
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    gateway.upstream_wires[0].send(b"HTTP/1.1 200 OK\r\n\r\nhalf of ")
    client.finish()

    assert (True, False) == (client.reset, client.ended)
    assert [(499, "client")] == [(each.status, each.refused_by) for each in gateway.exchanges]


def test_half_a_close_after_the_answer_loses_nothing():
    """What was answered before still reaches a client that reads slowly."""
    gateway = served(lambda request: (200, {}, b"z" * 50_000))
    client = gateway.connect()
    client.pause()
    client.send(GET % 1)
    client.finish()
    client.resume()

    assert [50_000] == [len(answer.body) for answer in client.answers("GET")]
    assert (True, set()) == (client.ended, gateway.edges)


def test_a_policy_that_waits_for_nobody_is_ended():
    """The client left while it waited."""
    ended = []

    async def slow(exchange, gateway):
        try:
            await gateway.clock.sleep(100)
        finally:
            ended.append(exchange.request.path)

    gateway = served(module=policy(twgw_receive=slow))
    gateway.begin("GET", "/x").lose()

    assert ["/x"] == ended
    assert [499] == [exchange.status for exchange in gateway.exchanges]


def test_a_request_leaves_no_cycles():
    """The collector has nothing to do for requests, or it would stop the gateway now and then."""
    gateway = served()
    client = gateway.connect()
    client.send(GET % 1)
    gateway.exchanges.clear()
    gc.collect()
    for number in range(50):
        client.send(GET % number)
    gateway.exchanges.clear()

    assert gc.collect() < 50


ENDINGS = {
    "answered": (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
    "left while the upstream is silent": (b"", b"", "lose"),
    "left in a body": (b"Content-Length: 9\r\n\r\nhalf", b"", "lose"),
    "left in an answer": (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "abort"),
    "a body that is not well formed": (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", b"", b"lloworld"),
    "a body that is too slow": (b"Content-Length: 9\r\n\r\nhalf", b"", None),
    "a body that is too large": (b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + b"x" * 255, b"", None),
    "an answer that cannot be understood": (b"", b"hello\r\n\r\n", None),
    "no answer": (b"", b"", None),
}
"""What follows the request line, what the upstream says, and what the client does then."""


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_ending_of_an_exchange_waits_for_the_collector(ending):
    """What it held is let go at once: what waited for a full collection would wait for hours."""
    fields, answer, then = ENDINGS[ending]
    gateway = served(RawUpstream(lambda wire: wire.transport.write(answer)), max_request_body=100)
    gc.disable()
    try:
        client = gateway.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + (fields or b"\r\n"))
        if isinstance(then, bytes):
            client.send(then)
        elif then:
            getattr(client, then)()
        pass_time(gateway, 40)
        (exchange,) = (weakref.ref(each) for each in gateway.exchanges)
        gateway.exchanges.clear()
        assert exchange() is None
    finally:
        gc.enable()


# --- the end of the gateway ---


def test_a_gateway_that_drains_says_so():
    """Idle connections end at once, others with their answer."""
    answers = []
    gateway = served(RawUpstream(answers.append))
    idle, busy = gateway.connect(), gateway.begin("GET", "/")
    gateway.front.draining = True
    for edge in list(gateway.edges):
        edge.close_if_idle()
    idle.settle()
    assert (True, False) == (idle.closed, busy.closed)
    gateway.upstream_wires[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert b"Connection: close\r\n" in busy.received
    assert busy.received.endswith(b"ok")
    assert busy.closed


def test_who_has_sent_something_meanwhile_is_answered(monkeypatch):
    """A process that stood still closes nothing before it has read what came."""
    gateway = served(RawUpstream(lambda _: None))
    client = gateway.connect()
    gateway.front.draining = True
    monkeypatch.setattr("twgw.gateway.edge.unread", lambda _transport: True)
    for each in list(gateway.edges):
        each.close_if_idle()
    client.settle()
    assert not client.closed


# --- clients that take nothing, slowly or not at all ---


def held(gateway):
    """Bytes that wait for clients."""
    return sum(len(edge.transport.unsent) for edge in gateway.edges)


def test_answers_that_nobody_takes_do_not_pile_up():
    """Who pipelines and does not read is served no further than a full buffer, and cut off after send_timeout."""
    for module in (None, policy(twgw_forward=lambda exchange: Response(200, body=b"z" * 50_000))):
        gateway = served(lambda request: (200, {}, b"z" * 50_000), module)
        client = gateway.connect()
        client.pause()
        for number in range(400):
            client.send(GET % number)
        assert held(gateway) < 200_000
        assert len(gateway.exchanges) < 4
        pass_time(gateway, 31)

        assert set() == gateway.edges


def test_answers_wait_for_a_client_that_reads_later():
    """All of them, in order, when it reads on."""
    gateway = served(lambda request: (200, {}, request.target.encode() * 5_000))
    client = gateway.connect()
    client.pause()
    client.send(b"".join(GET % number for number in range(100)))
    pass_time(gateway, 20)
    client.resume()

    expected = [f"/{number}".encode() * 5_000 for number in range(100)]
    assert expected == [answer.body for answer in client.answers(*["GET"] * 100)]
    assert not client.closed


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_no_client_is_held_for_ever(version):
    """One that never takes the end of an answer and never closes is gone after the timeouts."""
    gateway = served(lambda request: (200, {}, b"z" * 50_000))
    client = gateway.connect(stays=True)
    client.pause()
    client.send(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version.encode())
    pass_time(gateway, 100)

    assert set() == gateway.edges


def test_a_slow_client_gets_the_end_of_a_last_answer():
    """A connection that ends is not cut as long as the client takes something now and then."""
    gateway = served(lambda request: (200, {}, b"z" * 300_000))
    client = gateway.connect()
    client.pause()
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    for _ in range(40):
        if len(client.received) >= 300_000:
            break
        pass_time(gateway, 20)
        client.take()
    client.resume()

    assert [300_000] == [len(answer.body) for answer in client.answers("GET")]
    assert (True, False) == (client.closed, client.reset)


def test_any_pace_of_a_body_can_be_allowed():
    """A body_min_rate of 0 asks nothing of the client."""
    gateway = served(lambda request: (200, {}, request.body), body_min_rate=0)
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    pass_time(gateway, 60, 1)
    client.send(b"llo")

    assert [b"hello"] == [answer.body for answer in client.answers("POST")]


# --- what the log says of an end ---


def test_the_log_tells_who_ended_it():
    """499 when the client did, the status that was sent and the upstream's fault when that did."""
    gateway = served(RawUpstream())
    gateway.begin("GET", "/")
    gateway.upstream_wires[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    gateway.upstream_wires[0].lose()
    stalled = served(endless(5_000_000))
    client = stalled.connect()
    client.pause()
    client.send(GET % 1)
    pass_time(stalled, 32)

    said = [(each.status, each.refused_by, each.reason) for each in (gateway.exchanges[0], stalled.exchanges[0])]
    assert [
        (200, "upstream", "connection closed inside a response"),
        (499, "client", "took nothing of the response for 30 s"),
    ] == said
    assert (1, 1) == (len(gateway.exchanges), len(stalled.exchanges))


# --- back-pressure: what is held stays bounded ---


def test_a_slow_upstream_holds_the_client():
    """Of a large request no more than some reads are held; all of it arrives in the end."""
    size = 3_000_000
    gateway = served(RawUpstream())
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    (server,) = gateway.upstream_wires
    server.pause()
    client.send(b"x" * size)
    (edge,) = gateway.edges

    assert not edge.transport.reading
    assert size - len(client.transport.unsent) <= 4 * 65536

    server.resume()

    assert [size] == [len(request.body) for request in gateway.upstream_requests]


def test_a_slow_client_holds_the_upstream():
    """Of a large response no more than some reads are held; all of it arrives in the end."""
    size = 3_000_000
    gateway = served(endless(size))
    client = gateway.connect()
    client.pause()
    client.send(GET % 1)
    (server,) = gateway.upstream_wires

    assert size - len(server.transport.unsent) <= 4 * 65536
    assert [False] == [each.transport.reading for fleet in gateway.fleet.servers for each in fleet.connections]

    client.resume()

    assert [size] == [len(answer.body) for answer in client.answers("GET")]


@pytest.mark.parametrize("size", [10, 60_000])
def test_pipelined_answers_that_nobody_reads_are_bounded(size):
    """No exchange begins while the client does not take what it has; then it is let go."""
    gateway = served(endless(size))
    client = gateway.connect()
    client.pause()
    for _ in range(30):
        client.send(b"".join(GET % number for number in range(100)))
    (edge,) = gateway.edges

    assert len(gateway.exchanges) < 3000
    assert len(edge.transport.unsent) < 3 * 65536
    pass_time(gateway, 100)
    assert set() == gateway.edges


@pytest.mark.parametrize("field", ["", "Connection: close\r\n"])
def test_a_small_answer_that_is_never_read_holds_no_connection(field):
    """Kept or closing, it is over when its deadlines are."""
    gateway = served()
    client = gateway.connect()
    client.pause()
    client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n".encode())
    pass_time(gateway, 100)

    assert set() == gateway.edges
    assert {} == gateway.deadlines._slots


@pytest.mark.parametrize("first", [b"", GET % 1])
def test_an_empty_line_keeps_no_connection(first):
    """It may come before a request, but is none: who sends no more is let go as any idle client, without a word."""
    gateway = served()
    client = gateway.connect()
    client.send(first + b"\r\n")
    answers = len(client.answers("GET"))
    for _ in range(4 * 61):
        gateway.clock.advance(0.25)

    assert client.closed
    assert answers == len(client.answers("GET"))
