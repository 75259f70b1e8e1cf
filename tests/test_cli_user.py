"""Tests of twgw.cli_user."""

import pytest

PASSWORD = "canary-correct-horse"


@pytest.fixture
def ann(desk):
    """The user ann."""
    desk.done("user", "add", "ann", "--role", "publisher", "--title", "Ann", typed=f"{PASSWORD}\n")
    return desk


def test_a_user_is_made_with_a_password_that_stands_nowhere(desk):
    """It is read from standard input."""
    said = desk.done("user", "add", "ann", "--role", "publisher", "--role", "operator", typed=f"{PASSWORD}\n")

    assert "ann is there: operator, publisher\n" == said
    assert desk.world.post("/login", {"name": "ann", "password": PASSWORD}, who=None)["token"]
    made = desk.found("user", "add", "bob", "--email", "bob@x.example", "--no-password")
    assert ("bob@x.example", []) == (made["email"], made["roles"])


def test_what_is_wrong_with_a_user_is_said(ann):
    """A short password, a name that is taken, a role that is none."""
    assert "password: must be 8 to 256 characters" in ann.refused("user", "add", "bob", typed="short\n")
    assert "already" in ann.refused("user", "add", "ann", typed=f"{PASSWORD}\n")
    done = ann.run("user", "add", "bob", "--role", "boss")
    assert (2, True) == (done.exit_code, "'boss' is not one of 'admin'" in done.output)


def test_users_are_listed_and_shown(ann):
    """With what they may do."""
    rows = [line.split() for line in ann.done("user", "list").splitlines()]

    assert [["ann", "publisher", "yes", "local", "Ann"], ["root", "admin", "yes", "local"]] == rows[1:]
    assert ["ann", "root"] == [each["name"] for each in ann.found("user", "list")]
    assert "Ann" in ann.done("user", "show", "ann")
    assert "ann" == ann.found("user", "show", "ann")["name"]
    assert "there is no user bob" in ann.refused("user", "show", "bob")


def test_roles_are_exactly_those_that_are_named(ann):
    """None has to be said."""
    assert "ann: operator, subscriber\n" == ann.done("user", "roles", "ann", "operator", "subscriber")
    assert [] == ann.found("user", "roles", "ann", "--none")["roles"]
    for words in ([], ["--none", "operator"]):
        done = ann.run("user", "roles", "ann", *words)
        assert (2, True) == (done.exit_code, "name the roles, or say --none; there are admin," in done.output)


def test_groups_are_exactly_those_that_are_named(ann):
    """None has to be said."""
    assert "ann: publisher; in club, gold\n" == ann.done("user", "groups", "ann", "gold", "club")
    assert "club, gold" in ann.done("user", "show", "ann")
    assert ["gold"] == ann.found("user", "add", "bob", "--group", "gold", "--no-password")["groups"]
    assert [] == ann.found("user", "groups", "ann", "--none")["groups"]
    for words in ([], ["--none", "gold"]):
        done = ann.run("user", "groups", "ann", *words)
        assert (2, True) == (done.exit_code, "name the groups, or say --none" in done.output)
    ann.done("user", "groups", "root", "staff")
    assert "admin; in staff" in ann.done("whoami")


def test_a_user_is_shut_out_and_let_in_again(ann):
    """At once."""
    assert "ann (disabled): publisher\n" == ann.done("user", "disable", "ann")
    ann.world.post("/login", {"name": "ann", "password": PASSWORD}, who=None, status=401)
    assert "ann: publisher\n" == ann.done("user", "enable", "ann")
    ann.world.post("/login", {"name": "ann", "password": PASSWORD}, who=None)


def test_a_password_is_changed(ann):
    """That of somebody, and one's own."""
    assert "The password of ann is changed\n" == ann.done("user", "password", "ann", typed="another-one\n")
    ann.world.tokens["ann"] = ann.world.post("/login", {"name": "ann", "password": "another-one"}, who=None)["token"]

    assert "log in: twgw login" in ann.done("user", "password", who="ann", typed="a-third-one\n")
    assert "is not good there" in ann.refused("whoami", who="ann")
    changed = {"user": "ann", "password": "changed"}
    assert changed == ann.found("user", "password", "ann", typed="a-fourth-one\n")


def test_logins_are_ended(ann):
    """All of somebody."""
    ann.world.tokens["ann"] = ann.world.post("/login", {"name": "ann", "password": PASSWORD}, who=None)["token"]

    assert "Every login of ann has ended\n" == ann.done("user", "logout", "ann")
    assert "is not good there" in ann.refused("whoami", who="ann")
    assert {"user": "ann", "logins": "ended"} == ann.found("user", "logout", "ann")


def test_a_user_is_deleted_but_not_the_last_admin(ann):
    """It is said why."""
    assert "ann is deleted\n" == ann.done("user", "delete", "ann")
    assert "nobody would be left with the role admin" in ann.refused("user", "delete", "root")
    ann.done("user", "add", "bob", "--no-password")
    assert {"deleted": "bob"} == ann.found("user", "delete", "bob")
