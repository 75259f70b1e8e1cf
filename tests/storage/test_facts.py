"""What is known of keys and subscriptions carries the position that it was read at, and all that it depends on."""

from math import inf

from tests.storage.conftest import NOW, a_credential
from twgw.model import Credential, Environment
from twgw.reader import Key, Right
from twgw.registry import Token, User
from twgw.storage import log
from twgw.storage.applications import create_application
from twgw.storage.credentials import add_credential
from twgw.storage.facts import read_facts
from twgw.storage.subscriptions import subscribe
from twgw.storage.tokens import add_token
from twgw.storage.users import create_user


def key(mark, kind="api-key"):
    return Key(b"fact", kind, (f"v1:{mark * 64}",))


def test_a_key_is_found_with_the_rights_of_its_application(filled, read):
    """As of one position, under the tags of everything that may change it."""
    ((fact, rights),) = read(read_facts, [key("a")], NOW)
    head = read(log.head)

    assert ("AbCdEfGh", "batch", inf) == (fact.payload.id, fact.payload.application, fact.expires)
    assert (head.pos, head.epoch) == (fact.position, fact.epoch)
    assert (f"tok:{'a' * 32}", "app:batch") == fact.tags
    assert "bob" == fact.payload.owner
    assert {Right("batch", "pets:1.0"): "gold"} == {right: one.payload.tier for right, one in rights.items()}
    assert ("sub:batch/pets:1.0", "app:batch") == rights[Right("batch", "pets:1.0")].tags


def test_who_is_unknown_is_known_to_be(filled, read):
    """With the tag of the key, so that it is asked for again when it is issued; likewise a subscription."""
    (fact, rights), (right, _) = read(read_facts, [key("b"), Right("batch", "toys:1.0")], NOW)

    assert (None, (f"tok:{'b' * 32}",), {}) == (fact.payload, fact.tags, rights)
    assert None is right.payload


def test_what_has_ended_is_unknown(filled, write, read):
    """And what has not, ends when it ends."""
    write(add_credential, a_credential(id="Ends", mark="c", expires_at=NOW + 60))

    assert NOW + 60 == read(read_facts, [key("c")], NOW)[0][0].expires
    assert None is read(read_facts, [key("c")], NOW + 60)[0][0].payload


def test_any_of_the_digests_may_be_the_one(filled, read):
    """There are several peppers while one is changed."""
    wanted = Key(b"fact", "api-key", ("v2:" + "f" * 64, "v1:" + "a" * 64))

    assert "batch" == read(read_facts, [wanted], NOW)[0][0].payload.application


def test_a_token_is_a_credential(write, read):
    """Of its user, with its scopes; one of another kind opens nothing."""
    write(create_application, "app", owner="bob", tier="gold")
    write(create_user, User("ann"))
    sandbox = Environment.SANDBOX.value
    token = Token("access", "v1:" + "e" * 64, "app", NOW + 60, user="ann", scopes=("read",), environment=sandbox)
    write(add_token, token)
    (fact, _), (other, _), (refresh, _) = read(
        read_facts, [key("e", "token"), key("e", "jti"), key("e", "api-key")], NOW
    )

    assert ("token", "app", ("read",), "ann", "gold") == (
        fact.payload.kind, fact.payload.application, fact.payload.scopes, fact.payload.user, fact.payload.tier,
    )  # fmt: skip
    assert (Environment.SANDBOX, "bob") == (fact.payload.environment, fact.payload.owner)
    assert "user:ann" in fact.tags
    assert (None, None) == (other.payload, refresh.payload)


def test_a_caller_is_who_the_credential_says(filled, write, read):
    """A name of no user here, groups, another owner; with a user of the registry, that one."""
    write(create_user, User("ann"))
    write(add_credential, a_credential(id="One", mark="c", user="alice", groups=("gold",), owner="eve"))
    write(add_credential, a_credential(id="Two", mark="d"), user="ann")
    write(add_credential, Credential("basic", "Three", "batch", digest="$x", user="alice"), found_by=f"v1:{'e' * 64}")

    found = [one.payload for one, _ in read(read_facts, [key("c"), key("d"), key("e", "basic")], NOW)]
    assert [("alice", ("gold",), "eve"), ("ann", (), "bob"), ("alice", (), "bob")] == [
        (one.user, one.groups, one.owner) for one in found
    ]
    assert "$x" == found[2].digest


def test_each_thing_is_answered_in_its_place(filled, write, read):
    """However many are asked for."""
    write(create_application, "app", owner="bob")
    write(subscribe, "app", "pets:1.0")
    found = read(read_facts, [Right("app", "pets:1.0"), key("a"), Right("x", "y"), key("z")], NOW)

    assert [True, True, False, False] == [fact.payload is not None for fact, _ in found]
