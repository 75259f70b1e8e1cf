"""An upstream for long loads: right answers on most paths, and on ``/fault/NAME`` every way of going wrong."""

import hashlib
import socket
import struct
import threading
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = CHUNKED_HEAD + b"5\r\nhello\r\n0\r\n\r\n"
FAULTS = {
    "cut": (OK[:-2], "close"),
    "cut in a head": (OK[:20], "close"),
    "cut in chunks": (CHUNKED[:-3], "close"),
    "reset": (OK[:-2], "reset"),
    "reset at once": (b"", "reset"),
    "closed at once": (b"", "close"),
    "no answer": (b"hello\r\n\r\n", ""),
    "two lengths": (OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n"), ""),
    "two answers": (OK + OK, ""),
    "surplus": (CHUNKED + b"more", ""),
    "bad chunk": (CHUNKED.replace(b"0\r\n", b"x\r\n"), ""),
    "silent": (b"", "wait"),
    "silent in a body": (OK[:-2], "wait"),
}
"""What is said, and what follows: ``close``, ``reset``, ``wait`` until the other side gives up, or nothing."""
_RESET = struct.pack("ii", 1, 0)
_PATTERN = bytes(range(256)) * 4096


def big(size: int) -> bytes:
    """The body of ``/big/SIZE``."""
    return _PATTERN[:size]


class Server:
    """Listens at ``port`` until it is closed; one thread for each connection."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=_serve, args=(client,), daemon=True).start()


def _serve(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client, client.makefile("rb") as reader:
        try:
            while line := reader.readline():
                path = line.split()[1].decode()
                body = read_body(reader, read_fields(reader))
                answer, ending = _answer(path, body)
                client.sendall(answer)
                if ending == "wait":
                    client.recv(1)
                if ending == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                if ending:
                    return
        except (OSError, ValueError):
            return


def read_fields(reader: Any) -> dict[str, str]:
    """The fields of a head, up to its empty line, by lower-case name."""
    lines = (line.decode("latin-1").partition(":") for line in iter(reader.readline, b"\r\n") if line)
    return {name.lower(): value.strip() for name, _, value in lines}


def read_body(reader: Any, fields: dict[str, str]) -> bytes:
    """A body as its head says.  Raises ValueError when it ends early."""
    if "chunked" not in fields.get("transfer-encoding", ""):
        return _exactly(reader, int(fields.get("content-length", 0)))
    body = b""
    while size := int(reader.readline(), 16):
        body += _exactly(reader, size)
        reader.readline()
    reader.readline()
    return body


def _exactly(reader: Any, size: int) -> bytes:
    data: bytes = reader.read(size)
    if len(data) < size:
        raise ValueError("the body ended early")
    return data


def _answer(path: str, body: bytes) -> tuple[bytes, str]:
    kind, _, rest = path.strip("/").partition("/")
    if kind == "fault":
        return FAULTS[rest.replace("-", " ")]
    if kind == "upload":
        return _whole(hashlib.sha256(body).hexdigest().encode()), ""
    if kind == "big" and int(rest) % 2:
        content = big(int(rest))
        return CHUNKED_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content), ""
    return _whole(big(int(rest)) if kind == "big" else path.encode()), ""


def _whole(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)
