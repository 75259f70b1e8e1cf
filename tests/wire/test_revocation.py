"""Two nodes with every role on one PostgreSQL: what was revoked on one is refused by the other, come what may."""

import http.client
import json
import signal
import threading
from base64 import b64encode
from time import monotonic, sleep, time
from urllib.parse import urlencode

import pytest

from tests.databases import PostgreSQL
from tests.wire.processes import PATIENCE, Node, free_port
from tests.wire.test_oauth2 import NOW, PEPPER, SECRET, fill
from twgw.cluster import authority
from twgw.cluster.authority import Identity
from twgw.storage import keys
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade

LEASE, SESSION = 2.0, 4.0
"""Shorter than by default, so that a test that waits for their end does not take long."""
END = SESSION * 1.03 + 0.05
"""When everything has ended that a stopped node held."""


def certify(folder, node, signer, *roles):
    """Put the files of a node where it looks for them."""
    target = folder / "data" / "cluster"
    target.mkdir(mode=0o700, parents=True)
    key = authority.new_key()
    who = Identity("twgw", node, frozenset(roles))
    made = authority.issue(signer, authority.request(key, node), who, time())
    for name, text in {"ca.pem": signer.certificate, "node.pem": made, "node-key.pem": key}.items():
        (target / name).write_text(text)
        (target / name).chmod(0o600)


class Member:
    """A node with every role."""

    def __init__(self, folder, start, url, signer, **more):
        self.control = free_port()
        folder.mkdir()
        self.signer, self.url, self.port = signer, url, free_port()
        certify(folder, folder.name, signer, "keymanager", "gateway")
        self.node = Node(
            folder, lambda *args: start(*args, folder=folder), None,
            node={"data_dir": "data", "name": folder.name}, database={"url": url},
            control={"listen": f"tcp:{self.control}:interface=127.0.0.1"},
            cluster={"listen": f"tcp:{self.port}:interface=127.0.0.1", "lease": LEASE, "session": SESSION}, **more,
        ).ready()  # fmt: skip
        self.process = self.node.process

    def ask(self, path, form):
        """Status and what the body says, of its control listener."""
        pair = b64encode(f"batch:{SECRET}".encode()).decode()
        fields = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=PATIENCE)
        try:
            connection.request("POST", path, urlencode(form), fields)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None
        finally:
            connection.close()

    def token(self):
        """A new access token."""
        return self.ask("/oauth2/token", {"grant_type": "client_credentials"})[1]["access_token"]

    def revoke(self, token):
        """The status, and after how many seconds it came."""
        began = monotonic()
        return self.ask("/oauth2/revoke", {"token": token})[0], monotonic() - began

    def call(self, token):
        """The status of a call of an API."""
        return self.node.get("/pets", Authorization=f"Bearer {token}")[0]


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of one's own."""
    running = PostgreSQL().start()
    yield running
    running.end()


@pytest.fixture
def pair(tmp_path, start, server):
    """Two nodes on one database."""
    url = server.make(f"pair_{tmp_path.name[-12:].lower().strip('_')}")
    database = Database(url)
    upgrade(database)
    database.call(keys.ensure_key, "pepper", lambda: PEPPER.text, now=NOW, write=True)
    fill(database)
    database.close()
    signer = authority.new_authority("twgw", time())
    return [Member(tmp_path / name, start, url, signer) for name in ("a", "b")]


def test_what_was_revoked_on_one_node_is_refused_by_the_other(pair):
    """As soon as the call returned, each time, and in about the time between two renewals."""
    a, b = pair
    took = []
    for _ in range(10):
        token = a.token()
        assert (200, 200) == (a.call(token), b.call(token))
        status, seconds = a.revoke(token)
        assert 200 == status
        assert (401, 401) == (b.call(token), a.call(token))
        took.append(seconds)

    assert max(took) < END, "nobody had to wait for the end of a session"


def test_a_memcached_with_keys_brings_nothing_back(tmp_path, start, server, memcached):
    """Two nodes keep keys there for each other.  What was revoked is refused, whatever comes back there."""
    url = server.make(f"keys_{tmp_path.name[-12:].lower().strip('_')}")
    database = Database(url)
    upgrade(database)
    database.call(keys.ensure_key, "pepper", lambda: PEPPER.text, now=NOW, write=True)
    fill(database)
    database.close()
    signer = authority.new_authority("twgw", time())
    cached = {"keys": [memcached.name], "timeout": 5}
    a, b = (Member(tmp_path / name, start, url, signer, memcached=cached) for name in ("a", "b"))
    first, second = a.token(), a.token()
    assert [200] * 4 == [node.call(token) for token in (first, second) for node in (a, b)]
    assert b'twgw_key_cache_total{result="hit"}' in b.node.ask("/metrics")[2]
    old = memcached.dump()
    assert old
    assert 200 == a.revoke(first)[0]
    memcached.put(old)
    assert [401, 401, 200, 200] == [node.call(token) for token in (first, second) for node in (a, b)]
    memcached.put(dict.fromkeys(old, b"garbage"))
    late = Member(tmp_path / "c", start, url, signer, memcached=cached)
    memcached.put(dict(zip(old, reversed(old.values()), strict=True)))
    assert [401, 200] == [late.call(token) for token in (first, second)]
    memcached.stop()
    assert [401, 200, 401, 200] == [node.call(token) for node in (late, b) for token in (first, second)]


def test_requests_that_come_all_the_time_are_refused_from_then_on(pair):
    """Not one that was sent after the revocation returned is served."""
    a, b = pair
    for _ in range(3):
        token = b.token()
        seen, stop = [], threading.Event()

        def call(token=token, seen=seen, stop=stop):
            while not stop.is_set():
                sent = monotonic()
                seen.append((sent, b.call(token)))

        caller = threading.Thread(target=call)
        caller.start()
        while not seen:
            sleep(0.01)
        assert 200 == a.revoke(token)[0]
        revoked = monotonic()
        sleep(0.2)
        stop.set()
        caller.join()

        assert 200 in [status for _, status in seen]
        assert {401} == {status for sent, status in seen if sent > revoked}


def test_a_stopped_node_holds_a_revocation_up_until_its_leases_have_ended(pair):
    """And refuses what was revoked when it goes on."""
    a, b = pair
    token, other = a.token(), a.token()
    assert (200, 200) == (b.call(token), b.call(other))
    b.process.signal(signal.SIGSTOP)
    status, seconds = a.revoke(token)
    b.process.signal(signal.SIGCONT)

    assert b.call(token) in {401, 503}
    assert 200 == status
    assert seconds > LEASE, "or nobody waited for it"
    wait_for(lambda: 200 == b.call(other))
    assert 401 == b.call(token)


def test_a_killed_node_holds_a_revocation_up_once(pair):
    """Its session is taken away; one that stops as it should takes it away itself."""
    a, b = pair
    b.process.kill()

    assert 200 == a.revoke(a.token())[0]

    status, seconds = a.revoke(a.token())

    assert 200 == status
    assert seconds < LEASE


def test_a_node_that_stops_holds_nothing_up(pair):
    """It has given its leases back."""
    a, b = pair
    b.node.terminate()
    status, seconds = a.revoke(a.token())

    assert 200 == status
    assert seconds < LEASE


def test_without_the_database_a_node_serves_what_it_knows_until_its_session_ends(pair, server):
    """Then it says 503, and that it is not ready; and serves again when the database is back."""
    a, _ = pair
    token = a.token()
    assert 200 == a.call(token)
    server.pause()
    try:
        assert 200 == a.call(token)
        wait_for(lambda: 503 == a.call(token))
        status, _, text = a.node.ask("/readyz")
        assert 503 == status
        assert b"cluster: it is not known here what others revoked" in text
    finally:
        server.resume()

    wait_for(lambda: 200 == a.call(token))


@pytest.fixture
def gateway(tmp_path, start, pair):
    """A gateway without a database, that asks both."""
    folder = tmp_path / "g"
    folder.mkdir()
    certify(folder, "g", pair[0].signer, "gateway")
    asked = [f"127.0.0.1:{each.port}" for each in pair]
    return Node(
        folder, lambda *args: start(*args, folder=folder), None, control={"listen": ""},
        node={"data_dir": "data", "name": "g", "roles": ["gateway", "admin"]}, cluster={"keymanagers": asked},
    ).ready()  # fmt: skip


def test_a_gateway_without_the_database_keeps_the_promise_too(pair, gateway):
    """Also when it is stopped: it holds a revocation up for a lease, and refuses when it goes on."""
    a, b = pair
    call = lambda token: gateway.get("/pets", Authorization=f"Bearer {token}")[0]
    token, other = a.token(), a.token()
    wait_for(lambda: 200 == call(token))
    assert 200 == call(other)

    assert 200 == a.revoke(token)[0]
    assert (401, 401) == (call(token), b.call(token))

    gateway.process.signal(signal.SIGSTOP)
    status, seconds = b.revoke(other)
    gateway.process.signal(signal.SIGCONT)

    assert call(other) in {401, 503}
    assert 200 == status
    assert seconds > 0.5, "or nobody waited for it"


def wait_for(done):
    """Until something is so that another process does."""
    end = monotonic() + PATIENCE
    while not done():
        assert monotonic() < end
        sleep(0.02)
