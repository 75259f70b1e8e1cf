"""Fuzz targets: a whole gateway in memory, between a client and an upstream that say anything."""

from functools import cache
from typing import Any

from tests.fuzz.judges import Message, h11_requests, h11_responses, llhttp_requests
from tests.fuzz.messages import pieces
from twgw.memory import MemoryGateway, RawUpstream, UpstreamAnswer, UpstreamRequest, read_requests
from twgw.memory_network import Wire
from twgw.model import Api, Target, Upstream

SHORT = {"header_timeout": 2, "keepalive_timeout": 2, "body_grace": 2, "send_timeout": 2}
FIRST = b" /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
NEXT = b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"


def requests(data: bytes) -> None:
    """What reaches an upstream is read by the judges as by us and was asked by the client; every answer is in order.

    The first byte says how the rest is cut, and whether the client leaves at its end.
    """
    control, data = data[0] if data else 0, data[1:]
    gateway, asked = echoing()
    clear(gateway)
    asked.clear()
    client = gateway.connect()
    for piece in pieces(data, (len(data) or 1, 1, 2, 7, 50, 300, 1000, 4000)[control % 8]):
        if not client.closed:
            client.send(piece)
    if control & 8:
        client.lose()
    pass_time(gateway)
    lines = {(exchange.request.method, exchange.upstream_path) for exchange in gateway.exchanges}
    for wire in gateway.upstream_wires:
        whole, rest = read_requests(wire.received)
        assert not rest or wire.closed
        ours = tuple(
            Message((each.method.encode(), each.target.encode("latin-1")), (), each.body) for each in whole
        )
        for reading in (h11_requests(wire.received), llhttp_requests(wire.received)):
            assert reading.end == ("unfinished" if rest else "clean"), reading
            assert ours == tuple(Message(each.line, (), each.body) for each in reading.messages), reading
        assert {(each.method, each.target.partition("?")[0]) for each in whole} <= lines
    meant = h11_requests(data)
    if meant.end != "refused":
        rest_of_meant = iter([(each.line[0], each.body) for each in meant.messages])
        assert all(each in rest_of_meant for each in asked), (asked, meant)
    told = [exchange for exchange in gateway.exchanges if exchange.status != 499]
    methods = [exchange.request.method.replace("-", "GET").encode() for exchange in told]
    answers = h11_responses(client.received, methods, ended=client.ended)
    assert answers.end == "clean" or client.closed, answers
    assert answers.end != "refused", answers
    statuses = [b"%d" % exchange.status for exchange in told]
    assert [each.line[0] for each in answers.messages] == statuses[: len(answers.messages)]


@cache
def echoing() -> tuple[MemoryGateway, list[tuple[bytes, bytes]]]:
    """A gateway, used again and again as making one takes long; what it asked its upstream, which answers the same."""
    asked: list[tuple[bytes, bytes]] = []

    def answer(request: UpstreamRequest) -> UpstreamAnswer:
        asked.append((request.method.encode(), request.body))
        return 200, {}, request.body

    apis = [Api("pets", "1", "/pets"), Api("all", "1", "/", underscores=True, encoded_slashes=True)]
    return MemoryGateway(apis, upstream=answer, **SHORT), asked


def clear(gateway: MemoryGateway) -> None:
    """As if it was new."""
    for server in gateway.fleet.servers:
        for connection in list(server.idle):
            connection.close()
    gateway.clock.advance(0)
    for kept in (gateway.upstream_wires, gateway.exchanges, gateway.log.lines):
        kept.clear()


def answers(data: bytes) -> None:
    """Whatever an upstream says, a client is told that, a 502, a 504, or is cut off; the next answer is its own.

    The first byte says what is asked, how the answer is cut, and how it ends.
    """
    control, data = data[0] if data else 0, data[1:]
    method = (b"GET", b"HEAD", b"POST", b"GET")[control % 4]
    size = (len(data) or 1, 1, 7, 100)[control // 4 % 4]
    ending = ("", "loseConnection", "abortConnection", "")[control // 16 % 4]

    gateway, script = scripted()
    clear(gateway)
    script[:] = [list(pieces(data, size)), ending]
    client = gateway.connect()
    client.send(method + FIRST + NEXT)
    pass_time(gateway)
    told = h11_responses(client.received, [method, b"GET"], ended=client.ended)
    assert told.end != "refused", told
    said = h11_responses(data, [method], ended=ending == "loseConnection")
    for number, each in enumerate(told.messages):
        if each.line not in ((b"502",), (b"504",)):
            meant = [(each.line, each.body) for each in said.messages] if number == 0 else [((b"200",), b"second")]
            assert meant == [(each.line, each.body)], (told, said)


@cache
def scripted() -> tuple[MemoryGateway, list[Any]]:
    """A gateway, used again and again; what its upstream says to the first request, in pieces, and how it ends."""
    script: list[Any] = []

    def heard(wire: Wire) -> None:
        seen, _ = read_requests(wire.received)
        if seen[-1:] and seen[-1].target == "/2":
            wire.transport.write(SECOND)
        elif seen:
            say(wire, list(script[0]), script[1])

    upstream = Upstream((Target("http://a.test"),), response_timeout=3, idle_timeout=3, retries=0)
    return MemoryGateway(Api("pets", "1", "/", upstream=upstream), upstream=RawUpstream(heard), **SHORT), script


def say(wire: Wire, left: list[bytes], ending: str) -> None:
    """Write piece by piece, each in a turn of its own, then end."""
    if left:
        wire.transport.write(left.pop(0))
        wire._clock.callLater(0.001, say, wire, left, ending)
    elif ending:
        getattr(wire.transport, ending)()


def pass_time(gateway: MemoryGateway) -> None:
    """Until every deadline has passed: then nothing is left, and nothing went wrong inside."""
    for _ in range(300):
        gateway.clock.advance(0.25)
        if not gateway.edges:
            break
    assert not gateway.edges
    assert not [line for level, line in gateway.log.lines if level == "error"], gateway.log.lines
