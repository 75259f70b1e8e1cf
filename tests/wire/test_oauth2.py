"""Tokens of a real node: asked for over its control listener, used in its gateway, revoked."""

import base64
import http.client
import json
import time
from urllib.parse import urlencode

import pytest

from tests.wire.processes import PATIENCE, Node, free_port
from twgw import jwt
from twgw.credentials import Pepper, digest
from twgw.model import Api, Lifecycle, Policy, Route
from twgw.passwords import hashed
from twgw.registry import Client, User
from twgw.storage import apis, applications, clients, keys, subscriptions, users
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade

SECRET = "tw_cs_a-secret-of-a-test"
PUBLIC = "https://login.test"
NOW = 1_700_000_000.0
PEPPER = Pepper.from_text("v1:" + "70" * 32)
CALLBACK = "https://app.test/cb"
PASSWORD = "the password of a test"
LOGIN = {"grants": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK]}
CLIENTS = {
    "batch": {},
    "signed": {"token_format": "jwt"},
    "web": LOGIN,
    "browser": {**LOGIN, "public": True, "token_format": "jwt"},
}


def fill(database):
    """An API with a scope, an application that is subscribed to it, its clients, and a user."""

    def write(function, *args, **kwargs):
        return database.call(function, *args, write=True, now=NOW, **kwargs)

    answer = Policy("mock-response", {"status": 200, "body": "hello"})
    write(applications.create_application, "shop", owner="bob")
    policies = (Policy("oauth2"), Policy("jwt-auth"), Policy("subscription"), answer)
    read = Route("/read", policies=(Policy("scopes", {"scopes": ["read"]}),))
    write(apis.create_api, Api("pets", "1", "/pets", policies=policies, routes=(read, Route())), owner="bob")
    write(apis.publish, "pets:1", 1)
    write(apis.set_state, "pets:1", Lifecycle.PUBLISHED, actor="bob")
    write(subscriptions.subscribe, "shop", "pets:1")
    for name, settings in CLIENTS.items():
        stored = "" if settings.get("public") else digest(PEPPER, SECRET)
        write(clients.add_client, Client(name, "shop", "production", stored, settings))
    write(users.create_user, User("ann", password_hash=hashed(PASSWORD)))


class KeyManager:
    """A node with a database, and calls of its control listener under a name that is not localhost."""

    def __init__(self, folder, start):
        self.database = Database(f"sqlite:///{folder}/registry.db")
        upgrade(self.database)
        self.database.call(keys.ensure_key, "pepper", lambda: PEPPER.text, now=NOW, write=True)
        fill(self.database)
        self.control = free_port()
        self.node = Node(
            folder, start, None, database={"url": f"sqlite:///{folder}/registry.db"},
            control={"listen": f"tcp:{self.control}:interface=127.0.0.1", "public_url": PUBLIC},
        ).ready()  # fmt: skip

    def ask(self, method, path, form=None, client="batch", secret=SECRET):
        """Status, fields and what the body says."""
        pair = base64.b64encode(f"{client}:{secret}".encode()).decode()
        fields = {"Host": "login.test", "Authorization": f"Basic {pair}"}
        fields |= {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=PATIENCE)
        try:
            connection.request(method, path, urlencode(form) if form else None, fields)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, answer.headers, json.loads(body) if body else None
        finally:
            connection.close()

    def token(self, client="batch"):
        """A new access token."""
        status, _, answer = self.ask("POST", "/oauth2/token", {"grant_type": "client_credentials"}, client)
        assert 200 == status, answer
        return answer["access_token"]

    def call(self, token, path="/pets"):
        """The status of a call of an API."""
        return self.node.get(path, Authorization=f"Bearer {token}")[0]


@pytest.fixture
def km(tmp_path, start):
    """A node that gives tokens."""
    made = KeyManager(tmp_path, start)
    yield made
    made.database.close()


def test_a_token_opens_an_api_until_it_is_revoked(km):
    """It is refused from the moment at which its revocation was answered; others are not."""
    tokens = [km.token() for _ in range(6)]
    assert [200] * 6 == [km.call(token) for token in tokens]
    assert 401 == km.call(tokens[0] + "x")

    for token in tokens[:5]:
        status, fields, _ = km.ask("POST", "/oauth2/revoke", {"token": token})
        assert (200, None) == (status, fields["Twgw-Position"])
        assert 401 == km.call(token)

    assert 200 == km.call(tokens[5])
    assert 0 == km.node.terminate()


def test_tokens_outlive_the_node(km, start):
    """And revocations do."""
    kept, revoked = km.token(), km.token()
    km.ask("POST", "/oauth2/revoke", {"token": revoked})
    km.node.process.kill()

    km.node.process = start("--config", str(km.node.folder / "twgw.toml"))
    km.node.ready()

    assert [200, 401] == [km.call(kept), km.call(revoked)]


def test_a_client_without_its_secret_gets_nothing(km):
    """Nor does one that nobody knows."""
    form = {"grant_type": "client_credentials"}

    for client, secret in (("batch", "wrong"), ("nobody", SECRET)):
        status, fields, answer = km.ask("POST", "/oauth2/token", form, client, secret)
        assert (401, "invalid_client", "no-store") == (status, answer["error"], fields["Cache-Control"])


def test_it_says_what_it_is_called_outside(km):
    """By public_url, whatever address was called; its JWTs are signed by a key that it shows."""
    _, _, document = km.ask("GET", "/.well-known/oauth-authorization-server")
    assert (PUBLIC, f"{PUBLIC}/oauth2/token") == (document["issuer"], document["token_endpoint"])

    token = km.token("signed")
    shown = jwt.read_jwks(json.dumps(km.ask("GET", "/oauth2/jwks")[2]).encode())
    claims = jwt.verify(token, shown, jwt.Expected(PUBLIC, (PUBLIC,), ("at+jwt",)), time.time())
    assert "signed" == claims["client_id"]
