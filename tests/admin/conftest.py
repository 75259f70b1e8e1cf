"""The admin REST over a real database, asked by Flask's test client."""

import pytest

from tests.databases import sqlite_copy
from twgw.admin.rest import ROLE
from twgw.admin.service import DESCRIBED_AT, ground
from twgw.credentials import Pepper, Peppers, digest, mint
from twgw.model import Limit
from twgw.policy.interfaces import DirectoryUser, Refusal
from twgw.policy.registry import find_plugins
from twgw.registry import Session, User
from twgw.storage.sessions import add_session
from twgw.storage.users import create_user
from twgw.web import login
from twgw.web.application import create
from twgw.web.rate import Rate

NOW = 1_800_000_000.0
PEPPER = Pepper("v1", b"p" * 32)


class Log:
    """What was told."""

    def __init__(self):
        self.lines = []

    def warn(self, text, **fields):
        self.lines.append(text.format(**fields))

    error = warn


class World:
    """The admin REST of one node."""

    def __init__(self, database):
        self.database, self.log, self.now, self.faults, self.tokens = database, Log(), NOW, (), {}
        peppers = Peppers((PEPPER,))
        people = login.people_of(database, Rate(Limit(1000, 60), Limit(1000, 60)), self.directory)
        self.ground = ground(
            self.database, peppers, people, self.log, lambda: self.now,
            check=lambda policies, api: self.faults, status=self.status, plugins=lambda: find_plugins(()),
        )  # fmt: skip
        self.app = create(self.ground, (*ROLE, login.views), described_at=DESCRIBED_AT, title="twgw")
        self.client = self.app.test_client()
        self.user("root", "admin")

    def directory(self, name, password):
        """A user store that knows one user."""
        right = (name.lower(), password) == ("zoe", "right")
        return DirectoryUser("corp", "zoe", "uid=zoe", roles=("operator",)) if right else Refusal.UNKNOWN

    def status(self):
        return {"node": "n1", "ready": True, "position": 3, "apis": 0, "reasons": (), "warnings": ()}

    def user(self, name, *roles, password_hash=None):
        """Somebody with these roles, who is logged in."""
        self.tokens[name] = mint("login")
        kept = digest(PEPPER, self.tokens[name])

        def enter(connection):
            create_user(connection, User(name, roles=roles, password_hash=password_hash), now=self.now)
            add_session(connection, Session(kept, name, self.now, self.now, self.now + 36000))

        self.database.call(enter, write=True)

    def ask(self, method, path, body=None, *, who="root", status=None, **fields):
        """The answer to somebody; ``status`` is what it should be."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if who:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        answer = self.client.open(f"/admin/v1{path}", method=method, json=body, headers=headers)
        if status is not None:
            assert status == answer.status_code, answer.text
        return answer

    def get(self, path, **options):
        """What is there."""
        return self.ask("GET", path, status=200, **options).json

    def post(self, path, body, **options):
        """What was made."""
        return self.ask("POST", path, body, status=options.pop("status", 201), **options).json


@pytest.fixture(scope="module")
def world_of_a_module(template, memory):
    """One for all tests of a module."""
    with sqlite_copy(template, memory) as database:
        yield World(database)


@pytest.fixture
def world(sqlite):
    """One for each test, with the admin root."""
    return World(sqlite)


def an_api(name="pets", **fields):
    """An API as it is sent."""
    return {"name": name, "version": "1.0", "base_path": f"/{name}",
            "upstream": {"targets": [{"url": "http://pets.example"}]}, **fields}  # fmt: skip
