"""Tests of twgw.storage.subscriptions."""

import pytest

from tests.storage.conftest import NOW, an_api
from twgw.model import SubscriptionState
from twgw.registry import SubscriptionEntry
from twgw.storage import log
from twgw.storage.apis import create_api, publish
from twgw.storage.applications import create_application, update_application
from twgw.storage.errors import Conflict, Missing
from twgw.storage.subscriptions import (
    find_subscription,
    require_subscription,
    rights_of,
    served_to,
    set_subscription,
    subscribe,
    subscribers_of,
    subscriptions_of,
    unsubscribe,
)


@pytest.fixture
def both(write):
    """Two applications and two APIs."""
    for name in ("batch", "shop"):
        write(create_application, name, owner="bob")
    for name in ("pets", "toys"):
        write(create_api, an_api(name), owner="ann")


def test_a_subscription_is_kept_and_no_record(both, write, read):
    """A new right takes nothing from anybody."""
    entry = write(subscribe, "batch", "pets:1.0", tier="gold", state=SubscriptionState.PENDING)

    assert SubscriptionEntry("batch", "pets:1.0", "gold", SubscriptionState.PENDING, NOW, NOW, 1) == entry
    assert entry == read(find_subscription, "batch", "pets:1.0")
    assert None is read(find_subscription, "shop", "pets:1.0")
    assert 0 == read(log.head).pos


def test_a_subscription_needs_both_and_stands_once(both, write):
    """Who or what is unknown is named, and a second one is refused."""
    write(subscribe, "batch", "pets:1.0")

    with pytest.raises(Missing, match="no application nobody"):
        write(subscribe, "nobody", "pets:1.0")
    with pytest.raises(Missing, match=r"no API cats:1\.0"):
        write(subscribe, "batch", "cats:1.0")
    with pytest.raises(Conflict, match=r"subscription of batch to pets:1\.0 exists already"):
        write(subscribe, "batch", "pets:1.0")


def test_a_change_is_a_record(both, write, read):
    """Another tier or state is told to the gateways, and not written over another's."""
    write(subscribe, "batch", "pets:1.0", tier="gold")

    assert 1 == write(set_subscription, "batch", "pets:1.0", tier="iron", state=SubscriptionState.PAUSED, stamp=1)

    entry = read(find_subscription, "batch", "pets:1.0")
    assert ("iron", SubscriptionState.PAUSED, 2) == (entry.tier, entry.state, entry.stamp)
    assert ["sub:batch/pets:1.0"] == [record.tag for record in read(log.since, 0)]
    with pytest.raises(Conflict, match="changed by somebody else"):
        write(set_subscription, "batch", "pets:1.0", tier=None, state=SubscriptionState.ACCEPTED, stamp=1)


def test_a_right_is_taken_away(both, write, read):
    """It is gone, and that is a record; a second time there is nothing to take."""
    write(subscribe, "batch", "pets:1.0")

    assert 1 == write(unsubscribe, "batch", "pets:1.0")

    assert None is read(find_subscription, "batch", "pets:1.0")
    with pytest.raises(Missing, match=r"no subscription of batch to pets:1\.0"):
        read(require_subscription, "batch", "pets:1.0")
    with pytest.raises(Missing, match=r"no subscription of batch to pets:1\.0"):
        write(unsubscribe, "batch", "pets:1.0")


def test_subscriptions_are_listed_from_both_sides(both, write, read):
    """By application all, by API in pieces."""
    for application, api in (("shop", "pets:1.0"), ("batch", "toys:1.0"), ("batch", "pets:1.0")):
        write(subscribe, application, api)

    assert ["pets:1.0", "toys:1.0"] == [entry.api for entry in read(subscriptions_of, "batch")]
    assert ["batch"] == [entry.application for entry in read(subscribers_of, "pets:1.0", limit=1)]
    assert ["shop"] == [entry.application for entry in read(subscribers_of, "pets:1.0", "batch")]


def test_the_rights_of_an_application_are_read_with_its_tier(both, write, read):
    """As many as are wanted; an application without any has its tier, and one that is unknown has none."""
    write(update_application, "batch", {"tier": "gold"})
    entries = [write(subscribe, "batch", api) for api in ("pets:1.0", "toys:1.0")]
    found = read(rights_of, "batch", 9)

    assert ("gold", entries) == (found[0], sorted(found[2], key=lambda entry: entry.api))
    assert 1 == len(read(rights_of, "batch", 1)[2])
    assert [(None, "bob", []), (None, None, [])] == [read(rights_of, name, 9) for name in ("shop", "nobody")]


def test_what_is_served_to_an_application_is_what_it_may_call(both, write, read):
    """Of the APIs that are live, those whose subscription is a right, in whichever environment."""
    write(publish, "pets:1.0", 1)
    assert [] == read(served_to, "batch")

    write(subscribe, "batch", "pets:1.0", tier="gold")
    write(subscribe, "batch", "toys:1.0", tier="gold")
    assert [("pets:1.0", 1)] == read(served_to, "batch")
    assert [] == read(served_to, "shop")

    for state, served in (("PRODUCTION_PAUSED", 1), ("PAUSED", 0), ("PENDING", 0), ("CLOSED", 0)):
        write(set_subscription, "batch", "pets:1.0", tier="gold", state=SubscriptionState(state))
        assert served == len(read(served_to, "batch"))
