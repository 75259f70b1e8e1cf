"""Disorder: clients and servers that do anything at any time, by chance but the same each time.

Whatever they do: every answer belongs to its request, is whole or visibly cut, what waits is bounded, a well-behaved
client is served meanwhile, and when all have gone nothing is left.
"""

import random
import re

import pytest

from twgw import hookimpl
from twgw.memory import MemoryGateway, RawUpstream, read_requests
from twgw.model import Api, Policy, Target, Upstream

SIZES = [0, 1, 10, 5_000, 65_536, 70_000, 90_000, 120_000, 200_000, 500_000]
UPSTREAM = Upstream((Target("http://a.test"), Target("http://b.test")), response_timeout=7, idle_timeout=9, retries=2)
WHOLE = ["length"] * 5 + ["chunks"] * 3
BROKEN = ["until close", "cut", "reset", "reset until close", "surplus", "late surplus", "silent", "in pieces", "gone"]
THINGS = "new ask ask ask ask pause pause resume take lose abort finish time time time server probe".split()
PROBE = 7_777


class Waits:
    """A policy that waits as long as the request says."""

    @staticmethod
    @hookimpl
    async def twgw_receive(exchange, gateway):
        seconds = exchange.request.headers.get("x-wait")
        if seconds:
            await gateway.clock.sleep(float(seconds))


def content(number, size):
    """A body that no other request has."""
    mark = b"<%d>" % number
    return (mark * (size // len(mark) + 1))[:size]


def in_chunks(body, chance):
    pieces, at = [], 0
    while at < len(body):
        piece = body[at : at + chance.choice([30_000, 70_000, 300_000])]
        pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        at += len(piece)
    return b"".join(pieces) + b"0\r\n\r\n"


class Server:
    """Answers ``/number/size`` with that content, or fails in one of its ways; checks what it is sent."""

    def __init__(self, chance):
        self.chance = chance
        self.answered = {}

    def __call__(self, wire):
        requests, rest = read_requests(wire.received)
        for request in requests[self.answered.get(wire, 0) :]:
            self.answered[wire] = self.answered.get(wire, 0) + 1
            self.answer(wire, request)
        if b"\r\n\r\n" in rest and self.chance.random() < 0.05:
            wire.transport.write(b"HTTP/1.1 413 Early\r\nContent-Length: 3\r\n\r\nbig")

    def answer(self, wire, request):
        number, size = map(int, re.fullmatch(r"/(\d+)/(\d+)", request.target).groups())
        if "x-size" in request.headers:
            assert request.body == content(number, int(request.headers["x-size"]))
        way = "length" if number == PROBE or request.method == "HEAD" else self.chance.choice(WHOLE + BROKEN)
        say = getattr(self, "say_" + way.replace(" ", "_"))
        say(wire, content(number, size), b"X-Id: %d\r\n" % number, request.method)

    def say_length(self, wire, body, fields, method):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(body), fields)
        wire.transport.write(head if method == "HEAD" else head + body)

    def say_chunks(self, wire, body, fields, _method):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n" % fields
        wire.transport.write(head + in_chunks(body, self.chance))

    def say_until_close(self, wire, body, fields, _method):
        wire.transport.write(b"HTTP/1.1 200 OK\r\n%b\r\n" % fields + body)
        wire.transport.loseConnection()

    def _part(self, wire, body, fields):
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(body) + 1, fields) + body
        wire.transport.write(whole[: self.chance.randrange(len(whole) + 1)])

    def say_cut(self, wire, body, fields, _method):
        self._part(wire, body, fields)
        wire.transport.loseConnection()

    def say_reset(self, wire, body, fields, _method):
        self._part(wire, body, fields)
        self.later(wire, 0.1, wire.transport.abortConnection)

    def say_reset_until_close(self, wire, body, fields, _method):
        wire.transport.write(b"HTTP/1.1 200 OK\r\n%b\r\n" % fields + body[: len(body) // 2])
        self.later(wire, 0.1, wire.transport.abortConnection)

    def say_surplus(self, wire, body, fields, method):
        self.say_length(wire, body, fields, method)
        wire.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    def say_late_surplus(self, wire, body, fields, method):
        self.say_length(wire, body, fields, method)
        self.later(wire, 0.2, wire.transport.write, b"evil\r\n\r\n")

    def say_silent(self, _wire, _body, _fields, _method):
        pass

    def say_in_pieces(self, wire, body, fields, _method):
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(body), fields) + body
        at = self.chance.randrange(len(whole))
        self.later(wire, 0.1, wire.transport.write, whole[:at])
        self.later(wire, 5, wire.transport.write, whole[at:])

    def say_gone(self, wire, _body, _fields, _method):
        wire.transport.loseConnection()

    def later(self, wire, seconds, call, *arguments):
        wire._clock.callLater(seconds, call, *arguments)


class Client:
    """One connection: what it was told to send, what it sent, what it may get."""

    def __init__(self, wire, chance):
        self.wire = wire
        self.chance = chance
        self.unsent = b""
        self.asked = []

    def ask(self, number):
        """One more request, in any form."""
        chance = self.chance
        method, size = chance.choice(["GET", "GET", "POST", "PUT", "HEAD"]), chance.choice(SIZES)
        fields, body = b"X-Wait: 3\r\n" if chance.random() < 0.1 else b"", b""
        if method in ("POST", "PUT"):
            length = chance.choice(SIZES)
            body = content(number, length)
            fields += b"X-Size: %d\r\n" % length
            if chance.random() < 0.5:
                fields += b"Content-Length: %d\r\n" % length
            else:
                fields, body = fields + b"Transfer-Encoding: chunked\r\n", in_chunks(body, chance)
            fields += b"Expect: 100-continue\r\n" if chance.random() < 0.1 else b""
        old = chance.random() < 0.1 and b"chunked" not in fields
        fields += b"Connection: close\r\n" if chance.random() < 0.1 else b""
        line = f"{method} /{number}/{size} HTTP/1.{0 if old else 1}\r\nHost: a\r\n".encode()
        self.unsent += line + fields + b"\r\n" + body
        self.asked.append((number, size, method))

    def send(self):
        """Some of it, or all."""
        size = self.chance.choice([1, 50, 1_000, 100_000, 10_000_000])
        data, self.unsent = self.unsent[:size], self.unsent[size:]
        self.wire.send(data)

    def check(self):
        """Every answer belongs to its request and is whole."""
        answers = self.wire.answers(*(method for _, _, method in self.asked))
        for answer, (number, size, method) in zip(answers, self.asked, strict=False):
            assert answer.status in (200, 408, 413, 502, 504)
            if answer.status == 200:
                assert str(number) == answer.headers["x-id"]
                assert method == "HEAD" or content(number, size) == answer.body


def pass_time(gateway, ticks):
    for _ in range(ticks):
        gateway.clock.advance(0.25)


def probe(gateway, size):
    """A well-behaved client gets its answer at once, or a 502 when a dead connection used up the tries."""
    for wire in gateway.upstream_wires:
        wire.resume()
    answer = gateway.get(f"/{PROBE}/{size}")
    assert answer.status == 502 or content(PROBE, size) == answer.body


@pytest.mark.parametrize("seed", range(40))
def test_disorder(seed):
    """A hundred and fifty things happen, and nothing is wrong or left."""
    chance = random.Random(seed)
    apis = Api("any", "1.0", "/", upstream=UPSTREAM, policies=(Policy("waits"),))
    gateway = MemoryGateway(apis, upstream=RawUpstream(Server(chance)), plugins={"waits": Waits})
    clients = [Client(gateway.connect(), chance)]
    for number in range(150):
        doing = chance.choice(THINGS)
        client = chance.choice(clients[-5:])
        if doing == "new" or client.wire.closed:
            clients.append(Client(gateway.connect(stays=chance.random() < 0.1), chance))
        elif doing == "ask":
            if not client.unsent:
                client.ask(number)
            client.send()
        elif doing == "time":
            pass_time(gateway, chance.choice([1, 4, 20, 45]))
        elif doing == "probe":
            probe(gateway, chance.choice(SIZES))
        elif doing == "server":
            wires = [wire for wire in gateway.upstream_wires if not wire.closed]
            getattr(chance.choice(wires), chance.choice(["pause", "resume", "abort"]))() if wires else None
        else:
            getattr(client.wire, doing)()
        for each in clients:
            each.check()
        assert sum(len(edge.transport.unsent) for edge in gateway.edges) < 700_000 * (len(gateway.edges) + 1)

    pass_time(gateway, 800)

    assert set() == gateway.edges
    assert [] == [connection for server in gateway.fleet.servers for connection in server.connections]
    assert {} == gateway.deadlines._slots
    assert len(gateway.exchanges) == len({id(exchange) for exchange in gateway.exchanges})
    for each in clients:
        each.check()
