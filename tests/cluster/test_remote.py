"""A whole gateway that follows a key manager over a connection, in memory: what it serves, and when it does not."""

import pytest
from twisted.internet.defer import Deferred, execute

from tests.gateway.conftest import Registry
from twgw.cluster.answers import Answers
from twgw.cluster.commands import ReadApis
from twgw.cluster.remote import Remote
from twgw.gateway import follower, postponed
from twgw.memory import MemoryGateway, digest
from twgw.memory_world import EPOCH
from twgw.model import Limit, Tier
from twgw.storage.apis import publish
from twgw.storage.credentials import revoke_credential
from twgw.storage.keys import ensure_key
from twgw.storage.reader import DatabaseReader
from twgw.storage.tiers import create_tier


@pytest.fixture
def registry(sqlite):
    """The database of the key manager."""
    made = Registry(sqlite)
    made.write(create_tier, Tier("Gold", (Limit(1000),)))
    made.api()
    made.application()
    made.key()
    made.write(ensure_key, "pepper", lambda: "v1:" + "70" * 32)
    return made


@pytest.fixture
def opened(registry, node, wire):
    """The connection."""
    answers = Answers(DatabaseReader(registry.database), execute, lambda: EPOCH).by_command()
    return wire(node("km1", "keymanager", answers=answers), node("gw1", "gateway"))


@pytest.fixture
def gateway(registry, opened, monkeypatch):
    """A gateway that reads over it; the connection flows whenever it waits."""
    peers = [opened.client]
    remote = Remote("km1", lambda: [peer for peer in peers if opened.is_open], lambda: "nobody is there", execute)
    monkeypatch.setattr("twgw.memory.DatabaseReader", lambda _database: remote)
    made = MemoryGateway(registry.database)
    made.follower.look()
    opened.pump()
    return made


@pytest.fixture
def call(gateway, opened):
    """Call the API with a key; gives the status."""

    def call(secret="secret", path="/pets/7"):
        client = gateway.connect()
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {secret}\r\n\r\n".encode())
        opened.pump()
        client.settle()
        return client.answers()[0].status

    return call


def follow(gateway, opened):
    gateway.follower.look()
    opened.pump()


def test_it_serves_what_the_key_manager_has(gateway, call, registry, opened):
    """Keys, subscriptions, tiers; what is published and revoked there is so here."""
    assert (200, 401) == (call(), call("other"))
    registry.api("cats")
    registry.write(revoke_credential, "api-key", "secret")
    follow(gateway, opened)

    assert 401 == call()
    assert "cats:1.0" in gateway.deployment.compiled

    registry.write(publish, "pets:1.0", None)
    follow(gateway, opened)
    assert 404 == call()


def test_what_it_knows_is_served_while_nobody_answers(gateway, call, registry, opened):
    """What it does not is refused, until somebody does."""
    registry.key("second")
    assert 200 == call()
    opened.client.close()
    opened.pump()
    follow(gateway, opened)

    assert (200, 503) == (call(), call("second"))
    assert "no key manager answers: nobody is there" == gateway.follower.outage


def test_nobody_is_said_not_to_answer_who_was_not_tried(gateway, registry, opened, monkeypatch):
    """Whoever asks while the first connection is made waits for that."""
    tried = Deferred()
    monkeypatch.setattr(gateway.follower._reader, "tried", lambda: tried)
    monkeypatch.setattr(gateway.follower._reader, "peers", lambda: [opened.client] if tried.called else [])
    registry.api("cats")
    follow(gateway, opened)
    assert ("", False) == (gateway.follower.outage, "cats:1.0" in gateway.deployment.compiled)

    tried.callback(None)
    opened.pump()
    assert "cats:1.0" in gateway.deployment.compiled
    assert not [text for level, text in gateway.log.lines if level in {"warn", "error"}]


def test_a_key_manager_of_an_earlier_version_is_asked_for_everything(gateway, call, registry, opened, monkeypatch):
    """When another had told the names of APIs, and is gone since: nobody is said not to answer."""
    for module in (follower, postponed):
        monkeypatch.setattr(module, "AT_A_TIME", 1)
    monkeypatch.setattr(gateway.follower, "_trusted", lambda: True)
    monkeypatch.delitem(opened.server._here.answers, ReadApis)
    for name in ("cats", "dogs"):
        registry.api(name)
    follow(gateway, opened)

    assert {"pets:1.0", "cats:1.0", "dogs:1.0"} == gateway.deployment.compiled.keys()
    assert ("", 200) == (gateway.follower.outage, call())
    assert not [text for level, text in gateway.log.lines if level == "error"]


def test_a_key_is_told_by_its_digest(gateway, call, opened, monkeypatch):
    """The key itself does not leave the gateway."""
    sent = []
    monkeypatch.setattr(
        opened.client, "sendBox", lambda box, send=opened.client.sendBox: (sent.append(box.serialize()), send(box))
    )
    call()

    assert any(digest("secret").encode() in data for data in sent)
    assert not any(b"secret" in data for data in sent)
