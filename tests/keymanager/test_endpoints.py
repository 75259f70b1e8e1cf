"""Tests of twgw.keymanager.endpoints: what goes over the wire; what is given and refused is in the tests beside it."""

import json

import pytest

from tests.keymanager.conftest import ISSUER, SECRET, Caller, Log, fill, manager
from twgw.storage.errors import Unavailable


class Away:
    """A database that is away when it is asked to write, or always."""

    def __init__(self, database, *, reading=False):
        self.database, self.reading = database, reading

    def call(self, function, *args, write=False, **more):
        if write or self.reading:
            raise Unavailable("sqlite: the disk is full; nothing was done", unknown=write)
        return self.database.call(function, *args, write=write, **more)


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/revoke"])
def test_what_is_not_kept_is_not_promised(sqlite, path):
    """503 and Retry-After unless it was committed (CVE-2020-15223); the log says why, the client does not learn it."""
    fill(sqlite)
    asked = {"grant_type": "client_credentials"}
    shown = Caller(manager(sqlite), Log()).post("/oauth2/token", asked).json["access_token"]
    warned = []
    one = manager(Away(sqlite))
    one.warn = lambda text, **fields: warned.append(text.format(**fields))
    km = Caller(one, Log())

    answer = km.post(path, {**asked, "token": shown})

    assert (503, "temporarily_unavailable", "5") == (
        answer.status_code, answer.json["error"], answer.headers["Retry-After"],
    )  # fmt: skip
    assert "disk" not in answer.text
    assert [f"{path}: sqlite: the disk is full; nothing was done"] == warned


def test_of_a_token_nothing_is_said_when_nobody_knows(sqlite):
    """Not even that it is not active."""
    fill(sqlite)
    km = Caller(manager(Away(sqlite, reading=True)), Log())

    assert 503 == km.post("/oauth2/introspect", {"token": "x"}, client="asker").status_code
    assert 503 == km.get("/oauth2/authorize", {"client_id": "web", "redirect_uri": "https://app.test/cb"}).status_code


def test_the_keys_are_for_everybody(km):
    """Their public parts, with how long they may be kept."""
    answer = km.get("/oauth2/jwks")

    (key,) = answer.json["keys"]
    assert {"kty", "n", "e", "kid", "alg", "use"} == key.keys()
    assert "public, max-age=300" == answer.headers["Cache-Control"]


def test_the_metadata_says_where_everything_is(km):
    """Every address in it answers."""
    told = km.get("/.well-known/oauth-authorization-server").json

    for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        assert km.post(told[name].removeprefix(ISSUER), {}).status_code in {400, 401}
    for name in ("jwks_uri", "authorization_endpoint"):
        assert km.get(told[name].removeprefix(ISSUER)).status_code in {200, 400}


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://login.test", 200),
        ("https://login.test:8443", 200),
        ("http://login.test", 400),
        ("http://10.0.0.1:8082", 400),
        ("http://127.0.0.1:8082", 200),
        ("http://localhost:8082", 200),
        ("http://[::1]:8082", 200),
        ("http://localhost.evil.test", 400),
    ],
)
def test_secrets_go_over_tls_alone(km, url, status):
    """Plain http is for a loopback address; the scheme is that of public_url, or what a trusted proxy says."""
    with km.app.test_client() as http:
        answer = http.post(
            "/oauth2/token", data={"grant_type": "client_credentials", "client_id": "batch", "client_secret": SECRET},
            base_url=url,
        )  # fmt: skip

    assert status == answer.status_code
    assert status == 200 or "insecure_transport" == answer.json["error"]


def test_an_unexpected_error_says_nothing(km):
    """500 without a word of why; the log has it."""
    km.manager.store = None

    answer = km.token()

    assert 500 == answer.status_code
    assert "NoneType" not in answer.text
    assert 1 == len(km.log.lines)


def test_secrets_are_told_to_nobody(km):
    """No representation of the parts holds a key, and no answer what was shown."""
    assert json.loads(km.manager.world.ring().signing.to_text())["d"] not in repr(km.manager)
    assert "canary" not in km.token(client="nobody").text
