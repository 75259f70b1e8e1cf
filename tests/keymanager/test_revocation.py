"""Tests of twgw.keymanager.revocation."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.keymanager.conftest import LOGIN
from twgw.keymanager import revocation
from twgw.keymanager.revocation import Ending
from twgw.registry import Token
from twgw.storage import log
from twgw.storage.errors import Unavailable


def test_a_revocation_is_answered_when_it_is_in_force(any_km):
    """200 without a body to speak of (RFC 7009), held until the log is applied up to its position."""
    token = any_km.token().json["access_token"]

    answer = any_km.post("/oauth2/revoke", {"token": token, "token_type_hint": "access_token"})

    position = any_km.manager.store.call(log.head).pos
    assert (200, {}) == (answer.status_code, answer.json)
    assert f"{position};503;20" == answer.headers["Twgw-Position"]
    assert "Twgw-Untold" in answer.headers, "clients are not to know which nodes there are"
    assert "no-store" == answer.headers["Cache-Control"]
    assert not any_km.active(token)


def test_a_revocation_that_is_repeated_waits_too(km):
    """For the position at which it was done: it may not be in force yet."""
    token = km.token().json["access_token"]
    first, second = (km.post("/oauth2/revoke", {"token": token}) for _ in range(2))

    assert (200, 200) == (first.status_code, second.status_code)
    assert first.headers["Twgw-Position"] == second.headers["Twgw-Position"]


def test_many_tokens_are_revoked_at_once(any_km):
    """Each is void when its call returns, and waits for a position at which it is; others stay good."""
    shown = [any_km.token().json["access_token"] for _ in range(9)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda token: any_km.post("/oauth2/revoke", {"token": token}), shown[1:]))

    assert 8 * [200] == [each.status_code for each in answers]
    assert all("Twgw-Position" in each.headers for each in answers)
    assert [True, *8 * [False]] == [any_km.active(token) for token in shown]


def test_one_that_is_not_begun_in_time_is_not_kept(monkeypatch):
    """Which is said, with when to try again."""
    monkeypatch.setattr(revocation, "PATIENCE", 0)
    ending = Ending(lambda function: None)
    ending._together._led = True  # somebody who does not come to an end

    with pytest.raises(Unavailable):
        ending(Token("access", "v1:aa", "batch", expires_at=9e9), 1.0)


def test_a_jwt_is_revoked_by_its_id(km):
    """As any other token."""
    token = km.token(client="jwt").json["access_token"]
    assert km.active(token)

    assert "Twgw-Position" in km.post("/oauth2/revoke", {"token": token}, client="jwt").headers
    assert not km.active(token)


def test_a_refresh_token_takes_its_family_with_it(km):
    """And an access token only itself (RFC 7009, 2.1)."""
    one, other = km.family(), km.family()
    km.post("/oauth2/revoke", {"token": one["refresh_token"]}, client="web")
    km.post("/oauth2/revoke", {"token": other["access_token"]}, client="web")

    assert [False, False] == [km.active(one[name]) for name in ("access_token", "refresh_token")]
    assert [False, True] == [km.active(other[name]) for name in ("access_token", "refresh_token")]


@pytest.mark.parametrize("token", ["unknown", "tw_at_x", "ey.a.b", "tw_ac_code"])
def test_an_unknown_token_is_revoked_already(km, token):
    """200, and nothing to wait for; an unknown hint does no harm (RFC 7009, 2.2)."""
    answer = km.post("/oauth2/revoke", {"token": token, "token_type_hint": "saml"})

    assert (200, None) == (answer.status_code, answer.headers.get("Twgw-Position"))


def test_a_public_client_revokes_what_is_its_own(km):
    """It has no secret to show."""
    query = {"client_id": "phone", "redirect_uri": "http://127.0.0.1/cb"}
    tokens = km.redeem(km.code({**LOGIN, **query}), client="phone", redirect_uri="http://127.0.0.1/cb").json

    answer = km.post("/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": "phone"}, client=None)

    assert 200 == answer.status_code
    assert not km.active(tokens["access_token"])


def test_a_client_revokes_its_own_tokens_alone(km):
    """Another's stays (RFC 7009, 2.1)."""
    tokens = km.family()

    answer = km.post("/oauth2/revoke", {"token": tokens["access_token"]}, client="stranger")

    assert (400, "invalid_grant") == (answer.status_code, answer.json["error"])
    assert km.active(tokens["access_token"])
