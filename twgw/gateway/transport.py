"""TCP on Twisted's epoll reactor, with the two detours of a request taken out.

``EagerServer`` and ``EagerClient`` send at once what the kernel takes, where the stock transports wait for the next
turn of the reactor; the reactor calls ``doRead`` of these transports directly.  Everything else, errors, half closes,
producers, TLS, other protocols, goes the stock way.  ``service.py`` listens and connects with them; ``tap.py`` installs
the reactor.  With any other reactor the stock transports are used.
"""

import contextlib
import ctypes
import errno
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import main, tcp
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python import log
from twisted.python.failure import Failure

from twgw.listen import Listen

READ_SIZE = 256 * 1024
GO_FIRST = 0.002
"""Seconds for which a connection is left to processes that hold fewer."""
AT_ONCE = 8
SO_ATTACH_FILTER = 26
NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
"""Of classic BPF: load byte 13 of TCP, its flags; with SYN among them keep nothing of the packet, else all of it."""
HANDSHAKE = 0.002
"""Seconds in which clients nearby end a handshake that they have begun."""


class Eager:
    """Send at once, read much; for ``tcp.Server`` and ``tcp.Client``."""

    connected: int

    def write(self: Any, data: bytes) -> None:
        """Send now what the kernel takes; the rest waits as in any Twisted transport."""
        if (
            self._tempDataBuffer
            or self.dataBuffer
            or not self.connected
            or self._writeDisconnected
            or self.disconnecting
            or data.__class__ is not bytes
        ):
            super().write(data)  # type: ignore[misc]
            return
        if not data:
            return
        try:
            sent = self.socket.send(data)
        except OSError:
            sent = 0  # the stock way finds the error again and ends the connection by its rules
        if sent != len(data):
            super().write(data[sent:] if sent else data)  # type: ignore[misc]

    def doRead(self: Any) -> Any:  # noqa: N802 - Twisted's name
        """Read once and hand it on."""
        try:
            data = self.socket.recv(READ_SIZE)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EINTR):
                return None
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        self.protocol.dataReceived(data)
        return None


class EagerServer(Eager, tcp.Server):
    """The transport of an accepted connection."""


class EagerClient(Eager, tcp.Client):
    """The transport of a connection to an upstream."""

    def doRead(self: Any) -> Any:  # noqa: N802 - Twisted's name
        """Read once and hand it on (``tcp.Client`` replaces this name while it connects)."""
        return Eager.doRead(self)


class EagerPort(tcp.Port):
    """A listening port whose connections send at once."""

    transport = EagerServer


class SharedPort(tcp.Port):
    """A port that other processes accept from, too.

    All of them hear of a connection, and one gets it.  Who was the first to look would often be the same: so each asks
    ``mine`` whether to take it, and leaves it to the others when they hold fewer; but not for long, as they may hang.
    """

    transport = EagerServer
    mine: Callable[[], bool] = staticmethod(lambda: True)

    def doRead(self) -> None:  # noqa: N802 - Twisted's name
        """Accept one, or let others go first."""
        if self.mine():
            self._accept()
        else:
            self.stopReading()
            reactor: Any = self.reactor
            reactor.callLater(GO_FIRST, self._come_back)

    def _accept(self) -> None:
        self.numberAccepts = 1
        super().doRead()

    def _come_back(self) -> None:
        """Nobody else came: take what waits, a few at a time."""
        if self.connected:
            take_queued(self, AT_ONCE)
            self.startReading()


class EagerConnector(tcp.Connector):
    """Connects with a transport that sends at once."""

    def _makeTransport(self) -> EagerClient:  # noqa: N802 - Twisted's name
        return EagerClient(self.host, self.port, self.bindAddress, self, self.reactor)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """The end of what it made, which leads back to it."""
        super().connectionLost(reason)
        self.transport = None


class SecureTransport(BufferingTLSTransport):
    """Twisted's TLS without the cycles that it leaves when a client breaks off: each holds the state of OpenSSL."""

    def connectionLost(self, reason: Failure = Failure(main.CONNECTION_DONE)) -> None:  # noqa: N802, B008 - Twisted's
        """The end: whoever wrote to it is not kept."""
        super().connectionLost(reason)
        self._producer = None

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:  # noqa: N802 - Twisted's name
        super()._tlsShutdownFinished(reason)
        if reason is not None:  # its caller keeps it in a variable, and its traceback keeps that
            reason.cleanFailure()


class SecureFactory(TLSMemoryBIOFactory):
    """Makes TLS of the connections of another factory."""

    protocol = SecureTransport


class DirectReactor(EPollReactor):
    """Twisted's epoll reactor; a plain readable event of one of our transports is handled without detour."""

    def doPoll(self, timeout: float | None) -> None:  # noqa: N802 - Twisted's name
        """Wait for events and handle them."""
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables) or 1)
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        selectables: Any = self._selectables
        for fd, event in events:
            selectable: Any = selectables.get(fd)
            if selectable is None:
                continue
            if event == select.EPOLLIN and isinstance(selectable, Eager) and selectable.connected:
                try:
                    why = selectable.doRead()
                except Exception:  # noqa: BLE001 - as the stock reactor: a protocol that raises loses its connection
                    log.err()
                    why = main.CONNECTION_LOST
                if why:
                    self._disconnectSelectable(selectable, why, True)
            else:
                log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)

    doIteration = doPoll  # noqa: N815 - Twisted's name


def listen(reactor: Any, port: int, factory: IProtocolFactory, interface: str, backlog: int = 4096) -> Any:
    """Listen; with eager transports when the reactor is ours."""
    if isinstance(reactor, DirectReactor):
        listening = EagerPort(port, factory, backlog, interface, reactor)
        listening.startListening()
        return listening
    return reactor.listenTCP(port, factory, backlog, interface)


def bind(reactor: Any, where: Listen, factory: IProtocolFactory) -> Any:
    """Listen; without an interface on IPv6 and IPv4 together, or on IPv4 where there is no IPv6."""
    if where.interface:
        return listen(reactor, where.port, factory, where.interface)
    try:
        return listen(reactor, where.port, factory, "::")
    except CannotListenError as error:
        if getattr(error.socketError, "errno", None) not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return listen(reactor, where.port, factory, "0.0.0.0")


def hold(reactor: Any, where: Listen) -> Any:
    """Listen for other processes, which are handed its ``fileno()``; in this one nobody accepts."""
    held = bind(reactor, where, Factory())
    held.stopReading()
    held._shouldShutdown = False  # noqa: SLF001 - the others go on, for as long as they have it
    return held


def adopt(reactor: Any, descriptor: int, mine: Callable[[], bool], factory: IProtocolFactory) -> Any:
    """Accept from a socket that another process listens with; ``mine`` says whether to take a connection."""
    found = socket.socket(fileno=descriptor)
    found.setblocking(False)
    if not isinstance(reactor, DirectReactor):
        return reactor.adoptStreamPort(found.detach(), found.family, factory)
    with found:
        listening: Any = SharedPort._fromListeningDescriptor(  # noqa: SLF001 - what adoptStreamPort does
            reactor, descriptor, found.family, factory
        )
    listening.mine = mine
    listening.startListening()
    return listening


def turn_away(port: Any) -> None:
    """Let the kernel take no new connection to a port; those that it has taken wait to be accepted.

    A port that is closed at once resets what waits there.  So first whoever begins is not heard (a socket filter that
    drops each SYN, byte 13 of TCP), while whoever has begun comes to the end of it: else a client would take itself for
    connected, and be reset.  Then all is accepted that waits, and then it is closed.
    """
    if isinstance(port, tcp.Port) and port.connected:
        filled = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in NO_SYN))
        with contextlib.suppress(OSError):
            port.socket.setsockopt(
                socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(NO_SYN), ctypes.addressof(filled))
            )  # fmt: skip
        time.sleep(HANDSHAKE)  # noqa: TID251 - the kernel ends it, whatever clock there is


def take_queued(port: Any, at_most: int = 10_000) -> None:
    """Accept whoever the kernel has taken already."""
    if not isinstance(port, tcp.Port) or not port.connected:
        return
    queue = select.poll()
    queue.register(port.fileno(), select.POLLIN)
    while at_most and queue.poll(0):
        at_most -= 1
        port.numberAccepts = 1
        tcp.Port.doRead(port)


def connect(reactor: Any, host: str, port: int, factory: Any, timeout: float) -> Any:
    """Connect to an address; with eager transports when the reactor is ours."""
    if isinstance(reactor, DirectReactor):
        connector = EagerConnector(host, port, factory, timeout, None, reactor)
        connector.connect()
        return connector
    return reactor.connectTCP(host, port, factory, timeout)


def no_delay(transport: Any) -> None:
    """Send small pieces at once (heads and last chunks must not wait for an acknowledgement)."""
    handle: Callable[[], socket.socket] | None = getattr(transport, "setTcpNoDelay", None)
    if handle is not None:
        transport.setTcpNoDelay(True)


def unread(transport: Any) -> bool:
    """Whether the peer has sent something, or ended, since it was last read from: a busy process hears late of it."""
    fileno = getattr(getattr(transport, "transport", transport), "fileno", None)
    if fileno is None or (number := fileno()) < 0:
        return False
    waiting = select.poll()
    waiting.register(number, select.POLLIN)
    return bool(waiting.poll(0))


def unsent(transport: Any) -> int:
    """How many bytes were written and not taken by the kernel yet; of a TLS connection, those of the TCP under it."""
    tcp_transport = getattr(transport, "transport", transport)
    left: int = len(tcp_transport.dataBuffer) - tcp_transport.offset + tcp_transport._tempDataLen  # noqa: SLF001
    return left
