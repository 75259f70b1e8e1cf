"""Tests of twgw.publisher.subscribers."""

import pytest

from tests.rest import GUARDED, an_api

WAITING = "/publisher/v1/apis/pets/subscriptions"
MOVES = "/publisher/v1/applications/shop/subscriptions/pets:1.0/moves"


@pytest.fixture
def shop(world):
    """An API, and an application that waits for a tier with approval."""
    world.post("/tiers", {"name": "Gold", "limits": [{"amount": 1000}], "approval": True})
    world.post("/apis", {"api": an_api(tiers=["Gold"], policies=GUARDED), "publish": True})
    for name, role in (("bob", "subscriber"), ("pat", "publisher"), ("carl", "creator")):
        world.user(name, role)
    world.post("/store/v1/applications", {"name": "shop", "subscribe": ["pets"]}, who="bob")
    return world


def states(shop):
    return [(each["application"], each["state"]) for each in shop.get(WAITING, who="pat")["items"]]


def test_a_publisher_accepts_who_waits(shop):
    """Whoever uses the API does not accept themselves, nor does a creator."""
    assert [("shop", "PENDING")] == states(shop)
    for who in ("bob", "carl"):
        shop.post(MOVES, {"move": "accept"}, who=who, status=403)
    shop.post(MOVES, {"move": "accept"}, who="pat", status=200)

    assert [("shop", "ACCEPTED")] == states(shop)


def test_a_paused_application_does_not_call(shop):
    """Resumed, it calls again."""
    shop.post(MOVES, {"move": "accept"}, who="pat", status=200)
    key = shop.post("/store/v1/applications/shop/keys", {}, who="bob")["key"]
    gateway = shop.gateway()
    found = []
    for move in ("pause", "resume"):
        shop.post(MOVES, {"move": move}, who="pat", status=200)
        gateway.follower.poll()
        found.append(gateway.get("/pets", headers={"X-API-Key": key}).status)

    assert [403, 200] == found


def test_what_the_state_does_not_allow_is_refused(shop):
    """And a subscription that is not there is not found."""
    assert "possible" in shop.post(MOVES, {"move": "resume"}, who="pat", status=409)["detail"]
    shop.post(MOVES.replace("pets", "cats"), {"move": "accept"}, who="pat", status=404)
    shop.ask("GET", WAITING.replace("pets", "cats"), who="pat", status=404)
