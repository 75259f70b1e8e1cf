"""Tests of twgw.keymanager.grants: what is given, to whom; what is refused is in test_refusals.py."""


from tests.keymanager.conftest import CALLBACK, ISSUER, LOGIN, NOW, asked
from twgw import jwt


def test_a_client_gets_a_token_for_itself(any_km):
    """Opaque, with no refresh token (RFC 6749, 4.4), and kept by nobody."""
    answer = any_km.token(scope="read")

    assert 200 == answer.status_code
    assert {"access_token", "token_type", "expires_in", "scope"} == answer.json.keys()
    assert ("Bearer", 3600, "read") == tuple(answer.json[name] for name in ("token_type", "expires_in", "scope"))
    assert ("no-store", "no-cache") == (answer.headers["Cache-Control"], answer.headers["Pragma"])
    assert any_km.active(answer.json["access_token"])


def test_a_client_may_get_jwts(any_km):
    """They are verified by what is published (RFC 9068), and known to the database by their id."""
    token = any_km.token(client="jwt", scope="read").json["access_token"]

    keys = jwt.read_jwks(any_km.get("/oauth2/jwks").data)
    claims = jwt.verify(token, keys, jwt.Expected(ISSUER, (ISSUER,), ("at+jwt",)), NOW)
    assert ("jwt", "jwt", "read") == (claims["client_id"], claims["sub"], claims["scope"])
    assert any_km.active(token)


def test_a_person_lets_a_client_act(any_km):
    """Log in, allow, be sent back; the code gives tokens for that person."""
    location = any_km.code()

    assert location.startswith(CALLBACK + "?")
    assert ("s-1", ISSUER) == (asked(location)["state"], asked(location)["iss"])
    answer = any_km.redeem(location)
    assert 200 == answer.status_code
    assert "read" == answer.json["scope"]
    told = any_km.post("/oauth2/introspect", {"token": answer.json["access_token"]}, client="web").json
    assert ("ann", "ann", "web") == (told["sub"], told["username"], told["client_id"])


def test_a_person_gives_what_they_have(km):
    """A scope for a role is given by who has the role."""
    chief = km.redeem(km.code({**LOGIN, "scope": "read admin"})).json
    km.browser = km.app.test_client()
    other = km.redeem(km.code({**LOGIN, "scope": "read admin"}, name="joe")).json

    assert ("read admin", "read") == (chief["scope"], other["scope"])


def test_a_public_client_needs_no_secret(km):
    """It has its proof (RFC 7636), and any port on the loopback address."""
    query = {**LOGIN, "client_id": "phone", "redirect_uri": "http://127.0.0.1:49152/cb"}

    answer = km.redeem(km.code(query), client="phone", redirect_uri="http://127.0.0.1:49152/cb")

    assert 200 == answer.status_code
    assert "refresh_token" in answer.json


def test_a_redirect_uri_may_be_left_out_where_there_is_no_choice(km):
    """Then it is left out at the exchange too."""
    query = {name: value for name, value in LOGIN.items() if name != "redirect_uri"} | {"client_id": "phone"}

    location = km.code(query)

    assert location.startswith("http://127.0.0.1/cb?")
    assert 200 == km.redeem(location, client="phone", redirect_uri=None).status_code


def test_a_refresh_token_is_rotated(any_km):
    """The next one is another, the scopes stay; the old one is used up."""
    first = any_km.family()
    second = any_km.token("refresh_token", client="web", refresh_token=first["refresh_token"])

    assert 200 == second.status_code
    assert first["refresh_token"] != second.json["refresh_token"]
    assert first["access_token"] != second.json["access_token"]
    assert "read" == second.json["scope"]
    third = any_km.token("refresh_token", client="web", refresh_token=second.json["refresh_token"])
    assert 200 == third.status_code


def test_a_refresh_may_ask_for_less(km):
    """And for all again the next time: the refresh token keeps what was allowed (RFC 6749, 6)."""
    first = km.family(query={**LOGIN, "scope": "read write"})
    second = km.token("refresh_token", client="web", refresh_token=first["refresh_token"], scope="read").json
    third = km.token("refresh_token", client="web", refresh_token=second["refresh_token"]).json

    assert ["read write", "read", "read write"] == [each["scope"] for each in (first, second, third)]


def test_a_refresh_token_outlives_its_access_token(km, clock):
    """Each for its own time."""
    first = km.family()
    clock.now += 3601

    assert not km.active(first["access_token"])
    assert 200 == km.token("refresh_token", client="web", refresh_token=first["refresh_token"]).status_code


def test_a_password_will_do_where_that_is_switched_on(km):
    """For the clients of long ago; with what the client's settings say of lives."""
    answer = km.token("password", client="old", username="joe", password="right", scope="read")

    assert (200, 60) == (answer.status_code, answer.json["expires_in"])
    assert "refresh_token" in answer.json
    again = km.token("refresh_token", client="old", refresh_token=answer.json["refresh_token"])
    assert 200 == again.status_code


def test_paths_of_wso2_will_do_too(km):
    """/token and /revoke, as its clients know them."""
    token = km.post("/token", {"grant_type": "client_credentials"}).json["access_token"]

    assert km.active(token)
    assert 200 == km.post("/revoke", {"token": token}).status_code
    assert not km.active(token)
