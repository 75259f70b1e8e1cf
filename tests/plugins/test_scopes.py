"""Tests of the policy scopes."""

import pytest

from twgw.faults import SettingsError
from twgw.model import Api, Credential
from twgw.testing import MemoryGateway, exchange, gateway, run_policies, run_policy, use

READER = Credential(id="r", application="shop", scopes=("read", "list"))


def status(scopes, credential=READER, **settings):
    return run_policy("scopes", exchange(credential=credential), scopes=scopes, **settings).status


def test_a_caller_needs_every_scope():
    """More than is asked for does no harm."""
    assert 200 == status(["read"])
    assert 200 == status(["list", "read"])
    assert 403 == status(["read", "write"])


def test_one_scope_may_be_enough():
    """Where the settings say so."""
    assert 200 == status(["write", "read"], match="any")
    assert 403 == status(["write", "delete"], match="any")


@pytest.mark.parametrize("scope", ["READ", "rea", "readx", "read.all"])
def test_scopes_are_compared_letter_for_letter(scope):
    """No case is folded, no part matches (RFC 6749, 3.3)."""
    assert 403 == status([scope])


def test_the_refusal_names_the_scopes():
    """403 insufficient_scope (RFC 6750, 3.1) with WSO2's code; nothing is sent on."""
    result = run_policy("scopes", exchange(credential="shop"), scopes=["read", "write"], realm="Shop")

    assert 403 == result.status
    said = 'Bearer realm="Shop", error="insufficient_scope", scope="read write"'
    assert said == result.headers.get("WWW-Authenticate")
    assert 900910 == result.json["code"]
    assert result.forwarded is None
    assert "scopes" == result.exchange.refused_by


def test_who_has_no_credential_is_asked_for_one():
    """401 with the challenges of the API, also where anonymous calls are let in."""
    api = Api("test", "1", "/", anonymous=True)

    result = run_policies([use("key-auth"), use("scopes", scopes=["read"])], gateway=gateway(), api=api)

    assert 401 == result.status
    assert 'Key realm="twgw"' == result.headers.get("WWW-Authenticate")


def test_routes_ask_for_different_scopes():
    """What the API asks for and what the route asks for hold together."""
    known = MemoryGateway(
        """
        apis:
          - name: pets
            version: "1"
            base_path: /
            upstream: {targets: [{url: "http://pets"}]}
            policies: [{name: key-auth}, {name: scopes, settings: {scopes: [list]}}]
            routes:
              - {path: /read, policies: [{name: scopes, settings: {scopes: [read]}}]}
              - {path: /write, policies: [{name: scopes, settings: {scopes: [write]}}]}
              - {path: /list}
        applications:
          - {name: shop, credentials: [{value: shop-key-0123456789, scopes: [read, list]}]}
          - {name: poor, credentials: [{value: poor-key-0123456789, scopes: [read]}]}
        """
    )
    def ask(path, key):
        return known.get(path, headers={"apikey": key}).status

    assert [200, 403, 200] == [ask(path, "shop-key-0123456789") for path in ("/read", "/write", "/list")]
    assert [403, 403, 403] == [ask(path, "poor-key-0123456789") for path in ("/read", "/write", "/list")]


@pytest.mark.parametrize(
    "settings",
    [{}, {"scopes": []}, {"scopes": ["a b"]}, {"scopes": [""]}, {"scopes": ['a"']}, {"scopes": ["a"], "realm": '"'}],
)
def test_settings_that_cannot_work_are_refused(settings):
    """No scope, or one that could not stand in a token or would break out of its quotes."""
    with pytest.raises(SettingsError):
        run_policy("scopes", **settings)
