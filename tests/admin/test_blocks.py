"""Tests of twgw.admin.blocks."""

import pytest

from tests.rest import NOW


def test_somebody_is_blocked_and_let_in_again(world):
    """Both are waited for."""
    made = world.ask("POST", "/blocks", {"kind": "application", "value": "my app", "reason": "flood"}, status=201)

    assert ("my app", "root", NOW, None) == (
        made.json["value"], made.json["actor"], made.json["at"], made.json["expires_at"],
    )  # fmt: skip
    assert "1;503;20" == made.headers["Twgw-Position"]
    path = made.headers["Location"].removeprefix("/admin/v1")
    assert made.json == world.get(path)
    world.ask("DELETE", path, status=204)
    world.ask("DELETE", path, status=404)


@pytest.mark.parametrize(("value", "kept"), [
    ("192.0.2.1", "192.0.2.1"), ("192.0.2.0/24", "192.0.2.0/24"), ("2001:db8::1", "2001:db8::1"),
    ("2001:0db8::/32", "2001:db8::/32"), ("192.0.2.1/32", "192.0.2.1"),
])  # fmt: skip
def test_addresses_are_kept_in_one_form(world, value, kept):
    """So that each is found again."""
    assert kept == world.post("/blocks", {"kind": "ip", "value": value})["value"]
    assert kept == world.get(f"/blocks/ip?value={kept}")["value"]


@pytest.mark.parametrize("value", ["192.0.2.1/24", "a.example", "192.0.2.256"])
def test_what_is_no_address_is_refused(world, value):
    """A host name is none, as what it means changes."""
    assert "value" == world.post("/blocks", {"kind": "ip", "value": value}, status=422)["faults"][0]["path"]


def test_a_block_that_has_ended_is_not_listed(world):
    """The others by kind and value."""
    world.post("/blocks", {"kind": "user", "value": "bob", "expires_in": 60})
    world.post("/blocks", {"kind": "api", "value": "pets:1.0"})
    assert ["pets:1.0", "bob"] == [each["value"] for each in world.get("/blocks")["items"]]
    first = world.get("/blocks?limit=1")
    assert ["bob"] == [each["value"] for each in world.get(f"/blocks?cursor={first['next']}")["items"]]

    world.now += 61
    assert ["pets:1.0"] == [each["value"] for each in world.get("/blocks")["items"]]


def test_operators_block(world):
    """And nobody who has less."""
    world.user("olga", "operator")
    world.user("pat", "publisher", "creator", "subscriber")
    body = {"kind": "user", "value": "bob"}

    world.ask("POST", "/blocks", body, who="olga", status=201)
    world.ask("POST", "/blocks", body, who="pat", status=403)
