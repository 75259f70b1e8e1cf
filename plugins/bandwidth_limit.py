"""Limit how many bytes of bodies an application, a credential, a client or an API may move.

    - {name: bandwidth-limit, settings: {amount: 1000000000, period: 86400}}

Without ``amount`` it goes by the limits in bytes of the tiers that ``rate-limit`` goes by, and comes along with that
by itself where there are any.

A body's size is known at its end: a request is let in as long as a byte is left, and pays at the end for what it moved
in both directions.  So the last ones within a limit may go past it; what is past it is not carried over.
"""

from collections.abc import Sequence
from typing import Literal

from attrs import evolve, field, frozen, validators

from twgw import hookimpl
from twgw.model import Algorithm, Unit
from twgw.policy import Charge, Exchange, Gateway, Limit, setting
from twgw.policy.interfaces import Decision, Limiter
from twgw.throttle import tiers
from twgw.throttle.callers import By, counted_as

NAME = "bandwidth-limit"


@frozen
class Settings:
    """What is counted, and how much is allowed."""

    amount: int | None = setting(
        "Bytes in a period; without it, the tiers say.", default=None, validator=validators.optional(validators.gt(0))
    )
    period: float = setting("Seconds.", default=86400, validator=validators.gt(0))
    algorithm: Literal["fixed-window", "sliding-window"] = setting(
        "fixed-window: from each whole period to the next; sliding-window: in any period.", default="fixed-window"
    )
    by: By = setting(
        "Whose bytes are counted together. Who has no credential is counted by address, IPv6 by the /64 network.",
        default="application",
    )
    scope: Literal["api", "global"] = setting(
        "Whether each API is counted apart, or all of them together.", default="api"
    )
    name: str = setting("Name of the limit in the RateLimit fields.", default="bandwidth")
    hide_client_headers: bool = setting("Send no RateLimit fields to clients.", default=False)
    part: tiers.Part | None = field(init=False, repr=False, eq=False)
    levels: tiers.Levels = field(init=False, repr=False, eq=False, factory=lambda: tiers.Levels(Unit.BYTES))

    @part.default
    def _part(self) -> tiers.Part | None:
        if self.amount is None:
            return None
        limit = Limit(self.amount, self.period, Algorithm(self.algorithm), unit=Unit.BYTES)
        return tiers.Part(limit, self.name, f"bytes|{self.by}|{self.scope}|{self.name}|", tiers.SUBSCRIPTION)


@hookimpl
def twgw_throttle(exchange: Exchange, settings: Settings, gateway: Gateway) -> list[Charge] | None:
    """Ask for the first byte."""
    charges = _charges(exchange, settings, gateway)
    if charges:
        exchange.attributes[NAME] = charges
    return charges or None


def _charges(exchange: Exchange, settings: Settings, gateway: Gateway) -> list[Charge]:
    plan, credential, hidden = exchange.plan, exchange.credential, settings.hide_client_headers
    who = counted_as(exchange, settings.by)
    if settings.scope == "api":
        who = f"{plan.api_id}|{who}"
    if settings.part is not None:
        return [settings.part.charge(who, hidden=hidden)]
    find, subscription = gateway.subscriptions.tier, exchange.subscription
    charges = list(settings.levels.before(plan.api, plan.api_id, exchange.route, find))
    if subscription is not None and subscription.tier:
        charges += settings.levels.of_subscription(subscription.tier, who, find)
    charges += settings.levels.after(credential, find)
    for charge in charges:
        charge.hidden = hidden
    return charges


@hookimpl
async def twgw_log(exchange: Exchange, gateway: Gateway) -> None:
    """Pay for what was moved, where the first byte was granted."""
    charges: list[Charge] | None = exchange.attributes.get(NAME)
    decisions = exchange.decisions
    moved = exchange.received + exchange.sent - 1
    if charges and decisions and moved > 0 and all(decision.allowed for decision in decisions):
        for charge in charges:
            await _pay(gateway.limiter, charge, moved)


async def _pay(limiter: Limiter, charge: Charge, cost: int) -> None:
    """Take what is owed, or all that is left."""
    decisions = await _decided(limiter, [evolve(charge, cost=cost)])
    if not decisions[0].allowed and decisions[0].remaining > 0:
        await _decided(limiter, [evolve(charge, cost=min(cost, decisions[0].remaining))])


async def _decided(limiter: Limiter, charges: Sequence[Charge]) -> list[Decision]:
    decisions = limiter.take_all(charges)
    return decisions if isinstance(decisions, list) else await decisions
