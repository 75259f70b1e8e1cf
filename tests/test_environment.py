"""Tests of twgw.environment."""

from typing import Literal

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from twgw.config import Config
from twgw.environment import given, value_of
from twgw.listen import Listen
from twgw.schema import leaves

KNOWN = dict.fromkeys(["node.name", "gateway.listen", "gateway.tls.certificate", "gateway.max_head"])


def test_variables_name_settings():
    """A variable is the prefix, the section and the setting; what is of no section of ours is left alone."""
    environment = {"TWGW_GATEWAY_TLS_CERTIFICATE": "a.pem", "TWGW_CONFIG": "x", "HOME": "/", "GATEWAY_LISTEN": "x"}

    assert [("gateway.tls.certificate", "a.pem", "environment: TWGW_GATEWAY_TLS_CERTIFICATE")] == list(
        given(KNOWN, environment, {})
    )


def test_command_line_comes_last():
    """What comes later wins: the command line over the environment."""
    assert ["environment: TWGW_NODE_NAME", "command line: node.name"] == [
        place for _, _, place in given(KNOWN, {"TWGW_NODE_NAME": "a"}, {"node.name": "b"})
    ]


def test_no_secret_is_given_on_the_command_line():
    """Every user of the machine can read that; a file is the way out."""
    known = dict(leaves(Config))

    assert [("", "is a secret, and everybody sees a command line; set node.pepper_file", "command line: node.pepper"),
            ("node.pepper_file", "p", "command line: node.pepper_file")] == list(
        given(known, {}, {"node.pepper": "v1:00", "node.pepper_file": "p"})
    )  # fmt: skip


def test_unknown_settings_are_named():
    """A mistyped variable or option is not passed over."""
    assert [
        ("", "unknown; did you mean TWGW_GATEWAY_LISTEN?", "environment: TWGW_GATEWAY_LISTN"),
        ("", "unknown; known: TWGW_NODE_NAME", "environment: TWGW_NODE_ZZZZZZZZZZZZ"),
        ("", "unknown; did you mean gateway.listen?", "command line: gateway.lisen"),
        ("", "unknown; did you mean node.name?", "command line: nod.name"),
    ] == list(
        given(
            KNOWN,
            {"TWGW_GATEWAY_LISTN": "x", "TWGW_NODE_ZZZZZZZZZZZZ": "x"},
            {"gateway.lisen": "x", "nod.name": "x"},
        )
    )


@pytest.mark.parametrize(
    "variable",
    ["TWGW_GATEWAY_SERVICE_HOST", "TWGW_GATEWAY_PORT", "TWGW_GATEWAY_PORT_8080_TCP_ADDR"],
)
def test_service_links_of_kubernetes_are_no_settings(variable):
    """A cluster that describes its services in the environment does not stop the start."""
    assert [] == list(given(KNOWN, {variable: "tcp://10.0.0.1:8080"}, {}))


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", int, 5),
        ("5.5", float, 5.5),
        ("true", bool, True),
        ("yes", bool, "yes"),
        ("5", str, "5"),
        ("true", str, "true"),
        ('"5"', str, "5"),
        ("plain", str, "plain"),
        ("1.2", Literal["1.2", "1.3"], "1.2"),
        ("tcp:80", Listen | None, "tcp:80"),
        ("", Listen | None, ""),
        ("a, b", tuple[str, ...], ["a", "b"]),
        ('["a", "b"]', tuple[str, ...], ["a", "b"]),
        ("a", tuple[str, ...], ["a"]),
        ("", tuple[str, ...], []),
        ("10.0.0.0/8,::1", tuple[str, ...], ["10.0.0.0/8", "::1"]),
        ("5\nother = 6", int, "5\nother = 6"),
    ],
)
def test_text_stands_for_a_value(text, kind, value):
    """A text is a TOML value; quotes may be left out, and a list may have commas."""
    found = value_of(text, kind)

    assert (type(value), value) == (type(found), found)


@for_all(st.text())
def test_any_text_has_a_value(text):
    """No text raises: what it cannot be is found when the setting is read."""
    for kind in (int, str, bool, tuple[str, ...]):
        value_of(text, kind)
    assert isinstance(value_of(text, str), str)
