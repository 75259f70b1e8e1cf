"""Clients and servers that misbehave, on real sockets: the kernel's buffers, resets and half closes are real here."""

import socket
import struct
import threading

import pytest

from tests.bad_input import GOOD, REFUSED
from tests.gateway.test_upstream import BROKEN, CHUNKED, OK
from tests.wire.processes import PATIENCE, Node, Process, api

BIG = 1_000_000
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset."""


class Scripted:
    """A server that answers the path ``/name`` with ``answers[name]``: bytes, and how the connection ends.

    Other paths get a plain answer.  It comes after the body, as nobody can be refused who was answered already.
    """

    def __init__(self):
        self.answers = {}
        self.heads = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        data = b""
        try:
            while True:
                head, end, data = data.partition(b"\r\n\r\n")
                if not end:
                    data = head
                    piece = client.recv(65536)
                    if not piece:
                        return
                    data += piece
                    continue
                self.heads.append(head)
                if b"\r\nTransfer-Encoding: chunked" in head:
                    while not data.endswith(b"0\r\n\r\n"):
                        piece = client.recv(65536)
                        if not piece:
                            return
                        data += piece
                    data = b""
                answer, ending = self.answers.get(head.split()[1].decode().strip("/"), (OK, ""))
                client.sendall(answer)
                if ending == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                if ending:
                    return
        except OSError:
            return
        finally:
            client.close()

    def close(self):
        """Listen no more."""
        self._socket.close()


@pytest.fixture(scope="module")
def server():
    """One scripted server for all tests."""
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory, server):
    """One gateway for all tests; clients that take nothing are cut off after some seconds."""
    folder = tmp_path_factory.mktemp("gateway")
    started = []

    def start(*arguments):
        started.append(Process(folder, *arguments))
        return started[-1]

    yield Node(folder, start, {"apis": [api(server.port)]}, gateway={"send_timeout": 4}).ready().port
    for process in started:
        process.kill()


def connect(port, receive_buffer=0):
    client = socket.socket()
    client.settimeout(PATIENCE)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def read(client):
    """Everything until the end, and whether that end was a reset."""
    data = b""
    try:
        while piece := client.recv(1 << 20):
            data += piece
    except ConnectionResetError:
        return data, True
    return data, False


def get(name, version="1.1", close=False):
    field = "Connection: close\r\n" if close else ""
    return f"GET /pets/{name} HTTP/{version}\r\nHost: a\r\n{field}\r\n".encode()


SHORT = sorted([each for each in REFUSED if len(each.data) < 400][::7], key=lambda each: each.begun)
"""Those last of which the upstream may see something: that may come late, and would count for the next one."""


@pytest.mark.parametrize("vector", SHORT, ids=lambda each: each.name)
def test_refused_byte_by_byte(port, server, vector):
    """A bad request that comes in single bytes gets the same answer."""
    seen = len(server.heads)
    with connect(port) as client:
        try:
            for at in range(len(vector.data)):
                client.sendall(vector.data[at : at + 1])
        except (BrokenPipeError, ConnectionResetError):
            assert not vector.keep
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 %d " % vector.status)
    assert vector.begun or seen == len(server.heads)


@pytest.mark.parametrize("vector", REFUSED[::7], ids=lambda each: each.name)
def test_refused_behind_a_good_one(port, server, vector):
    """A bad request in the same packet as a good one is refused after that one's answer."""
    with connect(port) as client:
        client.sendall(GOOD + vector.data)
        data = b""
        while data.count(b"HTTP/1.1 ") < 2:
            data += client.recv(65536)
    assert data.startswith(b"HTTP/1.1 200 ")
    assert b"helloHTTP/1.1 %d " % vector.status in data


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers(port, server, name):
    """What cannot be understood is a 502, or it begins rightly and is cut; nothing of a second answer goes on."""
    server.answers["broken"] = (BROKEN[name], "")
    with connect(port) as client:
        client.sendall(get("broken", close=True))
        data, _ = read(client)
    statuses = [line.split()[1] for line in data.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert [b"502"] == [status for status in statuses if not status.startswith(b"1")]


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("answer", [OK[:-1], CHUNKED[:-1], CHUNKED[:-8]])
def test_answers_that_end_early(port, server, answer, ending):
    """The client's connection is cut, or it gets a 502: never a whole answer."""
    server.answers["early"] = (answer, ending)
    with connect(port) as client:
        client.sendall(get("early"))
        data, reset = read(client) if ending == "close" else (client.recv(65536), True)
    assert reset or data.startswith(b"HTTP/1.1 502 ")
    assert not data.endswith((b"hello", b"0\r\n\r\n"))


def test_half_a_close(port, server):
    """A client that sends no more and reads on is cut off while its answer comes."""
    server.answers["big"] = (b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * BIG * 30, "")
    with connect(port, 4096) as client:
        client.sendall(get("big", "1.0"))
        client.recv(100)
        client.shutdown(socket.SHUT_WR)
        assert (True,) == read(client)[1:]


def test_answers_that_nobody_takes(port, server):
    """Who asks on and takes nothing is not served on, then cut off; others see nothing of it."""
    server.answers["much"] = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"z" * BIG, "")
    seen = len(server.heads)
    with connect(port, 4096) as client, connect(port) as other:
        client.sendall(get("much") * 500)
        other.sendall(get("good"))
        assert other.recv(65536).endswith(b"hello")
        client.settimeout(PATIENCE)
        while True:  # it notices when it is cut off: what it sends then is refused
            try:
                client.sendall(b"x")
            except (BrokenPipeError, ConnectionResetError):
                break
    assert len(server.heads) - seen < 50


def test_a_slow_reader_gets_everything(port, server):
    """Whoever takes a little now and then is not cut off, however small his buffer."""
    server.answers["much"] = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"z" * BIG, "")
    with connect(port, 4096) as client:
        client.sendall(get("much", close=True))
        data = b""
        while piece := client.recv(8192):
            data += piece
    assert data.endswith(b"z" * BIG)
