"""Tests of twgw.cli_token, against the key manager of a real node."""

import json

import pytest
from click.testing import CliRunner

from tests.wire.processes import Node, Process, free_port
from twgw.cli import main


class Place:
    """A folder with a node that runs."""

    def __init__(self, folder):
        self.folder, self.started = folder, []
        self.client = None
        self.issuer = f"http://127.0.0.1:{free_port()}"
        control = {"listen": f"tcp:{self.issuer.rpartition(':')[2]}:interface=127.0.0.1"}
        self.node = Node(folder, self._start, None, control=control).ready()
        self.config = str(folder / "twgw.toml")
        self.done("api", "add", "/hello", "echo:", "--policy", "oauth2", "--publish")
        self.done("app", "create", "me", "--subscribe", "hello")
        self.client = self.found("client", "add", "me", "--introspect")

    def _start(self, *arguments):
        self.started.append(Process(self.folder, *arguments))
        return self.started[-1]

    def run(self, *words, typed=None, **environment):
        known = {"TWGW_CONFIG": self.config, "TWGW_CLIENT_SECRET": self.client["secret"] if self.client else ""}
        return CliRunner().invoke(main, words, input=typed, env={**known, **environment})

    def done(self, *words, **options):
        found = self.run(*words, **options)
        assert 0 == found.exit_code, found.output
        return found.output

    def found(self, *words, **options):
        return json.loads(self.done(*words, "--json", **options))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One node for all tests here."""
    made = Place(tmp_path_factory.mktemp("token"))
    yield made
    for process in made.started:
        process.kill()


def call(place, token):
    """The status of a call with a token."""
    return place.node.get("/hello", Authorization=f"Bearer {token.strip()}")[0]


def test_a_token_is_got_and_opens_the_api(place):
    """It alone is printed, so that a shell can take it."""
    token = place.done("token", "new", place.client["id"])

    assert 1 == token.count("\n")
    assert 200 == call(place, token)
    assert {"access_token", "token_type", "expires_in"} <= set(place.found("token", "new", place.client["id"]))


def test_what_is_known_of_a_token_is_said(place):
    """And of one that is none."""
    token = place.done("token", "new", place.client["id"])
    said = place.done("token", "show", place.client["id"], typed=token)

    assert "It is good\n" in said
    assert place.client["id"] in said
    assert place.found("token", "show", place.client["id"], typed=token)["active"]
    assert "It is not good" in place.done("token", "show", place.client["id"], typed="nonsense\n")


def test_a_token_is_taken_back(place):
    """It opens nothing when the command returns."""
    token = place.done("token", "new", place.client["id"])
    assert 200 == call(place, token)

    assert "It is refused from now on" in place.done("token", "revoke", place.client["id"], typed=token)
    assert 401 == call(place, token)
    assert {"revoked": True} == place.found("token", "revoke", place.client["id"], typed=token)


def test_what_the_key_manager_refuses_is_said(place):
    """In its words; the secret is not among them."""
    wrong = place.run("token", "new", place.client["id"], TWGW_CLIENT_SECRET="canary")
    scope = place.run("token", "new", place.client["id"], "--scope", "none")

    assert (1, True) == (wrong.exit_code, "invalid_client" in wrong.output)
    assert "canary" not in wrong.output
    assert (1, True) == (scope.exit_code, "invalid_scope" in scope.output)


def test_what_is_missing_is_said(place):
    """A secret, a token."""
    assert "set TWGW_CLIENT_SECRET" in place.run("token", "new", "x", TWGW_CLIENT_SECRET="").output
    assert "no token was given" in place.run("token", "show", place.client["id"], typed="").output


def test_which_key_manager_is_asked(place):
    """That of the configuration, or the one that is named; what is none is said."""
    nobody = f"http://127.0.0.1:{free_port()}"
    admin = f"http://127.0.0.1:{place.node.admin}"

    assert 200 == call(place, place.done("token", "new", place.client["id"], "--issuer", place.issuer))
    assert f"no key manager answers at {nobody}" in place.run("token", "new", "x", "--issuer", nobody).output
    assert f"{admin} is no key manager: HTTP 404" in place.run("token", "new", "x", "--issuer", admin).output
    plain = place.run("token", "new", "x", "--issuer", "http://login.example")
    assert (2, True) == (plain.exit_code, "--issuer http://login.example: a token would go" in plain.output)
    assert "this node has no key manager" in place.run("token", "new", "x", TWGW_CONTROL_LISTEN="").output
