"""Tests of twgw.keymanager.introspection."""

import pytest

from tests.bad_tokens import good
from tests.keymanager.conftest import ISSUER, asked


def test_introspection_says_what_the_rfc_wants(km):
    """RFC 7662, 2.2, read from the database each time."""
    token = km.token(scope="read").json["access_token"]

    answer = km.post("/oauth2/introspect", {"token": token}, client="asker")

    assert {
        "active", "scope", "client_id", "token_type", "exp", "iat", "sub", "aud", "iss", "application",
    } == answer.json.keys()  # fmt: skip
    assert ("batch", "read", ISSUER) == (answer.json["client_id"], answer.json["scope"], answer.json["iss"])
    assert "no-store" == answer.headers["Cache-Control"]


def test_a_client_may_ask_about_its_own_tokens(km):
    """And about no others unless it was said."""
    token = km.token().json["access_token"]

    assert km.active(token, client="batch")
    assert not km.active(token, client="jwt")


def test_a_public_client_asks_about_no_token(km):
    """Whoever knows its id would be it (RFC 7662, 2.1)."""
    answer = km.post("/oauth2/introspect", {"token": "x", "client_id": "phone"}, client=None)

    assert (401, "invalid_client") == (answer.status_code, answer.json["error"])


@pytest.mark.parametrize("what", ["unknown", "another's", "code", "used refresh token", "foreign JWT", "forged JWT"])
def test_of_a_token_that_is_not_good_nothing_is_said(km, what):
    """Exactly {"active": false} (RFC 7662, 2.2)."""
    location = km.code()
    tokens = km.redeem(location).json
    km.token("refresh_token", client="web", refresh_token=tokens["refresh_token"])
    secret = {
        "unknown": "x",
        "another's": tokens["access_token"],
        "code": asked(km.code())["code"],
        "used refresh token": tokens["refresh_token"],
        "foreign JWT": good(),
        "forged JWT": good(iss=ISSUER, aud=ISSUER),
    }[what]
    client = "batch" if what == "another's" else "asker"

    assert {"active": False} == km.post("/oauth2/introspect", {"token": secret}, client=client).json
