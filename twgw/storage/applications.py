"""Applications: whoever calls APIs.  Called by the store, the key manager, the admin REST and ``declared.py``."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import ApplicationEntry, Approval
from twgw.storage import log
from twgw.storage.errors import Missing
from twgw.storage.rows import change, free, mapping, to_text
from twgw.storage.schema import application as table

CHANGEABLE = frozenset(("title", "description", "owner", "tier", "state", "attributes", "tag"))


def create_application(
    connection: Connection,
    name: str,
    *,
    owner: str,
    now: float,
    title: str = "",
    description: str = "",
    tier: str | None = None,
    state: Approval = Approval.ACTIVE,
    attributes: Mapping[str, Any] | None = None,
    tag: str = "",
) -> ApplicationEntry:
    """Enter an application.  Raises Conflict."""
    free(connection, table, {"name": name}, f"application {name}")
    connection.execute(
        insert(table).values(
            name=name, title=title, description=description, owner=owner, tier=tier, state=state.value,
            attributes=to_text(attributes or {}), revoked_before_pos=0, tag=tag,
            created_at=now, updated_at=now, stamp=1,
        )
    )
    return require_application(connection, name)


def update_application(
    connection: Connection, name: str, changes: Mapping[str, Any], *, now: float, stamp: int | None = None
) -> int:
    """Change fields of an application, by name, and return the position.  Raises Missing and Conflict."""
    assert changes.keys() <= CHANGEABLE, changes.keys() - CHANGEABLE
    values = {**changes, "updated_at": now}
    if "state" in values:
        values["state"] = values["state"].value
    if "attributes" in values:
        values["attributes"] = to_text(values["attributes"])
    change(connection, table, {"name": name}, values, what=f"application {name}", stamp=stamp)
    return log.append(connection, [log.application_record(name)], now)


def revoke_application(connection: Connection, name: str, *, now: float) -> int:
    """Void every credential and token that the application holds now, and return the position.  Raises Missing."""
    change(connection, table, {"name": name}, {"updated_at": now}, what=f"application {name}")  # locks the row
    pos = log.append(connection, [log.application_record(name)], now)
    connection.execute(update(table).where(table.c.name == name).values(revoked_before_pos=pos))
    return pos


def delete_application(connection: Connection, name: str, *, now: float, stamp: int | None = None) -> int:
    """Delete an application with all that it holds, and return the position.  Raises Missing and Conflict."""
    change(connection, table, {"name": name}, {"updated_at": now}, what=f"application {name}", stamp=stamp)
    connection.execute(delete(table).where(table.c.name == name))
    return log.append(connection, [log.application_record(name)], now)


def find_application(connection: Connection, name: str) -> ApplicationEntry | None:
    """An application by its name."""
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    return application_of(row) if row else None


def require_application(connection: Connection, name: str) -> ApplicationEntry:
    """The same.  Raises Missing."""
    entry = find_application(connection, name)
    if entry is None:
        raise Missing(f"there is no application {name}")
    return entry


def list_applications(
    connection: Connection,
    after: str = "",
    limit: int = 100,
    *,
    owner: str | None = None,
    state: Approval | None = None,
) -> list[ApplicationEntry]:
    """Applications by their names, those after one, at most so many."""
    query = select(table).where(table.c.name > after).order_by(table.c.name).limit(limit)
    if owner is not None:
        query = query.where(table.c.owner == owner)
    if state is not None:
        query = query.where(table.c.state == state.value)
    return [application_of(row) for row in connection.execute(query)]


def application_of(row: Any) -> ApplicationEntry:
    """The application of a row."""
    return ApplicationEntry(
        name=row.name,
        title=row.title,
        description=row.description,
        owner=row.owner,
        tier=row.tier,
        state=Approval(row.state),
        attributes=mapping(row.attributes),
        revoked_before_pos=row.revoked_before_pos,
        created_at=row.created_at,
        updated_at=row.updated_at,
        stamp=row.stamp,
        tag=row.tag,
    )
