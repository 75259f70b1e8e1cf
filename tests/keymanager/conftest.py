"""What the tests of the key manager begin with: a key manager on a database, and a client that calls it by Flask.

It answers as https://login.test, which is not localhost: as behind a proxy with ``public_url``.
"""

import base64
import hashlib
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from attrs import evolve

from twgw import jwt
from twgw.credentials import Pepper, digest
from twgw.keymanager.endpoints import KeyManager
from twgw.keymanager.jwks import ring_of
from twgw.keymanager.pages import Pages
from twgw.keymanager.server import World
from twgw.model import Api, Limit, Policy, Route, Target, Upstream
from twgw.registry import Client, SecretKey, User
from twgw.storage import apis, applications, clients, subscriptions, users
from twgw.web.application import Ground, create
from twgw.web.rate import Rate

ISSUER = "https://login.test"
NOW = 1_800_000_000.0
PEPPER = Pepper("v1", b"p" * 32)
SECRET = "tw_cs_canary-secret"
CALLBACK = "https://app.test/cb"
SIGNING = SecretKey("signing", 1, jwt.generate("RS256").to_text(), NOW - 1e6, None)
RING = ring_of([SIGNING], NOW)
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
LOGIN = {
    "response_type": "code", "client_id": "web", "redirect_uri": CALLBACK, "scope": "read", "state": "s-1",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip

CLIENTS = {
    "batch": {},
    "jwt": {"token_format": "jwt"},
    "web": {
        "grants": ["authorization_code", "refresh_token"],
        "redirect_uris": [CALLBACK, "https://app.test/other"],
    },
    "phone": {
        "grants": ["authorization_code", "refresh_token"],
        "redirect_uris": ["http://127.0.0.1/cb"],
        "public": True,
    },
    "old": {"grants": ["password", "refresh_token"], "access_seconds": 60},
    "asker": {"introspect": True},
    "narrow": {"scopes": ["read"], "default_scopes": ["read"]},
}


class Log:
    """Where errors are told."""

    def __init__(self):
        self.lines = []

    def error(self, text, **fields):
        self.lines.append(text.format(**fields))


class Caller:
    """Calls a key manager."""

    def __init__(self, manager, log):
        self.manager, self.log = manager, log
        ground = Ground(manager.store, None, lambda *_: None, manager.wall, log)
        self.app = create(ground, (), (manager.blueprint(), Pages(manager).blueprint()))
        self.browser = self.app.test_client()
        self.address = lambda: "127.0.0.1"

    def post(self, path, form=None, *, client="batch", secret=SECRET, data=None, **more):
        """A form as a client that shows itself by HTTP Basic; ``client=None`` for one that does not."""
        headers = more.pop("headers", [])
        headers = list(headers.items() if isinstance(headers, dict) else headers)
        if client is not None:
            headers.append(("Authorization", "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()))
        body = urlencode(form or {}) if data is None else data
        content = more.pop("content_type", "application/x-www-form-urlencoded")
        from_where = {"REMOTE_ADDR": self.address()}
        with self.app.test_client() as http:
            return http.post(
                path, data=body, headers=headers, content_type=content, base_url=ISSUER,
                environ_overrides=from_where, **more,
            )  # fmt: skip

    def token(self, grant="client_credentials", *, client="batch", **form):
        """A request for a token."""
        return self.post("/oauth2/token", {"grant_type": grant, **form}, client=client)

    def get(self, path, query=None, **more):
        """A browser looks at something."""
        text = query if isinstance(query, str) else urlencode(query or {})
        return self.browser.get(path + ("?" + text if text else ""), base_url=ISSUER, **more)

    def press(self, page, path, **fields):
        """A browser sends the form of a page."""
        hidden = hidden_in(page.text)
        headers = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}
        return self.browser.post(path, data={**hidden, **fields}, base_url=ISSUER, headers=headers)

    def log_in(self, query=None, name="ann", password="right"):
        """A browser logs in, unless it is logged in already; returns the page after that."""
        page = self.get("/oauth2/authorize", query or LOGIN)
        if 'name="username"' not in page.text:
            return page
        moved = self.press(page, "/oauth2/login", username=name, password=password)
        if moved.status_code != 303:
            return moved
        return self.get(moved.headers["Location"])

    def code(self, query=None, answer="allow", **who):
        """Where a browser is sent after somebody has decided, and what it brings there."""
        page = self.log_in(query, **who)
        moved = self.press(page, "/oauth2/authorize", answer=answer)
        assert 303 == moved.status_code, moved.text
        return moved.headers["Location"]

    def redeem(self, location, *, client="web", secret=SECRET, **form):
        """Exchange the code of a location."""
        wish = {
            "grant_type": "authorization_code", "code": asked(location)["code"], "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER, **form,
        }  # fmt: skip
        wish = {name: value for name, value in wish.items() if value is not None}
        if client == "phone":
            return self.post("/oauth2/token", {**wish, "client_id": client}, client=None)
        return self.post("/oauth2/token", wish, client=client, secret=secret)

    def family(self, **form):
        """The tokens of a new login."""
        return self.redeem(self.code(**form)).json

    def active(self, token, client="asker"):
        """Whether a token is good."""
        return self.post("/oauth2/introspect", {"token": token}, client=client).json["active"]


def hidden_in(text):
    """The hidden fields of a page."""
    import html
    import re

    return {
        name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text)
    }


def asked(location):
    """The query of a location; nothing stands in it twice."""
    found = parse_qs(urlsplit(location).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return dict(parse_qsl(urlsplit(location).query))


class Clock:
    """Time that a test sets."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def fill(database):
    """An API with scopes, an application that is subscribed to it, its clients, and two users."""

    def write(function, *args, **kwargs):
        return database.call(function, *args, write=True, now=NOW, **kwargs)

    def scopes(scopes, roles=()):
        return Policy("scopes", {"scopes": scopes, "roles": roles})

    routes = (Route("/r", policies=(scopes(["read", "write"]),)), Route("/a", policies=(scopes(["admin"], ["chief"]),)))
    upstream = Upstream((Target("http://pets.test"),))
    write(apis.create_api, Api("pets", "1", "/pets", upstream=upstream, routes=routes), owner="bob")
    write(apis.publish, "pets:1", 1)
    write(applications.create_application, "shop", owner="bob")
    write(applications.create_application, "other", owner="eve")
    write(subscriptions.subscribe, "shop", "pets:1")
    for name, settings in CLIENTS.items():
        stored = "" if settings.get("public") else digest(PEPPER, SECRET)
        owner = "other" if name == "asker" else "shop"
        write(clients.add_client, Client(name, owner, "production", stored, settings))
    write(clients.add_client, Client("stranger", "other", "production", digest(PEPPER, SECRET), CLIENTS["web"]))
    write(users.create_user, User("ann", roles=("chief",)))
    write(users.create_user, User("joe"))


def manager(store, clock=None, *, by_client=100_000, by_address=100_000, **world):
    """A key manager on a database."""
    lives = World(
        issuer=ISSUER, digest=lambda secret: digest(PEPPER, secret), digests=lambda secret: [digest(PEPPER, secret)],
        ring=lambda: RING,
    )  # fmt: skip

    def login(name, password, address, now):
        found = store.call(users.find_user, name)
        return found if password == "right" and found is not None and found.active else None

    return KeyManager(
        evolve(lives, **world), store, clock or Clock(), Rate(Limit(by_client, 60), Limit(by_address, 60)), login
    )


@pytest.fixture
def clock():
    """Time that a test sets."""
    return Clock()


@pytest.fixture
def km(sqlite, clock):
    """A key manager on SQLite."""
    fill(sqlite)
    return Caller(manager(sqlite, clock, password_grant=True), Log())


@pytest.fixture
def any_km(database, clock):
    """A key manager on each database."""
    fill(database)
    return Caller(manager(database, clock, password_grant=True), Log())
