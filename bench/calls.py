"""Calls with keys of a filled registry, each sent when it is due; used by `keys` and `workers`."""

import selectors
import socket
import time
from collections.abc import Iterator

from filled import key
from processes import Unfit

PATH = "/api0/items"


class Calls:
    """Calls over connections that are kept, each with a key; what each took, in milliseconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._idle: list[socket.socket] = []
        self._under_way: dict[socket.socket, float] = {}
        self.took: list[float] = []

    def send(self, key_text: str, due: float) -> None:
        """Send one, on a connection that is free or a new one; its time began when it was due."""
        sock = self._idle.pop() if self._idle else self._connect()
        self._under_way[sock] = due
        sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: gw\r\nX-API-Key: {key_text}\r\n\r\n".encode())

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._port), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ)
        return sock

    def receive(self, seconds: float) -> None:
        """Take what has come, waiting for so long when nothing has."""
        for ready, _ in self._selector.select(max(0, seconds)):
            sock: socket.socket = ready.fileobj  # type: ignore[assignment]
            answer = sock.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise Unfit(f"answered {answer[:300]!r}")
            self.took.append((time.perf_counter() - self._under_way.pop(sock)) * 1000)
            self._idle.append(sock)

    def at_a_rate(self, keys: Iterator[str], rate: int, seconds: float) -> list[float]:
        """Send so many a second, each when it is due."""
        begun = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            while (left := due - time.perf_counter()) > 0:
                self.receive(left)
            self.send(next(keys), due)
            self.receive(0)
        return self._rest()

    def beside(
        self, keys: Iterator[str], rate: int, others: Iterator[str], other_rate: int, seconds: float
    ) -> list[float]:
        """What calls at a rate took, while others are sent at theirs, from another instance."""
        aside = Calls(self._port)
        due = sorted(
            [(number / rate, 0) for number in range(int(rate * seconds))]
            + [((number + 0.5) / other_rate, 1) for number in range(int(other_rate * seconds))]
        )  # fmt: skip
        begun = time.perf_counter()
        for when, which in due:
            while (left := begun + when - time.perf_counter()) > 0:
                self.receive(min(left, 0.0005))
                aside.receive(0)
            if which:
                aside.send(next(others), begun + when)
            else:
                self.send(next(keys), begun + when)
        aside._rest()
        return self._rest()

    def as_fast_as_can_be(self, keys: Iterator[str], count: int, at_once: int = 32) -> list[float]:
        """Send so many, some at once."""
        for _ in range(count):
            while len(self._under_way) >= at_once:
                self.receive(10)
            self.send(next(keys), time.perf_counter())
        return self._rest()

    def _rest(self) -> list[float]:
        while self._under_way:
            before = len(self.took)
            self.receive(10)
            if len(self.took) == before:
                raise Unfit("a call was not answered in 10 s")
        took, self.took = self.took, []
        return took


def fresh(first: int) -> Iterator[str]:
    """Keys that nobody has used."""
    number = first
    while True:
        yield key(number)
        number += 1


def same(number: int) -> Iterator[str]:
    """One key, again and again."""
    while True:
        yield key(number)
