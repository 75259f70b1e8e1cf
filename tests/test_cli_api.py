"""Tests of twgw.cli_api."""

import pytest

from twgw.cli_api import name_of, one_of, version_in


def test_an_api_is_entered_with_its_guards(desk):
    """By its path and its server alone; what to do next is said."""
    said = desk.done("api", "add", "/hello", "http://127.0.0.1:9000")
    found = desk.found("api", "show", "hello")

    assert "hello:1.0 is CREATED at /hello, for subscribers with a key\n" in said
    assert "Next: twgw api publish hello:1.0" in said
    assert ["key-auth", "subscription", "rate-limit"] == [each["name"] for each in found["api"]["policies"]]
    assert ["http://127.0.0.1:9000"] == [each["url"] for each in found["api"]["upstream"]["targets"]]
    assert (None, "root") == (found["live"], found["owner"])


def test_an_api_is_entered_as_it_is_wanted(desk):
    """And served at once."""
    said = desk.done(
        "api", "add", "/shop/pets/2.0", "http://a", "http://b", "--tier", "Bronze", "--tier", "Gold", "--host",
        "pets.example", "--title", "Pets", "--description", "All of them", "--publish",
        "--policy", "size-limit {amount: 1000}", "--policy", "cors",
    )  # fmt: skip
    api = desk.found("api", "show", "shop-pets:2.0")["api"]

    assert "shop-pets:2.0 is PUBLISHED at /shop/pets/2.0, for subscribers with a key, in Bronze or Gold" in said
    assert "Next: twgw app create me --subscribe shop-pets:2.0 --key" in said
    assert ("2.0", "Pets", "All of them", ["pets.example"]) == tuple(
        api[name] for name in ("version", "title", "description", "hosts")
    )
    assert [{"amount": 1000}, {}] == [each["settings"] for each in api["policies"][3:]]
    assert (["Bronze", "Gold"], 2) == (api["tiers"], len(api["upstream"]["targets"]))


def test_an_api_may_be_open(desk):
    """For everybody, without a key."""
    said = desk.done("api", "add", "/hello", "echo:", "--name", "hi", "--version", "7", "--open", "--publish")

    assert "hi:7 is PUBLISHED at /hello, for everybody\n" in said
    assert "Try it: curl -i http://GATEWAY/hello" in said
    assert [] == desk.found("api", "show", "hi")["api"]["policies"]


def test_a_policy_that_cannot_be_read_is_wrong_use(desk):
    """What was meant to be settings is repeated."""
    done = desk.run("api", "add", "/hello", "echo:", "--policy", "cors {")

    assert 2 == done.exit_code
    assert "--policy cors {: not YAML: " in done.output


def test_what_an_api_lacks_is_said(desk):
    """A tier that is not there, a place that is taken, a name that is."""
    assert "did you mean Bronze?" in desk.refused("api", "add", "/a", "echo:", "--tier", "Bronce")
    desk.done("api", "add", "/a", "echo:", "--publish")
    assert "a:1.0 is served at /a" in desk.refused("api", "add", "/a", "echo:", "--name", "b", "--publish")
    assert "already" in desk.refused("api", "add", "/a", "echo:")


@pytest.mark.parametrize(
    ("path", "version", "name"),
    [("/hello", "1.0", "hello"), ("/pets/2.0", "2.0", "pets"), ("/v1/shop/pets", "v1", "shop-pets"),
     ("/", "1.0", "root"), ("/a b/é/", "1.0", "a-b--"), ("/2.0/x/3", "3", "2.0-x")],
)  # fmt: skip
def test_name_and_version_stand_in_the_path(path, version, name):
    """A segment that is a version is the version, the others are the name."""
    assert (version, name) == (version_in(path), name_of(path, version))


def test_a_choice_is_said_as_one():
    """However many there are."""
    assert ["a", "a or b", "a, b or c"] == [one_of("a"), one_of("ab"), one_of("abc")]


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


def test_an_api_that_has_subscribers_is_not_deleted(desk):
    """It is said who stands in the way."""
    desk.done("api", "add", "/a", "echo:", "--publish")
    desk.done("app", "create", "me", "--subscribe", "a")

    desk.refused("api", "delete", "a")
    desk.done("app", "unsubscribe", "me", "a")
    assert {"deleted": "a:1.0"} == desk.found("api", "delete", "a")
