"""Tests of twgw.cli_tier."""

import click
import pytest

from twgw.cli_tier import LIMIT, limit_in_words


def test_a_tier_is_made_with_its_limits(desk):
    """All of them hold."""
    said = desk.done("tier", "add", "Silver", "--limit", "100/1m", "--limit", "5GB/1d", "--burst", "20/1s")
    tier = desk.found("tier", "show", "Silver")["tier"]

    assert "Silver: 100/1m, 5GB/1d, burst 20/1s\n" == said
    assert [(100, 60, "requests"), (5_000_000_000, 86400, "bytes")] == [
        (limit["amount"], limit["period"], limit["unit"]) for limit in tier["limits"]
    ]
    assert 20 == tier["burst"]["amount"]


def test_a_tier_is_made_as_it_is_wanted(desk):
    """Counted in another way, for some, with an approval."""
    made = desk.found(
        "tier", "add", "Vip", "--limit", "5/90s", "--algorithm", "sliding-window", "--approval", "--group", "staff"
    )["tier"]

    assert ("sliding-window", True, ["staff"]) == (made["limits"][0]["algorithm"], made["approval"], made["groups"])
    said = desk.done("tier", "show", "Vip")
    assert "5/90s" in said
    assert "sliding-window" in said
    assert "Unlimited: unlimited\n" == desk.done("tier", "add", "Unlimited")


def test_a_tier_is_replaced_as_a_whole(desk):
    """What is not named is gone."""
    desk.done("tier", "set", "Gold", "--limit", "5/1s", "--approval")

    assert "Gold: 7/1h\n" == desk.done("tier", "set", "Gold", "--limit", "7/1h")
    assert not desk.found("tier", "show", "Gold")["tier"]["approval"]
    assert "there is no tier Golt" in desk.refused("tier", "set", "Golt")


def test_tiers_are_listed_and_deleted(desk):
    """One that is used is not."""
    rows = [line.split() for line in desk.done("tier", "list").splitlines()]
    assert [["Bronze", "10/1m"], ["Gold", "10/1m"]] == rows[1:]
    assert ["Bronze", "Gold"] == [each["tier"]["name"] for each in desk.found("tier", "list")]

    desk.done("app", "create", "me", "--tier", "Gold")
    desk.refused("tier", "delete", "Gold")
    assert "Bronze is deleted\n" == desk.done("tier", "delete", "Bronze")
    desk.done("tier", "add", "Tin")
    assert {"deleted": "Tin"} == desk.found("tier", "delete", "Tin")


@pytest.mark.parametrize("text", ["100/1m", "1/1s", "5GB/1d", "1500MB/2h", "7B/90s", "3/0.5s", "1/7d"])
def test_a_limit_is_said_as_it_is_written(text):
    """Whoever reads it knows what to type."""
    limit = LIMIT.convert(text, None, None)

    assert text == limit_in_words({"unit": "requests", **limit})


@pytest.mark.parametrize("text", ["", "100", "100/", "/1m", "1.5/1m", "5XB/1d", "100/1y"])
def test_anything_else_is_wrong_use(text):
    """And the form is said."""
    with pytest.raises(click.BadParameter, match="write "):
        LIMIT.convert(text, None, None)
