"""ldap-auth in a real gateway before a real slapd: who is let in, and what a dead or hanging server does to others."""

import base64

import pytest

from tests.slapd import GROUPS, PEOPLE, READER, READER_PASSWORD, copied
from tests.wire.processes import Node


@pytest.fixture
def mortal(slapd, tmp_path_factory):
    """A server for one test to end."""
    server = copied(slapd, tmp_path_factory.mktemp("mortal")).start()
    yield server
    server.stop()


def mock(name, *policies):
    """An API without an upstream."""
    answer = {"name": "mock-response", "settings": {"status": 200, "body": "hello"}}
    return {"name": name, "version": "1", "base_path": f"/{name}", "policies": [*policies, answer]}


@pytest.fixture
def running(tmp_path, start):
    """A gateway with user stores, each on some servers."""

    def run(stores, connect_timeout=5, **settings):
        tables = []
        for name, servers in stores.items():
            authority = servers[0].authority
            urls = ", ".join(f"'{server.secure}'" for server in servers)
            tables += [
                "[[ldap]]", f"name = '{name}'", f"servers = [{urls}]", f"ca_file = '{authority}'",
                f"bind_dn = '{READER}'", f"password = '{READER_PASSWORD}'", f"user_base = '{PEOPLE}'",
                f"group_base = '{GROUPS}'", f"connect_timeout = {connect_timeout}", "timeout = 20",
                f"domains = ['{name}']", "breaker_failures = 2", "breaker_seconds = 600",
                "consumer_groups = {staff = ['gold']}",
            ]  # fmt: skip
        authenticating = {"name": "ldap-auth", "settings": settings}
        allowing = {"name": "acl", "settings": {"allow": ["gold"]}}
        state = {"apis": [mock("people", authenticating, allowing), mock("open")]}
        return Node(tmp_path, start, state, tail="\n".join(tables)).ready()

    return run


def get(node, user="alice", password="alice-pw"):
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return node.get("/people", Authorization=f"Basic {pair}")[0]


def test_users_of_the_directory_call(running, slapd):
    """With their password, and in the right group; SIGTERM ends it cleanly."""
    node = running({"corp": [slapd]})

    assert [200, 401, 403, 401] == [get(node), get(node, password="x"), get(node, "u1", "pw1"), get(node, "*", "x")]
    assert 401 == node.get("/people")[0]
    assert b'twgw_ldap_requests_total{outcome="found",store="corp"} 2.0' in node.ask("/metrics")[2]
    assert 0 == node.terminate()


def test_a_hanging_server_hangs_nobody(running, mortal):
    """Calls of other APIs go on; its own are refused in time, and at once when that has happened often enough."""
    node = running({"corp": [mortal]}, connect_timeout=1)
    assert 200 == get(node)
    mortal.hang()

    assert [503, 503] == [get(node), get(node)]
    assert 200 == node.get("/open")[0]
    assert 503 == get(node)
    assert b'twgw_ldap_available{store="corp"} 0.0' in node.ask("/metrics")[2]
    node.process.wait_for("user store corp is not available")
    assert 0 == node.terminate()


def test_another_server_of_the_store_steps_in(running, mortal, slapd):
    """Whether the first one hangs or is gone."""
    node = running({"corp": [mortal, slapd]}, connect_timeout=1)
    mortal.hang()
    assert 200 == get(node)
    mortal.stop()

    assert [200, 401] == [get(node), get(node, password="x")]


def test_a_dead_store_sinks_no_other(running, mortal, slapd):
    """Its own users are told to come again, which is not that their password is wrong."""
    node = running({"dead": [mortal], "corp": [slapd]})
    mortal.stop()

    assert [200] * 4 == [get(node) for _ in range(4)]
    assert [503, 503] == [get(node, "dead\\alice"), get(node, "nobody", "x")]
    assert 401 == get(node, "corp\\nobody", "x")


def test_a_directory_that_is_back_is_used(running, mortal):
    """Kept answers bridge the time for those who have one."""
    node = running({"corp": [mortal]}, cache_seconds=60)
    assert 200 == get(node)
    mortal.stop()

    assert 200 == get(node)
    assert 401 != get(node, "u1", "pw1")
