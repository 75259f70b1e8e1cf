"""Tests of twgw.store.applications."""

import pytest

from tests.rest import an_api


@pytest.fixture
def shop(world):
    """Two APIs, one with tiers, and somebody who subscribes."""
    for tier in ("Gold", "Silver"):
        world.post("/tiers", {"name": tier, "limits": [{"amount": 5}]})
    world.post("/apis", {"api": an_api(), "publish": True})
    world.post("/apis", {"api": an_api("maps", tiers=["Gold", "Silver"]), "publish": True})
    world.user("sue", "subscriber")
    world.user("bob", "subscriber")
    return world


def test_an_application_is_made_and_subscribed(shop):
    """By the name of an API alone."""
    made = shop.ask("POST", "/applications", {"name": "my app", "subscribe": ["pets"]}, status=201)

    assert ("my app", "root", "ACTIVE") == (made.json["name"], made.json["owner"], made.json["state"])
    assert "/admin/v1/applications/my%20app" == made.headers["Location"]
    assert ["pets:1.0"] == [each["api"] for each in shop.get("/applications/my%20app/subscriptions")["items"]]


def test_what_cannot_be_subscribed_leaves_nothing(shop):
    """One transaction: the application is not there either."""
    (fault,) = shop.post("/applications", {"name": "me", "subscribe": ["pets", "pats"]}, status=422)["faults"]

    assert "subscribe[1]" == fault["path"]
    assert "there is no API pats" in fault["text"]
    assert [] == shop.get("/applications")["items"]


def test_names_are_taken_once(shop):
    """And have a form."""
    shop.post("/applications", {"name": "me"})

    assert "already" in shop.post("/applications", {"name": "me"}, status=409)["detail"]
    for name in ("", " a", "a/b", "é", "x" * 101):
        assert "name" == shop.post("/applications", {"name": name}, status=422)["faults"][0]["path"]


def test_everybody_sees_their_own(shop):
    """Those of others are not there: not in the list, not by name, not to be changed."""
    shop.post("/applications", {"name": "sues"}, who="sue")
    shop.post("/applications", {"name": "bobs"}, who="bob")

    assert ["sues"] == [each["name"] for each in shop.get("/applications", who="sue")["items"]]
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("GET", "/subscriptions", None),
        ("POST", "/subscriptions", {"api": "pets"}), ("GET", "/keys", None), ("POST", "/keys", {}),
    ):  # fmt: skip
        shop.ask(method, f"/applications/bobs{path}", body, who="sue", status=404)
    assert ["bobs", "sues"] == [each["name"] for each in shop.get("/applications")["items"]]


def test_nobody_gives_an_application_away_or_lets_it_in(shop):
    """Its owner and its state are for who approves."""
    shop.post("/applications", {"name": "sues"}, who="sue")

    shop.post("/applications", {"name": "x", "owner": "bob"}, who="sue", status=422)
    for patch in ({"owner": "bob"}, {"state": "PAUSED"}):
        shop.ask("PATCH", "/applications/sues", patch, who="sue", status=403)
    shop.ask("PATCH", "/applications/sues", {"title": "Sue's"}, who="sue", status=200)


def test_a_patch_changes_what_it_names(shop):
    """Null takes away; a tier that is not there is refused."""
    shop.post("/applications", {"name": "me", "tier": "Gold", "title": "Me"})
    changed = shop.ask("PATCH", "/applications/me", {"tier": None}, status=200)

    assert (None, "Me") == (changed.json["tier"], changed.json["title"])
    assert "did you mean Gold?" in shop.ask("PATCH", "/applications/me", {"tier": "Golt"}, status=422).json["detail"]


def test_an_application_that_is_paused_is_waited_for(shop):
    """503 when that is not in force in time."""
    shop.post("/applications", {"name": "me"})

    paused = shop.ask("PATCH", "/applications/me", {"state": "PAUSED"}, status=200)
    assert "503" == paused.headers["Twgw-Position"].split(";")[1]
    deleted = shop.ask("DELETE", "/applications/me", status=204)
    assert "503" == deleted.headers["Twgw-Position"].split(";")[1]


def test_a_subscription_has_one_of_the_tiers(shop):
    """The only one is taken without a word; of several one has to be named."""
    shop.post("/applications", {"name": "me"})
    path = "/applications/me/subscriptions"

    assert "asks for a tier: Gold, Silver" in shop.post(path, {"api": "maps"}, status=409)["detail"]
    assert "has no tier Golt" in shop.post(path, {"api": "maps", "tier": "Golt"}, status=409)["detail"]
    made = shop.ask("POST", path, {"api": "maps", "tier": "Gold"}, status=201)
    assert f"/admin/v1{path}/maps:1.0" == made.headers["Location"]
    assert "already" in shop.post(path, {"api": "maps", "tier": "Gold"}, status=409)["detail"]


def test_a_subscription_is_changed_and_taken_away(shop):
    """The tier by its owner, the state by who approves; what is paused is not got rid of by its owner."""
    shop.post("/applications", {"name": "me"}, who="sue")
    path = "/applications/me/subscriptions/maps:1.0"
    shop.post("/applications/me/subscriptions", {"api": "maps", "tier": "Gold"}, who="sue")

    assert "Silver" == shop.ask("PATCH", path, {"tier": "Silver"}, who="sue", status=200).json["tier"]
    shop.post(f"{path}/moves", {"move": "pause"}, who="sue", status=403)
    paused = shop.ask("POST", f"{path}/moves", {"move": "pause"}, status=200)
    assert ("PAUSED", "503") == (paused.json["state"], paused.headers["Twgw-Position"].split(";")[1])
    assert "cannot accept" in shop.post(f"{path}/moves", {"move": "accept"}, status=409)["detail"]
    assert "ask a publisher" in shop.ask("DELETE", path, who="sue", status=409).json["detail"]
    shop.post(f"{path}/moves", {"move": "resume"}, status=200)
    assert "503;20" == shop.ask("DELETE", path, who="sue", status=204).headers["Twgw-Position"][-6:]
    shop.ask("GET", path, status=404)


def test_an_api_that_is_not_published_takes_no_subscription(shop):
    """Nobody finds it yet."""
    shop.post("/apis", {"api": an_api("new")})
    shop.post("/applications", {"name": "me"})

    shop.post("/applications/me/subscriptions", {"api": "new"}, status=409)


def test_a_tier_that_wants_an_approval_waits_for_it(shop):
    """A publisher sees who waits, and accepts; one who was turned away may ask again."""
    shop.post("/tiers", {"name": "Vip", "approval": True})
    shop.post("/apis", {"api": an_api("vip", tiers=["Vip"]), "publish": True})
    shop.post("/applications", {"name": "me"}, who="sue")
    shop.user("pat", "publisher")
    assert "PENDING" == shop.post("/applications/me/subscriptions", {"api": "vip"}, who="sue")["state"]

    (waiting,) = shop.get("/apis/vip/subscriptions", who="pat")["items"]
    path = f"/applications/me/subscriptions/{waiting['api']}"
    assert "REJECTED" == shop.post(f"{path}/moves", {"move": "reject"}, who="pat", status=200)["state"]
    assert "PENDING" == shop.post("/applications/me/subscriptions", {"api": "vip"}, who="sue")["state"]
    assert "ACCEPTED" == shop.post(f"{path}/moves", {"move": "accept"}, who="pat", status=200)["state"]
    shop.ask("GET", "/apis/vip/subscriptions", who="sue", status=403)


def test_the_tier_of_an_application_is_one_that_is_given_without_asking(shop):
    """Unless an admin gives it; what was given stays."""
    shop.post("/tiers", {"name": "Vip", "approval": True})
    told = shop.post("/applications", {"name": "x", "tier": "Vip"}, who="sue", status=403)
    assert "given by an admin" in told["detail"]
    shop.post("/applications", {"name": "x", "tier": "Gold"}, who="sue")
    shop.ask("PATCH", "/applications/x", {"tier": "Vip"}, who="sue", status=403)
    shop.ask("PATCH", "/applications/x", {"tier": "Vip"}, status=200)

    assert "Vip" == shop.ask("PATCH", "/applications/x", {"title": "X"}, who="sue", status=200).json["tier"]


def test_the_tiers_of_an_api_are_those_that_are_served(shop):
    """Not those of an edit."""
    tag = shop.ask("GET", "/apis/maps").headers["ETag"]
    shop.ask("PUT", "/apis/maps", an_api("maps", tiers=["Gold"]), If_Match=tag, status=200)
    shop.post("/applications", {"name": "me"}, who="sue")

    shop.post("/store/v1/applications/me/subscriptions", {"api": "maps", "tier": "Silver"}, who="sue")


def test_an_api_that_is_not_for_somebody_is_not_there(shop):
    """To be subscribed to either."""
    shop.post("/apis", {"api": an_api("secret", visible_to=["partners"]), "publish": True})
    shop.post("/applications", {"name": "me"}, who="sue")

    told = shop.post("/applications/me/subscriptions", {"api": "secret:1.0"}, who="sue", status=422)
    assert "there is no API secret:1.0" in told["detail"]
