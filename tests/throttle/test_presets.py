"""The tiers of WSO2 API Manager."""

import pytest

from twgw.throttle.presets import PRESETS


@pytest.mark.parametrize(
    ("preset", "amounts"),
    [
        ("wso2-1.x", {
            "Gold": 20, "Silver": 5, "Bronze": 1, "Unauthenticated": 60, "Large": 20, "Medium": 5, "Small": 1,
            "Ultimate": 20, "Plus": 5, "Basic": 1,
        }),
        ("wso2-4.x", {
            "Gold": 5000, "Silver": 2000, "Bronze": 1000, "Unauthenticated": 500, "10PerMin": 10, "20PerMin": 20,
            "50PerMin": 50, "10KPerMin": 10_000, "20KPerMin": 20_000, "50KPerMin": 50_000,
        }),
    ],
)  # fmt: skip
def test_a_preset_has_the_numbers_of_wso2(preset, amounts):
    """Requests in a minute, and one tier without a limit."""
    tiers = {tier.name: tier.limits for tier in PRESETS[preset]}

    assert () == tiers.pop("Unlimited")
    assert amounts == {name: limits[0].amount for name, limits in tiers.items()}
    assert {60} == {limit.period for limits in tiers.values() for limit in limits}
