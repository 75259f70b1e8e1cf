"""Tests of the policy subscription."""

import attrs
import pytest

from twgw.model import Credential, Environment, Lifecycle, Subscription, SubscriptionState
from twgw.testing import API, exchange, gateway, run_policies, run_policy, use

PROTOTYPE = attrs.evolve(API, state=Lifecycle.PROTOTYPED)
LENT = {"shop": "Gold"}


def test_a_subscribed_application_may_call():
    """The subscription is found, for the policies after this one too."""
    result = run_policy("subscription", exchange(credential="shop"), gateway=gateway(subscriptions=LENT))

    assert 200 == result.status
    assert Subscription("test:1", "Gold") == result.exchange.subscription


@pytest.mark.parametrize(
    "credential", [Credential(id="x", application="other"), Credential(id="x"), Credential(id="x", application="SHOP")]
)
def test_others_may_not(credential):
    """403 with WSO2's code; also for a credential that belongs to no application."""
    result = run_policy("subscription", exchange(credential=credential), gateway=gateway(subscriptions=LENT))

    assert 403 == result.status
    assert 900908 == result.json["code"]
    assert "subscription" == result.exchange.refused_by
    assert result.forwarded is None


def test_a_subscription_to_another_api_does_not_count():
    """The right is for one API in one version."""
    lent = gateway(subscriptions={"shop": Subscription("test:2", "Gold")})

    assert 403 == run_policy("subscription", exchange(credential="shop"), gateway=lent).status


def test_nobody_may_not():
    """Without a credential 401, with the challenges of what would authenticate, even where anonymous calls may pass."""
    api = attrs.evolve(API, anonymous=True)

    alone = run_policy("subscription", gateway=gateway(subscriptions=LENT))
    beside = run_policies([use("key-auth"), use("subscription")], gateway=gateway(subscriptions=LENT), api=api)

    assert (401, 900902) == (alone.status, alone.json["code"])
    assert (401, 'Key realm="twgw"') == (beside.status, beside.headers.get("WWW-Authenticate"))


def test_a_prototype_needs_no_subscription():
    """It is open to whom the other policies let in, but a subscription that is there is used."""
    lent = gateway(subscriptions=LENT)

    assert 200 == run_policy("subscription", gateway=lent, api=PROTOTYPE).status
    assert 200 == run_policy("subscription", exchange(credential="other"), gateway=lent, api=PROTOTYPE).status
    found = run_policy("subscription", exchange(credential="shop"), gateway=lent, api=PROTOTYPE).exchange.subscription
    assert "Gold" == found.tier


@pytest.mark.parametrize(
    ("state", "environment", "status"),
    [
        ("ACCEPTED", "production", 200),
        ("ACCEPTED", "sandbox", 200),
        ("PRODUCTION_PAUSED", "production", 403),
        ("PRODUCTION_PAUSED", "sandbox", 200),
        ("PAUSED", "sandbox", 403),
        ("PENDING", "production", 403),
        ("REJECTED", "production", 403),
        ("CLOSED", "production", 403),
    ],
)
def test_a_subscription_must_be_in_force(state, environment, status):
    """What is not accepted yet, rejected, paused or closed is no right, and its limits are not used."""
    lent = gateway(subscriptions={"shop": Subscription("test:1", "Gold", SubscriptionState[state])})
    credential = Credential(id="x", application="shop", environment=Environment(environment))
    result = run_policy(
        "subscription", exchange(credential=credential), gateway=lent, api=attrs.evolve(API, sandbox=API.upstream)
    )

    assert status == result.status
    if status == 403:
        assert (900909, f"it is {state}") == (result.json["code"], result.json["detail"])
        assert result.exchange.subscription is None


def test_the_lookup_may_take_its_time():
    """A registry elsewhere answers later; the request waits."""

    class Slow:
        async def find(self, application, api):
            await lent.clock.sleep(1)
            return Subscription(api, None) if application == "shop" else None

    lent = gateway()
    object.__setattr__(lent, "subscriptions", Slow())

    assert 200 == run_policy("subscription", exchange(credential="shop"), gateway=lent).status
    assert 403 == run_policy("subscription", exchange(credential="other"), gateway=lent).status


def test_in_shadow_it_only_tells():
    """Everybody passes, and the log knows who would not have."""
    result = run_policy("subscription", exchange(credential="other"), shadow=True)

    assert 200 == result.status
    assert (("subscription", "the application has not subscribed to this API"),) == result.exchange.shadowed
