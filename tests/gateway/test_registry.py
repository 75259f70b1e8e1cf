"""Whose key it is, from a database: what a key costs, what is remembered, and what is refused."""

import base64

import pytest
from argon2 import PasswordHasher
from twisted.internet.defer import execute

from twgw.credentials import mint
from twgw.gateway.registry import AT_ONCE, TOGETHER, Keys
from twgw.memory import MemoryGateway, digest
from twgw.model import Credential, Policy, SubscriptionState, Tier
from twgw.registry import Token, User
from twgw.storage import facts
from twgw.storage.applications import revoke_application, update_application
from twgw.storage.credentials import add_credential, revoke_credential, set_expiry
from twgw.storage.errors import Unavailable
from twgw.storage.facts import RIGHTS
from twgw.storage.subscriptions import rights_of, set_subscription, subscribe, unsubscribe
from twgw.storage.tiers import create_tier
from twgw.storage.tokens import add_token, revoke_token
from twgw.storage.users import create_user, revoke_user


def statuses(*connections):
    """What was answered on each connection; None for nothing yet."""
    for connection in connections:
        connection.settle()
    return [answers[0].status if (answers := connection.answers()) else None for connection in connections]


# --- what it costs ---


def test_a_key_is_read_once_with_its_rights(begin, threads):
    """Its first use is one transaction, also when many requests bring it at once; then it costs none."""
    first = [begin() for _ in range(5)]

    assert (1, [None] * 5) == (threads.transactions, statuses(*first))

    threads.work()
    later = [begin() for _ in range(5)]

    assert (1, [200] * 10) == (threads.transactions, statuses(*first, *later))


def test_keys_are_read_together(registry, begin, threads):
    """While as many transactions as may be are under way, those that come are gathered for the next ones."""
    for number in range(100):
        registry.key(f"key-{number:03}")
    calls = [begin(f"key-{number:03}") for number in range(100)]

    assert AT_ONCE == threads.transactions

    threads.work()

    assert {200} == set(statuses(*calls))
    assert AT_ONCE + -(-(100 - AT_ONCE) // TOGETHER) == threads.transactions


def test_a_subscription_that_did_not_come_with_the_key_is_read_alone(registry, begin, threads):
    """Those of an application that has very many."""
    for number in range(RIGHTS + 1):
        registry.api(f"a{number:02}")
        registry.write(subscribe, "shop", f"a{number:02}:1.0", tier="Gold")
    waiting = begin()
    threads.work()

    assert (2, [200]) == (threads.transactions, statuses(waiting))


def test_rights_come_with_the_first_key_of_an_application(gateway, registry, call, monkeypatch):
    """With the others they would be read for nothing; what has changed of them is read when it is used."""
    asked = []
    monkeypatch.setattr(facts, "rights_of", lambda *args: asked.append(args[1]) or rights_of(*args))
    for name in ("second", "third"):
        registry.key(name)

    assert [200, 200] == [call("secret"), call("second")]
    assert ["shop"] == asked

    position = registry.write(set_subscription, "shop", "pets:1.0", tier="Gold", state=SubscriptionState.PAUSED)
    gateway.follower.reached(position)
    assert [403, 403] == [call("third"), call("second")]
    assert ["shop"] == asked


def test_a_mistyped_key_is_not_asked_for(begin, threads):
    """One of our form that was not copied whole."""
    assert [401] == statuses(begin(mint()[:-1] + "_"))
    assert 0 == threads.transactions


# --- what is not known ---


def test_an_unknown_key_is_asked_for_once_in_a_second(gateway, begin, threads):
    """However often it comes."""
    waiting = begin("nobody-knows-it")
    threads.work()

    assert [401, 401] == statuses(waiting, begin("nobody-knows-it"))
    assert 1 == threads.transactions

    gateway.clock.advance(1)
    begin("nobody-knows-it")

    assert 2 == threads.transactions


def test_a_key_that_was_issued_is_known_within_a_second(gateway, registry, call):
    """Nobody is told that it was."""
    assert 401 == call("new-key")
    registry.key("new-key")
    gateway.clock.advance(1)

    assert 200 == call("new-key")


def test_a_subscription_is_known_within_a_second(gateway, registry, call):
    """The same."""
    registry.api("cats")

    gateway.follower.poll()
    assert 403 == call(path="/cats/1")
    registry.write(subscribe, "shop", "cats:1.0", tier="Gold")
    gateway.clock.advance(1)

    assert 200 == call(path="/cats/1")


def test_a_key_ends_when_its_time_is_over(gateway, registry, call):
    """To the second, whether it was known or not."""
    registry.key("short", expires_at=gateway.gateway.clock.wall() + 5)
    assert 200 == call("short")
    gateway.clock.advance(4.9)
    assert 200 == call("short")
    gateway.clock.advance(0.1)

    assert 401 == call("short")
    assert 401 == MemoryGateway(registry.database).get("/pets/7", headers={"X-API-Key": "other"}).status


def test_a_key_of_another_kind_is_not_found(gateway, call):
    """Not by its secret alone, also when that is known."""
    call()
    found = gateway.gateway.credentials.find("token", "secret")

    with pytest.raises(StopIteration) as stopped:
        found.send(None)
    assert stopped.value.value is None


# --- what is taken away ---


def void_key(registry):
    registry.write(revoke_credential, "api-key", "secret")


def end_key(registry):
    registry.write(set_expiry, "api-key", "secret", 1.0)


def void_application(registry):
    registry.write(revoke_application, "shop")


def pause_application(registry):
    registry.write(update_application, "shop", {"state": "PENDING"})


def unsubscribe_it(registry):
    registry.write(unsubscribe, "shop", "pets:1.0")


def pause_subscription(registry):
    registry.write(set_subscription, "shop", "pets:1.0", tier="Gold", state=SubscriptionState.PAUSED)


TAKEN = pytest.mark.parametrize(
    ("take", "status"),
    [(void_key, 401), (end_key, 401), (void_application, 401), (unsubscribe_it, 403), (pause_subscription, 403)],
)


@TAKEN
def test_what_is_taken_away_is_gone_when_its_position_is_reached(gateway, registry, call, take, status):
    """And not before: a known key is not asked for."""
    assert 200 == call()
    take(registry)
    assert 200 == call()
    gateway.follower.poll()

    assert status == call()


@TAKEN
def test_what_was_being_read_meanwhile_is_not_accepted(gateway, registry, begin, threads, take, status):
    """A read that saw the database before it was taken away, and comes in after that was applied, is done again."""
    waiting = begin()
    threads.read()
    take(registry)
    gateway.follower.poll()
    later = begin()
    threads.work()

    assert [status, status] == statuses(waiting, later)


def test_what_keeps_changing_is_refused_for_now(gateway, registry, begin, threads):
    """After three reads that were overtaken."""
    waiting = begin()
    for _ in range(3):
        assert [None] == statuses(waiting)
        threads.read()
        registry.write(update_application, "shop", {"title": "x"})
        gateway.follower.poll()
        threads.tell()

    assert [503] == statuses(waiting)


# --- when the database is away ---


def away(*_args, **_kwargs):
    raise Unavailable("the database is away")


def test_what_is_known_is_served_and_the_rest_refused(gateway, registry, begin, threads, monkeypatch):
    """For now, and without asking, from when the log cannot be read until it can; operators are told once."""
    registry.key("other")
    begin()
    threads.work()
    waiting = begin("other")
    monkeypatch.setattr(registry.database, "run", lambda *_args, **_kwargs: execute(away))
    for _ in range(3):
        gateway.follower.look()

    assert [503, 200, 503] == statuses(waiting, begin(), begin("other"))
    assert 2 == threads.transactions
    assert ["the database is away"] * 2 == [each.reason for each in gateway.exchanges if each.status == 503]

    monkeypatch.undo()
    gateway.follower.look()

    assert [200] == statuses(begin("other"))
    assert [
        "the database is away; what is known is served, the rest is refused with 503", "the database answers again",
    ] == [line for _, line in gateway.log.lines if "database" in line and "in force" not in line]  # fmt: skip


def test_a_read_that_fails_refuses_those_who_wait_for_it(registry, begin, threads):
    """For now; the next ones are asked for."""
    waiting = begin()
    threads.fail(Unavailable("not now"))
    later = begin()
    threads.work()

    assert [503, 200] == statuses(waiting, later)


def test_nobody_waits_for_a_database_that_says_nothing(gateway, begin, threads):
    """After three seconds; what comes too late tells nobody, and is known all the same."""
    waiting = begin()
    threads.read()
    gateway.clock.advance(3.0)
    gateway.facts.look()

    assert [None] == statuses(waiting)

    gateway.clock.advance(0.1)
    gateway.facts.look()

    assert [503] == statuses(waiting)
    assert gateway.facts.outage

    threads.tell()

    assert [200] == statuses(begin())
    assert 1 == threads.transactions


def test_not_more_may_wait_than_are_allowed(gateway, begin, threads):
    """Further keys are refused for now, as long as nobody waits for the same."""
    gateway.facts._fills._most = 2
    waiting = [begin(secret) for secret in ("first", "second", "third", "first")]

    assert [None, None, 503, None] == statuses(*waiting)


def test_a_fault_of_ours_refuses_too(gateway, begin, threads):
    """And is told to operators, with its place."""
    waiting = begin()
    threads.fail(RuntimeError("broken"))

    assert [500] == statuses(waiting)
    assert any("keys could not be read" in line and "RuntimeError: broken" in line for _, line in gateway.log.lines)


def test_a_client_that_left_harms_nobody(begin, threads):
    """Others who wait for the same key are answered."""
    gone, waiting = begin(), begin()
    gone.lose()
    threads.work()

    assert [200] == statuses(waiting)


def test_a_tier_that_is_not_in_force_yet_is_waited_for(gateway, registry, call):
    """It was made and given a moment ago; a second later it is known."""
    registry.write(create_tier, Tier("New"))
    registry.application("young", tier="New")
    registry.key("young", application="young")

    assert 503 == call("young")

    gateway.follower.look()

    assert 200 == call("young")


def test_what_was_read_is_counted(gateway, call):
    """By what came of it."""
    for secret in ("secret", "secret", "other"):
        call(secret)
    counted = gateway.metrics.counter("twgw_registry_reads", "", ("result",))._values

    assert {("known",): 1, ("unknown",): 1} == counted


def test_no_key_is_kept(gateway, registry, call):
    """Neither as the name of what is known, nor in it."""
    registry.key("canary-key-1", id="canary")

    assert 200 == call("canary-key-1")
    assert 2 == len(gateway.facts.cache)
    assert "canary-key-1" not in repr(list(gateway.facts.cache._facts.items()))


def test_the_user_of_a_key_counts(gateway, registry, call):
    """A key that was made for a user goes with the user."""
    registry.write(create_user, User("ann"))
    registry.key("of-ann", user="ann")
    assert 200 == call("of-ann")
    registry.write(revoke_user, "ann")
    gateway.follower.poll()

    assert 401 == call("of-ann")


def test_a_password_and_the_groups_of_a_caller_are_known(registry):
    """As those of a state file are: who is in a group that may not call is refused, also with a password."""
    guards = (Policy("basic-auth"), Policy("key-auth"), Policy("acl", {"deny": ["bad"]}))
    registry.api("club", policies=guards)
    stored = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("right")
    for name, groups in (("alice", ()), ("eve", ("bad",))):
        credential = Credential("basic", name, "shop", digest=stored, user=name, groups=groups)
        registry.write(add_credential, credential, found_by=digest(name))
    registry.key("bad-key", groups=("bad",))
    gateway = MemoryGateway(registry.database)

    def ask(name, password="right"):
        pair = base64.b64encode(f"{name}:{password}".encode()).decode()
        return gateway.get("/club/7", headers={"Authorization": f"Basic {pair}"}).status

    assert (200, 401, 403, 401) == (ask("alice"), ask("alice", "wrong"), ask("eve"), ask("bob"))
    assert (200, 403) == tuple(
        gateway.get("/club/7", headers={"X-API-Key": key}).status for key in ("secret", "bad-key")
    )
    gateway.follower.reached(registry.write(revoke_credential, "basic", "alice"))
    assert 401 == ask("alice")


def test_a_token_is_found_by_its_secret_and_a_jwt_by_its_id(registry, gateway):
    """Each as its own kind, until it expires or is revoked; refresh tokens and codes open nothing."""
    now = gateway.gateway.clock.wall()
    for kind in ("access", "jti", "refresh", "code"):
        token = Token(kind, digest(f"of-{kind}"), "shop", now + 60, scopes=("read",), environment="sandbox")
        registry.write(add_token, token)

    def found(kind, secret):
        """What is found, and what its owner may do."""
        answer = gateway.gateway.credentials.find(kind, secret)
        if answer is not None and not isinstance(answer, Credential):
            with pytest.raises(StopIteration) as stopped:
                answer.send(None)
            answer = stopped.value.value
        return answer and (answer.kind, answer.application, answer.scopes, answer.environment.value)

    mine = ("shop", ("read",), "sandbox")
    kinds = ("token", "jti", "refresh", "code", "access", "api-key")
    table = {(kind, of): found(kind, f"of-{of}") for kind in kinds for of in ("access", "jti", "refresh", "code")}

    assert {("token", "access"): ("token", *mine), ("jti", "jti"): ("jti", *mine)} == {
        asked: answer for asked, answer in table.items() if answer
    }

    registry.write(revoke_token, "access", digest("of-access"))
    gateway.follower.poll()

    assert (None, ("jti", *mine)) == (found("token", "of-access"), found("jti", "of-jti"))

    gateway.clock.advance(60)

    assert found("jti", "of-jti") is None


def test_a_key_is_found_under_any_pepper_that_is_in_use(registry, gateway):
    """While one is replaced by the next."""
    keys = Keys(gateway.facts, gateway.gateway.clock, lambda key: ("v2:unknown", digest(key)))

    with pytest.raises(StopIteration) as stopped:
        keys.find("api-key", "secret").send(None)
    assert "shop" == stopped.value.value.application
    assert "shop" == keys.find("api-key", "secret").application


def test_a_credential_says_the_tier_and_the_user(registry, gateway):
    """Of its application, and for whom it is used."""
    registry.write(create_user, User("ann"))
    registry.write(update_application, "shop", {"tier": "Gold"})
    registry.key("of-ann", user="ann")
    gateway.get("/pets/1", headers={"X-API-Key": "of-ann"})
    credential = gateway.exchanges[0].credential

    assert ("Gold", "ann") == (credential.tier, credential.user)
