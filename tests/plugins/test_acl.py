"""Tests of the policy acl."""

import pytest

from twgw.faults import SettingsError
from twgw.model import Credential
from twgw.testing import exchange, run_policy


def ask(*groups, **settings):
    caller = Credential(id="a", application="shop", groups=groups)
    return run_policy("acl", exchange(credential=caller), **settings)


@pytest.mark.parametrize(
    ("groups", "settings", "status"),
    [
        (["gold"], {"allow": ["gold", "staff"]}, 200),
        (["other", "staff"], {"allow": ["gold", "staff"]}, 200),
        (["other"], {"allow": ["gold"]}, 403),
        ([], {"allow": ["gold"]}, 403),
        (["Gold"], {"allow": ["gold"]}, 403),
        (["gold"], {"deny": ["blocked"]}, 200),
        ([], {"deny": ["blocked"]}, 200),
        (["gold", "blocked"], {"deny": ["blocked"]}, 403),
        (["gold", "blocked"], {"allow": ["gold"], "deny": ["blocked"]}, 403),
    ],
)
def test_groups_decide(groups, settings, status):
    """One of those that are allowed, and none of those that are denied."""
    assert status == ask(*groups, **settings).status


def test_a_refusal_has_its_words():
    """With WSO2's code, and without the names of groups."""
    result = ask(allow=["secret-club"])

    assert (900908, "Group not allowed") == (result.json["code"], result.json["title"])
    assert "secret-club" not in result.body.decode()


def test_nobody_is_in_no_group():
    """Where nobody was recognized, the client is told to say who it is."""
    assert 401 == run_policy("acl", allow=["gold"]).status
    assert 401 == run_policy("acl", deny=["gold"]).status


def test_settings_without_a_group_are_refused():
    """They would mean nothing."""
    with pytest.raises(SettingsError, match="give groups in allow or in deny"):
        ask()
