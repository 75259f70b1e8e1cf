"""Tests of the policy ip-restriction."""

import pytest

from twgw.faults import SettingsError
from twgw.settings import structure
from twgw.testing import exchange, run_policy
from twgw_plugins.ip_restriction import REMEMBERED, Settings, twgw_receive


@pytest.mark.parametrize(
    ("client", "settings", "status"),
    [
        ("10.0.0.9", {"deny": ["10.0.0.0/8"]}, 403),
        ("11.0.0.9", {"deny": ["10.0.0.0/8"]}, 200),
        ("10.0.0.9", {"allow": ["10.0.0.0/8"]}, 200),
        ("11.0.0.9", {"allow": ["10.0.0.0/8"]}, 403),
        ("10.9.0.1", {"allow": ["10.0.0.0/8"], "deny": ["10.9.0.0/16"]}, 403),
        ("10.8.0.1", {"allow": ["10.0.0.0/8"], "deny": ["10.9.0.0/16"]}, 200),
        ("::ffff:10.0.0.9", {"deny": ["10.0.0.0/8"]}, 403),
        ("2001:db8::1", {"deny": ["2001:db8::/32"]}, 403),
        ("2001:db9::1", {"deny": ["2001:db8::/32"]}, 200),
        ("2001:db8::1", {"deny": ["10.0.0.0/8"]}, 200),
        ("192.0.2.1", {"deny": ["192.0.2.1/32"]}, 403),
        ("unknown", {"deny": ["10.0.0.0/8"]}, 403),
        ("unknown", {"allow": ["0.0.0.0/0"]}, 403),
    ],
)
def test_networks_decide(client, settings, status):
    """Denied networks are out, allowed ones alone are in; what is no address is out."""
    result = run_policy("ip-restriction", exchange(client=client), **settings)

    assert status == result.status
    assert (403 == status) == (result.forwarded is None)


def test_a_refusal_says_what_and_not_who():
    """The problem has fixed text and WSO2's code."""
    result = run_policy("ip-restriction", exchange(client="10.0.0.9"), deny=["10.0.0.0/8"])

    assert ("Address not allowed", 900805) == (result.json["title"], result.json["code"])
    assert b"10.0.0.9" not in result.body
    assert "ip-restriction" == result.exchange.refused_by


def test_a_forged_forwarded_for_changes_nothing():
    """The address is the client's own, whatever it says of itself."""
    request = exchange(client="10.0.0.9", headers={"X-Forwarded-For": "192.0.2.1"})

    assert 403 == run_policy("ip-restriction", request, deny=["10.0.0.0/8"]).status


def test_in_shadow_it_only_tells():
    """Everybody passes, and the log knows who would not have."""
    result = run_policy("ip-restriction", exchange(client="10.0.0.9"), shadow=True, deny=["10.0.0.0/8"])

    assert 200 == result.status
    assert (("ip-restriction", "Address not allowed"),) == result.exchange.shadowed


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "give networks in allow or in deny"),
        ({"deny": ["10.0.0.1/8"]}, "did you mean 10.0.0.0/8"),
        ({"deny": ["internal"]}, "must be a network"),
        ({"denied": ["10.0.0.0/8"]}, "did you mean deny"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    """A policy that would let everybody in by mistake is not deployed."""
    with pytest.raises(SettingsError, match=said):
        run_policy("ip-restriction", **settings)


def test_what_is_remembered_is_bounded():
    """However many addresses call, no more than some answers are kept, and they stay right."""
    settings = structure(Settings, {"deny": ["10.0.0.0/8"]})

    for number in range(REMEMBERED + 10):
        assert twgw_receive(exchange(client=f"10.{number >> 8}.{number & 255}.1"), settings) is not None

    assert len(settings.answers) <= REMEMBERED
    assert twgw_receive(exchange(client="10.0.0.1"), settings) is not None
