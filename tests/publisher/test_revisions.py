"""Tests of twgw.publisher.revisions."""

import pytest

from tests.rest import an_api


@pytest.fixture
def shop(world):
    """An API with three revisions, of which the first is served."""
    world.post("/apis", {"api": an_api(title="1"), "publish": True})
    for title in ("2", "3"):
        tag = world.ask("GET", "/apis/pets").headers["ETag"]
        world.ask("PUT", "/apis/pets", an_api(title=title), If_Match=tag, status=200)
    return world


def test_revisions_are_kept(shop):
    """The newest first, in pages; each with its text and its author."""
    first = shop.get("/apis/pets/revisions?limit=2")
    second = shop.get(f"/apis/pets/revisions?limit=2&cursor={first['next']}")

    assert [(3, "3"), (2, "2"), (1, "1")] == [
        (each["number"], each["api"]["title"]) for each in first["items"] + second["items"]
    ]
    assert second["next"] is None
    one = shop.get("/apis/pets/revisions/2")
    assert ("2", "root", False) == (one["api"]["title"], one["author"], one["imported"])
    for number in ("4", "0", "x"):
        shop.ask("GET", f"/apis/pets/revisions/{number}", status=404)
    shop.ask("GET", "/apis/pets/revisions?cursor=YQ==", status=422)


def test_the_way_back_is_a_new_revision(shop):
    """It is served at once, and what was in between stays; publishing again does not bring that back."""
    shop.move("pets", "publish")
    back = shop.ask("POST", "/apis/pets/rollback", {"revision": 1}, status=200)

    assert (4, 4, "1") == (back.json["latest"], back.json["live"], back.json["api"]["title"])
    assert "202" == back.headers["Twgw-Position"].split(";")[1]
    assert "back to revision 1" == shop.get("/apis/pets/revisions/4")["note"]
    assert "1" == shop.move("pets", "publish")["api"]["title"]
    shop.post("/apis/pets/rollback", {"revision": 9}, status=404)


def test_the_way_back_of_what_nobody_finds_serves_nothing(world):
    """It is saved, and CREATED still."""
    world.post("/apis", {"api": an_api()})
    back = world.ask("POST", "/apis/pets/rollback", {"revision": 1}, status=200)

    assert (2, None, "CREATED") == (back.json["latest"], back.json["live"], back.json["api"]["state"])
    assert "Twgw-Position" not in back.headers


def test_a_revision_that_would_not_be_taken_any_more_is_refused(world):
    """Its tier is gone: what is served stays."""
    world.post("/tiers", {"name": "Gold"})
    world.post("/apis", {"api": an_api(tiers=["Gold"]), "publish": True})
    tag = world.ask("GET", "/apis/pets").headers["ETag"]
    world.ask("PUT", "/apis/pets?publish=true", an_api(), If_Match=tag, status=200)
    world.ask("DELETE", "/tiers/Gold", status=204)

    assert "tiers[0]" == world.post("/apis/pets/rollback", {"revision": 1}, status=422)["faults"][0]["path"]
    assert (2, 2) == (world.get("/apis/pets")["latest"], world.get("/apis/pets")["live"])
