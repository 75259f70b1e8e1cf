"""The tiers that WSO2 API Manager begins with, for those who come from there: ``tier_presets: [wso2-1.x]``.

The names of subscription, application and resource tiers do not clash but for ``Unlimited``, which is the same in all.
Called by ``state.py`` and by the commands that make tiers.
"""

from collections.abc import Mapping
from types import MappingProxyType

from twgw.model import Limit, Tier


def _tiers(**per_minute: int) -> tuple[Tier, ...]:
    return (*(Tier(name.removeprefix("_"), (Limit(amount, 60),)) for name, amount in per_minute.items()), UNLIMITED)


UNLIMITED = Tier("Unlimited")

PRESETS: Mapping[str, tuple[Tier, ...]] = MappingProxyType({
    "wso2-1.x": _tiers(
        Bronze=1, Silver=5, Gold=20, Unauthenticated=60,  # of subscriptions
        Small=1, Medium=5, Large=20,  # of applications
        Basic=1, Plus=5, Ultimate=20,  # of APIs and routes
    ),
    "wso2-4.x": _tiers(
        Bronze=1000, Silver=2000, Gold=5000, Unauthenticated=500,
        _10PerMin=10, _20PerMin=20, _50PerMin=50,
        _10KPerMin=10_000, _20KPerMin=20_000, _50KPerMin=50_000,
    ),
})  # fmt: skip
"""Tiers by the name of their set.  All limits are requests in a minute."""
