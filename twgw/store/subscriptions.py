"""Who may subscribe to what, in which tier and with whose approval; the states of a subscription.

    PENDING → ACCEPTED ⇄ PAUSED, PRODUCTION_PAUSED      all of them → CLOSED
          └→ REJECTED

The states are Gravitee's, with one more for WSO2's PROD_ONLY_BLOCKED.  Pure.  Called by the store's and the publisher's
endpoints; the policy ``subscription`` asks ``allows``.
"""

from collections.abc import Mapping
from types import MappingProxyType

from attrs import evolve, frozen

from twgw.faults import suggest
from twgw.model import Api, Environment, Subscription, SubscriptionState, Tier
from twgw.publisher.lifecycle import EFFECTS
from twgw.registry import SubscriptionEntry
from twgw.settings import fields, setting
from twgw.store.catalog import Viewer, is_for

PENDING, ACCEPTED, REJECTED, PAUSED, PRODUCTION_PAUSED, CLOSED = SubscriptionState

@frozen
class ShownSubscription:
    """A subscription, as it stands in the registry."""

    application: str = setting("Who may call.")
    api: str = setting("The API, as name:version.")
    tier: str | None = setting("In which tier.")
    state: SubscriptionState = setting("Whether it is a right to call: ACCEPTED is, PRODUCTION_PAUSED in the sandbox.")
    created_at: float = setting("UNIX time.")
    updated_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


def shown(entry: SubscriptionEntry) -> ShownSubscription:
    """A subscription, as it is answered to either side."""
    return ShownSubscription(**{each.name: getattr(entry, each.name) for each in fields(ShownSubscription)})


APPROVERS = frozenset({"admin", "publisher"})
"""Roles whose users accept, reject, pause and resume subscriptions; what they ask for needs no approval."""

FROM_WSO2: Mapping[str, SubscriptionState] = MappingProxyType({
    "UNBLOCKED": ACCEPTED,
    "BLOCKED": PAUSED,
    "PROD_ONLY_BLOCKED": PRODUCTION_PAUSED,
    "ON_HOLD": PENDING,
    "REJECTED": REJECTED,
    "TIER_UPDATE_PENDING": ACCEPTED,
    "DELETE_PENDING": ACCEPTED,
})
"""What each state of WSO2 API Manager is here: until a change of it is approved, a subscription stays what it was."""


@frozen
class Move:
    """A way from some states to another.  ``owner``: whether the owner of the application may go it too."""

    before: tuple[SubscriptionState, ...]
    after: SubscriptionState
    owner: bool = False


MOVES: Mapping[str, Move] = MappingProxyType({
    "accept": Move((PENDING, REJECTED), ACCEPTED),
    "reject": Move((PENDING,), REJECTED),
    "pause": Move((ACCEPTED, PRODUCTION_PAUSED), PAUSED),
    "pause-production": Move((ACCEPTED, PAUSED), PRODUCTION_PAUSED),
    "resume": Move((PAUSED, PRODUCTION_PAUSED), ACCEPTED),
    "close": Move((PENDING, ACCEPTED, REJECTED, PAUSED, PRODUCTION_PAUSED), CLOSED, owner=True),
})
"""Every move by its name."""


class SubscriptionRefused(Exception):
    """What is asked for is not possible; the text says why, and what is."""


class SubscriptionForbidden(SubscriptionRefused):
    """What is asked for is not for this user."""


def allows(state: SubscriptionState, environment: Environment) -> bool:
    """Whether a subscription is a right to call with keys of an environment."""
    return state is ACCEPTED or (state is PRODUCTION_PAUSED and environment is Environment.SANDBOX)


def request(
    api: Api,
    tier: str | None,
    *,
    viewer: Viewer,
    owner: str,
    tiers: Mapping[str, Tier],
    existing: Subscription | None = None,
) -> Subscription:
    """The subscription that comes of a request: ACCEPTED, or PENDING where the tier wants an approval.

    Raises SubscriptionForbidden and SubscriptionRefused.

    Args:
        api: what is to be called.
        tier: in which tier; None where the API does not ask for one.
        viewer: who asks.
        owner: whose the application is.
        tiers: all tiers by their name.
        existing: what the application has for this API already; one that was rejected or closed may be asked for anew.
    """
    _check_owner(viewer, owner)
    if not is_for(viewer.groups, api.visible_to) and not viewer.roles & APPROVERS:
        raise SubscriptionForbidden(f"{api.id} is for members of {', '.join(api.visible_to)}")
    if not EFFECTS[api.state].subscribable:
        raise SubscriptionRefused(f"{api.id} is {api.state.value}; only a PUBLISHED API takes subscriptions")
    if existing is not None and existing.state not in (REJECTED, CLOSED):
        raise SubscriptionRefused(f"there is a subscription to {api.id} already, and it is {existing.state.value}")
    wanted = _tier(api, tier, tiers, viewer)
    waits = wanted is not None and wanted.approval and not viewer.roles & APPROVERS
    return Subscription(api.id, tier, PENDING if waits else ACCEPTED)


def change_tier(
    subscription: Subscription, tier: str | None, *, api: Api, viewer: Viewer, owner: str, tiers: Mapping[str, Tier]
) -> Subscription:
    """The subscription in another tier, in the state that it has.

    Only an approver moves one into a tier that wants an approval.
    Raises SubscriptionForbidden and SubscriptionRefused.
    """
    _check_owner(viewer, owner)
    if subscription.state is CLOSED:
        raise SubscriptionRefused("it is CLOSED; subscribe anew")
    wanted = _tier(api, tier, tiers, viewer)
    if wanted is not None and wanted.approval and tier != subscription.tier and not viewer.roles & APPROVERS:
        raise SubscriptionForbidden(f"tier {tier} wants an approval: ask a publisher to change it")
    return evolve(subscription, tier=tier)


def moved(subscription: Subscription, name: str, *, viewer: Viewer, owner: str) -> Subscription:
    """The subscription after a move.  Raises SubscriptionForbidden and SubscriptionRefused."""
    move = MOVES.get(name)
    if move is None:
        raise SubscriptionRefused(f"there is no move {name!r}{suggest(name, MOVES)}")
    if not viewer.roles & APPROVERS:
        if not move.owner:
            raise SubscriptionForbidden(f"{name} needs one of the roles {', '.join(sorted(APPROVERS))}")
        _check_owner(viewer, owner)
    if subscription.state not in move.before:
        possible = [each for each, way in MOVES.items() if subscription.state in way.before]
        others = ", ".join(possible) or "none; subscribe anew"
        raise SubscriptionRefused(f"it is {subscription.state.value} and cannot {name}; possible: {others}")
    return evolve(subscription, state=move.after)


def _check_owner(viewer: Viewer, owner: str) -> None:
    if (not viewer.name or viewer.name != owner) and not viewer.roles & APPROVERS:
        raise SubscriptionForbidden("the application belongs to somebody else")


def _tier(api: Api, name: str | None, tiers: Mapping[str, Tier], viewer: Viewer) -> Tier | None:
    """The tier that is asked for, when this API has it and it is for this user."""
    if name is None:
        if api.tiers:
            raise SubscriptionRefused(f"{api.id} asks for a tier: {', '.join(api.tiers)}")
        return None
    if api.tiers and name not in api.tiers:
        raise SubscriptionRefused(f"{api.id} has no tier {name}{suggest('', api.tiers)}")
    tier = tiers.get(name)
    if tier is None:
        raise SubscriptionRefused(f"there is no tier {name}{suggest(name, tiers)}")
    if not is_for(viewer.groups, tier.groups) and not viewer.roles & APPROVERS:
        raise SubscriptionForbidden(f"tier {name} is for members of {', '.join(tier.groups)}")
    return tier
