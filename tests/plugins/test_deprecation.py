"""Tests of the policy deprecation."""

import pytest

from twgw.faults import SettingsError
from twgw.policy import Headers, Response
from twgw.testing import run_policy

SINCE, SUNSET = 1735689600, 1767225600


def told(upstream=(), **settings):
    answer = run_policy("deprecation", upstream=Response(200, Headers(upstream)), **settings)
    return dict(answer.headers.items())


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, {}),
        ({"since": SINCE}, {"Deprecation": "@1735689600"}),
        ({"since": SINCE + 0.9}, {"Deprecation": "@1735689600"}),
        ({"sunset": SUNSET}, {"Sunset": "Thu, 01 Jan 2026 00:00:00 GMT"}),
        ({"successor": "/pets/2.0"}, {"Link": '</pets/2.0>; rel="successor-version"'}),
        ({"documentation": "https://a.test/x?y"}, {"Link": '<https://a.test/x?y>; rel="deprecation"'}),
        (
            {"since": SINCE, "sunset": SUNSET, "successor": "/2", "documentation": "/why"},
            {
                "Deprecation": "@1735689600",
                "Sunset": "Thu, 01 Jan 2026 00:00:00 GMT",
                "Link": '</2>; rel="successor-version", </why>; rel="deprecation"',
            },
        ),
    ],
)
def test_callers_are_told(settings, fields):
    """What is known stands in the fields of RFC 9745, RFC 8594 and RFC 8288; what is not, is left out."""
    assert fields == told(**settings)


def test_what_the_upstream_says_is_kept():
    """It knows better when it ends; a link of ours stands beside its own."""
    upstream = [("Deprecation", "@1"), ("Sunset", "Fri, 02 Jan 1970 00:00:00 GMT"), ("Link", '</a>; rel="next"')]
    answer = run_policy(
        "deprecation", upstream=Response(200, Headers(upstream)), since=SINCE, sunset=SUNSET, successor="/2"
    )

    assert [*upstream, ("Link", '</2>; rel="successor-version"')] == answer.headers.items()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"since": -1}, "since: must be >= 0"),
        ({"since": 1e15}, "since: must be <= 253402300799"),
        ({"since": SUNSET, "sunset": SINCE}, "sunset: must not be before since (RFC 9745)"),
        ({"successor": "/a>; rel=x"}, "successor: must be a path, or an address with http:// or https://"),
        ({"documentation": "javascript:x"}, "documentation: must be a path, or an address with http:// or https://"),
    ],
)
def test_what_cannot_be_told_is_refused(settings, fault):
    """A field that would be empty, false or another one than meant."""
    with pytest.raises(SettingsError) as caught:
        run_policy("deprecation", **settings)
    assert [f"apis[0].policies[0].settings.{fault}"] == [str(each) for each in caught.value.faults]
