"""Tests of twgw.keymanager.tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw import jwt
from twgw.credentials import well_formed
from twgw.keymanager import tokens
from twgw.keymanager.tokens import Grant, answer, granted, new_family
from twgw.registry import Head, Known

NOW = 1_800_000_000.0
GRANT = Grant("client-1", "shop", "production", "ann", ("read", "write"), "f1")
KEY = jwt.generate("ES256")
ISSUER = "https://login.test"


def digest(secret):
    return f"v1:{secret}"


def test_an_opaque_token_says_nothing():
    """Its row says all, and has its digest alone."""
    issued = tokens.opaque(GRANT, digest, 600, NOW)

    assert issued.secret.startswith("tw_at_")
    assert well_formed(issued.secret)
    row = issued.row
    assert ("access", digest(issued.secret), NOW + 600) == (row.kind, row.digest, row.expires_at)
    assert ("client-1", "shop", "production", "ann", ("read", "write"), "f1") == (
        row.client, row.application, row.environment, row.user, row.scopes, row.family,
    )  # fmt: skip


def test_a_jwt_says_what_rfc_9068_wants():
    """Every claim that is required, and its id is what its row goes by."""
    issued = tokens.signed(GRANT, digest, 600, NOW + 0.7, issuer=ISSUER, key=KEY)

    claims = jwt.verify(issued.secret, [KEY], jwt.Expected(ISSUER, (ISSUER,), ("at+jwt",)), NOW + 1)
    assert {"iss": ISSUER, "aud": ISSUER, "sub": "ann", "client_id": "client-1", "scope": "read write"} == {
        name: value for name, value in claims.items() if name not in {"iat", "exp", "jti"}
    }
    assert (NOW, NOW + 600) == (claims["iat"], claims["exp"])
    assert ("jti", digest(claims["jti"]), NOW + 600) == (issued.row.kind, issued.row.digest, issued.row.expires_at)


def test_a_client_for_itself_is_its_own_subject():
    """And a token without scopes has no claim for them."""
    grant = Grant("client-1", "shop", "production", None, ())
    issued = tokens.signed(grant, digest, 600, NOW, issuer=ISSUER, key=KEY)

    claims = jwt.verify(issued.secret, [KEY], jwt.Expected(ISSUER, (ISSUER,), ("at+jwt",)), NOW)
    assert ("client-1", None) == (claims["sub"], claims.get("scope"))


def test_a_code_is_bound():
    """To where it was sent, and to the proof of who asked; it lasts a minute."""
    issued = tokens.code(GRANT, digest, NOW, redirect_uri="https://app.test/cb", challenge="c")

    assert ("code", NOW + 60) == (issued.row.kind, issued.row.expires_at)
    assert {"redirect_uri": "https://app.test/cb", "challenge": "c"} == issued.row.data


def test_a_family_goes_on():
    """What a refresh token is exchanged for is of its family, for the same user and client."""
    first = tokens.refresh(GRANT, digest, 600, NOW).row

    assert GRANT == tokens.grant_of(first)
    assert ("read",) == tokens.grant_of(first, ("read",)).scopes
    assert new_family() != new_family()


@pytest.mark.parametrize(
    ("requested", "allowed", "default", "expected"),
    [
        ("read write", {"read", "write", "x"}, (), ("read", "write")),
        ("read admin", {"read"}, (), ("read",)),
        ("admin", {"read"}, (), None),
        ("read read", {"read"}, (), ("read",)),
        (None, {"read"}, ("read", "admin"), ("read",)),
        ("", {"read"}, ("admin",), ()),
        (" ", {"read"}, (), ()),
        (None, {"read"}, (), ()),
    ],
)
def test_scopes_are_what_was_asked_for_and_is_allowed(requested, allowed, default, expected):
    """Where nothing of what was asked for is allowed, there is no token."""
    assert expected == granted(requested, allowed, default)


@given(st.lists(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef")))
def test_nothing_is_given_that_is_not_allowed(requested, allowed, default):
    """Whoever asks, and for whatever."""
    assert set(granted(" ".join(requested), allowed, default) or ()) <= allowed


def test_a_token_is_good_while_it_is_valid_and_not_expired():
    """Both, and it must be there."""
    row = tokens.opaque(GRANT, digest, 600, NOW).row

    assert row is tokens.good(Known(Head(1, 1), row, valid=True), NOW + 599)
    assert tokens.good(Known(Head(1, 1), row, valid=True), NOW + 600) is None
    assert tokens.good(Known(Head(1, 1), row, valid=False), NOW) is None
    assert tokens.good(Known(Head(1, 1), None), NOW) is None


def test_the_answer_is_that_of_the_rfc():
    """RFC 6749, 5.1; scopes are always told, as they may be fewer than were asked for."""
    access = tokens.opaque(GRANT, digest, 600, NOW)
    renewal = tokens.refresh(GRANT, digest, 600, NOW)

    assert {
        "access_token": access.secret, "token_type": "Bearer", "expires_in": 600, "scope": "read write",
        "refresh_token": renewal.secret,
    } == answer(access, renewal, NOW)  # fmt: skip
    assert "refresh_token" not in answer(access, None, NOW)


def test_what_is_said_of_a_token():
    """RFC 7662, 2.2; a client for itself has no user name."""
    row = tokens.opaque(GRANT, digest, 600, NOW).row
    said = tokens.told(row, ISSUER)

    assert (True, "read write", "client-1", "Bearer", "ann", "ann", "shop") == tuple(
        said[name] for name in ("active", "scope", "client_id", "token_type", "sub", "username", "application")
    )
    assert (ISSUER, ISSUER, NOW + 600) == (said["iss"], said["aud"], said["exp"])


def test_a_token_is_told_to_nobody():
    """Not by a representation."""
    issued = tokens.opaque(GRANT, digest, 600, NOW)

    assert issued.secret not in repr(issued)
