"""Tests of twgw.cli_revoke."""

import pytest


@pytest.fixture
def key(desk):
    """A key of the application me."""
    desk.done("app", "create", "me")
    return desk.found("key", "new", "--application", "me")


def test_a_key_is_taken_back_by_itself_or_by_its_id(desk, key):
    """And stays in the list."""
    assert f"Revoked: the key {key['id']} of me is refused from now on\n" == desk.done("revoke", key["key"])
    assert [True] == [each["revoked"] for each in desk.found("key", "list", "me")]
    other = desk.found("key", "new", "--application", "me")
    assert other["id"] == desk.found("revoke", other["id"])["id"]


@pytest.mark.parametrize("words", [["revoke", "-"], ["revoke"]])
def test_a_key_need_not_stand_in_the_command_line(desk, key, words):
    """It is read from standard input."""
    assert f"the key {key['id']} of me" in desk.done(*words, typed=f"{key['key']}\n")


def test_a_key_that_was_broken_into_lines_is_one(desk, key):
    """As a mail does it."""
    assert f"the key {key['id']} of me" in desk.done("revoke", f"{key['key'][:20]}\n {key['key'][20:]}")


def test_no_key_is_no_key(desk):
    """An empty input takes nothing back."""
    assert "no key was given" in desk.refused("revoke", "-", typed="\n")


def test_a_key_that_nobody_knows_is_said(desk):
    """Without a word of it but what was typed."""
    assert "Not found: there is no key nonesuch" in desk.refused("revoke", "nonesuch")
