"""Limit how many requests an application, a credential, a client or an API may make.

    - {name: rate-limit, settings: {amount: 100, period: 60, by: client}}
    - name: rate-limit
      settings: {name: steady, limits: [{amount: 5, period: 1}, {amount: 900, period: 3600, algorithm: sliding-window}]}

Without ``amount`` and ``limits`` the limits are those of the tier that the application subscribed in.  A tier without
limits is unlimited.  A caller without a subscription is counted in ``default_tier``; where none is named it is refused,
except on a prototyped API, which needs no subscription and then has no limit.

Each use of the policy has its own counters, told apart by what its settings say: give one of two equal uses a ``name``.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2s
from ipaddress import IPv6Address, ip_address
from typing import Literal

from attrs import field, frozen, validators

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.model import Algorithm
from twgw.policy import Charge, Exchange, Gateway, Limit, Problem, Tier, setting
from twgw.publisher.lifecycle import EFFECTS

Part = tuple[Limit, str, str]
"""A limit, the name that clients see, and the beginning of its counters' keys."""


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
    by: Literal["application", "credential", "client", "api"] = setting(
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

    @identity.default
    def _identity(self) -> str:
        said = (self.amount, self.period, self.algorithm.value, self.burst, self.limits, self.by, self.scope, self.name)
        return blake2s(repr(said).encode(), digest_size=8).hexdigest()

    @parts.default
    def _parts(self) -> tuple[Part, ...] | None:
        if self.amount is not None:
            return parts_of((Limit(self.amount, self.period, self.algorithm, self.burst),), self.name, self.identity)
        return parts_of(self.limits, self.name, self.identity) if self.limits else None

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
        if faults:
            raise SettingsError(faults)


def parts_of(limits: Sequence[Limit], name: str, identity: str) -> tuple[Part, ...]:
    """What is the same for all requests under these limits."""
    several = len(limits) > 1
    return tuple(
        (limit, f"{name}-{limit.period:g}s" if several else name, f"{identity}|{place}|")
        for place, limit in enumerate(dict.fromkeys(limits))
    )


@hookimpl
def twgw_throttle(exchange: Exchange, settings: Settings, gateway: Gateway) -> Charge | list[Charge] | Problem | None:
    """Charge the request."""
    parts = settings.parts
    if parts is None:
        found = _of_subscription(exchange, settings, gateway)
        if isinstance(found, Problem):
            return found
        parts = found
    if not parts:
        return None
    who = _who(exchange, settings.by)
    if settings.scope == "api":
        who = f"{exchange.plan.api_id}|{who}"
    hidden = settings.hide_client_headers
    if len(parts) == 1:
        limit, name, prefix = parts[0]
        return Charge(prefix + who, limit, name, 1, hidden)
    return [Charge(prefix + who, limit, name, 1, hidden) for limit, name, prefix in parts]


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
        known = settings.tiers[name] = (tier, parts_of(tier.limits, name.lower(), f"{settings.identity}|{name}"))
    return known[1]


def _who(exchange: Exchange, by: str) -> str:
    """Whose counter it is; the kinds begin differently, so that none can be taken for another."""
    credential = exchange.credential
    if by == "application" and credential is not None and credential.application:
        return f"application {credential.application}"
    if by == "credential" and credential is not None and credential.id:
        return f"credential {credential.application} {credential.id}"
    if by == "api":
        return "all"
    return f"client {network_of(exchange.request.client)}"


@lru_cache(8192)
def network_of(client: str) -> str:
    """The address by which a client is counted: whoever has an IPv6 address has the 2^64 of its network."""
    if ":" not in client:
        return client
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
