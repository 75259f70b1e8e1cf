"""Tests of twgw.store.keys."""

import pytest

from tests.rest import NOW
from twgw.credentials import key_id, mint, well_formed
from twgw.memory import digest
from twgw.model import Credential
from twgw.storage.audit import list_audit
from twgw.storage.credentials import add_credential, find_by_digest


@pytest.fixture
def shop(world):
    """Two applications and their owners."""
    for name in ("sue", "bob"):
        world.user(name, "subscriber")
        world.post("/applications", {"name": f"{name}s"}, who=name)
    return world


def known(world, key):
    """What a gateway finds of a key."""
    return world.database.call(find_by_digest, "api-key", digest(key))


def test_a_key_is_shown_once(shop):
    """In the answer that makes it, and nowhere else: not in the list, not in the audit."""
    made = shop.post("/applications/sues/keys", {"title": "for tests"}, who="sue")

    assert well_formed(made["key"])
    assert (key_id(made["key"]), "sues") == (made["id"], made["application"])
    assert known(shop, made["key"]).valid
    assert "key" not in shop.get(f"/keys/{made['id']}")
    told = [shop.ask("GET", "/applications/sues/keys").text, repr(shop.database.call(list_audit))]
    assert [] == [text for text in told if made["key"] in text or digest(made["key"]) in text]


def test_a_repeated_request_makes_one_key_and_does_not_show_it_again(shop):
    """It was shown; whoever lost it exchanges it."""
    first, second = (
        shop.ask("POST", "/applications/sues/keys", {}, who="sue", status=201, Idempotency_Key="k") for _ in range(2)
    )

    assert first.json["id"] == second.json["id"]
    assert "key" not in second.json
    assert 1 == len(shop.get("/applications/sues/keys")["items"])


def test_a_sandbox_key_says_so(shop):
    """And one that ends ends."""
    made = shop.post("/applications/sues/keys", {"environment": "sandbox", "expires_in": 60, "scopes": ["read"]})

    assert made["key"].startswith("tw_test_")
    assert (NOW + 60, ["read"]) == (made["expires_at"], made["scopes"])


def test_keys_made_elsewhere_are_taken_over(shop):
    """In plain form or as a digest; whoever owns them keeps them."""
    old = "0123456789abcdef-0123456789abcdef"
    made = shop.post("/applications/sues/keys", {"value": old})
    other = shop.post("/applications/sues/keys", {"digest": f"v1:{'a' * 64}"})

    assert [None, None] == [made["key"], other["key"]]
    assert known(shop, old).valid
    assert "already" in shop.post("/applications/bobs/keys", {"value": old}, status=409)["detail"]


@pytest.mark.parametrize(("body", "words"), [
    ({"value": "0123456789"}, "could be guessed"), ({"value": mint()[:-1] + "!"}, "not copied whole"),
    ({"digest": "v1:abc"}, "64 hex digits"), ({"value": "a" * 20, "digest": f"v1:{'a' * 64}"}, "leave one of them out"),
    ({"environment": "prod"}, "must be one of"), ({"expires_in": 0}, "must be > 0"), ({"scopes": ["a b"]}, "match"),
])  # fmt: skip
def test_a_key_that_is_none_is_refused(shop, body, words):
    """With what is wrong."""
    assert words in shop.post("/applications/sues/keys", body, status=422)["detail"]


def test_a_key_is_exchanged_with_an_overlap(shop):
    """Both are good for a while."""
    old = shop.post("/applications/sues/keys", {"title": "t"})
    new = shop.post(f"/keys/{old['id']}/rotation", {"overlap": 60}, who="sue")

    assert old["key"] != new["key"]
    assert ("t", None) == (new["title"], new["expires_at"])
    assert NOW + 60 == shop.get(f"/keys/{old['id']}")["expires_at"]
    assert known(shop, new["key"]).valid


def test_a_key_is_taken_back_for_ever(shop):
    """Waited for; a second time changes nothing."""
    made = shop.post("/applications/sues/keys", {}, who="sue")
    first, second = (shop.ask("DELETE", f"/keys/{made['id']}", who="sue", status=204) for _ in range(2))

    assert not known(shop, made["key"]).valid
    assert shop.get(f"/keys/{made['id']}")["revoked"]
    assert first.headers["Twgw-Position"] == second.headers["Twgw-Position"] == "1;503;20"


@pytest.mark.parametrize("by", ["key", "id"])
def test_who_finds_a_key_takes_it_back(shop, by):
    """By the key itself or by its id; neither is in the audit as it was sent."""
    made = shop.post("/applications/sues/keys", {})
    told = shop.post("/revocations", {"key": made[by]}, status=200)

    assert (made["id"], True) == (told["id"], told["revoked"])
    assert not known(shop, made["key"]).valid
    assert made["key"] not in repr(shop.database.call(list_audit))


def test_nobody_touches_the_keys_of_others(shop):
    """They are not there."""
    made = shop.post("/applications/bobs/keys", {}, who="bob")

    for method, path, body in (
        ("GET", f"/keys/{made['id']}", None), ("DELETE", f"/keys/{made['id']}", None),
        ("POST", f"/keys/{made['id']}/rotation", {}), ("POST", "/revocations", {"key": made["key"]}),
        ("POST", "/revocations", {"key": "nothing"}),
    ):  # fmt: skip
        shop.ask(method, path, body, who="sue", status=404)
    assert known(shop, made["key"]).valid


def test_a_key_that_is_not_good_has_no_successor(shop):
    """Neither one that was taken back nor one that has ended."""
    gone, ended = (shop.post("/applications/sues/keys", body) for body in ({}, {"expires_in": 5}))
    shop.ask("DELETE", f"/keys/{gone['id']}", status=204)
    shop.now += 6

    for made in (gone, ended):
        assert "not good any more" in shop.post(f"/keys/{made['id']}/rotation", {}, status=409)["detail"]
    last = shop.post("/applications/sues/keys", {})
    shop.post(f"/keys/{last['id']}/rotation", {"overlap": 1e9}, status=422)


def test_an_exchange_that_ends_a_key_is_waited_for(shop):
    """The gateway knows then when the old one ends."""
    made = shop.post("/applications/sues/keys", {})
    answer = shop.ask("POST", f"/store/v1/keys/{made['id']}/rotation", {"overlap": 0}, who="sue", status=201)

    assert "1;202;20" == answer.headers["Twgw-Position"]
    assert f"/store/v1/keys/{answer.json['id']}" == answer.headers["Location"]


def test_a_password_is_shown_and_taken_back_but_is_no_key(shop):
    """One that came with a state: what is stored of it is not shown, and it is not exchanged for a key."""
    entry = Credential("basic", "alice", "sues", digest="$argon2id$one", user="alice")
    shop.database.call(add_credential, entry, found_by=digest("alice"), now=NOW, write=True)

    (found,) = shop.get("/applications/sues/keys", who="sue")["items"]
    assert "alice" == found["id"]
    assert "argon" not in shop.ask("GET", "/keys/alice", who="sue").text
    assert "is a password" in shop.post("/keys/alice/rotation", {}, who="sue", status=409)["detail"]
    shop.ask("DELETE", "/keys/alice", who="bob", status=404)
    shop.ask("DELETE", "/keys/alice", who="sue", status=204)
    assert not shop.database.call(find_by_digest, "basic", digest("alice")).valid
    assert shop.post("/revocations", {"key": "alice"}, status=200)["revoked"]
