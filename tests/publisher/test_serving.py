"""Tests of twgw.publisher.serving."""

import pytest

from tests.rest import an_api
from twgw.faults import Fault


def put(world, wanted, status=200):
    """An edit that is to be in force at once."""
    tag = world.ask("GET", f"/apis/{wanted['name']}").headers["ETag"]
    return world.ask("PUT", f"/apis/{wanted['name']}?publish=true", wanted, If_Match=tag, status=status)


def test_a_place_is_taken_once_with_and_without_the_version(world):
    """By the path that a default version has as well; on another host it is another place."""
    world.post("/apis", {"api": an_api(base_path="/pets/1.0", default_version=True), "publish": True})
    world.post("/apis", {"api": an_api("cats", base_path="/pets/")})

    told = world.post("/apis/cats/moves", {"move": "publish"}, status=409)
    assert "pets:1.0 is served at /pets on any host already" == told["detail"]
    assert "already" in put(world, an_api("cats", base_path="/pets/1.0"), status=409).json["detail"]
    assert 1 == world.get("/apis/cats")["latest"]
    put(world, an_api("cats", base_path="/pets", hosts=["cats.example"]))


@pytest.mark.parametrize(("moves", "state"), [
    (["prototype"], "PROTOTYPED"), (["publish", "block"], "BLOCKED"), (["publish", "deprecate"], "DEPRECATED"),
])  # fmt: skip
def test_putting_in_force_moves_nothing_that_is_found(world, moves, state):
    """A blocked API stays blocked."""
    world.post("/apis", {"api": an_api()})
    for move in moves:
        world.move("pets", move)
    after = put(world, an_api(title="New")).json

    assert (state, 2) == (after["api"]["state"], after["live"])


def test_a_life_that_has_ended_stays_ended(world):
    """What is retired is not put in force."""
    world.post("/apis", {"api": an_api(), "publish": True})
    for move in ("deprecate", "retire"):
        world.move("pets", move)

    assert "cannot publish" in put(world, an_api(title="New"), status=409).json["detail"]


def test_what_became_wrong_is_not_published(world):
    """A policy may be gone since it was saved."""
    world.post("/apis", {"api": an_api()})
    world.faults = (Fault("policies[0].name", "gone"),)

    assert "gone" in world.post("/apis/pets/moves", {"move": "publish"}, status=422)["detail"]
