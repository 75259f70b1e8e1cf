"""What is under way ends when its caller may not call any more; everybody else is left alone."""

import pytest

from tests.gateway.conftest import Registry, Threads
from twgw.gateway.streams import ISOLATED_FOR
from twgw.memory import MemoryGateway, RawUpstream, digest
from twgw.model import Credential, Isolated, Lifecycle, Policy, SubscriptionState
from twgw.registry import Approval, Block, User
from twgw.storage.apis import set_state
from twgw.storage.applications import revoke_application, update_application
from twgw.storage.blocks import add_block
from twgw.storage.credentials import revoke_credential, rotate
from twgw.storage.errors import Unavailable
from twgw.storage.reader import DatabaseReader
from twgw.storage.schema import cluster_head
from twgw.storage.subscriptions import set_subscription, unsubscribe
from twgw.storage.users import create_user, revoke_user

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"


@pytest.fixture
def gateway(registry):
    """A gateway whose upstream answers when a test says so."""
    return MemoryGateway(registry.database, upstream=RawUpstream())


@pytest.fixture
def stream(gateway):
    """Begin a call of which half of the answer has come; the client's end, and the upstream's."""

    def stream(secret="secret", path="/pets/7", client="127.0.0.1"):
        connection = gateway.begin("GET", path, headers={"X-API-Key": secret}, client=client)
        wire = gateway.upstream_wires[-1]
        wire.send(HALF)
        assert connection.received.endswith(b"hello")
        return connection, wire

    return stream


def cut(gateway, api):
    """How many were cut off."""
    (family,) = [each for each in gateway.metrics.collect() if each.name == "twgw_streams_cut"]
    return sum(sample.value for sample in family.samples if sample.labels == {"api": api})


TAKE_AWAY = {
    "the key": (revoke_credential, "api-key", "secret"),
    "the application": (revoke_application, "shop"),
    "a pause": (update_application, "shop", {"state": Approval.PAUSED}),
    "the subscription": (unsubscribe, "shop", "pets:1.0"),
    "a block": (add_block, Block("application", "shop")),
    "a block of the API": (add_block, Block("api", "pets:1.0")),
    "a block of the address": (add_block, Block("ip", "127.0.0.0/8")),
}


@pytest.mark.parametrize("what", TAKE_AWAY)
def test_who_may_not_call_any_more_is_cut_off(gateway, registry, stream, what):
    """In the turn in which that is in force; the client cannot take what it has for the whole."""
    connection, wire = stream()
    registry.application("other")
    function, *arguments = TAKE_AWAY[what]
    gateway.follower.reached(registry.write(function, *arguments))
    connection.settle()

    assert (True, True) == (connection.reset, wire.closed)
    exchange = gateway.exchanges[-1]
    assert "revocation" == exchange.refused_by
    assert exchange.reason in {"revoked under way", "blocked under way"}
    assert "10" not in connection.received.decode().partition("hello")[2]


def test_the_user_of_a_key_takes_it_along(gateway, registry, stream):
    """Who is no user any more streams nothing."""
    registry.write(create_user, User("ann"))
    registry.key("anns", user="ann")
    connection, _ = stream("anns")
    gateway.follower.reached(registry.write(revoke_user, "ann"))
    connection.settle()

    assert connection.reset


LEAVE = {
    "another key": (revoke_credential, "api-key", "other"),
    "another title": (update_application, "shop", {"title": "The shop"}),
    "another tier": (set_subscription, "shop", "pets:1.0"),
    "an overlap": (rotate, "api-key", "secret"),
    "a block of others": (add_block, Block("application", "toys")),
    "the API": (set_state, "pets:1.0", Lifecycle.DEPRECATED),
}


@pytest.mark.parametrize("what", LEAVE)
def test_who_may_still_call_is_left_alone(gateway, registry, stream, what):
    """Whatever changed of what it depends on."""
    registry.key("other")
    connection, wire = stream()
    function, *arguments = LEAVE[what]
    more = {
        "another tier": {"tier": None, "state": SubscriptionState.ACCEPTED}, "the API": {"actor": "ann"},
        "an overlap": {"overlap": 60},
    }.get(what, {})  # fmt: skip
    if what == "an overlap":
        arguments.append(Credential(application="shop", id="new", digest=digest("new")))
    registry.write(function, *arguments, **more)
    before = gateway.follower.applied
    gateway.follower.poll()
    connection.settle()
    wire.send(b"world")
    assert before < gateway.follower.applied

    assert b"helloworld" == connection.answers()[0].body


def test_others_go_on(gateway, registry, stream):
    """Of two who stream, the one that was revoked is cut off."""
    registry.key("other")
    first, second = stream(), stream("other")
    gateway.follower.reached(registry.write(revoke_credential, "api-key", "secret"))
    second[1].send(b"world")
    first[0].settle()

    assert first[0].reset
    assert b"helloworld" == second[0].answers()[0].body
    assert 1 == cut(gateway, "pets:1.0")


def test_a_body_that_is_sent_is_cut_off(gateway, registry):
    """The upstream does not take it for a whole one."""
    connection = gateway.connect()
    connection.send(b"POST /pets HTTP/1.1\r\nHost: a\r\nX-API-Key: secret\r\nContent-Length: 10\r\n\r\nhello")
    gateway.follower.reached(registry.write(revoke_credential, "api-key", "secret"))
    connection.settle()

    assert (True, True) == (connection.reset, gateway.upstream_wires[0].closed)
    assert [] == gateway.upstream_requests


def test_who_waits_for_an_answer_may_have_a_short_one(gateway, registry, begin):
    """It was let in before; but when the answer is a long one, it is cut off within a second."""
    gateway.clock.advance(0)
    short, long = begin(), begin()
    gateway.follower.reached(registry.write(revoke_credential, "api-key", "secret"))
    one, other = gateway.upstream_wires
    one.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    other.send(HALF)
    assert b"ok" == short.answers()[0].body
    assert not long.reset
    gateway.follower.look()
    long.settle()

    assert long.reset
    assert {} == gateway.follower._streams._condemned


def test_a_condemned_connection_may_be_used_again(gateway, registry, begin):
    """By an exchange that nobody condemned."""
    registry.key("other")
    connection = begin()
    gateway.follower.reached(registry.write(revoke_credential, "api-key", "secret"))
    gateway.upstream_wires[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    connection.send(b"GET /pets/7 HTTP/1.1\r\nHost: a\r\nX-API-Key: other\r\n\r\n")
    gateway.upstream_wires[-1].send(HALF)
    gateway.follower.look()
    connection.settle()

    assert not connection.reset


def test_who_cannot_be_judged_is_cut_off(gateway, registry, stream, monkeypatch):
    """As a request would be refused."""
    connection, _ = stream()
    threads = Threads(registry.database)
    monkeypatch.setattr(gateway.facts, "_reader", DatabaseReader(threads))
    gateway.follower.reached(registry.write(update_application, "shop", {"title": "The shop"}))
    assert not connection.reset
    threads.fail(Unavailable("gone"))
    connection.settle()

    assert connection.reset
    assert gateway.exchanges[-1].reason.startswith("cannot be checked: ")


def test_everybody_is_judged_when_records_are_missing(gateway, registry, stream):
    """After a new epoch, who was revoked meanwhile is cut off, others are not."""
    registry.key("other")
    first, second = stream(), stream("other")
    registry.write(revoke_credential, "api-key", "secret")
    values = {"epoch": cluster_head.c.epoch + 1, "pos": cluster_head.c.pos + 1000}
    registry.write(lambda c, *, now: c.execute(cluster_head.update().values(**values)))
    gateway.follower.poll()
    second[1].send(b"world")
    first[0].settle()

    assert first[0].reset
    assert b"helloworld" == second[0].answers()[0].body


def test_a_gateway_that_hears_nothing_for_long_lets_nobody_go_on(gateway, registry, stream):
    """After half a minute; a short isolation cuts nobody off."""
    connection, _ = stream()
    streams = gateway.follower._streams
    streams.look(trusted=False)
    gateway.clock.advance(ISOLATED_FOR - 1)
    streams.look(trusted=False)
    streams.look(trusted=True)
    streams.look(trusted=False)
    gateway.clock.advance(ISOLATED_FOR - 1)
    streams.look(trusted=False)
    assert not connection.reset
    gateway.clock.advance(1)
    streams.look(trusted=False)
    connection.settle()

    assert connection.reset


def test_an_api_that_is_served_stale_goes_on(registry):
    """As new calls of it do."""
    registry.api("news", when_isolated=Isolated.STALE, policies=(Policy("key-auth"),))
    gateway = MemoryGateway(registry.database, upstream=RawUpstream())
    connection = gateway.begin("GET", "/news/1", headers={"X-API-Key": "secret"})
    gateway.upstream_wires[0].send(HALF)
    gateway.follower._streams.look(trusted=False)
    gateway.clock.advance(ISOLATED_FOR)
    gateway.follower._streams.look(trusted=False)
    gateway.upstream_wires[0].send(b"world")

    assert b"helloworld" == connection.answers()[0].body


def test_an_open_api_knows_no_caller(registry):
    """Only a block of it, or of an address, ends what is under way there."""
    made = Registry(registry.database)
    made.api("news", policies=())
    gateway = MemoryGateway(registry.database, upstream=RawUpstream())
    connection = gateway.begin("GET", "/news/1")
    gateway.upstream_wires[0].send(HALF)
    gateway.follower.reached(registry.write(revoke_application, "shop"))
    assert not connection.reset
    gateway.follower.reached(registry.write(add_block, Block("ip", "127.0.0.1")))
    connection.settle()

    assert connection.reset
