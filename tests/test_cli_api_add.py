"""Tests of twgw.cli_api_add."""

from pathlib import Path

import pytest

from tests.wire.test_tls import certificate
from twgw.cli_api_add import name_of, one_of, version_in


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


# --- OpenAPI documents ---

DOCUMENT = """
openapi: 3.1.0
info: {title: Weather, version: "2"}
servers: [{url: https://weather.example/v2}]
paths:
  /now:
    get: {responses: {"200": {description: ok}}}
"""


@pytest.fixture
def weather(desk):
    """A document in a file."""
    Path("weather.yaml").write_text(DOCUMENT)
    return desk


def test_an_api_is_made_of_a_document(weather):
    """As the document says."""
    said = weather.done("api", "import", "weather.yaml")
    api = weather.found("api", "show", "weather:2")["api"]

    assert "weather:2 is CREATED at /weather/2, with 1 routes" in said
    assert "Then: twgw api publish weather:2" in said
    assert ["https://weather.example/v2"] == [each["url"] for each in api["upstream"]["targets"]]


def test_what_is_said_counts_more_than_the_document(weather):
    """Its name, its place, its servers, its policies; from standard input, and served at once."""
    found = weather.found(
        "api", "import", "-", "--name", "w", "--version", "3", "--path", "/w", "--target", "http://x", "--policy",
        "key-auth", "--publish", typed=DOCUMENT,
    )  # fmt: skip

    api = found["made"]["api"]
    assert ("w", "3", "/w", "PUBLISHED") == tuple(api[name] for name in ("name", "version", "base_path", "state"))
    assert (["http://x"], ["key-auth"]) == (
        [each["url"] for each in api["upstream"]["targets"]], [each["name"] for each in api["policies"]]
    )


def test_a_certificate_of_ones_own_is_named(weather, tmp_path):
    """For the servers that are named beside it."""
    certificate(tmp_path, "ca")
    name = str(tmp_path / "ca.pem")
    servers = ("--target", "https://x", "--ca-file", name)
    made = weather.found("api", "import", "weather.yaml", "--name", "w", "--policy", "key-auth", *servers)["made"]

    assert name == made["api"]["upstream"]["tls"]["ca_file"]
    added = weather.found("api", "add", "/a", "https://x", "--ca-file", name)
    assert name == added["api"]["upstream"]["tls"]["ca_file"]
    done = weather.run("api", "import", "weather.yaml", "--ca-file", name)
    assert (2, True) == (done.exit_code, "for the servers that --target names" in done.output)


def test_a_document_that_is_none_is_said(weather):
    """With the place of the fault; a file that is not there, or no text, is wrong use."""
    Path("bad.yaml").write_text("openapi: 3.1.0\n")
    Path("bytes.yaml").write_bytes(b"\xff\xfe")

    assert "bad.yaml: line " in weather.refused("api", "import", "bad.yaml")
    assert 2 == weather.run("api", "import", "none.yaml").exit_code
    done = weather.run("api", "import", "bytes.yaml")
    assert (2, True) == (done.exit_code, "bytes.yaml: is not UTF-8 text" in done.output)
