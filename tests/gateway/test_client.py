"""Our own HTTP calls, on a reactor in memory."""

import re

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from twgw.allowed_upstreams import AllowedUpstreams
from twgw.gateway.client import HttpClient


def called(**more):
    """The reactor, and the Deferred of a call to an address."""
    reactor = MemoryReactorClock()
    call = HttpClient(reactor).request("POST", "http://127.0.0.1:81/a?b=c", headers={"X-A": "1"}, body=b"hi", **more)
    return reactor, Deferred.fromCoroutine(call)


def answered(data, **more):
    reactor, done = called(**more)
    _, _, factory, *_ = reactor.tcpClients[0]
    protocol = factory.buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(data)
    return transport.value(), done


def result_of(done):
    found = []
    done.addBoth(found.append)
    assert found
    return found[0]


def test_a_call_is_sent_and_answered():
    """Method, target, fields, body; then status, fields in lower case, body."""
    sent, done = answered(b"HTTP/1.1 201 Created\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nok")
    answer = result_of(done)

    assert sent.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"X-A: 1\r\n" in sent
    assert b"Content-Length: 2\r\n" in sent
    assert (201, "2", b"ok") == (answer.status, answer.headers["x-b"], answer.body)


def test_redirects_are_not_followed():
    """Who asked decides."""
    _, done = answered(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    assert 302 == result_of(done).status


def test_an_answer_that_is_too_large_is_an_error():
    """It is not kept."""
    _, done = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", limit=8)

    assert result_of(done).check(OSError)


def test_a_call_that_takes_too_long_is_an_error():
    """The deadline holds for the whole call."""
    reactor, done = called(timeout=3)
    reactor.advance(3)

    with pytest.raises(OSError, match="no answer within 3 s"):
        result_of(done).raiseException()


def test_a_connection_that_is_refused_is_an_error():
    """An OSError like any other."""
    reactor, done = called()
    _, _, factory, *_ = reactor.tcpClients[0]
    factory.clientConnectionFailed(None, Failure(Refused()))
    reactor.advance(1)

    assert result_of(done).check(OSError)


def test_what_is_not_allowed_is_not_called():
    """Whoever writes the settings of a policy cannot make the gateway ask itself, or where a cloud keeps secrets."""
    reactor = MemoryReactorClock()
    client = HttpClient(reactor, AllowedUpstreams(own=(("127.0.0.1", 8081),)))
    for url in ("http://169.254.169.254/latest", "http://2852039166/", "http://127.0.0.1:8081/metrics"):
        failure = result_of(Deferred.fromCoroutine(client.request("GET", url)))

        assert failure.check(OSError), url
        assert re.search("is link-local|is a listener of this gateway", str(failure.value))
    assert [] == reactor.tcpClients


def test_a_name_is_called_at_an_address_that_is_allowed():
    """The one that was judged: it is not asked for again."""
    reactor = MemoryReactorClock()
    reactor.nameResolver = Resolver(["169.254.0.1", "192.0.2.7", "2001:db8::1"])
    call = HttpClient(reactor).request("GET", "https://mixed.test/")
    done = Deferred.fromCoroutine(call)

    assert [("192.0.2.7", 443)] == [client[:2] for client in reactor.tcpClients]
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(Refused()))
    assert [("192.0.2.7", 443), ("2001:db8::1", 443)] == [client[:2] for client in reactor.tcpClients]
    reactor.tcpClients[1][2].clientConnectionFailed(None, Failure(Refused()))
    assert result_of(done).check(OSError)


class Resolver:
    """Every name has these addresses."""

    def __init__(self, addresses):
        self.addresses = addresses

    def resolveHostName(self, receiver, name):  # noqa: N802 - Twisted's name
        receiver.resolutionBegan(None)
        for address in self.addresses:
            receiver.addressResolved((IPv6Address if ":" in address else IPv4Address)("TCP", address, 0))
        receiver.resolutionComplete()
