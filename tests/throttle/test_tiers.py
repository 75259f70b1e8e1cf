"""The charges of every level."""

import pytest

from twgw.model import Api, Credential, Limit, Route, Tier, Unit
from twgw.throttle.tiers import API, APPLICATION, RESOURCE, SUBSCRIPTION, Levels, parts_of

BYTES = Limit(1000, 60, unit=Unit.BYTES)
TIERS = {tier.name: tier for tier in (Tier("Big", (Limit(9), BYTES), Limit(3, 1)), Tier("Free"))}
PETS = Api("pets", "1", "/pets", tier="Big", hard_limit=Limit(100, 1))
ROUTE = Route("/{id}", ("GET", "PUT"), tier="Big")
SHOP = Credential(application="shop", tier="Big")


def told(charges):
    return [(charge.code, charge.name, charge.limit.amount) for charge in charges]


def test_every_level_is_charged_under_its_own_code():
    """The hard limit, the API and the route before the subscription, the application after it, bursts last of each."""
    levels = Levels(Unit.REQUESTS)

    assert [
        (900801, "backend", 100), (900800, "api-big-60s", 9), (900800, "api-big-1s", 3),
        (900802, "resource-big-60s", 9), (900802, "resource-big-1s", 3),
    ] == told(levels.before(PETS, PETS.id, ROUTE, TIERS.get))  # fmt: skip
    assert [(900803, "application-big-60s", 9), (900809, "application-big-1s", 3)] == told(
        levels.after(SHOP, TIERS.get)
    )
    assert [(900804, "big-60s", 9), (900807, "big-1s", 3)] == told(levels.of_subscription("Big", "shop", TIERS.get))


def test_bytes_are_apart():
    """A level counts what its policy counts, and says nothing of the rest."""
    levels = Levels(Unit.BYTES)

    assert [(API, "api-big", 1000), (RESOURCE, "resource-big", 1000)] == told(
        levels.before(PETS, PETS.id, ROUTE, TIERS.get)
    )
    assert [(APPLICATION, "application-big", 1000)] == told(levels.after(SHOP, TIERS.get))


def test_counters_are_told_apart():
    """By level, by API, by route and by application, and by nothing else."""
    levels = Levels(Unit.REQUESTS)
    keys = lambda api, route: [charge.key for charge in levels.before(api, api.id, route, TIERS.get)]
    other = Api("other", "1", "/other", tier="Big", hard_limit=Limit(100, 1))
    every = keys(PETS, ROUTE) + keys(other, ROUTE) + keys(PETS, Route("/{id}", ("GET",), tier="Big"))[3:]
    for name in ("shop", "x"):
        credential = Credential(application=name, tier="Big")
        every += [charge.key for charge in levels.after(credential, TIERS.get)]

    assert len(every) == len(set(every))
    assert keys(PETS, ROUTE) == keys(PETS, ROUTE)


@pytest.mark.parametrize(
    ("api", "route", "credential"),
    [
        (Api("a", "1", "/a"), None, None),
        (Api("a", "1", "/a", tier="Free"), Route(tier="Free"), Credential(application="a", tier="Free")),
        (Api("a", "1", "/a"), Route(), Credential(application="a")),
        (Api("a", "1", "/a"), Route(), Credential(tier="Big")),
    ],
)
def test_what_has_no_limit_is_not_charged(api, route, credential):
    """A level without a tier, a tier without limits, a credential of no application."""
    levels = Levels(Unit.REQUESTS)

    assert [] == [*levels.before(api, api.id, route, TIERS.get), *levels.after(credential, TIERS.get)]


def test_an_edited_tier_is_another():
    """What is remembered of a tier, or of a hard limit, ends with it."""
    levels, tiers = Levels(Unit.REQUESTS), dict(TIERS)
    before = told(levels.after(SHOP, tiers.get))
    tiers["Big"] = Tier("Big", (Limit(5),))

    assert [(APPLICATION, "application-big", 5)] == told(levels.after(SHOP, tiers.get)) != before
    for amount in (1, 2):
        api = Api("a", "1", "/a", hard_limit=Limit(amount))
        assert [(900801, "backend", amount)] == told(levels.before(api, api.id, None, tiers.get))


def test_a_tier_that_is_not_there_is_an_error():
    """It fails closed: the request is refused, not let through unlimited."""
    with pytest.raises(LookupError, match="there is no tier Gone"):
        list(Levels(Unit.REQUESTS).of_subscription("Gone", "x", TIERS.get))


def test_equal_limits_count_once():
    """And one limit alone needs no period in its name."""
    parts = parts_of(Tier("T", (Limit(1), Limit(1))), Unit.REQUESTS, SUBSCRIPTION, "t", "id")

    assert [("t", "id|0|")] == [(part.name, part.prefix) for part in parts]
