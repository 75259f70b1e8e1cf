"""Tests of twgw.publisher.documents."""

from pathlib import Path

from tests.rest import an_api

WEATHER = (Path(__file__).parent.parent.parent / "etc/examples/weather.openapi.yaml").read_text()


def test_a_document_becomes_an_api_and_comes_back(world):
    """What it is made of again, it says itself."""
    world.user("carl", "creator")
    made = world.ask("POST", "/publisher/v1/imports", {"text": WEATHER, "name": "weather"}, who="carl", status=201)
    api = made.json["made"]

    assert ("weather:1.11.0", "CREATED", "carl") == (api["id"], api["api"]["state"], api["owner"])
    assert made.json["notes"]
    assert "/publisher/v1/apis/weather:1.11.0" == made.headers["Location"]
    assert made.headers["ETag"] == world.ask("GET", "/apis/weather").headers["ETag"]
    assert world.get("/apis/weather/revisions/1")["imported"]
    text = world.get("/apis/weather/openapi?server=https://gw.example")["text"]
    assert "https://gw.example/weather/1.11.0" in text
    world.ask("DELETE", "/apis/weather", status=204)
    assert api["api"] == world.post("/imports", {"text": text})["made"]["api"]


def test_a_document_is_told_otherwise(world):
    """Name, version, path, servers, guards: whatever whoever imports it says."""
    wish = {
        "text": WEATHER, "name": "w", "version": "2", "base_path": "/w", "policies": [{"name": "key-auth"}],
        "upstream": {"targets": [{"url": "http://weather.test"}]},
    }  # fmt: skip
    api = world.post("/imports", wish)["made"]["api"]

    assert ("w", "2", "/w", [{"name": "key-auth"}]) == (
        api["name"], api["version"], api["base_path"], [{"name": each["name"]} for each in api["policies"]],
    )  # fmt: skip
    assert "http://weather.test" == api["upstream"]["targets"][0]["url"]
    assert "already" in world.post("/imports", wish, status=409)["detail"]


def test_a_document_that_is_none_is_refused_with_its_places(world):
    """Line and JSON pointer; a reference that leads out of it is never followed."""
    bad = WEATHER.replace("#/components/parameters/Limit", "https://evil.test/x")

    told = world.post("/imports", {"text": bad}, status=422)
    assert "/paths/~1alerts/get" in told["detail"]
    assert {"text"} == {each["path"] for each in told["faults"]}
    assert "line 1" in world.post("/imports", {"text": "openapi: 3.0.0"}, status=422)["detail"]
    assert [] == world.get("/apis")["items"]


def test_an_api_that_came_from_no_document_is_written_as_one(world):
    """For an address of the gateway that is one."""
    world.post("/apis", {"api": an_api()})

    assert '"openapi": "3.' in world.get("/apis/pets/openapi?server=https://gw.example")["text"]
    world.ask("GET", "/apis/pets/openapi?server=gw", status=422)
    world.ask("GET", "/apis/cats/openapi?server=https://gw.example", status=404)
