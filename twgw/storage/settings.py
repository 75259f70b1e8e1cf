"""Settings that all nodes share, and the global policies among them.  Called by the admin REST and ``declared.py``."""

import json
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from twgw.model import Policy, State
from twgw.schema import as_written
from twgw.settings import structure
from twgw.storage import log
from twgw.storage.errors import Conflict
from twgw.storage.schema import setting as table

POLICIES = "policies"


def find_setting(connection: Connection, name: str) -> tuple[Any, int] | None:
    """A setting as JSON has it, and its stamp."""
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    return (json.loads(row.document), row.stamp) if row else None


def set_setting(connection: Connection, name: str, value: Any, *, now: float, stamp: int | None = None) -> None:
    """Keep a setting, as JSON has it.  ``stamp`` 0: only if there is none yet.  Raises Conflict."""
    row = connection.execute(select(table.c.stamp).where(table.c.name == name).with_for_update()).one_or_none()
    seen = row.stamp if row else 0
    if stamp is not None and stamp != seen:
        raise Conflict(f"setting {name} was changed by somebody else: it is at {seen}, not {stamp}", changed=True)
    values = {"document": json.dumps(value, ensure_ascii=False), "updated_at": now, "stamp": seen + 1}
    if row is None:
        connection.execute(insert(table).values(name=name, **values))
    else:
        connection.execute(update(table).where(table.c.name == name).values(**values))


def find_policies(connection: Connection) -> tuple[tuple[Policy, ...], int]:
    """The global policies, those of an empty state while nobody has set any, and their stamp."""
    found = find_setting(connection, POLICIES)
    if found is None:
        return State().policies, 0
    return tuple(structure(Policy, each) for each in found[0]), found[1]


def set_policies(
    connection: Connection, policies: tuple[Policy, ...], *, now: float, stamp: int | None = None
) -> int:
    """Make these the global policies, and return the position.  Raises Conflict."""
    set_setting(connection, POLICIES, as_written(policies), now=now, stamp=stamp)
    return log.append(connection, [log.POLICIES], now)
