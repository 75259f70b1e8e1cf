"""Tests of twgw.cli_api."""


def test_apis_are_listed(desk):
    """All of them, those of a name, those in a state."""
    assert "There are no APIs.  Next: twgw api add" in desk.done("api", "list")
    desk.done("api", "add", "/a", "echo:", "--tier", "Gold", "--publish")
    desk.done("api", "add", "/b/2", "echo:")

    lines = [line.split() for line in desk.done("api", "list").splitlines()]
    assert [["a:1.0", "PUBLISHED", "/a", "Gold", "root"], ["b:2", "CREATED", "/b/2", "root"]] == lines[1:]
    assert ["b:2"] == [each["id"] for each in desk.found("api", "list", "--name", "b")]
    assert ["a:1.0"] == [each["id"] for each in desk.found("api", "list", "--state", "published")]


def test_an_api_is_shown(desk):
    """To people and to programs; one that is not there is said."""
    desk.done("api", "add", "/a", "http://one", "http://two", "--publish", "--title", "The A")
    said = desk.done("api", "show", "a")

    for text in ("a:1.0", "The A", "PUBLISHED", "http://one, http://two", "key-auth, subscription", "1, 1 is served"):
        assert text in said
    assert "a:1.0" == desk.found("api", "show", "a:1.0")["id"]
    assert "there is no API b" in desk.refused("api", "show", "b")


def test_who_is_subscribed_is_listed(desk):
    """By application."""
    desk.done("api", "add", "/a", "echo:", "--tier", "Gold", "--publish")
    assert "Nobody is subscribed to a." in desk.done("api", "subscribers", "a")
    desk.done("app", "create", "me", "--subscribe", "a")

    assert ["me", "ACCEPTED", "Gold"] == desk.done("api", "subscribers", "a").splitlines()[1].split()[:3]
    assert ["me"] == [each["application"] for each in desk.found("api", "subscribers", "a")]


def test_an_api_is_given_to_another_user(desk):
    """By its name alone, too."""
    desk.done("api", "add", "/a", "echo:")

    assert "a:1.0 belongs to ann\n" == desk.done("api", "owner", "a", "ann")
    assert "bob" == desk.found("api", "owner", "a:1.0", "bob")["owner"]
    assert "there is no API b" in desk.refused("api", "owner", "b", "ann")


def test_an_api_that_has_subscribers_is_not_deleted(desk):
    """It is said who stands in the way."""
    desk.done("api", "add", "/a", "echo:", "--publish")
    desk.done("app", "create", "me", "--subscribe", "a")

    desk.refused("api", "delete", "a")
    desk.done("app", "unsubscribe", "me", "a")
    assert {"deleted": "a:1.0"} == desk.found("api", "delete", "a")
