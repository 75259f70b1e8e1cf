"""Transports that send at once, and the reactor that reads directly: over a pair of real, unnamed sockets."""

import contextlib
import errno
import gc
import os
import socket
import ssl
import weakref
from types import SimpleNamespace

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.wire.test_tls import certificate, trusting
from twgw.gateway.transport import (
    DirectReactor,
    EagerServer,
    SecureFactory,
    adopt,
    connect,
    hold,
    listen,
    take_queued,
    turn_away,
    unread,
)
from twgw.listen import Listen


class Sockets:
    """A socket that takes so many bytes at a time."""

    def __init__(self, *takes):
        self.takes = list(takes)
        self.sent = []

    def send(self, data):
        taken = self.takes.pop(0) if self.takes else len(data)
        if isinstance(taken, OSError):
            raise taken
        self.sent.append(bytes(data[:taken]))
        return min(taken, len(data))

    def fileno(self):
        return 9

    def setblocking(self, flag):
        pass


class Reactor:
    """Notes who wants to write."""

    def __init__(self):
        self.writers = []

    def addWriter(self, writer):  # noqa: N802 - Twisted's name
        self.writers.append(writer)

    def addReader(self, reader):  # noqa: N802 - Twisted's name
        pass


def transport(*takes):
    sock, reactor = Sockets(*takes), Reactor()
    made = EagerServer(sock, Protocol(), ("127.0.0.1", 1), None, 1, reactor)
    made.connected = 1
    return made, sock, reactor


def test_what_the_kernel_takes_is_sent_at_once():
    """Without waiting for the next turn of the reactor."""
    made, sock, reactor = transport()
    made.write(b"hello")
    made.write(b"")

    assert ([b"hello"], []) == (sock.sent, reactor.writers)


def test_the_rest_waits_in_order():
    """And nothing overtakes it."""
    made, sock, reactor = transport(2)
    made.write(b"hello")
    made.write(b" world")
    assert ([b"he"], [made]) == (sock.sent, reactor.writers[:1])
    made.stopWriting = lambda: None
    made.doWrite()

    assert b"hello world" == b"".join(sock.sent)


@pytest.mark.parametrize("error", [BlockingIOError(errno.EAGAIN, ""), ConnectionResetError(errno.ECONNRESET, "")])
def test_errors_go_the_usual_way(error):
    """Nothing is lost, nothing is raised at whoever writes."""
    made, sock, reactor = transport(error)
    made.write(b"hello")

    assert ([], [made]) == (sock.sent, reactor.writers)


def test_after_the_end_nothing_is_sent():
    """Half closed, closing or gone."""
    for name in ("_writeDisconnected", "disconnected"):
        made, sock, _ = transport()
        setattr(made, name, True)
        made.connected = name != "disconnected"
        made.write(b"hello")

        assert [] == sock.sent


def test_only_bytes_are_sent():
    """As in every Twisted transport."""
    made, _, _ = transport()
    with pytest.raises(TypeError):
        made.write("text")


def test_a_reader_that_raises_loses_its_connection_and_nobody_else_notices():
    """As on the stock reactor; the error is logged."""
    reactor = DirectReactor()
    one, other = socket.socketpair()
    lost = []

    class Raises(Protocol):
        def dataReceived(self, data):  # noqa: N802 - Twisted's name
            raise ZeroDivisionError

        def connectionLost(self, reason):  # noqa: N802 - Twisted's name
            lost.append(reason)

    protocol = Raises()
    made = EagerServer(one, protocol, ("127.0.0.1", 1), None, 1, reactor)
    protocol.makeConnection(made)
    made.startReading()
    other.send(b"x")
    errors = []
    log.addObserver(errors.append)
    reactor.doPoll(5)
    log.removeObserver(errors.append)
    other.close()

    assert 1 == len(lost)
    assert [ZeroDivisionError] == [event["failure"].type for event in errors if event["isError"]]


def test_other_reactors_have_their_own_transports():
    """In memory, or whatever was installed before."""
    reactor = MemoryReactorClock()
    listen(reactor, 81, None, "127.0.0.1")
    connect(reactor, "127.0.0.1", 82, ClientFactory(), 3)

    assert (81, 82) == (reactor.tcpServers[0][0], reactor.tcpClients[0][1])


class Pushes(Protocol):
    """Registers a producer, as an Edge does."""

    def connectionMade(self):  # noqa: N802 - Twisted's name
        self.transport.registerProducer(self, True)

    def dataReceived(self, data):  # noqa: N802 - Twisted's name
        self.transport.write(data)

    def pauseProducing(self):  # noqa: N802 - Twisted's name
        pass

    resumeProducing = stopProducing = pauseProducing  # noqa: N815 - Twisted's names


@pytest.mark.parametrize("breaks", ["cleanly", "in the middle", "with nonsense"])
def test_a_tls_connection_leaves_nothing_to_the_garbage_collector(tmp_path, breaks):
    """However the client ends it: what it holds of OpenSSL is large."""
    *_, pem = certificate(tmp_path, "gateway")
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate_chain_file(str(pem))
    context.use_privatekey_file(str(pem))
    clock = Clock()
    server = SecureFactory(Creator(context), False, Factory.forProtocol(Pushes), clock).buildProtocol(None)
    client = Client(trusting(pem), clock)
    wire = StringTransport()
    gc.collect()
    gc.disable()
    try:
        server.makeConnection(wire)
        client.talk(server, wire)
        assert b"hello" == client.echo(server, wire, b"hello")
        if breaks == "cleanly":
            client.leave(server, wire)
        elif breaks == "with nonsense":
            server.dataReceived(b"nonsense" * 10)
        wire.producer = None  # as TCP lets go of it
        server.connectionLost(Failure(ConnectionDone()))
        gone = weakref.ref(server)
        del server, wire, client
        assert gone() is None
    finally:
        gc.enable()


@implementer(IOpenSSLServerConnectionCreator)
class Creator:
    """Makes connections of one context."""

    def __init__(self, context):
        self._context = context

    def serverConnectionForTLS(self, _protocol):  # noqa: N802 - Twisted's name
        return SSL.Connection(self._context, None)


class Client:
    """Python's own TLS on the other end."""

    def __init__(self, context, clock):
        self._clock = clock
        self._into, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._into, self._out, server_hostname="gateway")

    def _exchange(self, server, wire):
        server.dataReceived(self._out.read())
        self._clock.advance(0)
        self._into.write(wire.value())
        wire.clear()

    def talk(self, server, wire):
        for _ in range(10):
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._exchange(server, wire)
            else:
                break
        self._exchange(server, wire)

    def echo(self, server, wire, data):
        self._tls.write(data)
        self._exchange(server, wire)
        return self._tls.read(100)

    def leave(self, server, wire):
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._exchange(server, wire)


class Taken(Factory):
    """Notes whom it was given."""

    def __init__(self):
        self.made = []

    def buildProtocol(self, _addr):  # noqa: N802 - Twisted's name
        self.made.append(Protocol())
        return self.made[-1]


@pytest.fixture
def shared():
    """A socket that one process holds, and two others accept from; whether the first may take a connection."""
    reactor, mine = DirectReactor(), [True]
    held = hold(reactor, Listen("tcp", 0, "127.0.0.1"))
    factories = Taken(), Taken()
    ports = [
        adopt(reactor, socket.dup(held.fileno()), (lambda: mine[0]) if not place else (lambda: True), factory)
        for place, factory in enumerate(factories)
    ]
    clients, place = [], ("127.0.0.1", held.getHost().port)

    def call(count=1):
        clients.extend(socket.create_connection(place, 5) for _ in range(count))

    yield reactor, held, ports, factories, mine, call
    for client in clients:
        client.close()
    for made in (each for factory in factories for each in factory.made):
        made.transport.abortConnection()
    for port in (held, *ports):
        port.stopListening()
    reactor.iterate(0)
    for each in [*reactor.getReaders(), *reactor.getWriters()]:
        if each is not reactor.waker:
            reactor.removeReader(each)
    reactor._poller.close()
    for each in (reactor.waker.i, reactor.waker.o):
        os.close(each)


def test_processes_accept_from_one_socket(shared):
    """One connection at a time; who holds it for them accepts none."""
    _, held, ports, factories, _, call = shared
    assert held.getHost().port == ports[0].getHost().port
    call(3)
    ports[0].doRead()
    ports[1].doRead()
    ports[1].doRead()

    assert (1, 2) == tuple(len(factory.made) for factory in factories)
    assert held not in held.reactor.getReaders()


def test_a_connection_is_left_to_who_holds_fewer_but_not_for_long(shared):
    """As they may hang: who let them go first takes what is there then."""
    reactor, _, ports, factories, mine, call = shared
    mine[0] = False
    call(2)
    ports[0].doRead()
    assert ports[0] not in reactor.getReaders()
    assert [] == factories[0].made
    ports[1].doRead()
    while ports[0] not in reactor.getReaders():
        reactor.runUntilCurrent()

    assert (1, 1) == tuple(len(factory.made) for factory in factories)


def test_one_process_may_end_while_others_go_on(shared):
    """The socket is that of all."""
    reactor, held, ports, factories, _, call = shared
    ports[0].stopListening()
    held.stopListening()
    reactor.runUntilCurrent()
    call()
    ports[1].doRead()

    assert 1 == len(factories[1].made)


def test_who_was_let_in_before_the_end_is_accepted(shared):
    """Others are not let in any more: none is turned away after it was let in."""
    _, held, ports, factories, _, call = shared
    call(5)
    turn_away(ports[0])
    with socket.socket() as late:
        late.settimeout(0.05)
        with pytest.raises(TimeoutError):
            late.connect(("127.0.0.1", held.getHost().port))
    take_queued(ports[0])

    assert 5 == len(factories[0].made)


def test_who_has_begun_before_the_end_is_accepted_too(shared):
    """Its handshake ends after the port is closed to others: here with the first byte, as the kernel is told."""
    _, held, ports, factories, _, _ = shared
    ports[0].socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    with socket.create_connection(("127.0.0.1", held.getHost().port)) as client:
        turn_away(ports[0])
        client.sendall(b"GET")
        take_queued(ports[0])

        assert 1 == len(factories[0].made)


def test_a_port_of_another_reactor_is_let_be():
    """It has no queue of its own."""
    port = MemoryReactorClock().listenTCP(0, Taken())
    turn_away(port)
    take_queued(port)


def test_what_waits_in_the_kernel_is_known():
    """Of a TLS connection it is that of the TCP under it; one that is gone, or is in memory, has nothing there."""
    ours, its = socket.socketpair()
    with ours, its:
        secured = SimpleNamespace(transport=ours, fileno=None)
        assert (False, False) == (unread(ours), unread(secured))
        its.send(b"GET")
        assert (True, True) == (unread(ours), unread(secured))
    assert (False, False) == (unread(ours), unread(StringTransport()))
