"""Very many clients that are slow on purpose, and an upstream with room for what they ask: no thread for each."""

import asyncio
import errno
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

from attrs import define, field, frozen

DRIP = 1.0
"""Seconds between two bytes of whoever sends byte by byte."""
PIECE = b"z" * 65536
SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@frozen
class Way:
    """A way to be slow: what is sent at once, the byte that follows each second, whether answers are read."""

    name: str
    address: str
    """Address that its clients come from: the log tells them apart, and there are enough ports."""
    begins: bytes
    drips: bytes = b""
    reads: bool = True


@define(eq=False)
class Slow:
    """One connection.  ``ended`` is empty while it is open, then ``closed`` or ``reset``; ``lasted`` in seconds."""

    way: Way
    socket: socket.socket
    began: float
    received: bytes = b""
    ended: str = ""
    lasted: float = 0.0


class Crowd:
    """Holds slow connections to one port.  Nothing happens on them but in ``join`` and ``pass_time``."""

    def __init__(self, port: int) -> None:
        self.everyone: list[Slow] = []
        self._port = port
        self._epoll = select.epoll()
        self._open: dict[int, Slow] = {}
        self._dripped = time.monotonic()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def join(self, way: Way) -> None:
        """One more, which begins at once."""
        client = socket.socket()
        if not way.reads:  # small windows, so that little fills them
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        client.bind((way.address, 0))
        client.connect(("127.0.0.1", self._port))
        client.setblocking(False)
        slow = Slow(way, client, time.monotonic())
        client.send(way.begins)
        self.everyone.append(slow)
        self._open[client.fileno()] = slow
        self._epoll.register(client, select.EPOLLIN if way.reads else 0)  # an end is told in any case

    def pass_time(self, seconds: float) -> None:
        """Take what came, for at most so long, and send a byte where it is time to."""
        now = time.monotonic()
        if now - self._dripped >= DRIP:
            self._dripped = now
            for slow in list(self._open.values()):
                self._drip(slow)
        for number, event in self._epoll.poll(seconds):
            slow = self._open.get(number)
            if slow is not None:
                self._take(slow, event)

    def _drip(self, slow: Slow) -> None:
        if slow.way.drips and not slow.received:
            try:
                slow.socket.send(slow.way.drips)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    self._end(slow, "reset")

    def _take(self, slow: Slow, event: int) -> None:
        if not slow.way.reads:
            self._end(slow, "reset" if event & select.EPOLLERR else "closed")
            return
        try:
            data = slow.socket.recv(65536)
        except OSError:
            self._end(slow, "reset")
            return
        slow.received += data
        if not data:
            self._end(slow, "closed")

    def _end(self, slow: Slow, how: str) -> None:
        slow.ended = how
        slow.lasted = time.monotonic() - slow.began
        del self._open[slow.socket.fileno()]
        slow.socket.close()

    def ends(self, way: Way, describe: Callable[[Slow], object]) -> Counter[object]:
        """How those of a way fared, counted."""
        return Counter(describe(slow) for slow in self.everyone if slow.way is way)

    def close(self) -> None:
        """Leave, all of them."""
        for slow in list(self._open.values()):
            self._end(slow, "left")
        self._epoll.close()


class Roomy:
    """An upstream with room for thousands of connections: ``/big`` gets a long answer, other paths a small one."""

    def __init__(self, big: int) -> None:
        self._big = big
        self._open: set[_Serving] = set()
        self._loop = asyncio.new_event_loop()
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = listening.getsockname()[1]
        made = self._loop.create_server(lambda: _Serving(self._big, self._open), sock=listening)
        self._server = self._loop.run_until_complete(made)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more, and let go of every connection."""
        self._loop.call_soon_threadsafe(self._let_go)
        self._thread.join()
        self._loop.close()

    def _let_go(self) -> None:
        self._server.close()
        for serving in self._open:
            serving.transport.abort()
        self._loop.call_later(0.1, self._loop.stop)


@define(eq=False)
class _Serving(asyncio.Protocol):
    """One connection to it."""

    big: int
    others: set["_Serving"]
    transport: asyncio.Transport = field(init=False)
    data: bytes = b""
    left: int = 0
    full: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.others.add(self)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)

    def connection_lost(self, _error: Exception | None) -> None:
        self.others.discard(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            if head.startswith(b"PUT"):
                self.data = b""  # a body that never comes to its end
            elif b"/big " in head:
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.big)
                self.left = self.big
                self.resume_writing()
            else:
                self.transport.write(SMALL)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        while self.left and not self.full:
            piece = PIECE[: self.left]
            self.left -= len(piece)
            self.transport.write(piece)
