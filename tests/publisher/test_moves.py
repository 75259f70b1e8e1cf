"""Tests of twgw.publisher.moves."""

import pytest

from tests.rest import NOW, an_api


def test_an_api_is_moved_on(world):
    """Publish, block, republish, deprecate, retire, delete; each with a position, and 503 for what takes away."""
    world.post("/apis", {"api": an_api()})
    seen = []
    for move in ("publish", "block", "republish", "deprecate", "retire"):
        answer = world.ask("POST", "/apis/pets:1.0/moves", {"move": move}, status=200)
        seen.append((answer.json["api"]["state"], answer.headers["Twgw-Position"].split(";")[1]))

    assert [
        ("PUBLISHED", "202"), ("BLOCKED", "503"), ("PUBLISHED", "202"), ("DEPRECATED", "202"), ("RETIRED", "503"),
    ] == seen  # fmt: skip
    assert NOW == world.get("/apis/pets:1.0")["deprecated_at"]
    world.ask("DELETE", "/apis/pets:1.0", status=204)
    world.ask("GET", "/apis/pets:1.0", status=404)


def test_a_move_that_is_none_is_refused_with_those_that_are(world):
    """409, and nothing is changed."""
    world.post("/apis", {"api": an_api()})

    told = world.post("/apis/pets:1.0/moves", {"move": "retire"}, status=409)
    assert "possible moves: publish, prototype" in told["detail"]
    assert "did you mean publish?" in world.post("/apis/pets:1.0/moves", {"move": "publisch"}, status=409)["detail"]


@pytest.mark.parametrize(("role", "move", "status"), [
    ("creator", "publish", 403), ("publisher", "publish", 200), ("operator", "publish", 403),
    ("subscriber", "publish", 403),
])  # fmt: skip
def test_moves_have_their_roles(world, role, move, status):
    """A creator makes APIs and does not publish them."""
    world.user("ann", role)
    world.post("/apis", {"api": an_api()})

    world.ask("POST", "/apis/pets:1.0/moves", {"move": move}, who="ann", status=status)


def test_subscribers_follow_to_the_next_version(world):
    """Unless it asks for re-subscription."""
    world.post("/apis", {"api": an_api(), "publish": True})
    world.post("/applications", {"name": "me", "subscribe": ["pets"]})
    for version in ("2.0", "3.0"):
        world.post("/apis", {"api": an_api(version=version, base_path=f"/pets/{version}")})
    world.post("/apis/pets:2.0/moves", {"move": "publish"}, status=200)
    world.post("/apis/pets:3.0/moves", {"move": "publish", "require_resubscription": True}, status=200)

    found = world.get("/applications/me/subscriptions")["items"]
    assert ["pets:1.0", "pets:2.0"] == [each["api"] for each in found]


def test_a_life_has_a_history(world):
    """Each step with who made it."""
    world.user("pat", "publisher")
    world.user("olga", "operator")
    world.post("/publisher/v1/apis", {"api": an_api(), "publish": True}, who="pat")
    world.post("/publisher/v1/apis/pets/moves", {"move": "Block"}, who="olga", status=200)

    steps = world.get("/apis/pets/history")["items"]
    assert [(None, "CREATED", "pat"), ("CREATED", "PUBLISHED", "pat"), ("PUBLISHED", "BLOCKED", "olga")] == [
        (each["before"], each["after"], each["actor"]) for each in steps
    ]
    world.ask("GET", "/apis/cats/history", status=404)


def test_callers_are_told_of_an_end(world):
    """From the move on, as it was said there; retired, it is not there."""
    world.post("/apis", {"api": an_api(), "publish": True})
    gateway = world.gateway()
    world.move("pets", "deprecate", sunset=NOW + 86400, successor="/pets/2.0", documentation="https://docs.test/x")
    gateway.follower.poll()
    told = gateway.get("/pets")

    assert (200, f"@{int(NOW)}") == (told.status, told.headers["deprecation"])
    assert "successor-version" in told.headers["link"]
    assert "https://docs.test/x" in told.headers["link"]
    world.move("pets", "retire")
    gateway.follower.poll()
    assert 404 == gateway.get("/pets").status
