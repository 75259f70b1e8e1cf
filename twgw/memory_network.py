"""TCP in memory, for tests: connections between protocols without a socket, in the time of one Clock.

``memory.py`` joins clients to the gateway and the gateway to its upstreams.  A ``MemoryTransport`` keeps to what
Twisted's TCP transports do: nothing arrives before the next turn, a full buffer pauses its producer, a pause stops
reading, half closes and resets are told apart.  There is no kernel between the ends, so a reader that stops is felt at
once and every byte that is held is held by somebody who can be asked.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from twgw.model import UpstreamTls

READ_SIZE: Final = 64 * 1024
BUFFER_SIZE: Final = 64 * 1024
"""Bytes that wait to be sent before the producer is paused, as in Twisted."""


@implementer(ITCPTransport)
class MemoryTransport:
    """One end of a connection: the transport of the protocol at this end."""

    def __init__(self, clock: Clock, protocol: Any, here: tuple[str, int], there: tuple[str, int]) -> None:
        self._clock = clock
        self._here, self._there = here, there
        self._due = False
        self._end_of_input: Exception | None = None
        self._heard_end = False
        self._half_closing = self._half_closed = self._aborting = False
        self._producer: Any = None
        self._streaming = self._producer_paused = False
        self.protocol = protocol
        self.other: MemoryTransport
        self.connected = True
        self.disconnecting = False
        self.reading = True
        self.unsent = bytearray()
        """What was written here and not yet taken by the other end."""

    # --- ITCPTransport, as far as the gateway uses it --------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send; arrives in a later turn."""
        if not isinstance(data, bytes):
            raise TypeError("Data must be bytes")
        if not self.connected or self._half_closing or self._aborting or not data:
            return
        self.unsent += data
        if self._producer is not None and self._streaming and len(self.unsent) > BUFFER_SIZE:
            self._producer_paused = True
            self._producer.pauseProducing()
        self._wake()

    def writeSequence(self, data: Any) -> None:  # noqa: N802 - Twisted's name
        """Send all of it."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close when everything is sent; nothing is read any more."""
        if self.connected and not self.disconnecting:
            if self._half_closed:
                self._end(ConnectionDone(), ConnectionDone())
            else:
                self.reading = False
                self.disconnecting = True
                self._wake()

    def loseWriteConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Send no more, but read on."""
        self._half_closing = True
        self._wake()

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close in the next turn, whatever was not sent."""
        if self.connected and not self._aborting:
            self.reading = False
            self._aborting = True
            self.unsent.clear()
            self._clock.callLater(0, self._end, ConnectionAborted(), ConnectionLost())

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802 - Twisted's name
        """Let a producer follow the pace of the other end."""
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer, self._streaming, self._producer_paused = producer, streaming, False
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:  # noqa: N802 - Twisted's name
        """The producer is done."""
        self._producer = None
        self._wake()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read no more for now."""
        self.reading = False

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read on."""
        if self.connected and not self.disconnecting:
            self.reading = True
            self._wake()
            self.other._wake()  # noqa: SLF001 - the other end of the same connection

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """As loseConnection."""
        self.loseConnection()

    def getPeer(self) -> IPv4Address:  # noqa: N802 - Twisted's name
        """The address of the other end."""
        return IPv4Address("TCP", *self._there)

    def getHost(self) -> IPv4Address:  # noqa: N802 - Twisted's name
        """The address of this end."""
        return IPv4Address("TCP", *self._here)

    def getTcpNoDelay(self) -> bool:  # noqa: N802 - Twisted's name
        """There is no delay in memory."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """There is no delay in memory."""

    def getTcpKeepAlive(self) -> bool:  # noqa: N802 - Twisted's name
        """Nothing is lost in memory."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """Nothing is lost in memory."""

    # --- what ``transport.unsent`` asks of Twisted's transports ---

    offset = 0
    _tempDataLen = 0  # noqa: N815 - Twisted's name

    @property
    def dataBuffer(self) -> bytearray:  # noqa: N802 - Twisted's name
        """What was written here and not yet taken by the other end."""
        return self.unsent

    # --- turns ---------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        """What the reactor would do for this end: hand on one piece, or what follows the last one."""
        self._due = False
        if not self.connected or self._aborting:
            return
        if self._end_of_input is not None and self.reading and not self.other.unsent:
            self._read_end(self._end_of_input)
            if self._is_over():
                return
        other = self.other
        if self.unsent:
            if not other.connected:
                self._end(ConnectionLost(), ConnectionLost())
            elif other.reading:
                piece = bytes(self.unsent[:READ_SIZE])
                del self.unsent[: len(piece)]
                other.protocol.dataReceived(piece)
                self._wake()
            return
        if self._producer is not None and (not self._streaming or self._producer_paused):
            self._producer_paused = False
            self._producer.resumeProducing()
        elif self.disconnecting:
            self._end(ConnectionDone(), ConnectionLost() if other.unsent else ConnectionDone())
        elif self._half_closing and not self._half_closed:
            self._half_closed = True
            other._hear(ConnectionDone())  # noqa: SLF001 - the other end of the same connection

    def _is_over(self) -> bool:
        return not self.connected

    def _read_end(self, end: Exception) -> None:
        half_closable = getattr(self.protocol, "readConnectionLost", None)
        if half_closable is None or isinstance(end, ConnectionLost):
            self._end(end, ConnectionLost() if self.unsent else ConnectionDone())
        elif not self._heard_end:
            self._heard_end = True
            half_closable()

    def _hear(self, end: Exception) -> None:
        """The other end sends no more."""
        if isinstance(end, ConnectionLost) and self.connected and (self.reading or self.unsent):
            self._end(end, end)
        else:
            self._end_of_input = end
        self._wake()

    def _end(self, here: Exception, there: Exception) -> None:
        if not self.connected:
            return
        self.connected = False
        self.reading = False
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        if isinstance(there, ConnectionLost):
            self.unsent.clear()
        self.protocol.connectionLost(Failure(here))
        if self.other.connected:
            self.other._hear(there)  # noqa: SLF001 - the other end of the same connection


def join(clock: Clock, client: Any, server: Any, *, from_: tuple[str, int], to: tuple[str, int]) -> None:
    """Connect two protocols; each hears of it at once, of bytes in later turns."""
    near = MemoryTransport(clock, client, from_, to)
    far = MemoryTransport(clock, server, to, from_)
    near.other, far.other = far, near
    server.makeConnection(far)
    client.makeConnection(near)


class Wire:
    """The end of a connection that a test holds in its hand: bytes out, bytes in, and how it ended.

    Every call lets everything happen that follows from it at the present time of the clock.  ``heard`` is called with
    this wire whenever bytes came; a wire that ``stays`` keeps its half open when the other end has closed.
    """

    def __init__(self, clock: Clock, heard: Callable[["Wire"], object] | None = None, *, stays: bool = False) -> None:
        self._clock = clock
        self._heard = heard
        self._stays = stays
        self._takes_one = False
        self.transport: MemoryTransport
        self.received = b""
        """Everything that came so far."""
        self.closed = False
        """Whether the connection is over, or the other end sends no more."""
        self.reset = False
        """Whether the connection was cut instead of being closed in order."""
        self.ended = False
        """Whether the other end said, in order, that it sends no more."""

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.transport.write(data)
        self.settle()

    def lose(self) -> None:
        """Close in order."""
        self.transport.loseConnection()
        self.settle()

    def finish(self) -> None:
        """Send no more, but read on."""
        self.transport.loseWriteConnection()
        self.settle()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abortConnection()
        self.settle()

    def pause(self) -> None:
        """Stop reading: what the other end sends stays with it."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self.transport.resumeProducing()
        self.settle()

    def take(self) -> None:
        """Read one piece of what waits, then pause again."""
        self._takes_one = True
        self.resume()

    def settle(self) -> None:
        """Let everything happen that is due now."""
        self._clock.advance(0)

    # --- the protocol's side --------------------------------------------------------------------------------

    def makeConnection(self, transport: MemoryTransport) -> None:  # noqa: N802 - Twisted's name
        """Connected."""
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Bytes came."""
        self.received += data
        if self._takes_one:
            self._takes_one = False
            self.pause()
        if self._heard is not None:
            self._heard(self)

    def readConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        """The other end sends no more; most clients close then."""
        self.closed = self.ended = True
        if not self._stays:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """The end."""
        self.closed = True
        self.reset = isinstance(reason.value, ConnectionLost)


class MemoryNetwork:
    """The ``Network`` of ``fleet.py`` in memory: every address answers, unless it is told not to.

    ``names`` says what a name resolves to (others: one made-up address), ``refusing`` and ``silent`` are addresses
    that refuse connections and that never answer.
    """

    def __init__(self, clock: Clock, accept: Callable[[str, int], Wire]) -> None:
        self._clock = clock
        self._accept = accept
        self.names: dict[str, list[str]] = {}
        self.refusing: set[str] = set()
        self.silent: set[str] = set()
        self.attempts: list[tuple[str, int]] = []
        """Address and port of every connection that was tried."""

    def connect(self, address: str, port: int, protocol: Any, tls: object, timeout: float) -> None:
        """Connect in the next turn; a silent address fails after ``timeout`` seconds."""
        self.attempts.append((address, port))
        if address in self.silent:
            self._clock.callLater(timeout, protocol.connect_failed, "TimeoutError: no answer")
        elif address in self.refusing:
            self._clock.callLater(0, protocol.connect_failed, "ConnectionRefusedError: connection refused")
        else:
            self._clock.callLater(0, self._connected, address, port, protocol, tls)

    def _connected(self, address: str, port: int, protocol: Any, tls: object) -> None:
        join(self._clock, protocol, self._accept(address, port), from_=("192.0.2.1", 40000), to=(address, port))
        if tls is not None:
            protocol.handshakeCompleted()

    def resolve(self, name: str) -> Awaitable[list[str]]:
        """All addresses of a name.  Raises OSError for a name that is known to have none."""
        return self._resolve(name)

    async def _resolve(self, name: str) -> list[str]:
        addresses = self.names.get(name, ["192.0.2.80"])
        if not addresses:
            raise OSError("the name has no address")
        return addresses

    def client_tls(self, tls: UpstreamTls, name: str) -> object:
        """In memory every server is whom it says it is."""
        return (tls, name)
