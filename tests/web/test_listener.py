"""Tests of twgw.web.listener."""

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport

from tests.web.test_resource import Pool
from twgw.listen import Listen
from twgw.web.listener import WebListener
from twgw.web.resource import Served


class Reactor(MemoryReactorClock):
    """Calls from threads are made at once."""

    def callFromThread(self, function, *arguments, **options):  # noqa: N802 - Twisted's name
        function(*arguments, **options)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def listening(where="tcp:8082"):
    reactor, pool = Reactor(), Pool()
    served = Served(reactor, application, lambda position: Deferred(), pool=pool)
    listener = WebListener(reactor, Listen.from_text(where), served)
    listener.privilegedStartService()
    listener.startService()
    return reactor, pool, listener


def test_it_answers_for_every_path():
    """On the loopback address, unless another is named."""
    reactor, pool, _ = listening()
    port, site, _, interface = reactor.tcpServers[0]
    transport = StringTransport()
    channel = site.buildProtocol(None)
    channel.makeConnection(transport)
    channel.dataReceived(b"GET /oauth2/jwks HTTP/1.1\r\nHost: a\r\n\r\n")
    pool.run()

    assert (8082, "127.0.0.1") == (port, interface)
    assert b"/oauth2/jwks" in transport.value().partition(b"\r\n\r\n")[2]
    assert "::1" == listening("tcp:1:interface=[::1]")[0].tcpServers[0][3]


def test_it_ends_when_what_is_under_way_has_ended():
    """No connections are taken meanwhile."""
    reactor, pool, listener = listening()
    channel = reactor.tcpServers[0][1].buildProtocol(None)
    channel.makeConnection(StringTransport())
    channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")

    ended = []
    listener.stopService().addCallback(ended.append)
    assert ([], "started") == (ended, pool.state)
    pool.run()
    assert ([None], "stopped") == (ended, pool.state)


def test_one_that_was_never_bound_ends_too():
    """As when another listener could not be bound."""
    reactor, pool = Reactor(), Pool()
    served = Served(reactor, application, lambda position: Deferred(), pool=pool)
    ended = []

    WebListener(reactor, Listen("tcp", 1), served).stopService().addCallback(ended.append)

    assert [None] == ended
