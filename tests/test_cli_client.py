"""Tests of twgw.cli_client."""

import re

import pytest


@pytest.fixture
def me(desk):
    """An application."""
    desk.done("app", "create", "me")
    return desk


def test_a_client_is_made_with_a_secret_that_is_shown_once(me):
    """And what to do next."""
    said = me.done("client", "add", "me")
    found = re.search(r"client_id: (\w+)\nThe client_secret, shown this once:\n\n  (tw_cs_\w+)\n", said)

    assert f"Next: twgw token new {found[1]}\n" in said
    assert found[2] not in me.done("client", "show", found[1]) + me.done("client", "list", "me")


def test_a_client_is_made_as_it_is_wanted(me):
    """For people who log in, without a secret, for some scopes."""
    made = me.found(
        "client", "add", "me", "--grant", "authorization_code", "--grant", "refresh_token", "--public",
        "--redirect-uri", "https://app.example/back", "--scope", "read", "--scope", "write", "--default-scope", "read",
        "--jwt", "--sandbox", "--access-time", "15m",
    )  # fmt: skip
    it = made["settings"]

    assert (None, "sandbox", ["authorization_code", "refresh_token"]) == (
        made["secret"], made["environment"], it["grants"]
    )
    assert (["read", "write"], ["read"], "jwt", 900) == (
        it["scopes"], it["default_scopes"], it["token_format"], it["access_seconds"]
    )
    assert "twgw token" not in me.done(
        "client", "add", "me", "--grant", "authorization_code", "--redirect-uri", "https://app.example/back"
    )


def test_what_a_client_cannot_be_is_said(me):
    """With the place of the fault."""
    assert "settings.redirect_uris: missing" in me.refused("client", "add", "me", "--grant", "authorization_code")
    assert 2 == me.run("client", "add", "me", "--grant", "magic").exit_code
    assert "there is no application you" in me.refused("client", "add", "you")


def test_clients_are_listed_and_shown(me):
    """With what they may do."""
    assert "me has none." in me.done("client", "list", "me")
    made = me.found("client", "add", "me", "--introspect")

    row = me.done("client", "list", "me").splitlines()[1].split()
    assert [made["id"], "good", "production", "client_credentials"] == row[:4]
    assert [made["id"]] == [each["id"] for each in me.found("client", "list", "me")]
    said = me.done("client", "show", made["id"])
    assert re.search(r"scopes +all", said)
    assert re.search(r"introspects +yes", said)
    assert made["id"] == me.found("client", "show", made["id"])["id"]


def test_a_secret_is_replaced_and_a_client_taken_back(me):
    """For ever."""
    made = me.found("client", "add", "me")

    assert re.search(r"  tw_cs_\w+\n", me.done("client", "secret", made["id"]))
    assert made["secret"] != me.found("client", "secret", made["id"])["secret"]
    assert f"{made['id']} is taken back; its tokens are refused\n" == me.done("client", "delete", made["id"])
    assert "was taken back; make another" in me.refused("client", "secret", made["id"])
    assert "taken back" in me.done("client", "list", "me")
    other = me.found("client", "add", "me")["id"]
    assert {"deleted": other} == me.found("client", "delete", other)
