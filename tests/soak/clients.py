"""Clients for long loads: each a thread that goes on with one way of behaving until it is told to stop.

``run.py`` has all of them for long, ``wire/test_reloads.py`` the well-behaved ones for a moment.
"""

import hashlib
import random
import socket
import ssl
import struct
import threading
from collections import Counter
from typing import Any

from tests.soak.server import FAULTS, big, read_body, read_fields

PATIENCE = 30
KEY = "soak-key-of-the-shop"
HOST = f"Host: gateway\r\nX-API-Key: {KEY}\r\n"
RESET = struct.pack("ii", 1, 0)


class Cut(Exception):
    """The connection ended before the whole answer."""


class Talk:
    """One connection to a gateway."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="gateway")
        self.reader: Any = self.socket.makefile("rb")

    def say(self, text: str, body: bytes = b"") -> None:
        """Send a head, whose Host is added, and a body."""
        line, _, fields = text.partition("\r\n")
        self.socket.sendall(f"{line} HTTP/1.1\r\n{HOST}{fields}\r\n".encode() + body)

    def hear(self) -> tuple[int, bytes, bool]:
        """Status and body of the next answer, and whether the connection goes on.  Raises Cut."""
        try:
            line = self.reader.readline()
            if not line.endswith(b"\n"):
                raise Cut
            status, fields = int(line.split()[1]), read_fields(self.reader)
            if status < 200:
                return self.hear()
            return status, read_body(self.reader, fields), "close" not in fields.get("connection", "")
        except (ConnectionError, ValueError) as error:
            raise Cut from error

    def reset(self) -> None:
        """Leave without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def close(self) -> None:
        """Leave."""
        self.reader.close()
        self.socket.close()


class Client(threading.Thread):
    """Behaves in one way.  ``counts`` says what it got, ``wrong`` what it should not have got."""

    def __init__(self, port: int, way: str, seed: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        self.way, self.counts, self.wrong = way, Counter[str](), list[str]()
        self.stopped = threading.Event()
        self._port, self._tls, self._chance = port, tls, random.Random(f"{way} {seed}")

    def run(self) -> None:
        """One connection after the other, some exchanges on each."""
        go_on = getattr(self, self.way)
        while not self.stopped.is_set():
            try:
                talk = Talk(self._port, self._tls)
            except OSError as error:
                self.wrong.append(f"{self.way}: no connection: {error}")
                continue
            try:
                for _ in range(self._chance.randrange(1, 60)):
                    if self.stopped.is_set() or not go_on(talk):
                        break
            except (Cut, OSError) as error:
                self.wrong.append(f"{self.way}: {error!r}")
            finally:
                talk.close()

    def stop(self) -> None:
        """After the exchange under way."""
        self.stopped.set()
        self.join(PATIENCE)

    def _expect(self, talk: Talk, status: int, body: bytes | None = None) -> bool:
        got, content, goes_on = talk.hear()
        if got != status or (body is not None and content != body):
            self.wrong.append(f"{self.way}: {got} {content[:80]!r}")
        self.counts[f"{self.way} {got}"] += 1
        return goes_on

    # --- well-behaved: every answer must be right ---

    def asks(self, talk: Talk) -> bool:
        """One request after the other."""
        path = f"/good/{self._chance.randrange(10**6)}"
        talk.say(f"GET /shop{path}\r\n")
        return self._expect(talk, 200, path.encode())

    def pipelines(self, talk: Talk) -> bool:
        """Many requests at once, answered in order."""
        paths = [f"/good/{self._chance.randrange(10**6)}" for _ in range(self._chance.randrange(1, 20))]
        talk.socket.sendall("".join(f"GET /shop{path} HTTP/1.1\r\n{HOST}\r\n" for path in paths).encode())
        goes_on = [self._expect(talk, 200, path.encode()) for path in paths]
        return all(goes_on)

    def uploads(self, talk: Talk) -> bool:
        """A body in chunks, or with its length, of any size; now and then it asks for leave first."""
        body = self._chance.randbytes(self._chance.choice((0, 1, 1000, 70_000, 300_000)))
        expect = "Expect: 100-continue\r\n" if self._chance.random() < 0.2 else ""
        if self._chance.random() < 0.5:
            talk.say(f"POST /shop/upload\r\nContent-Length: {len(body)}\r\n{expect}", body)
        else:
            size = self._chance.randrange(1000, 50_000)
            pieces = (body[at : at + size] for at in range(0, len(body), size))
            coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            talk.say(f"POST /shop/upload\r\nTransfer-Encoding: chunked\r\n{expect}", coded)
        return self._expect(talk, 200, hashlib.sha256(body).hexdigest().encode())

    def downloads(self, talk: Talk) -> bool:
        """A long answer."""
        size = self._chance.randrange(1_000_000)
        talk.say(f"GET /shop/big/{size}\r\n")
        return self._expect(talk, 200, big(size))

    # --- refused, and those that leave ---

    def errs(self, talk: Talk) -> bool:
        """Requests that are refused: without a key, without an API, without sense."""
        status, text = self._chance.choice([
            (401, "GET /shop/good/1 HTTP/1.1\r\nHost: a\r\nX-API-Key: nobody's\r\n\r\n"),
            (404, f"GET /nowhere HTTP/1.1\r\n{HOST}\r\n"),
            (400, "GET /shop HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            (400, "GET /shop/../x HTTP/1.1\r\nHost: a\r\n\r\n"),
            (413, f"POST /shop/upload HTTP/1.1\r\n{HOST}Content-Length: 99999999\r\n\r\n"),
        ])  # fmt: skip
        talk.socket.sendall(text.encode())
        return self._expect(talk, status)

    def leaves(self, talk: Talk) -> bool:
        """In the middle of a head, a body or an answer, politely or not."""
        moment = self._chance.choice(("head", "body", "chunk", "answer", "at once"))
        if moment == "head":
            talk.socket.sendall(b"GET /shop/good/1 HTTP/1.1\r\nHo")
        elif moment == "body":
            talk.say("POST /shop/upload\r\nContent-Length: 5000\r\n", b"half")
        elif moment == "chunk":
            talk.say("POST /shop/upload\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhel")
        else:
            talk.say(f"GET /shop/big/{self._chance.randrange(1_000_000)}\r\n")
            if moment == "answer":
                talk.reader.read(self._chance.randrange(1, 50))
        if self._chance.random() < 0.5:
            talk.reset()
        self.counts[f"{self.way} {moment}"] += 1
        return False

    def suffers(self, talk: Talk) -> bool:
        """Asks an upstream that goes wrong: a 502, a 504 or a cut connection, never an answer that looks right."""
        name = self._chance.choice(list(FAULTS))
        talk.say(f"GET /faulty/fault/{name.replace(' ', '-')}\r\n")
        try:
            status, body, goes_on = talk.hear()
        except Cut:
            self.counts[f"{self.way} cut"] += 1
            return False
        self.counts[f"{self.way} {status}"] += 1
        if status not in (502, 504):
            self.wrong.append(f"{self.way} {name}: {status} {body[:80]!r}")
        return goes_on
