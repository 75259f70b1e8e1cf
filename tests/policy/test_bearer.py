"""Tests of twgw.policy.bearer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.policy import Headers, Problem, Request
from twgw.policy.bearer import bearer_token, challenge, hide, insufficient_scope, invalid_token, unavailable


def request(*values, query=""):
    made = Request("GET", "/", Headers([("Authorization", value) for value in values]))
    made.query = query
    return made


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "BEARER   abc", "Bearer abc "])
def test_the_token_is_what_stands_behind_the_scheme(value):
    """The scheme is compared without case, blanks around the token are none of it."""
    assert "abc" == bearer_token(request(value.strip()), "r")


@pytest.mark.parametrize("token", ["a", "a.b-c_d~e+f/g==", "x" * 8192])
def test_a_token_has_the_letters_of_the_rfc(token):
    """b64token of RFC 6750, 2.1."""
    assert token == bearer_token(request(f"Bearer {token}"), "r")


@pytest.mark.parametrize("values", [(), ("Basic YTpi",), ("Digest x",), ("Bearerabc",), ("Token abc",), ("",)])
def test_other_credentials_are_not_ours(values):
    """Another policy may know what they are."""
    assert bearer_token(request(*values), "r") is None


@pytest.mark.parametrize(
    ("values", "query", "why"),
    [
        (("Bearer",), "", "not the form of a bearer token"),
        (("Bearer a b",), "", "not the form of a bearer token"),
        (("Bearer a,b",), "", "not the form of a bearer token"),
        (("Bearer =a",), "", "not the form of a bearer token"),
        (('Bearer "a"',), "", "not the form of a bearer token"),
        (("Bearer \xe9",), "", "not the form of a bearer token"),
        (("Bearer a", "Bearer a"), "", "more than one Authorization field"),
        (("Bearer a", "Basic YTpi"), "", "more than one Authorization field"),
        (("Basic YTpi", "Bearer a"), "", "more than one Authorization field"),
        (("Bearer a",), "x=1&access_token=b", "a token in the query too"),
        (("Bearer a",), "access_token", "a token in the query too"),
    ],
)
def test_a_malformed_request_is_refused(values, query, why):
    """400 invalid_request (RFC 6750, 3.1), and no part of it is echoed."""
    refusal = bearer_token(request(*values, query=query), "shop")

    assert isinstance(refusal, Problem)
    assert (400, why) == (refusal.status, refusal.detail)
    said = f'Bearer realm="shop", error="invalid_request", error_description="{why}"'
    assert (("WWW-Authenticate", said),) == refusal.headers


def test_a_token_in_the_query_alone_is_none():
    """Nobody reads it there: addresses end up in logs."""
    assert bearer_token(request(query="access_token=a"), "r") is None


def test_a_token_may_not_be_longer_than_anybody_needs():
    """401 without a look at it."""
    refusal = bearer_token(request("Bearer " + "x" * 8193), "r")

    assert (401, "too long") == (refusal.status, refusal.detail)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")))
def test_any_field_may_come(value):
    """It holds a token, or none, or is refused."""
    found = bearer_token(request(value.strip()), "r")

    assert found is None or isinstance(found, str | Problem)


def test_refusals_say_what_the_rfc_wants():
    """Status, challenge and WSO2's code for each."""
    for refusal, status, said, code in (
        (invalid_token("r"), 401, 'error="invalid_token", error_description="unknown, expired or revoked"', 900901),
        (insufficient_scope("r", "a b"), 403, 'error="insufficient_scope", scope="a b"', 900910),
    ):
        assert (status, code) == (refusal.status, refusal.code)
        assert (("WWW-Authenticate", f'Bearer realm="r", {said}'),) == refusal.headers
    assert 'Bearer realm="r"' == challenge("r")
    assert (503, (("Retry-After", "1"),)) == (unavailable("x").status, unavailable("x").headers)


def test_a_bearer_token_is_hidden_and_nothing_else():
    """Basic credentials may be meant for the upstream."""
    for value, left in (("Bearer a", None), ("bearer a", None), ("Basic YTpi", "Basic YTpi")):
        made = request(value)
        hide(made)

        assert left == made.headers.get("authorization")
    hide(request())
