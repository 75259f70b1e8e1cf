"""A name and a password in a request."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.policy import Headers, Problem, Request
from twgw.policy.basic import LONGEST, challenge, credentials, hide

TOLD = challenge("Shop")


def request(*values):
    return Request("GET", "/", Headers([("Authorization", value) for value in values]))


def encoded(text, scheme="Basic"):
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alice:secret", ("alice", "secret")),
        ("alice:a:b:c", ("alice", "a:b:c")),
        ("alice:", ("alice", "")),
        (":secret", ("", "secret")),
        ("Äsop:prôtégé", ("Äsop", "prôtégé")),
        ("CORP\\alice: blank ", ("CORP\\alice", " blank ")),
    ],
)
def test_the_name_ends_at_the_first_colon(text, expected):
    """A password may have more of them (RFC 7617, 2); letters are those of UTF-8."""
    assert expected == credentials(request(encoded(text)), "Basic", TOLD)


@given(st.text(st.characters(codec="utf-8", exclude_characters=":"), max_size=20), st.text(max_size=20))
def test_every_pair_comes_back(name, password):
    """As it was encoded."""
    try:
        value = encoded(f"{name}:{password}")
    except UnicodeEncodeError:
        return
    assert (name, password) == credentials(request(value), "Basic", TOLD)


@pytest.mark.parametrize("value", ["basic YTpi", "BASIC YTpi", "Basic  YTpi"])
def test_the_scheme_is_in_any_case(value):
    """With any blanks behind it."""
    assert ("a", "b") == credentials(request(value), "Basic", TOLD)


@pytest.mark.parametrize("values", [[], ["Bearer x"], ["Negotiate YTpi"], ["Basically YTpi"], ["ldap YTpi"]])
def test_other_schemes_are_not_ours(values):
    """Somebody else may know what they are."""
    assert credentials(request(*values), "Basic", TOLD) is None


@pytest.mark.parametrize(
    "value",
    ["Basic", "Basic x", "Basic YTpi!", "Basic YTpi YTpi", "Basic " + base64.b64encode(b"alice").decode(),
     "Basic " + base64.b64encode(b"a:\xff").decode(), "Basic YT pi", "Basic " + "YTpi" * LONGEST],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(value):
    """401 with the challenge, WSO2's code for it, and nothing of what came."""
    found = credentials(request(value), "Basic", TOLD)

    assert isinstance(found, Problem)
    assert (401, 900914) == (found.status, found.code)
    assert (("WWW-Authenticate", 'Basic realm="Shop", charset="UTF-8"'),) == found.headers


def test_two_are_one_too_many():
    """400: whoever reads the other one would see somebody else."""
    assert 400 == credentials(request("Basic YTpi", "Basic YTpi"), "Basic", TOLD).status
    assert 400 == credentials(request("Bearer x", "Basic YTpi"), "Basic", TOLD).status


def test_only_the_own_scheme_is_hidden():
    """A token of another kind is somebody else's to hide."""
    ours, other = request("basic YTpi"), request("Bearer x")
    hide(ours, "Basic")
    hide(other, "Basic")

    assert ours.headers.get("authorization") is None
    assert "Bearer x" == other.headers.get("authorization")
