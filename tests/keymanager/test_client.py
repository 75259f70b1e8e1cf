"""Tests of twgw.keymanager.client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.faults import SettingsError
from twgw.keymanager.client import ClientSettings, redirect_problem, redirects_to
from twgw.settings import structure

GOOD = [
    "https://app.example.com/callback",
    "https://app.example.com",
    "https://app.example.com:8443/cb?tenant=7&x=%20",
    "https://[2001:db8::1]/cb",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:8000/cb",
    "http://[::1]/cb",
    "com.example.app:/oauth2redirect",
    "com.example.app://oauth2redirect/path",
]
BAD = {
    "nothing": ("", "must be an absolute URI"),
    "a path": ("/callback", "must be an absolute URI"),
    "a host alone": ("//app.example.com/cb", "must be an absolute URI"),
    "plain http": ("http://app.example.com/cb", "must be https, or http on 127.0.0.1"),
    "localhost, which may be another host": ("http://localhost/cb", "must be https, or http on 127.0.0.1"),
    "a loopback address in disguise": ("http://127.1/cb", "must be https, or http on 127.0.0.1"),
    "another one": ("http://0x7f000001/cb", "must be https, or http on 127.0.0.1"),
    "a host that begins like one": ("http://127.0.0.1.evil.test/cb", "must be https, or http on 127.0.0.1"),
    "a mapped address": ("http://[::ffff:127.0.0.1]/cb", "must be https, or http on 127.0.0.1"),
    "a loopback address with zeros": ("http://[0:0::1]/cb", "must be https, or http on 127.0.0.1"),
    "port 0": ("http://127.0.0.1:0/cb", "must be https, or http on 127.0.0.1"),
    "a port that is none": ("https://app.example.com:99999/cb", "must be a URI"),
    "a fragment": ("https://app.example.com/cb#x", "must not have a fragment"),
    "an empty fragment": ("https://app.example.com/cb#", "must not have a fragment"),
    "a user": ("https://app.example.com@evil.test/cb", "must not have a user"),
    "a wildcard": ("https://*.example.com/cb", "must not have a wildcard"),
    "a blank": ("https://app.example.com/c b", "must be an absolute URI"),
    "a backslash": ("https://app.example.com\\@evil.test", "must be an absolute URI"),
    "a quote": ('https://app.example.com/"', "must be an absolute URI"),
    "a line feed": ("https://app.example.com/\n", "must be an absolute URI"),
    "other letters": ("https://\u0430pp.example.com/", "must be an absolute URI"),
    "no host": ("https:///cb", "must have a host"),
    "a script": ("javascript:alert(1)", "must be https"),
    "data": ("data:text/html,x", "must be https"),
    "a file": ("file:///etc/passwd", "must be https"),
    "a scheme that anybody may claim": ("myapp:/cb", "must be https"),
    "more than anybody needs": ("https://a.example/" + "x" * 2000, "must be an absolute URI"),
}


@pytest.mark.parametrize("uri", GOOD)
def test_good_redirect_uris(uri):
    """https, http on a loopback address, and the scheme of one's own domain (RFC 8252, 7)."""
    assert "" == redirect_problem(uri)
    assert redirects_to(uri, uri)


@pytest.mark.parametrize("name", BAD)
def test_bad_redirect_uris(name):
    """What could be read as another place, or be another's, is not registered."""
    uri, why = BAD[name]

    assert redirect_problem(uri).startswith(why)
    with pytest.raises(SettingsError, match=r"redirect_uris\[1\]"):
        structure(ClientSettings, {"redirect_uris": [GOOD[0], uri]})


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/callback/",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/Callback",
        "https://APP.example.com/callback",
        "HTTPS://app.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com/%63allback",
        "https://app.example.com/callback#x",
        "https://app.example.com/callback/../evil",
        "https://app.example.com.evil.test/callback",
        "https://evil.test/?https://app.example.com/callback",
        "https://app.example.com@evil.test/callback",
        "http://app.example.com/callback",
        "",
    ],
)
def test_a_redirect_uri_is_compared_letter_for_letter(uri):
    """No part may differ, in no spelling (RFC 9700, 2.1)."""
    assert not redirects_to("https://app.example.com/callback", uri)


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        ("http://127.0.0.1:49152/cb?a=1", True),
        ("http://127.0.0.1/cb?a=1", True),
        ("http://127.0.0.1:49152/cb?a=2", False),
        ("http://127.0.0.1:49152/other?a=1", False),
        ("http://127.0.0.2:49152/cb?a=1", False),
        ("http://localhost:49152/cb?a=1", False),
        ("http://user@127.0.0.1:49152/cb?a=1", False),
        ("http://127.0.0.1:49152:1/cb?a=1", False),
        ("http://127.0.0.1:049152/cb?a=1", True),
        ("https://127.0.0.1:49152/cb?a=1", False),
        ("http://127.0.0.1:0/cb?a=1", False),
        ("http://127.0.0.1:49152/cb?a=1#", False),
    ],
)
def test_on_a_loopback_address_the_port_may_differ(uri, same):
    """An app there cannot choose its port (RFC 8252, 7.3); nothing else may differ."""
    assert same == redirects_to("http://127.0.0.1/cb?a=1", uri)


@given(st.text())
def test_any_text_may_be_asked(text):
    """What is no URI is none, and is nobody's."""
    redirect_problem(text)
    assert text in GOOD or not any(redirects_to(uri, text) for uri in GOOD if not uri.startswith("http://"))


def test_a_client_may_do_little_unless_it_is_said():
    """No login, no refresh, no password; opaque tokens."""
    settings = structure(ClientSettings, {})

    assert (("client_credentials",), (), False, "opaque", False) == (
        settings.grants, settings.redirect_uris, settings.public, settings.token_format, settings.introspect,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"grants": ["authorization_code"]}, "redirect_uris: missing"),
        ({"grants": ["implicit"]}, "must be one of"),
        ({"public": True}, "for who can keep a secret"),
        ({"public": True, "grants": [], "introspect": True}, "introspect: is for who can keep a secret"),
        ({"scopes": ["a b"]}, "printable ASCII"),
        ({"default_scopes": ['"']}, "printable ASCII"),
        ({"access_seconds": 0}, "must be >= 1"),
        ({"refresh_seconds": 1e9}, "must be <="),
        ({"token_format": "saml"}, "must be one of opaque, jwt"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, why):
    """With what is wrong."""
    with pytest.raises(SettingsError) as refusal:
        structure(ClientSettings, settings)

    assert why in str(refusal.value)
