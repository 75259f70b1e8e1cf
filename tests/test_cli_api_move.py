"""Tests of twgw.cli_api_move."""


def test_an_api_lives_and_ends(desk):
    """Each move by its name; publishing one that is blocked lets it in again."""
    desk.done("api", "add", "/a", "echo:")

    for word, state in (
        ("publish", "PUBLISHED"), ("demote", "CREATED"), ("prototype", "PROTOTYPED"), ("publish", "PUBLISHED"),
        ("block", "BLOCKED"), ("publish", "PUBLISHED"), ("deprecate", "DEPRECATED"), ("retire", "RETIRED"),
    ):  # fmt: skip
        assert f"a:1.0 is {state}\n" == desk.done("api", word, "a")
    assert "possible moves: none" in desk.refused("api", "block", "a")
    assert "a:1.0 is deleted\n" == desk.done("api", "delete", "a")
    assert [] == desk.found("api", "list")


def test_callers_of_a_deprecated_api_are_told(desk):
    """When it ends and what takes its place."""
    desk.done("api", "add", "/a", "echo:", "--publish")
    told = ("--sunset", "2028-01-01", "--successor", "/b", "--documentation", "/why")
    moved = desk.found("api", "deprecate", "a", *told)

    assert 1830297600.0 == moved["sunset_at"]
    assert "2028-01-01 00:00:00 UTC" in desk.done("api", "show", "a")


def test_a_new_version_takes_the_place_of_the_old(desk):
    """If so asked."""
    desk.done("api", "add", "/a/1", "echo:", "--publish")
    desk.done("api", "add", "/a/2", "echo:")
    desk.done("api", "publish", "a:2", "--deprecate-old-versions", "--require-resubscription")

    assert ["DEPRECATED", "PUBLISHED"] == [each["state"] for each in desk.found("api", "list")]


def test_the_life_of_an_api_is_told(desk):
    """From its beginning."""
    desk.done("api", "add", "/a", "echo:", "--publish")
    desk.done("api", "block", "a")

    assert ["CREATED", "PUBLISHED", "BLOCKED"] == [each["after"] for each in desk.found("api", "history", "a")]
    last = desk.done("api", "history", "a").splitlines()[-1].split()
    assert ["BLOCKED", "PUBLISHED", "root"] == last[:3]


def test_one_version_is_meant_without_a_version(desk):
    """One that is served."""
    desk.done("api", "add", "/a/1", "echo:", "--publish")
    desk.done("api", "add", "/a/2", "echo:")

    assert "the default version is one that is served" in desk.refused("api", "default", "a:2")
    assert "a:1 is the default version of a\n" == desk.done("api", "default", "a:1")
    assert desk.found("api", "default", "a:1")["api"]["default_version"]
