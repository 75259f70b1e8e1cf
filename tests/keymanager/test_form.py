"""Tests of twgw.keymanager.form."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.keymanager.form import Malformed, Shown, body, parameters, shown

FORM = "application/x-www-form-urlencoded"


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_parameters_are_read():
    """Encoded characters are decoded; a parameter without a value counts as left out (RFC 6749, 3.1)."""
    assert {"scope": "a b", "state": "x+y&z", "other": "\u00e9"} == parameters(
        "scope=a+b&state=x%2By%26z&client_id=&other=%C3%A9&&"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("scope=a&scope=a", "scope is there twice"),
        ("scope=a&scope=", "scope is there twice"),
        ("x=1&x=2", "a parameter is there twice"),
        ("&".join(f"a{number}=1" for number in range(31)), "too many"),
        ("x=%ff", "cannot be read"),
        ("scope=a%00", "scope is malformed"),
        ("scope=a++b", "scope is malformed"),
        ("scope=a%22", "scope is malformed"),
        ("state=%0d%0aX:1", "state is malformed"),
        ("client_id=%C3%A9", "client_id is malformed"),
        ("redirect_uri=https://a/%22", "redirect_uri is malformed"),
        ("response_type=co%22de", "response_type is malformed"),
        ("code_challenge=short", "code_challenge is malformed"),
        ("code_challenge=" + "x" * 129, "code_challenge is malformed"),
        ("username=a%00b", "username is malformed"),
        ("password=a%0ab", "password is malformed"),
        ("token=%7f", "token is malformed"),
    ],
)
def test_what_has_two_meanings_is_refused(text, why):
    """Twice, too many, or with characters that the grammar does not have; nothing of it is echoed."""
    with pytest.raises(Malformed, match=why):
        parameters(text)


@given(st.text())
def test_any_text_may_come(text):
    """It is read or refused."""
    try:
        parameters(text)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("data", "kind", "query", "why"),
    [
        (b"{}", "application/json", "", "send the parameters as"),
        (b"a=1", "", "", "send the parameters as"),
        (b"a=1", "multipart/form-data; boundary=x", "", "send the parameters as"),
        (b"a=1", FORM, "client_secret=x", "none in the query"),
        (b"a=1", FORM, "x", "none in the query"),
        (b"a=\xff", FORM, "", "cannot be read"),
    ],
)
def test_parameters_stand_in_the_body_alone(data, kind, query, why):
    """What stands in an address ends up in logs."""
    with pytest.raises(Malformed, match=why):
        body(data, kind, query)


def test_a_body_is_read():
    """With or without a charset."""
    assert {"a": "1"} == body(b"a=1", FORM, "") == body(b"a=1", FORM + "; charset=utf-8", "")


@pytest.mark.parametrize(
    ("authorization", "form", "expected"),
    [
        (None, {}, None),
        (None, {"client_id": "me"}, Shown("none", "me")),
        (None, {"client_id": "me", "client_secret": "s"}, Shown("client_secret_post", "me", "s")),
        (None, {"client_secret": "s"}, None),
        (basic("me:s"), {}, Shown("client_secret_basic", "me", "s")),
        (basic("me:s").replace("Basic", "bAsIc"), {"client_id": "me"}, Shown("client_secret_basic", "me", "s")),
        (basic("a%3Ab:x%25y+z:w"), {}, Shown("client_secret_basic", "a:b", "x%y z:w")),
        (basic("me:"), {}, Shown("client_secret_basic", "me", "")),
    ],
)
def test_a_client_shows_itself_in_one_way(authorization, form, expected):
    """By HTTP Basic, each half encoded, or in the form, or by its id alone (RFC 6749, 2.3.1)."""
    assert expected == shown(authorization, form)


@pytest.mark.parametrize(
    ("authorization", "form", "why"),
    [
        (basic("me:s"), {"client_secret": "s"}, "client_secret is there beside"),
        (basic("me:s"), {"client_id": "other"}, "client_id is another"),
        ("Bearer x", {}, "not that of HTTP Basic"),
        ("Basic", {}, "not that of HTTP Basic"),
        ("Basic !", {}, "not that of HTTP Basic"),
        (basic("me"), {}, "not that of HTTP Basic"),
        (basic(":s"), {}, "not that of HTTP Basic"),
        (basic("\u00e9:s"), {}, "not that of HTTP Basic"),
        (basic("me:%ff"), {}, "not that of HTTP Basic"),
        (basic("me%00:s"), {}, "not that of HTTP Basic"),
        ("Basic /w==", {}, "not that of HTTP Basic"),
    ],
)
def test_credentials_in_two_ways_are_refused(authorization, form, why):
    """Whoever reads the other one would see another client."""
    with pytest.raises(Malformed, match=why):
        shown(authorization, form)


def test_a_secret_is_told_to_nobody():
    """Not by a representation."""
    assert "canary" not in repr(Shown("client_secret_post", "me", "canary"))
