"""Tiers over REST.  Part of ``rest.py``."""

from collections.abc import Iterator
from urllib.parse import quote

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.faults import Fault
from twgw.model import State, Tier
from twgw.registry import TierEntry
from twgw.settings import setting
from twgw.state import check
from twgw.storage import tiers as stored
from twgw.web.asking import after, limit_of
from twgw.web.names import FAULT, well_formed
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found
from twgw.web.view import Answer, Call, Page, Views

views = Views("tiers")


@frozen
class ShownTier:
    """A tier, as it stands in the registry."""

    tier: Tier = setting("Its name and its limits.")
    created_at: float = setting("UNIX time.")
    updated_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


def _shown(entry: TierEntry) -> ShownTier:
    return ShownTier(
        tier=entry.tier, created_at=entry.created_at, updated_at=entry.updated_at, stamp=entry.stamp
    )


@views.view("GET", "/tiers", permission=Permission.TIER_READ, answers=ShownTier, paged=True)
def list_tiers(call: Call, connection: Connection) -> Page:
    """List tiers, by name."""
    limit = limit_of(call.query)
    found = stored.list_tiers(connection, after(call.query) or "", limit + 1)
    last = found[limit - 1].tier.name if len(found) > limit else None
    return Page([_shown(entry) for entry in found[:limit]], last)


@views.view("GET", "/tiers/{tier}", permission=Permission.TIER_READ, answers=ShownTier)
def show_tier(_call: Call, connection: Connection, tier: str) -> ShownTier:
    """Show a tier."""
    entry = stored.find_tier(connection, tier)
    if entry is None:
        raise not_found(f"tier {tier}")
    return _shown(entry)


def _check(tier: Tier) -> None:
    faults = list(_faults(tier))
    if faults:
        raise invalid(faults)


def _faults(tier: Tier) -> Iterator[Fault]:
    if not well_formed(tier.name):
        yield Fault("name", FAULT)
    for fault in check(State(tiers=(tier,))):
        yield Fault(fault.path.removeprefix("tiers[0]."), fault.text)


@views.view("POST", "/tiers", permission=Permission.TIER_WRITE, body=Tier, answers=ShownTier, status=201)
def add_tier(call: Call, connection: Connection) -> Answer:
    """Make a tier."""
    _check(call.body)
    entry = stored.create_tier(connection, call.body, now=call.now)
    return Answer(_shown(entry), location=f"/tiers/{quote(call.body.name)}")


@views.view(
    "PUT", "/tiers/{tier}", permission=Permission.TIER_WRITE, body=Tier, answers=ShownTier, current=show_tier
)
def replace_tier(call: Call, connection: Connection, tier: str) -> Answer:
    """Give a tier other limits.  They hold for all its subscribers as soon as the call returns."""
    if call.body.name != tier:
        raise invalid([Fault("name", f"must be {tier}: a name never changes; make another tier")])
    _check(call.body)
    position = stored.update_tier(connection, call.body, now=call.now, stamp=call.before.stamp)
    return Answer(_shown(stored.require_tier(connection, tier)), position=position)


@views.view("DELETE", "/tiers/{tier}", permission=Permission.TIER_WRITE, current=show_tier)
def delete_tier(call: Call, connection: Connection, tier: str) -> Answer:
    """Delete a tier.  It is refused while a subscription or an application has it."""
    return Answer(position=stored.delete_tier(connection, tier, now=call.now, stamp=call.before.stamp))
