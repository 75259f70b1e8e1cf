"""A real node on SQLite, PostgreSQL and MariaDB: what people do with it, also while its database is away.

An API is published, called, taken back; the server is stopped, killed and started again.
"""

import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.wire.processes import PATIENCE, Node, Process, Upstream
from tests.wire.test_admin import Registry, an_api
from twgw.storage.database import Database

SERVER = ["postgresql", "mariadb"]


class Place(Registry):
    """A node on a database of its own, with an API that has a subscriber."""

    def __init__(self, folder, server, port):
        self.server = server
        self.settings = {"statement_timeout": 5, "connect_timeout": 5}
        if server is not None:
            self.settings["url"] = server.make("journeys")
        self.processes = []
        self.node = Node(folder, self.start, None, database=self.settings).ready()
        self.token = (folder / "data" / "admin.secret").read_text().strip()
        self.file = folder / "data" / "twgw.db"
        self.ask("POST", "/tiers", {"name": "wide", "limits": [{"amount": 10000}]}, status=201)
        self.ask("POST", "/apis", {"api": {**an_api(port), "tiers": ["wide"]}, "publish": True}, status=201)
        for name in ("me", "you"):
            self.ask("POST", "/applications", {"name": name}, status=201)
            self.ask("POST", f"/applications/{name}/subscriptions", {"api": "hello"}, status=201)

    def start(self, *arguments):
        """Start a process, which is killed in the end."""
        folder = Path(arguments[-1]).parent
        self.processes.append(Process(folder, *arguments))
        return self.processes[-1]

    def key(self, application="me"):
        """A new key."""
        return self.ask("POST", f"/applications/{application}/keys", {}, status=201)["key"]

    def refused(self, key):
        """What somebody is told whose key is not known, and cannot be looked up."""
        status, fields, body = self.node.get("/hello", **{"X-API-Key": key})
        return status, fields["Retry-After"], b"hello" in body

    @contextmanager
    def paused(self):
        """The server stops, and keeps its connections."""
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()

    def serves(self, key):
        """Whether it does in the end, by itself."""
        deadline = time.monotonic() + PATIENCE
        while (status := self.call("/hello", key)) == 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        return status


@pytest.fixture(scope="module", params=["sqlite", *SERVER])
def place(request, tmp_path_factory, killable):
    """A node on a database of each kind, for all tests."""
    upstream = Upstream()
    server = None if request.param == "sqlite" else killable(request.param)
    place = Place(tmp_path_factory.mktemp(request.param), server, upstream.port)
    yield place
    for process in place.processes:
        process.kill()
    upstream.close()


def test_what_was_answered_is_in_force(place):
    """Published and live, moved and refused, given and accepted, revoked and refused: from when the call returns."""
    for _ in range(3):
        key = place.key()
        assert (200, 200) == (place.call("/hello", key), place.call("/hello", key))
        place.ask("POST", "/revocations", {"key": key}, status=200)
        assert 401 == place.call("/hello", key)

    key = place.key()
    place.ask("POST", "/apis/hello/moves", {"move": "block"}, status=200)
    assert 503 == place.call("/hello", key)
    place.ask("POST", "/apis/hello/moves", {"move": "republish"}, status=200)
    assert 200 == place.call("/hello", key)
    place.ask("POST", "/blocks", {"kind": "application", "value": "me", "reason": "unpaid"}, status=201)
    assert 403 == place.call("/hello", key)
    place.ask("DELETE", "/blocks/application?value=me", status=204)
    assert 200 == place.call("/hello", key)

    yours = place.key("you")
    assert 200 == place.call("/hello", yours)
    place.ask("DELETE", "/applications/you/subscriptions/hello", status=204)
    assert (403, 200) == (place.call("/hello", yours), place.call("/hello", key))
    assert place.ask("GET", "/audit/verification", status=200)["fault"] == ""


@pytest.mark.parametrize("place", SERVER, indirect=True)
def test_while_the_server_says_nothing_what_is_known_is_served(place):
    """The rest is refused and told when to come again; as soon as the server goes on, so does the node."""
    known, other, revoked = place.key(), place.key(), place.key()
    place.ask("POST", "/revocations", {"key": revoked}, status=200)
    assert (200, 401) == (place.call("/hello", known), place.call("/hello", revoked))

    with place.paused():
        assert (503, "2", False) == place.refused(other)
        assert [200] * 5 == [place.call("/hello", known) for _ in range(5)]

    assert 200 == place.serves(other)
    place.ask("POST", "/revocations", {"key": known}, status=200)
    assert (401, 401) == (place.call("/hello", known), place.call("/hello", revoked))


@pytest.mark.parametrize("place", SERVER, indirect=True)
def test_a_server_that_died_and_came_back_is_used_again(place):
    """Nobody starts the node anew; meanwhile it says that it is not whole, and refuses to write, in words."""
    known, other = place.key(), place.key()
    assert 200 == place.call("/hello", known)
    place.server.kill()
    try:
        assert (503, "2", False) == place.refused(other)
        assert [200] * 5 == [place.call("/hello", known) for _ in range(5)]
        refusal = place.ask("POST", "/revocations", {"key": known}, status=503)
        assert "nothing was done" in refusal["detail"]
        place.node.process.wait_for("what is known is served, the rest is refused with 503")
        assert 200 == place.call("/hello", known)
    finally:
        place.server.start()

    assert 200 == place.serves(other)
    place.node.process.wait_for("the database answers again")
    place.ask("POST", "/revocations", {"key": known}, status=200)
    assert 401 == place.call("/hello", known)
    assert 200 == place.call("/hello", place.key())


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_file_that_somebody_else_writes_to_is_read(place):
    """Every key is looked up; who wants to write waits for a while, is told so, and may when the other is done."""
    known, other = place.key(), place.key()
    with Database(f"sqlite:///{place.file}").writing.connect() as connection:
        connection.begin()
        assert (200, 200) == (place.call("/hello", known), place.call("/hello", other))
        refusal = place.ask("POST", "/revocations", {"key": known}, status=503)
        assert "database is locked; nothing was done" in refusal["detail"]
        assert 200 == place.call("/hello", known)

    place.ask("POST", "/revocations", {"key": known}, status=200)
    assert (401, 200) == (place.call("/hello", known), place.call("/hello", other))


def test_a_node_that_is_killed_has_lost_nothing(place):
    """What it answered is so after it was started again: keys work, and those that were revoked do not."""
    known, revoked = place.key(), place.key()
    assert 200 == place.call("/hello", revoked)
    place.ask("POST", "/revocations", {"key": revoked}, status=200)
    place.node.process.kill()

    place.node.process = place.start("--config", str(place.node.folder / "twgw.toml"))
    place.node.ready()

    assert (200, 401) == (place.call("/hello", known), place.call("/hello", revoked))
