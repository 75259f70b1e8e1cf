"""Tests of twgw.admin.users."""

import pytest

from twgw.storage.audit import list_audit
from twgw.storage.users import find_user

PASSWORD = "correct horse"


def test_a_user_is_made_with_roles_and_logs_in(world):
    """The password is stored as its hash, and told to nobody."""
    made = world.post("/users", {"name": "ann", "roles": ["creator", "publisher"], "password": PASSWORD})

    assert ("ann", ["creator", "publisher"], "local", True) == (
        made["name"], made["roles"], made["store"], made["active"],
    )  # fmt: skip
    assert world.database.call(find_user, "ann").password_hash.startswith("$argon2id$")
    assert "argon2" not in world.ask("GET", "/users/ann").text
    assert PASSWORD not in repr(world.database.call(list_audit))
    assert 201 == world.ask("POST", "/login", {"name": "ann", "password": PASSWORD}, who=None).status_code


def test_users_are_listed(world):
    """By name."""
    world.post("/users", {"name": "ann"})

    assert ["ann", "root"] == [each["name"] for each in world.get("/users")["items"]]
    assert ["ann"] == [each["name"] for each in world.get("/users?limit=1")["items"]]
    world.ask("GET", "/users/bob", status=404)


@pytest.mark.parametrize(("body", "path"), [
    ({"name": "ann", "password": "short"}, "password"), ({"name": "annannann", "password": "AnnAnnAnn"}, "password"),
    ({"name": "ann", "roles": ["god"]}, "roles[0]"), ({"name": "a/b"}, "name"),
])  # fmt: skip
def test_a_user_that_cannot_be_is_refused(world, body, path):
    """With the path of what is wrong."""
    assert path == world.post("/users", body, status=422)["faults"][0]["path"]
    assert ["root"] == [each["name"] for each in world.get("/users")["items"]]


def test_roles_that_are_taken_away_act_at_once(world):
    """The session goes on, with what is left."""
    world.user("ann", "publisher", "operator")
    world.get("/audit", who="ann")
    changed = world.ask("PATCH", "/users/ann", {"roles": ["publisher"]}, status=200)

    assert "503" == changed.headers["Twgw-Position"].split(";")[1]
    world.ask("GET", "/audit", who="ann", status=403)
    world.ask("PATCH", "/users/ann", {"active": False}, status=200)
    world.ask("GET", "/apis", who="ann", status=401)


def test_groups_are_given_and_taken_away_at_once(world):
    """Each has the form of a name."""
    world.post("/users", {"name": "ann", "groups": ["gold", "club"], "password": PASSWORD})
    world.tokens["ann"] = world.post("/login", {"name": "ann", "password": PASSWORD}, who=None)["token"]
    assert ["club", "gold"] == world.get("/users/ann")["groups"] == world.get("/me", who="ann")["groups"]

    changed = world.ask("PATCH", "/users/ann", {"groups": ["club"]}, status=200)

    assert ("503", ["club"]) == (changed.headers["Twgw-Position"].split(";")[1], changed.json["groups"])
    assert ["club"] == world.get("/me", who="ann")["groups"]
    (fault,) = world.ask("PATCH", "/users/ann", {"groups": ["club", "a/b"]}, status=422).json["faults"]
    assert "groups" == fault["path"].partition("[")[0]


def test_another_password_ends_every_session(world):
    """Set by an admin or by oneself."""
    world.user("ann", "creator")
    world.ask("PUT", "/users/ann/password", {"password": PASSWORD}, status=204)
    world.ask("GET", "/me", who="ann", status=401)

    world.tokens["ann"] = world.post("/login", {"name": "ann", "password": PASSWORD}, who=None)["token"]
    world.ask("PUT", "/me/password", {"password": "another horse"}, who="ann", status=204)
    world.ask("GET", "/me", who="ann", status=401)
    world.post("/login", {"name": "ann", "password": PASSWORD}, who=None, status=401)
    world.post("/login", {"name": "ann", "password": "another horse"}, who=None)


def test_nobody_sets_the_password_of_another(world):
    """But an admin."""
    world.user("ann", "publisher", "operator", "creator", "subscriber")

    world.ask("PUT", "/users/root/password", {"password": PASSWORD}, who="ann", status=403)
    world.ask("PUT", "/users/nobody/password", {"password": PASSWORD}, status=404)


def test_sessions_and_users_end(world):
    """At once, with all that the user was given."""
    world.user("ann", "creator")
    world.ask("DELETE", "/users/ann/sessions", status=204)
    world.ask("GET", "/me", who="ann", status=401)

    world.ask("DELETE", "/users/ann", status=204)
    world.ask("GET", "/users/ann", status=404)


def test_who_owns_something_stays(world):
    """Else whoever gets the name later would own it; so it is given to somebody else first."""
    world.user("ann", "subscriber", "creator")
    for number in range(6):
        world.post("/applications", {"name": f"shop{number}"}, who="ann")
    told = world.ask("DELETE", "/users/ann", status=409).json["detail"]
    assert "ann owns the application shop0, the application shop1, " in told
    assert "shop4, …; give them to somebody else first, or disable ann instead" in told

    for number in range(6):
        world.ask("PATCH", f"/applications/shop{number}", {"owner": "root"}, status=200)
    world.ask("DELETE", "/users/ann", status=204)


@pytest.mark.parametrize(("method", "body"), [("DELETE", None), ("PATCH", {"roles": []}), ("PATCH", {"active": False})])
def test_the_last_admin_stays(world, method, body):
    """Else nobody could do anything any more."""
    told = world.ask(method, "/users/root", body, status=409)
    assert "give it to another user first" in told.json["detail"]

    world.user("ann", "admin")
    assert world.ask(method, "/users/root", body, who="ann").status_code < 300
