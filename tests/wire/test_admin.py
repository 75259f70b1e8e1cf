"""The admin REST of a real node: what it says has happened is in force on the wire when it says so."""

import http.client
import json
import stat

import pytest

from tests.wire.processes import PATIENCE, Node, Upstream


class Registry:
    """A node on a database of its own, and its first admin."""

    def __init__(self, folder, start):
        self.node = Node(folder, start, None)
        self.node.ready()
        self.secret = folder / "data" / "admin.secret"
        self.token = self.secret.read_text().strip()

    def ask(self, method, path, body=None, status=None, token=None):
        """What is answered to the admin."""
        connection = http.client.HTTPConnection("127.0.0.1", self.node.admin, timeout=PATIENCE)
        fields = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/admin/v1{path}", None if body is None else json.dumps(body), fields)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.getheader("Twgw-Position") is None
            assert status in (None, answer.status), text
            return json.loads(text) if text else None
        finally:
            connection.close()

    def call(self, path, key=""):
        """The status of a call of an API."""
        return self.node.get(path, **({"X-API-Key": key} if key else {}))[0]


@pytest.fixture
def registry(tmp_path, start):
    """A node after its first start."""
    return Registry(tmp_path, start)


def an_api(port):
    policies = [{"name": name} for name in ("key-auth", "subscription", "rate-limit")]
    target = {"url": f"http://127.0.0.1:{port}"}
    return {"name": "hello", "version": "1.0", "base_path": "/hello", "upstream": {"targets": [target]},
            "tiers": ["Bronze"], "policies": policies}  # fmt: skip


def test_the_first_start_says_where_the_secret_of_the_admin_is(registry):
    """Only its owner reads it, and no log has it."""
    line = registry.node.process.wait_for("The first admin logs in with the secret in")

    assert str(registry.secret) in line
    assert 0o600 == stat.S_IMODE(registry.secret.stat().st_mode)
    assert not any(registry.token in each for each in registry.node.process.lines)
    assert "admin" == registry.ask("GET", "/me", status=200)["name"]
    registry.ask("GET", "/me", token="tw_admin_none", status=401)


def test_an_api_is_live_and_a_key_void_when_the_call_returns(registry):
    """However soon the next request comes."""
    upstream = Upstream()
    registry.ask("POST", "/apis", {"api": an_api(upstream.port)}, status=201)
    assert 404 == registry.call("/hello")
    registry.ask("POST", "/apis/hello/moves", {"move": "publish"}, status=200)
    assert 401 == registry.call("/hello")
    registry.ask("POST", "/applications", {"name": "me", "subscribe": ["hello"]}, status=201)

    for _ in range(5):
        key = registry.ask("POST", "/applications/me/keys", {}, status=201)["key"]
        assert (200, 200) == (registry.call("/hello", key), registry.call("/hello", key))
        registry.ask("POST", "/revocations", {"key": key}, status=200)
        assert 401 == registry.call("/hello", key)

    registry.ask("POST", "/apis/hello/moves", {"move": "block"}, status=200)
    assert 503 == registry.call("/hello", key)
    upstream.close()


def test_who_is_blocked_is_refused_when_the_call_returns(registry):
    """And let in again the same way."""
    upstream = Upstream()
    registry.ask("POST", "/apis", {"api": an_api(upstream.port), "publish": True}, status=201)
    registry.ask("POST", "/applications", {"name": "me", "subscribe": ["hello"]}, status=201)
    key = registry.ask("POST", "/applications/me/keys", {}, status=201)["key"]
    assert 200 == registry.call("/hello", key)

    registry.ask("POST", "/blocks", {"kind": "application", "value": "me", "reason": "unpaid"}, status=201)
    assert 403 == registry.call("/hello", key)
    registry.ask("DELETE", "/blocks/application?value=me", status=204)
    assert 200 == registry.call("/hello", key)
    upstream.close()
