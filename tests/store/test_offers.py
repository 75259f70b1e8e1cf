"""Tests of twgw.store.offers."""

import pytest

from tests.rest import an_api

CATALOG = "/store/v1/catalog"


@pytest.fixture
def shop(world):
    """A node with a subscriber."""
    world.user("sue", "subscriber")
    return world


def ids(shop, query=""):
    return [each["id"] for each in shop.get(f"{CATALOG}{query}", who="sue")["items"]]


def test_the_catalogue_shows_what_may_be_seen(shop):
    """Published, and not for others' groups; without servers and policies."""
    shop.post("/apis", {"api": an_api(tags=["animals"], title="All pets"), "publish": True})
    shop.post("/apis", {"api": an_api("secret", visible_to=["partners"]), "publish": True})
    shop.post("/apis", {"api": an_api("draft")})

    (found,) = shop.get(CATALOG, who="sue")["items"]
    assert ("pets:1.0", "All pets") == (found["id"], found["title"])
    assert not {"upstream", "policies", "owner"} & found.keys()
    assert (["pets:1.0"], []) == (ids(shop, "?q=tag:animals"), ids(shop, "?q=draft"))
    assert "pets:1.0" == shop.get(f"{CATALOG}/pets", who="sue")["id"]
    for name in ("secret:1.0", "draft:1.0", "none"):
        shop.ask("GET", f"{CATALOG}/{name}", who="sue", status=404)


def test_the_catalogue_shows_what_is_served(shop):
    """Not what is being edited."""
    shop.post("/apis", {"api": an_api(title="Old"), "publish": True})
    tag = shop.ask("GET", "/apis/pets").headers["ETag"]
    shop.ask("PUT", "/apis/pets", an_api(title="New"), If_Match=tag, status=200)
    assert "Old" == shop.get(f"{CATALOG}/pets", who="sue")["title"]

    shop.move("pets", "publish")
    assert "New" == shop.get(f"{CATALOG}/pets", who="sue")["title"]


def test_the_catalogue_has_one_version_of_each_api_in_pages(shop):
    """All of them when asked for."""
    for version in ("1.0", "2.0"):
        for name in ("cats", "dogs"):
            api = an_api(name, version=version, base_path=f"/{name}/{version}")
            shop.post("/apis", {"api": api, "publish": True})

    first = shop.get(f"{CATALOG}?limit=1", who="sue")
    second = shop.get(f"{CATALOG}?limit=1&cursor={first['next']}", who="sue")
    assert ["cats:2.0", "dogs:2.0"] == [each["id"] for each in first["items"] + second["items"]]
    assert second["next"] is None
    assert 4 == len(ids(shop, "?versions=true"))
    shop.ask("GET", f"{CATALOG}?cursor=YQ==", who="sue", status=422)


def test_tiers_are_shown_to_those_who_may_have_them(shop):
    """By name, in pages; those of a group are for the group."""
    for tier in ({"name": "Bronze"}, {"name": "Gold", "approval": True}, {"name": "Partner", "groups": ["partners"]}):
        shop.post("/tiers", tier)

    first = shop.get("/store/v1/offered-tiers?limit=1", who="sue")
    second = shop.get(f"/store/v1/offered-tiers?limit=1&cursor={first['next']}", who="sue")
    assert ["Bronze", "Gold"] == [each["name"] for each in first["items"] + second["items"]]
    assert second["next"] is None
    assert "Partner" not in [each["name"] for each in shop.get("/store/v1/offered-tiers", who="sue")["items"]]


def test_what_is_for_a_group_is_for_its_users(shop):
    """An API and a tier, from when they are in it until they are not; what they have got then, they keep."""
    shop.post("/tiers", {"name": "Partner", "groups": ["partners"]})
    shop.post("/apis", {"api": an_api("secret", visible_to=["partners"], tiers=["Partner"]), "publish": True})
    shop.post("/apis", {"api": an_api("open", tiers=["Partner"]), "publish": True})
    shop.post("/applications", {"name": "app"}, who="sue")
    rights, tiers = "/applications/app/subscriptions", "/store/v1/offered-tiers"
    assert (["open:1.0"], []) == (ids(shop), shop.get(tiers, who="sue")["items"])
    shop.post(rights, {"api": "open"}, who="sue", status=403)

    shop.ask("PATCH", "/users/sue", {"groups": ["partners"]}, status=200)
    assert ["open:1.0", "secret:1.0"] == ids(shop)
    assert ["Partner"] == [each["name"] for each in shop.get(tiers, who="sue")["items"]]
    assert "ACCEPTED" == shop.post(rights, {"api": "secret"}, who="sue")["state"]
    shop.ask("PATCH", "/applications/app", {"tier": "Partner"}, who="sue", status=200)

    shop.ask("PATCH", "/users/sue", {"groups": []}, status=200)
    assert ["open:1.0"] == ids(shop)
    assert ["ACCEPTED"] == [each["state"] for each in shop.get(rights, who="sue")["items"]]


def test_the_groups_of_a_directory_count(shop):
    """What an [[ldap]] table grants to groups of a directory, until the login ends."""
    shop.post("/apis", {"api": an_api("secret", visible_to=["gold"]), "publish": True})
    shop.user("bob", "subscriber")
    login = {"name": "zoe", "password": "right"}
    shop.tokens["zoe"] = shop.post("/store/v1/login", login, who=None)["token"]

    seen = {who: [each["id"] for each in shop.get(CATALOG, who=who)["items"]] for who in ("bob", "zoe")}
    assert {"bob": [], "zoe": ["secret:1.0"]} == seen
