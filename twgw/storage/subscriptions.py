"""Subscriptions: the right of an application to an API.

Called by the store, the gateway's lookup and the admin REST.
"""

from typing import Any

from sqlalchemy import Integer, bindparam, delete, insert, select
from sqlalchemy.engine import Connection

from twgw.model import SubscriptionState
from twgw.registry import SubscriptionEntry
from twgw.storage import log
from twgw.storage.errors import Missing
from twgw.storage.rows import change, free, require
from twgw.storage.schema import api as api_table
from twgw.storage.schema import application as application_table
from twgw.storage.schema import subscription as table


def subscribe(
    connection: Connection,
    application: str,
    api: str,
    *,
    now: float,
    tier: str | None = None,
    state: SubscriptionState = SubscriptionState.ACCEPTED,
) -> SubscriptionEntry:
    """Give an application a right to an API; it adds trust, and no record.  Raises Missing and Conflict."""
    require(connection, application_table, {"name": application}, f"application {application}")
    require(connection, api_table, {"id": api}, f"API {api}")
    free(connection, table, _key(application, api), _what(application, api))
    connection.execute(
        insert(table).values(
            application=application, api=api, tier=tier, state=state.value, created_at=now, updated_at=now, stamp=1
        )
    )
    return SubscriptionEntry(application, api, tier, state, now, now, 1)


def set_subscription(
    connection: Connection,
    application: str,
    api: str,
    *,
    tier: str | None,
    state: SubscriptionState,
    now: float,
    stamp: int | None = None,
) -> int:
    """Change the tier and the state, and return the position.  Raises Missing and Conflict."""
    values = {"tier": tier, "state": state.value, "updated_at": now}
    change(connection, table, _key(application, api), values, what=_what(application, api), stamp=stamp)
    return log.append(connection, [log.subscription_record(application, api)], now)


def unsubscribe(
    connection: Connection, application: str, api: str, *, now: float, stamp: int | None = None
) -> int:
    """Take the right away and return the position.  Raises Missing and Conflict."""
    key = _key(application, api)
    change(connection, table, key, {"updated_at": now}, what=_what(application, api), stamp=stamp)
    connection.execute(delete(table).where(table.c.application == application, table.c.api == api))
    return log.append(connection, [log.subscription_record(application, api)], now)


def find_subscription(connection: Connection, application: str, api: str) -> SubscriptionEntry | None:
    """The subscription of an application to an API, in whatever state."""
    query = select(table).where(table.c.application == application, table.c.api == api)
    row = connection.execute(query).one_or_none()
    return _entry(row) if row else None


def require_subscription(connection: Connection, application: str, api: str) -> SubscriptionEntry:
    """The same.  Raises Missing."""
    entry = find_subscription(connection, application, api)
    if entry is None:
        raise Missing(f"there is no {_what(application, api)}")
    return entry


def subscriptions_of(connection: Connection, application: str) -> list[SubscriptionEntry]:
    """What an application is subscribed to."""
    query = select(table).where(table.c.application == application).order_by(table.c.api)
    return [_entry(row) for row in connection.execute(query)]


def rights_of(
    connection: Connection, application: str, limit: int
) -> tuple[str | None, str | None, list[SubscriptionEntry]]:
    """The tier and the owner of an application, and what it is subscribed to, at most so many, in one statement."""
    rows = connection.execute(_RIGHTS, {"name": application, "most": limit}).all()
    if not rows:
        return None, None, []
    rights = [_entry(row) for row in rows if row.api is not None]
    return rows[0].application_tier, rows[0].application_owner, rights


def served_to(connection: Connection, application: str) -> list[tuple[str, int]]:
    """The APIs that an application may call now, at least in one environment, each with the revision that is served."""
    states = (SubscriptionState.ACCEPTED.value, SubscriptionState.PRODUCTION_PAUSED.value)
    usable = (table.c.application == application) & table.c.state.in_(states)
    query = select(api_table.c.id, api_table.c.live).join(table, table.c.api == api_table.c.id)
    rows = connection.execute(query.where(usable, api_table.c.live.is_not(None)).order_by(api_table.c.id))
    return [(row.id, row.live) for row in rows]


def subscribers_of(connection: Connection, api: str, after: str = "", limit: int = 100) -> list[SubscriptionEntry]:
    """Who is subscribed to an API, by application, those after one, at most so many."""
    query = select(table).where(table.c.api == api, table.c.application > after).order_by(table.c.application)
    return [_entry(row) for row in connection.execute(query.limit(limit))]


_RIGHTS = (
    select(
        application_table.c.tier.label("application_tier"), application_table.c.owner.label("application_owner"), table
    )
    .select_from(application_table)
    .outerjoin(table, table.c.application == application_table.c.name)
    .where(application_table.c.name == bindparam("name"))
    .limit(bindparam("most", type_=Integer))
)


def _key(application: str, api: str) -> dict[str, str]:
    return {"application": application, "api": api}


def _what(application: str, api: str) -> str:
    return f"subscription of {application} to {api}"


def _entry(row: Any) -> SubscriptionEntry:
    return SubscriptionEntry(
        row.application, row.api, row.tier, SubscriptionState(row.state), row.created_at, row.updated_at, row.stamp
    )
