"""Tests of twgw.cli_app."""

import re

import pytest


@pytest.fixture
def shop(desk):
    """Two APIs, one of which has two tiers."""
    desk.done("api", "add", "/hello", "echo:", "--tier", "Bronze", "--publish")
    desk.done("api", "add", "/maps", "echo:", "--tier", "Bronze", "--tier", "Gold", "--host", "*.example", "--publish")
    return desk


def test_an_application_is_made_with_a_key_and_how_to_use_it(shop):
    """The key is shown this once."""
    said = shop.done("app", "create", "me", "--subscribe", "hello", "--key")
    (key,) = set(re.findall(r"tw_live_\w+", said))

    assert "me is there, subscribed to hello:1.0 (Bronze)\n" in said
    assert f"The key, shown this once:\n\n  {key}\n" in said
    assert f"Try it: curl -i -H 'X-API-Key: {key}' http://GATEWAY/hello\n" in said
    assert key not in shop.done("app", "show", "me")
    assert key not in shop.done("key", "list", "me")


def test_programs_get_all_of_it(shop):
    """In one document."""
    found = shop.found("app", "create", "me", "--subscribe", "hello", "--subscribe", "maps=Gold", "--key")

    assert ["Bronze", "Gold"] == [each["tier"] for each in found["subscriptions"]]
    assert "me" == found["application"]["name"] == found["key"]["application"]
    assert found["key"]["key"].startswith("tw_live_")


def test_the_call_of_an_api_with_a_host_names_it(shop):
    """So that it is found."""
    said = shop.done("app", "create", "me", "--subscribe", "maps=Gold", "--key")

    assert "curl -i -H 'Host: www.example' -H 'X-API-Key: " in said


def test_what_is_missing_is_said(shop):
    """The next step, for each kind of application."""
    assert "Next: twgw app subscribe a API, and twgw key new --application a" in shop.done("app", "create", "a")
    wish = ("--subscribe", "hello", "--tier", "Gold", "--title", "B", "--owner", "root")
    said = shop.done("app", "create", "my b", *wish)
    assert "Next: twgw key new --application 'my b'" in said


def test_a_developer_is_told_how_to_call_too(shop):
    """Who may not look behind an API; one that nobody finds any more is not called, the key is shown all the same."""
    shop.world.user("sue", "subscriber")
    assert "http://GATEWAY/hello" in shop.done("app", "create", "sues", "--subscribe", "hello", "--key", who="sue")

    shop.done("api", "block", "hello")
    said = shop.done("key", "new", "--application", "sues", who="sue")
    assert "tw_live_" in said
    assert "curl" not in said


def test_what_cannot_be_subscribed_is_said(shop):
    """And nothing is made."""
    assert "asks for a tier: Bronze, Gold" in shop.refused("app", "create", "me", "--subscribe", "maps")
    assert "there is no API nope" in shop.refused("app", "create", "me", "--subscribe", "nope")
    assert [] == shop.found("app", "list")


def test_applications_are_listed_and_shown(shop):
    """With what they may call."""
    assert "There are none.  Next: twgw app create NAME" in shop.done("app", "list")
    shop.done("app", "create", "me", "--subscribe", "hello", "--title", "Mine")
    said = shop.done("app", "show", "me")

    assert ["me", "ACTIVE", "root", "Mine"] == shop.done("app", "list").splitlines()[1].split()
    assert "It has no key." in said
    assert re.search(r"hello:1.0 +ACCEPTED +Bronze", said)
    assert {"application", "subscriptions", "keys"} == set(shop.found("app", "show", "me"))
    assert "there is no application you" in shop.refused("app", "show", "you")


def test_an_application_is_subscribed_and_unsubscribed(shop):
    """The tier of one that is subscribed is changed."""
    shop.done("app", "create", "me")

    assert "me: maps:1.0 in Gold, ACCEPTED\n" == shop.done("app", "subscribe", "me", "maps", "--tier", "Gold")
    assert "already" in shop.refused("app", "subscribe", "me", "maps")
    assert "Bronze" == shop.found("app", "subscribe", "me", "maps", "--tier", "Bronze")["tier"]
    assert "me may not call maps any more\n" == shop.done("app", "unsubscribe", "me", "maps")
    assert {"application": "me", "unsubscribed": "hello"} == [
        shop.done("app", "subscribe", "me", "hello"), shop.found("app", "unsubscribe", "me", "hello")
    ][1]  # fmt: skip
    assert "It is subscribed to nothing." in shop.done("app", "show", "me")


def test_a_subscription_that_waits_is_decided(shop):
    """Whoever asks is told who decides; whoever may, decides."""
    shop.world.post("/tiers", {"name": "Vip", "approval": True})
    shop.done("api", "add", "/vip", "echo:", "--tier", "Vip", "--publish")
    shop.world.user("sue", "subscriber")

    said = shop.done("app", "create", "sues", "--subscribe", "vip", "--key", who="sue")
    assert "vip:1.0: a publisher has to accept it: twgw app accept sues vip:1.0" in said
    assert "curl" not in said
    shop.refused("app", "accept", "sues", "vip", who="sue")
    for word, state in (("reject", "REJECTED"), ("accept", "ACCEPTED"), ("pause", "PAUSED"), ("resume", "ACCEPTED")):
        assert f"sues: vip:1.0 in Vip, {state}\n" == shop.done("app", word, "sues", "vip")
    assert "PAUSED" == shop.found("app", "pause", "sues", "vip")["state"]


def test_an_application_is_deleted_with_its_keys(shop):
    """None is good from then on."""
    key = shop.found("app", "create", "me", "--subscribe", "hello", "--key")["key"]

    assert "me is deleted; its keys and tokens are refused\n" == shop.done("app", "delete", "me")
    assert "there is no key" in shop.refused("key", "show", key["id"])
    shop.done("app", "create", "you")
    assert {"deleted": "you"} == shop.found("app", "delete", "you")


def test_an_application_is_changed_by_what_is_named(shop):
    """And by nothing else; who may not is told."""
    shop.done("app", "create", "me", "--tier", "Gold", "--title", "Mine")

    assert "me is ACTIVE, belongs to ann, has Gold\n" == shop.done("app", "edit", "me", "--owner", "ann")
    found = shop.found("app", "edit", "me", "--tier", "", "--description", "for tests", "--state", "paused")
    assert ("Mine", "for tests", "ann", None, "PAUSED") == tuple(
        found[field] for field in ("title", "description", "owner", "tier", "state")
    )
    shop.world.user("sue", "subscriber")
    shop.done("app", "create", "hers", who="sue")
    assert "changed by an admin" in shop.refused("app", "edit", "hers", "--owner", "bob", who="sue")
    assert 2 == shop.run("app", "edit", "me").exit_code
