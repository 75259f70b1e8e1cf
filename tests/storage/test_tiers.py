"""Tests of twgw.storage.tiers."""

import pytest

from tests.storage.conftest import NOW
from twgw.model import Limit, Tier
from twgw.registry import TierEntry
from twgw.storage import log
from twgw.storage.applications import create_application
from twgw.storage.errors import Conflict, Missing
from twgw.storage.subscriptions import unsubscribe
from twgw.storage.tiers import create_tier, delete_tier, find_tier, list_tiers, require_tier, update_tier

GOLD = Tier("gold", (Limit(20), Limit(5, period=1)))


def test_a_tier_is_kept_as_it_was_given(write, read):
    """A new tier is found again, once; gateways learn of it, as they keep all tiers at hand."""
    entry = write(create_tier, GOLD)

    assert TierEntry(GOLD, NOW, NOW, 1, "") == entry == read(find_tier, "gold")
    assert ["tier:gold"] == [record.tag for record in read(log.since, 0)]
    with pytest.raises(Conflict, match="tier gold exists already"):
        write(create_tier, GOLD)


def test_other_limits_are_a_record(write, read):
    """Gateways learn of a change; somebody else's is not written over."""
    write(create_tier, GOLD)

    assert 2 == write(update_tier, Tier("gold", (Limit(7),)), stamp=1)

    assert (Limit(7),) == read(require_tier, "gold").tier.limits
    assert ["tier:gold"] == [record.tag for record in read(log.since, 1)]
    with pytest.raises(Conflict, match="changed by somebody else"):
        write(update_tier, GOLD, stamp=1)


def test_a_tier_in_use_stays(filled, write, read):
    """While a subscription or an application has it, it cannot go."""
    write(create_tier, GOLD)
    write(create_tier, Tier("iron"))
    write(create_application, "other", owner="bob", tier="iron")

    with pytest.raises(Conflict, match="tier gold is that of at least one subscription"):
        write(delete_tier, "gold")
    with pytest.raises(Conflict, match="tier iron is that of at least one application"):
        write(delete_tier, "iron")
    write(unsubscribe, "batch", "pets:1.0")
    write(delete_tier, "gold")

    assert ["iron"] == [entry.tier.name for entry in read(list_tiers)]
    assert [] == read(list_tiers, "iron")


def test_an_unknown_tier_is_missing(write, read):
    """Changing, deleting or needing it says so."""
    for attempt in (lambda: write(update_tier, GOLD), lambda: write(delete_tier, "gold"),
                    lambda: read(require_tier, "gold")):  # fmt: skip
        with pytest.raises(Missing, match="there is no tier gold"):
            attempt()
