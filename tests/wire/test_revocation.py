"""Two nodes with every role on one PostgreSQL: what was revoked on one is refused by the other, come what may."""

import signal
import threading
from time import monotonic

import pytest

from tests.wire.members import LEASE, Member, begin, certify, two, wait_for
from tests.wire.processes import Node


def test_what_was_revoked_on_one_node_is_refused_by_the_other(pair):
    """As soon as the call returned, each time, and mostly that is before a lease would have ended."""
    a, b = pair
    took = []
    for _ in range(10):
        token = a.token()
        assert (200, 200) == (a.call(token), b.call(token))
        status, seconds = a.revoke(token)
        assert 200 == status
        assert (401, 401) == (b.call(token), a.call(token))
        took.append(seconds)

    assert sorted(took)[5] < LEASE, "nobody had to wait for the end of a lease"


def test_a_memcached_with_keys_brings_nothing_back(tmp_path, start, server, memcached):
    """Two nodes keep keys there for each other.  What was revoked is refused, whatever comes back there."""
    url = begin(server.make(f"keys_{tmp_path.name[-12:].lower().strip('_')}"))
    cached = {"keys": [memcached.name], "timeout": 5}
    a, b = two(tmp_path, start, url, memcached=cached)
    first, second = a.token(), a.token()
    assert [200] * 4 == [node.call(token) for token in (first, second) for node in (a, b)]
    assert b'twgw_key_cache_total{result="hit"}' in b.node.ask("/metrics")[2]
    old = memcached.dump()
    assert old
    assert 200 == a.revoke(first)[0]
    memcached.put(old)
    assert [401, 401, 200, 200] == [node.call(token) for token in (first, second) for node in (a, b)]
    memcached.put(dict.fromkeys(old, b"garbage"))
    late = Member(tmp_path / "c", start, url, a.signer, memcached=cached)
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
        wait_for(lambda seen=seen: seen)
        assert 200 == a.revoke(token)[0]
        revoked = monotonic()
        wait_for(lambda seen=seen, revoked=revoked: sum(sent > revoked for sent, _ in seen) >= 10)
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

    found = [a.revoke(a.token()) for _ in range(3)]

    assert [200] * 3 == [status for status, _ in found]
    assert min(seconds for _, seconds in found) < LEASE


def test_a_node_that_stops_holds_nothing_up(tmp_path, start, server):
    """It has given its leases back: a revocation that waited for their end would fail."""
    url = begin(server.make(f"stops_{tmp_path.name[-12:].lower().strip('_')}"))
    a, b = two(tmp_path, start, url, lease=30, session=30)
    assert 200 == b.call(a.token())
    b.node.terminate()

    assert 200 == a.revoke(a.token())[0]


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
