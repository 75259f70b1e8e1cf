"""Limit how many requests an application, a credential, a client or an API may make.

    - {name: rate-limit, settings: {amount: 100, period: 60, by: client}}
    - name: rate-limit
      settings: {name: steady, limits: [{amount: 5, period: 1}, {amount: 900, period: 3600, algorithm: sliding-window}]}

Without ``amount`` and ``limits`` it goes by tiers: that in which the application subscribed, and those of the
application, the API and the route, and the hard limit of the API, where they have one; all hold together.  A tier
without limits is unlimited.  A caller without a subscription is counted in ``default_tier``; where none is named it is
refused, except on a prototyped API, which needs no subscription and then has no limit.  Limits in bytes are left to
``bandwidth-limit``, which comes along wherever a tier has one.

Each use of the policy has its own counters, told apart by what its settings say: give one of two equal uses a ``name``.
"""

from hashlib import blake2s
from typing import Literal

from attrs import field, frozen, validators

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.model import Algorithm, Unit
from twgw.policy import Charge, Exchange, Gateway, Limit, Problem, Tier, setting
from twgw.publisher.lifecycle import EFFECTS
from twgw.throttle.callers import By, counted_as
from twgw.throttle.tiers import SUBSCRIPTION, Levels, Part, parts_of


@frozen
class Settings:
    """What is counted, and how much is allowed."""

    amount: int | None = setting(
        "Requests in a period; with neither this nor limits, the tier of the subscription says.",
        default=None,
        validator=validators.optional(validators.gt(0)),
    )
    period: float = setting("Seconds.", default=60, validator=validators.gt(0))
    algorithm: Algorithm = setting(
        "fixed-window: from each whole period to the next; sliding-window: in any period; token-bucket: a steady rate.",
        default=Algorithm.FIXED_WINDOW,
    )
    burst: int | None = setting(
        "Requests that a token bucket lets pass at once (default: amount).",
        default=None,
        validator=validators.optional(validators.gt(0)),
    )
    limits: tuple[Limit, ...] = setting(
        "Several limits in place of amount, each with amount, period, algorithm and burst.", default=()
    )
    by: By = setting(
        "Whose requests are counted together. Who has no credential is counted by address, IPv6 by the /64 network.",
        default="application",
    )
    scope: Literal["api", "global"] = setting(
        "Whether each API is counted apart, or all of them together.", default="api"
    )
    name: str = setting("Name of the limit in the RateLimit fields.", default="default")
    default_tier: str = setting("Tier of callers without a subscription; empty to refuse them.", default="")
    hide_client_headers: bool = setting("Send no RateLimit fields to clients.", default=False)
    identity: str = field(init=False, repr=False, eq=False)
    parts: tuple[Part, ...] | None = field(init=False, repr=False, eq=False)
    tiers: dict[str, tuple[Tier, tuple[Part, ...]]] = field(init=False, repr=False, eq=False, factory=dict)
    levels: Levels = field(init=False, repr=False, eq=False, factory=lambda: Levels(Unit.REQUESTS))

    @identity.default
    def _identity(self) -> str:
        said = (self.amount, self.period, self.algorithm.value, self.burst, self.limits, self.by, self.scope, self.name)
        return blake2s(repr(said).encode(), digest_size=8).hexdigest()

    @parts.default
    def _parts(self) -> tuple[Part, ...] | None:
        limits = self.limits
        if self.amount is not None:
            limits = (Limit(self.amount, self.period, self.algorithm, self.burst),)
        own = Tier(self.name, limits)
        return parts_of(own, Unit.REQUESTS, SUBSCRIPTION, self.name, self.identity) if limits else None

    def __attrs_post_init__(self) -> None:
        faults = []
        if self.amount is not None and self.limits:
            faults.append(Fault("limits", "give these or amount, not both"))
        if self.amount is not None and self.burst is not None and self.algorithm is not Algorithm.TOKEN_BUCKET:
            faults.append(Fault("burst", "is for the algorithm token-bucket"))
        if self.amount is None and self.burst is not None:
            faults.append(Fault("burst", "needs amount"))
        if self.default_tier and self.parts is not None:
            faults.append(Fault("default_tier", "is for limits of tiers; there is an amount or limits already"))
        faults += [
            Fault(f"limits[{place}].burst", "is for the algorithm token-bucket")
            for place, limit in enumerate(self.limits)
            if limit.burst is not None and limit.algorithm is not Algorithm.TOKEN_BUCKET
        ]
        faults += [
            Fault(f"limits[{place}].unit", "must be requests; bandwidth-limit counts bytes")
            for place, limit in enumerate(self.limits)
            if limit.unit is not Unit.REQUESTS
        ]
        if faults:
            raise SettingsError(faults)

    @property
    def by_tiers(self) -> bool:
        """Whether the limits are those of tiers."""
        return self.parts is None


@hookimpl
def twgw_throttle(
    exchange: Exchange, settings: Settings, gateway: Gateway
) -> Charge | list[Charge] | Problem | None:
    """Charge the request."""
    parts = settings.parts
    if parts is None:
        return _by_tiers(exchange, settings, gateway)
    who = _who(exchange, settings)
    hidden = settings.hide_client_headers
    if len(parts) == 1:
        part = parts[0]
        return Charge(part.prefix + who, part.limit, part.name, 1, hidden, "", part.code)
    return [Charge(part.prefix + who, part.limit, part.name, 1, hidden, "", part.code) for part in parts]


def _who(exchange: Exchange, settings: Settings) -> str:
    who = counted_as(exchange, settings.by)
    return f"{exchange.plan.api_id}|{who}" if settings.scope == "api" else who


def _by_tiers(exchange: Exchange, settings: Settings, gateway: Gateway) -> list[Charge] | Problem | None:
    """The charges of every level, in the order in which WSO2 asks them."""
    parts = _of_subscription(exchange, settings, gateway)
    if isinstance(parts, Problem):
        return parts
    plan, credential, hidden = exchange.plan, exchange.credential, settings.hide_client_headers
    api, route = plan.api, exchange.route
    who = _who(exchange, settings) if parts else ""
    charges = [Charge(part.prefix + who, part.limit, part.name, 1, hidden, "", part.code) for part in parts]
    find = gateway.subscriptions.tier
    if api.tier or api.hard_limit is not None or (route is not None and route.tier):
        charges = [*settings.levels.before(api, plan.api_id, route, find), *charges]
    if credential is not None and credential.tier:
        charges += settings.levels.after(credential, find)
    return charges or None


def _of_subscription(exchange: Exchange, settings: Settings, gateway: Gateway) -> tuple[Part, ...] | Problem:
    """The limits of the caller's tier, or why there are none."""
    subscription = exchange.subscription
    name = settings.default_tier if subscription is None else subscription.tier or settings.default_tier
    if not name:
        if subscription is not None or not EFFECTS[exchange.plan.api.state].needs_subscription:
            return ()
        return Problem(403, "Subscription required", "the limits are those of a subscription's tier", code=900908)
    tier = gateway.subscriptions.tier(name)
    if tier is None:
        raise LookupError(f"there is no tier {name}")
    known = settings.tiers.get(name)
    if known is None or known[0] is not tier:
        identity = f"{settings.identity}|{name}"
        parts = parts_of(tier, Unit.REQUESTS, SUBSCRIPTION, name.lower(), identity)
        known = settings.tiers[name] = (tier, parts)
    return known[1]
