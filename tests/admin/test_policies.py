"""Tests of twgw.admin.policies."""

from twgw.faults import Fault


def test_the_global_policies_are_replaced_as_one(world):
    """By who has read them."""
    before = world.ask("GET", "/policies", status=200)
    assert ["correlation-id", "request-metrics", "access-log"] == [each["name"] for each in before.json["policies"]]

    other = {"policies": [{"name": "access-log"}]}
    world.ask("PUT", "/policies", other, status=428)
    done = world.ask("PUT", "/policies", other, status=200, If_Match=before.headers["ETag"])
    assert (["access-log"], 1) == ([each["name"] for each in done.json["policies"]], done.json["stamp"])
    assert "1;503;20" == done.headers["Twgw-Position"]
    world.ask("PUT", "/policies", other, status=412, If_Match=before.headers["ETag"])


def test_policies_that_do_not_compile_are_refused(world):
    """They would be in the way of every API."""
    world.faults = (Fault("policies[0].name", "no policy 'x' is installed"),)
    tag = world.ask("GET", "/policies").headers["ETag"]

    told = world.ask("PUT", "/policies", {"policies": [{"name": "x"}]}, status=422, If_Match=tag)
    assert [{"path": "policies[0].name", "text": "no policy 'x' is installed"}] == told.json["faults"]


def test_what_is_installed_is_shown(world):
    """Each with the schema of its settings."""
    names = [each["name"] for each in world.get("/plugins")["items"]]

    assert sorted(names) == names
    assert "key-auth" in names
    shown = world.get("/plugins/rate-limit")
    assert "throttle" in shown["phases"]
    assert "amount" in shown["settings"]["properties"]
    world.ask("GET", "/plugins/none", status=404)
    first = world.get("/plugins?limit=2")
    assert names[2] == world.get(f"/plugins?limit=1&cursor={first['next']}")["items"][0]["name"]
