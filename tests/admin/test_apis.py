"""Tests of twgw.admin.apis."""

import pytest

from tests.admin.conftest import NOW, an_api
from twgw.faults import Fault


def test_an_api_is_entered_and_published_at_once(world):
    """It has a revision that is served, a history, and a position to wait for."""
    made = world.ask("POST", "/apis", {"api": an_api(), "publish": True}, status=201)

    assert ("pets:1.0", "PUBLISHED", 1, 1, "root") == (
        made.json["id"], made.json["api"]["state"], made.json["live"], made.json["latest"], made.json["owner"],
    )  # fmt: skip
    assert "/admin/v1/apis/pets:1.0" == made.headers["Location"]
    assert "2;202;10" == made.headers["Twgw-Position"]
    assert made.json == world.get("/apis/pets:1.0")
    assert made.headers["ETag"] == world.ask("GET", "/apis/pets:1.0").headers["ETag"]


def test_without_publishing_nobody_finds_it(world):
    """It is CREATED, and there is nothing to wait for."""
    made = world.ask("POST", "/apis", {"api": an_api()}, status=201)

    assert ("CREATED", None) == (made.json["api"]["state"], made.json["live"])
    assert "Twgw-Position" not in made.headers


def test_apis_are_listed_by_page_and_by_state(world):
    """A hundred at most; by the name of an API, all of its versions."""
    for name in ("a", "b", "c"):
        world.post("/apis", {"api": an_api(name), "publish": name != "c"})
    first = world.get("/apis?limit=2")

    assert ["a:1.0", "b:1.0"] == [each["id"] for each in first["items"]]
    assert ["c:1.0"] == [each["id"] for each in world.get(f"/apis?limit=2&cursor={first['next']}")["items"]]
    assert ["c:1.0"] == [each["id"] for each in world.get("/apis?state=CREATED")["items"]]
    assert ["a:1.0"] == [each["id"] for each in world.get("/apis?name=a")["items"]]


def test_a_name_alone_is_the_only_version(world):
    """With several, one has to be the default."""
    world.post("/apis", {"api": an_api()})
    assert "pets:1.0" == world.get("/apis/pets")["id"]

    world.post("/apis", {"api": an_api(version="2.0", base_path="/pets/2.0")})
    world.ask("GET", "/apis/pets", status=404)


def test_every_fault_is_told_with_its_path(world):
    """As in the body that was sent; what only a compiler sees comes when the form is right."""
    bad = an_api(base_path="pets", tiers=["Gold"], state="BLOCKED")
    faults = world.post("/apis", {"api": bad}, status=422)["faults"]
    assert {"api.state", "api.base_path", "api.tiers[0]"} == {each["path"] for each in faults}

    world.faults = (Fault("policies[0].settings.amount", "missing"),)
    faults = world.post("/apis", {"api": an_api()}, status=422)["faults"]
    assert [{"path": "api.policies[0].settings.amount", "text": "missing"}] == faults
    assert [] == world.get("/apis")["items"]


def test_two_apis_cannot_be_found_at_one_place(world):
    """The second can be entered, and not published."""
    world.post("/apis", {"api": an_api("a", base_path="/x"), "publish": True})

    told = world.post("/apis", {"api": an_api("b", base_path="/x"), "publish": True}, status=409)
    assert "a:1.0 is served at /x on any host already" == told["detail"]
    world.post("/apis", {"api": an_api("b", base_path="/x", hosts=["b.example"]), "publish": True})
    world.post("/apis", {"api": an_api("c", base_path="/x")})


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


def test_an_api_with_subscribers_is_not_deleted(world):
    """They would lose it without a word."""
    world.post("/apis", {"api": an_api(), "publish": True})
    world.post("/applications", {"name": "me", "subscribe": ["pets:1.0"]})

    assert "retire it" in world.ask("DELETE", "/apis/pets:1.0", status=409).json["detail"]


def test_what_was_read_must_still_be_there(world):
    """A change with the tag of an older state is refused."""
    world.post("/apis", {"api": an_api()})
    tag = world.ask("GET", "/apis/pets:1.0").headers["ETag"]
    world.ask("POST", "/apis/pets:1.0/moves", {"move": "publish"}, status=200, If_Match=tag)

    world.ask("POST", "/apis/pets:1.0/moves", {"move": "block"}, status=412, If_Match=tag)
    world.ask("DELETE", "/apis/pets:1.0", status=412, If_Match=tag)
