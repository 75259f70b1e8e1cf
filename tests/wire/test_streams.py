"""An answer that goes on for ever is cut off on every node when its token is revoked; real nodes, real PostgreSQL."""

import http.client
import socket
import threading
from time import monotonic

import pytest

from tests.wire.members import wait_for
from tests.wire.processes import PATIENCE
from twgw.model import Api, Isolated, Lifecycle, Policy, Target, Upstream
from twgw.storage import apis, subscriptions
from twgw.storage.database import Database

TICK = b"5\r\ntick\n\r\n"


class Ticker:
    """A server that says something ten times a second, for ever."""

    def __init__(self):
        self._ended = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.left = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                while not self._ended.wait(0.1):
                    client.sendall(TICK)
            except OSError:
                self.left.release()

    def close(self):
        self._ended.set()
        self._socket.close()


@pytest.fixture
def ticker():
    """Its API is live on both nodes when it is there."""
    made = Ticker()
    yield made
    made.close()


def publish(url, port=9, name="ticks", more=(), **fields):
    """An API of that server, on every node that follows the database."""
    policies, upstream = (Policy("oauth2"), Policy("subscription"), *more), Upstream((Target(f"http://127.0.0.1:{port}"),))
    api = Api(name, "1", f"/{name}", policies=policies, upstream=upstream, **fields)
    database = Database(url)

    def write(connection):
        apis.create_api(connection, api, owner="bob", now=1.0, state=Lifecycle.PUBLISHED)
        apis.publish(connection, api.id, 1, now=1.0)
        subscriptions.subscribe(connection, "shop", api.id, now=1.0)

    database.call(write, write=True)
    database.close()


class Stream:
    """A call whose answer does not end."""

    def __init__(self, member, token):
        self._connection = http.client.HTTPConnection("127.0.0.1", member.node.port, timeout=PATIENCE)
        self._connection.request("GET", "/ticks", headers={"Authorization": f"Bearer {token}"})
        self._answer = self._connection.getresponse()
        self.status = self._answer.status

    def tick(self):
        """What comes next."""
        return self._answer.read(5)

    def is_cut(self):
        """Whether it breaks off, after whatever was on its way; a part must not look like the whole."""
        try:
            while piece := self.tick():
                assert b"tick\n".startswith(piece)
        except (http.client.HTTPException, ConnectionError):
            return True
        return False

    def close(self):
        self._connection.close()


def test_what_streams_is_cut_off_when_its_token_is_revoked(pair, ticker):
    """On both nodes, within a second after the call returned; the stream of another token goes on."""
    a, b = pair
    publish(a.url, ticker.port)
    wait_for(lambda: [401, 401] == [each.node.get("/ticks")[0] for each in pair])
    revoked, kept = a.token(), a.token()
    streams, other = [Stream(a, revoked), Stream(b, revoked)], Stream(b, kept)
    assert [200] * 3 == [each.status for each in (*streams, other)]
    assert [b"tick\n"] * 3 == [each.tick() for each in (*streams, other)]

    assert 200 == a.revoke(revoked)[0]
    returned = monotonic()
    for each in streams:
        assert each.is_cut()
    assert monotonic() - returned < 5, "a second is promised, and a machine may be slow"
    assert ticker.left.acquire(timeout=PATIENCE)
    assert ticker.left.acquire(timeout=PATIENCE)
    assert [b"tick\n"] * 15 == [other.tick() for _ in range(15)]
    assert b'twgw_streams_cut_total{api="ticks:1"} 1.0' in b.node.ask("/metrics")[2]
    for each in (*streams, other):
        each.close()


def test_an_api_that_chose_so_is_served_without_the_database(pair, server):
    """When the session of the node has ended, and with a word about it; the others say 503."""
    a, _ = pair
    answer = (Policy("mock-response", {"status": 200, "body": "calm"}),)
    publish(a.url, name="calm", more=answer, when_isolated=Isolated.STALE)
    token = a.token()
    calm = lambda: a.node.get("/calm", Authorization=f"Bearer {token}")
    wait_for(lambda: 200 == calm()[0])
    assert (200, None) == (a.call(token), calm()[1]["Proxy-Status"])
    server.pause()
    try:
        wait_for(lambda: 503 == a.call(token))
        status, fields, body = calm()
        assert (200, b"calm") == (status, body)
        assert 'twgw; details="stale: cut off from the cluster"' == fields["Proxy-Status"]
        assert b'twgw_stale_served_total{api="calm:1"} 1.0' in a.node.ask("/metrics")[2]
        wait_for(lambda: '"stale":true' in (a.node.folder / "data/access.log").read_text())
        assert 503 == a.call(token)
    finally:
        server.resume()
    wait_for(lambda: 200 == a.call(token))
    assert calm()[1]["Proxy-Status"] is None
