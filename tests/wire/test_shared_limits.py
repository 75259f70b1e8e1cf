"""Several gateways, each a process, that count on one memcached; what they let pass is seen by the upstream alone."""

import signal
import threading
import time

import pytest

from tests.databases import PostgreSQL
from tests.wire.members import Member
from tests.wire.processes import PATIENCE, Node, Upstream, api
from tests.wire.test_oauth2 import NOW, PEPPER, fill
from twgw.cluster import authority
from twgw.storage import keys
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade

PERIOD = 5


@pytest.fixture
def nodes(tmp_path, start, memcached):
    """Start gateways in front of an upstream, that share limits."""
    def make(count, upstream, **settings):
        state = {"apis": [api(upstream.port, policies=[{"name": "rate-limit", "settings": {"by": "api", **settings}}])]}
        made = []
        for number in range(count):
            folder = tmp_path / str(number)
            folder.mkdir()
            begin = lambda *words, folder=folder: start(*words, folder=folder)
            # Long enough that a busy machine is no outage: what is tested here is who counts what.
            shared = {"servers": [memcached.name], "nodes": count, "timeout": 5}
            made.append(Node(folder, begin, state, memcached=shared).ready())
        return made

    return make


class Crowd:
    """Clients that ask all nodes, as fast as they are answered, until they are told to stop."""

    def __init__(self, nodes, clients=2):
        self.going, self.allowed, self.refused, self.strange = True, 0, 0, []
        self.threads = [
            threading.Thread(target=self._ask, args=(node,), daemon=True) for node in nodes for _ in range(clients)
        ]
        for thread in self.threads:
            thread.start()

    def _ask(self, node):
        while self.going:
            status, fields, _ = node.get("/pets")
            if status == 200:
                self.allowed += 1
            elif status == 429:
                self.refused += 1
            else:
                self.strange.append((status, dict(fields)))

    def end(self):
        self.going = False
        for thread in self.threads:
            thread.join(PATIENCE)
        return self




def counting_upstream():
    """An upstream, and the times at which requests came to it."""
    times = []

    def answer(_head):
        times.append(time.time())
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    return Upstream(answer), times


def begin_of_window(period):
    """Wait until one begins; the time of its beginning."""
    now = time.time()
    begin = (now // period + 1) * period
    threading.Event().wait(begin - now + 0.05)
    return begin


def test_processes_let_pass_exactly_the_limit_together(nodes):
    """Three gateways with more demand than the limit: each whole window has as many as it says, and none has more."""
    upstream, times = counting_upstream()
    made = nodes(3, upstream, amount=100, period=PERIOD)
    begin = begin_of_window(PERIOD)
    crowd = Crowd(made)
    threading.Event().wait(2 * PERIOD)
    crowd.end()

    assert [] == crowd.strange
    assert crowd.refused > 0
    whole = [(begin + PERIOD * number, begin + PERIOD * (number + 1) - 0.2) for number in (0, 1)]
    assert [100, 100] == [sum(first <= when < last for when in times) for first, last in whole]
    upstream.close()


def test_a_memcached_that_goes_is_told_and_costs_no_answer(nodes, memcached):
    """Each node decides alone, and says so to operators and clients; when it is back, all count together."""
    upstream, _ = counting_upstream()
    made = nodes(2, upstream, amount=10, period=1)
    status, fields, _ = made[0].get("/pets")
    assert (200, None) == (status, (fields["RateLimit-Policy"].partition(";degraded")[1] or None))
    memcached.stop()
    wait_until(lambda: b"degraded to the share" in made[0].ask("/readyz")[2])
    assert made[0].ask("/readyz")[0] == 200
    wait_until(lambda: made[0].get("/pets")[0] == 200)
    told = [made[0].get("/pets")[1]["RateLimit-Policy"] for _ in range(3)]
    assert {'"default";q=5;w=1;degraded'} == set(told)
    assert b'twgw_memcached_available{server="%s"} 0.0' % memcached.name.encode() in made[0].ask("/metrics")[2]

    memcached.start()
    wait_until(lambda: b'"warnings": []' in made[0].ask("/readyz")[2])
    wait_until(lambda: "degraded" not in made[0].get("/pets")[1]["RateLimit-Policy"])
    wait_until(lambda: made[0].get("/pets")[0] == 200)
    upstream.close()


def members(tmp_path, start, server, *pools):
    """Nodes of one cluster, each with its own list of servers."""
    url = server.make(f"limits_{tmp_path.name[-12:].lower().strip('_')}")
    database = Database(url)
    upgrade(database)
    database.call(keys.ensure_key, "pepper", lambda: PEPPER.text, now=NOW, write=True)
    fill(database)
    database.close()
    signer = authority.new_authority("twgw", time.time())
    return [
        Member(tmp_path / f"node-{number}", start, url, signer, memcached={"servers": list(pool), "timeout": 5})
        for number, pool in enumerate(pools)
    ]


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of one's own."""
    running = PostgreSQL().start()
    yield running
    running.end()


def test_nodes_of_a_cluster_know_how_many_count(tmp_path, start, server, memcached):
    """Without a setting; a third one that names another server is told to everybody, and counts with nobody."""
    made = members(tmp_path, start, server, [memcached.name], [memcached.name], ["127.0.0.1:1"])
    for member in made:
        wait_until(lambda member=member: b"twgw_limit_nodes 3.0" in member.node.ask("/metrics")[2])
    text = b"node-2: other servers are named in [memcached] there"
    wait_until(lambda: all(text in member.node.ask("/readyz")[2] for member in made[:2]))
    wait_until(lambda: b"node-0, node-1: other servers" in made[2].node.ask("/readyz")[2])
    made[2].process.signal(signal.SIGTERM)
    made[2].process.end()
    for member in made[:2]:
        wait_until(lambda member=member: b"twgw_limit_nodes 2.0" in member.node.ask("/metrics")[2])
        wait_until(lambda member=member: b'"warnings": []' in member.node.ask("/readyz")[2])


def wait_until(so):
    """Until something is so, or for too long."""
    for _ in range(PATIENCE * 10):
        if so():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it never was so")
