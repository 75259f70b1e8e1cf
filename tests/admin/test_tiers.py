"""Tests of twgw.admin.tiers."""

from tests.rest import an_api

GOLD = {"name": "Gold", "limits": [{"amount": 20}]}


def test_tiers_are_made_listed_and_shown(world):
    """By name."""
    for name in ("b", "a"):
        world.post("/tiers", {"name": name})

    first = world.get("/tiers?limit=1")
    assert ["a"] == [each["tier"]["name"] for each in first["items"]]
    assert ["b"] == [each["tier"]["name"] for each in world.get(f"/tiers?cursor={first['next']}")["items"]]
    world.ask("GET", "/tiers/c", status=404)


def test_a_tier_is_replaced_by_who_has_read_it(world):
    """With its tag; the name stays."""
    made = world.ask("POST", "/tiers", GOLD, status=201)
    tag = world.ask("GET", "/tiers/Gold").headers["ETag"]
    other = {**GOLD, "limits": [{"amount": 5, "period": 3600}]}

    assert tag == made.headers["ETag"]
    world.ask("PUT", "/tiers/Gold", other, status=428)
    world.ask("PUT", "/tiers/Gold", {**other, "name": "Silver"}, status=422, If_Match=tag)
    done = world.ask("PUT", "/tiers/Gold", other, status=200, If_Match=tag)
    assert (5, "2;202;20") == (done.json["tier"]["limits"][0]["amount"], done.headers["Twgw-Position"])
    world.ask("PUT", "/tiers/Gold", other, status=412, If_Match=tag)


def test_a_tier_that_makes_no_sense_is_refused(world):
    """With every fault."""
    bad = {"name": "a/b", "limits": [{"amount": 1, "burst": 2}]}

    faults = world.post("/tiers", bad, status=422)["faults"]
    assert {"name", "limits[0].burst"} == {each["path"] for each in faults}


def test_a_tier_in_use_is_not_deleted(world):
    """Who has it must get another one first."""
    world.post("/tiers", GOLD)
    world.post("/apis", {"api": an_api(tiers=["Gold"]), "publish": True})
    world.post("/applications", {"name": "me", "subscribe": ["pets"]})

    assert "subscription" in world.ask("DELETE", "/tiers/Gold", status=409).json["detail"]
    world.ask("DELETE", "/applications/me", status=204)
    world.ask("DELETE", "/tiers/Gold", status=204)
