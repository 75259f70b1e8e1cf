"""Tiers: named limits.  Called by the admin REST, ``declared.py`` and the gateway's lookup."""

from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection

from twgw.model import Tier
from twgw.registry import TierEntry
from twgw.storage import log
from twgw.storage.errors import Conflict, Missing
from twgw.storage.rows import change, free, from_text, to_text
from twgw.storage.schema import application, subscription
from twgw.storage.schema import tier as table


def create_tier(connection: Connection, tier: Tier, *, now: float, tag: str = "") -> TierEntry:
    """Enter a tier.  Raises Conflict.

    Gateways keep all tiers at hand, so this is a record; its position is that of ``log.head``.
    """
    free(connection, table, {"name": tier.name}, f"tier {tier.name}")
    connection.execute(
        insert(table).values(name=tier.name, document=to_text(tier), tag=tag, created_at=now, updated_at=now, stamp=1)
    )
    log.append(connection, [log.tier_record(tier.name)], now)
    return TierEntry(tier, now, now, 1, tag)


def update_tier(connection: Connection, tier: Tier, *, now: float, stamp: int | None = None) -> int:
    """Give a tier other limits, and return the position.  Raises Missing and Conflict."""
    values = {"document": to_text(tier), "updated_at": now}
    change(connection, table, {"name": tier.name}, values, what=f"tier {tier.name}", stamp=stamp)
    return log.append(connection, [log.tier_record(tier.name)], now)


def delete_tier(connection: Connection, name: str, *, now: float, stamp: int | None = None) -> int:
    """Delete a tier, and return the position.  Raises Missing, and Conflict while a caller has it."""
    change(connection, table, {"name": name}, {"updated_at": now}, what=f"tier {name}", stamp=stamp)
    for what, uses in (("subscription", subscription.c.tier), ("application", application.c.tier)):
        if connection.execute(select(1).where(uses == name).limit(1)).first():
            raise Conflict(f"tier {name} is that of at least one {what}; give those another one first")
    connection.execute(delete(table).where(table.c.name == name))
    return log.append(connection, [log.tier_record(name)], now)


def find_tier(connection: Connection, name: str) -> TierEntry | None:
    """A tier by its name."""
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    return _entry(row) if row else None


def require_tier(connection: Connection, name: str) -> TierEntry:
    """The same.  Raises Missing."""
    entry = find_tier(connection, name)
    if entry is None:
        raise Missing(f"there is no tier {name}")
    return entry


def list_tiers(connection: Connection, after: str = "", limit: int = 1000) -> list[TierEntry]:
    """Tiers by their names, those after one, at most so many."""
    query = select(table).where(table.c.name > after).order_by(table.c.name).limit(limit)
    return [_entry(row) for row in connection.execute(query)]


def _entry(row: Any) -> TierEntry:
    return TierEntry(from_text(Tier, row.document), row.created_at, row.updated_at, row.stamp, row.tag)
