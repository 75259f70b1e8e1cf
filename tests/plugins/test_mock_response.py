"""Tests of the policy mock-response."""

import pytest

from twgw.faults import SettingsError
from twgw.testing import run_policies, run_policy, use


def test_it_answers_in_place_of_the_upstream():
    """Status, fields and body are those of the settings, and nothing is forwarded."""
    result = run_policy(
        "mock-response", status=201, headers={"Content-Type": "application/json"}, body='{"name": "\u00e9"}'
    )

    assert 201 == result.status
    assert [("Content-Type", "application/json")] == result.headers.items()
    assert {"name": "\u00e9"} == result.json
    assert result.forwarded is None
    assert "mock-response" == result.exchange.refused_by


def test_without_settings_it_says_nothing():
    """An empty 200 is the default."""
    result = run_policy("mock-response")

    assert (200, b"", []) == (result.status, result.body, result.headers.items())


def test_each_answer_is_a_new_one():
    """What a policy changes in one response does not show in the next."""
    uses = [use("mock-response", headers={"X-A": "1"}), use("correlation-id")]

    first, second = run_policies(uses), run_policies(uses)

    assert first.headers.get("X-Request-Id") != second.headers.get("X-Request-Id")
    assert 2 == len(second.headers)


def test_other_policies_have_their_say():
    """A mock is guarded as its upstream would be."""
    assert 401 == run_policies([use("mock-response"), use("key-auth")]).status


@pytest.mark.parametrize(
    "settings",
    [
        {"status": 99},
        {"status": 101},
        {"status": 600},
        {"status": 204, "body": "x"},
        {"status": 304, "body": "x"},
        {"headers": {"Content-Length": "5"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"X-A": "1\r\nX-Evil: 1"}},
        {"headers": {"X A": "1"}},
        {"body": 5},
    ],
)
def test_responses_that_cannot_be_are_refused(settings):
    """Framing is the gateway's, and no value can end a line."""
    with pytest.raises(SettingsError):
        run_policy("mock-response", **settings)
