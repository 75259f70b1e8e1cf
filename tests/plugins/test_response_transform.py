"""Tests of the policy response-transform."""

import pytest

from twgw.faults import SettingsError
from twgw.policy import Headers, Response
from twgw.testing import run_policies, run_policy, use

UPSTREAM = Response(404, Headers([("Server", "old"), ("X-A", "1"), ("X-A", "2")]), b"none", "Nothing here")


def transformed(**settings):
    return run_policy("response-transform", upstream=UPSTREAM, **settings)


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, [("Server", "old"), ("X-A", "1"), ("X-A", "2")]),
        ({"remove_headers": ["server"]}, [("X-A", "1"), ("X-A", "2")]),
        ({"rename_headers": {"Server": "X-Server"}}, [("X-A", "1"), ("X-A", "2"), ("X-Server", "old")]),
        ({"replace_headers": {"Server": "twgw", "X-B": "3"}}, [("X-A", "1"), ("X-A", "2"), ("Server", "twgw")]),
        ({"set_headers": {"X-A": "3"}}, [("Server", "old"), ("X-A", "3")]),
        ({"add_headers": {"X-A": "3", "X-B": "4"}}, [("Server", "old"), ("X-A", "1"), ("X-A", "2"), ("X-B", "4")]),
        ({"append_headers": {"X-A": "3"}}, [("Server", "old"), ("X-A", "1"), ("X-A", "2"), ("X-A", "3")]),
    ],
)
def test_fields_are_changed(settings, left):
    """Each kind of change does what it says; without any, the response stays as it came."""
    assert left == transformed(**settings).headers.items()


def test_the_status_is_changed():
    """One status stands for another, with its own reason; others stay."""
    gone = transformed(status={"404": 410})
    same = transformed(status={"500": 503})

    assert (410, "", b"none") == (gone.status, gone.response.reason, gone.body)
    assert (404, "Nothing here") == (same.status, same.response.reason)


def test_refusals_are_changed_too():
    """What a policy or the gateway answers goes to the same client."""
    uses = [use("key-auth"), use("response-transform", set_headers={"X-Frame-Options": "DENY"}, status={"401": 403})]

    result = run_policies(uses)

    assert (403, "DENY") == (result.status, result.headers.get("X-Frame-Options"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"remove_headers": ["Content-Length"]}, r"remove_headers\[0\]: Content-Length is set by the gateway alone"),
        ({"set_headers": {"transfer-encoding": "chunked"}}, "set_headers.transfer-encoding: .* by the gateway alone"),
        ({"add_headers": {"Connection": "close"}}, "by the gateway alone"),
        ({"append_headers": {"Via": "1.1 x"}}, "by the gateway alone"),
        ({"replace_headers": {"RateLimit": "x"}}, "by the gateway alone"),
        ({"rename_headers": {"X-A": "Content-Length"}}, "by the gateway alone"),
        ({"set_headers": {"X-A": "1\r\nSet-Cookie: a=b"}}, "not a value"),
        ({"set_headers": {"X-A\r\nX-B": "1"}}, "not a header name"),
        ({"status": {"404": 204}}, "have no body"),
        ({"status": {"304": 200}}, "have no body"),
        ({"status": {"404": 99}}, "from 200 to 599"),
        ({"status": {"4xx": 400}}, "in quotes"),
        ({"status": {404: 410}}, "keys must be text"),
        ({"status": {"\u0664\u0660\u0664": 410}}, "in quotes"),
    ],
)
def test_what_would_break_the_message_is_refused(settings, said):
    """Framing, one connection's fields and line ends are out of reach."""
    with pytest.raises(SettingsError, match=said):
        transformed(**settings)
