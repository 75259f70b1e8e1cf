"""Clients that other people wrote, on a real node: Authlib's, requests-oauthlib's, and oauth4webapi on Node.js.

They call it as https://login.test, and APIs as https://api.test, through a proxy: nothing is on localhost for them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient, InvalidGrantError
from requests_oauthlib import OAuth2Session

from tests.wire.outside import Outside, Person
from tests.wire.processes import PATIENCE
from tests.wire.test_oauth2 import CALLBACK, PASSWORD, PUBLIC, SECRET, KeyManager

API = "https://api.test/pets/read"
TOKEN, AUTHORIZE = f"{PUBLIC}/oauth2/token", f"{PUBLIC}/oauth2/authorize"
REVOKE, INTROSPECT = f"{PUBLIC}/oauth2/revoke", f"{PUBLIC}/oauth2/introspect"
SCRIPT = Path(__file__).with_name("oauth4webapi") / "client.mjs"
NODE = Path(sys.executable).with_name("node")


@pytest.fixture(scope="module")
def km(tmp_path_factory):
    """A node that gives tokens, for all tests of this module."""
    from tests.wire.processes import Process

    folder, started = tmp_path_factory.mktemp("node"), []

    def start(*arguments):
        started.append(Process(folder, *arguments))
        return started[-1]

    made = KeyManager(folder, start)
    yield made
    for process in started:
        process.kill()
    made.database.close()


@pytest.fixture(scope="module")
def outside(km, tmp_path_factory):
    """The way to it."""
    made = Outside(tmp_path_factory.mktemp("tls"), {"login.test": km.control, "api.test": km.node.port})
    yield made
    made.close()


@pytest.fixture
def ann(outside):
    """A person with a browser of her own."""
    return Person(outside.session(), "ann", PASSWORD)


@pytest.fixture
def call(outside):
    """The status of a call of the API, which wants the scope read."""
    session = outside.session()
    return lambda token: session.get(API, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE).status_code


# --- Authlib ---


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_gets_tokens_for_itself(outside, call, method):
    """By both ways to show a secret; introspects and revokes them."""
    session = AuthlibSession("batch", SECRET, token_endpoint_auth_method=method, scope="read",
                             revocation_endpoint_auth_method=method)  # fmt: skip
    client = outside.session(session)

    token = client.fetch_token(TOKEN, grant_type="client_credentials")

    assert ("Bearer", "read", 3600) == (token["token_type"], token["scope"], token["expires_in"])
    assert 200 == client.get(API).status_code
    told = client.introspect_token(INTROSPECT, token["access_token"]).json()
    assert (True, "batch", PUBLIC) == (told["active"], told["client_id"], told["iss"])

    assert 200 == client.revoke_token(REVOKE, token["access_token"], "access_token").status_code
    assert 401 == call(token["access_token"])
    assert {"active": False} == client.introspect_token(INTROSPECT, token["access_token"]).json()


@pytest.mark.parametrize(("name", "secret"), [("web", SECRET), ("browser", None)])
def test_authlib_acts_for_a_person(outside, ann, call, name, secret):
    """With PKCE, as a client with a secret and without; refresh tokens rotate, and one that comes twice ends all."""
    method = "client_secret_basic" if secret else "none"
    session = AuthlibSession(name, secret, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method,
                             scope="read", redirect_uri=CALLBACK, code_challenge_method="S256")  # fmt: skip
    client, verifier = outside.session(session), "v" * 50
    url, state = client.create_authorization_url(AUTHORIZE, code_verifier=verifier)

    back = ann.allow(url)
    first = dict(client.fetch_token(TOKEN, authorization_response=back, state=state, code_verifier=verifier))
    second = dict(client.refresh_token(TOKEN))

    assert first["refresh_token"] != second["refresh_token"]
    assert [200, 200] == [call(token["access_token"]) for token in (first, second)]
    with pytest.raises(OAuthError, match="invalid_grant"):
        client.refresh_token(TOKEN, refresh_token=first["refresh_token"])
    assert 401 == call(second["access_token"])


def test_authlib_revokes_a_login(outside, ann, call):
    """With its refresh token, so that its access tokens end as well."""
    client = outside.session(
        AuthlibSession("web", SECRET, scope="read", redirect_uri=CALLBACK, code_challenge_method="S256")
    )
    url, state = client.create_authorization_url(AUTHORIZE, code_verifier="v" * 50)
    token = client.fetch_token(TOKEN, authorization_response=ann.allow(url), state=state, code_verifier="v" * 50)

    assert 200 == client.revoke_token(REVOKE, token["refresh_token"], "refresh_token").status_code

    assert 401 == call(token["access_token"])


# --- requests-oauthlib ---


def test_requests_oauthlib_gets_tokens_for_itself(outside, call):
    """And revokes them: it makes the request, and leaves the sending to us."""
    client = outside.session(OAuth2Session(client=BackendApplicationClient("batch", scope="read")))

    token = client.fetch_token(TOKEN, client_secret=SECRET)

    assert ["read"] == token["scope"]
    assert 200 == client.get(API).status_code
    url, headers, body = client._client.prepare_token_revocation_request(REVOKE, token["access_token"])
    sent = outside.session().post(url, body, headers=headers, auth=("batch", SECRET), timeout=PATIENCE)
    assert (200, 401) == (sent.status_code, call(token["access_token"]))


def test_requests_oauthlib_acts_for_a_person(outside, ann, call):
    """With PKCE; refresh tokens rotate, and one that comes twice ends all."""
    client = outside.session(OAuth2Session("web", redirect_uri=CALLBACK, scope=["read"], pkce="S256"))
    url, _ = client.authorization_url(AUTHORIZE)

    first = dict(client.fetch_token(TOKEN, authorization_response=ann.allow(url), client_secret=SECRET))
    second = dict(client.refresh_token(TOKEN, auth=("web", SECRET)))

    assert first["refresh_token"] != second["refresh_token"]
    assert [200, 200] == [call(token["access_token"]) for token in (first, second)]
    with pytest.raises(InvalidGrantError):
        client.refresh_token(TOKEN, refresh_token=first["refresh_token"], auth=("web", SECRET))
    assert 401 == call(second["access_token"])


def test_a_name_that_is_not_the_servers_is_not_taken(outside):
    """What these tests rest on: TLS is verified, and names that lead nowhere fail."""
    with pytest.raises(requests.exceptions.ProxyError):
        outside.session().get("https://elsewhere.test/", timeout=PATIENCE)
    session = requests.Session()
    session.trust_env, session.proxies = False, {"https": outside.proxy}
    with pytest.raises(requests.exceptions.SSLError):
        session.get(f"{PUBLIC}/oauth2/jwks", timeout=PATIENCE)


# --- oauth4webapi ---


@pytest.fixture
def oauth4webapi(outside, ann):
    """Run it; somebody logs in for it where it asks for that."""
    assert NODE.exists(), "Node.js is missing; `make .venv/developed` installs it"
    assert (SCRIPT.parent / "node_modules").is_dir(), "oauth4webapi is missing; `make .venv/developed` installs it"

    def run(what, client, auth, **more):
        environment = {**os.environ, "NODE_USE_ENV_PROXY": "1", "HTTPS_PROXY": outside.proxy,
                       "https_proxy": outside.proxy, "NO_PROXY": "", "no_proxy": "",
                       "NODE_EXTRA_CA_CERTS": str(outside.trust)}  # fmt: skip
        given = {"what": what, "issuer": PUBLIC, "api": API, "client": client, "auth": auth, "redirect_uri": CALLBACK,
                 **more}  # fmt: skip
        with subprocess.Popen(
            [NODE, "--no-warnings", SCRIPT], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            process.stdin.write(json.dumps(given) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                said = json.loads(line)
                if "done" in said:
                    return said["done"]
                process.stdin.write(ann.allow(said["open"]) + "\n")
                process.stdin.flush()
            pytest.fail(process.stderr.read())

    return run


@pytest.mark.parametrize("auth", ["basic", "post"])
def test_oauth4webapi_gets_tokens_for_itself(oauth4webapi, auth):
    """It finds the endpoints by the issuer's name, introspects and revokes."""
    found = oauth4webapi("itself", "batch", auth, secret=SECRET)

    assert ("bearer", 3600, "read") == (found["token_type"], found["expires_in"], found["scope"])
    before = found["before"]
    assert (200, True, "batch", PUBLIC) == (before["status"], before["active"], before["client_id"], before["iss"])
    assert {"status": 401, "active": False} == found["after"]


def test_oauth4webapi_takes_our_jwts(oauth4webapi):
    """By the published keys, as RFC 9068 wants them."""
    found = oauth4webapi("itself", "signed", "basic", secret=SECRET, jwt=True)

    assert ("signed", PUBLIC, "read") == tuple(found["claims"][name] for name in ("client_id", "iss", "scope"))
    assert (200, 401) == (found["before"]["status"], found["after"]["status"])


@pytest.mark.parametrize(("client", "auth"), [("web", "basic"), ("web", "post"), ("browser", "none")])
def test_oauth4webapi_acts_for_a_person(oauth4webapi, client, auth):
    """With PKCE and the issuer in the answer; refresh tokens rotate, and one that comes twice ends all."""
    found = oauth4webapi("person", client, auth, secret=SECRET)

    assert {
        "scope": "read", "rotated": True, "statuses": [200, 200], "stolen": "invalid_grant", "after": 401,
        "again": "invalid_grant",
    } == found  # fmt: skip
