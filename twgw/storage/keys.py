"""Secret keys of the cluster: peppers, keys for signing, for codes of authenticity, for sessions.

Made once, by whichever node comes first, and shared by all.  Each kind has versions: the newest is for making, those
that are not retired yet for checking.  Called at start and by the rotation commands.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.engine import Connection

from twgw.registry import SecretKey
from twgw.storage import log
from twgw.storage.schema import secret_key as table

KEPT = 86_400.0
"""Seconds for which one that is retired is kept: a node whose clock is ahead deletes none that is in use."""


def keys_of(connection: Connection, kind: str, *, now: float) -> list[SecretKey]:
    """The keys of a kind that are not retired, the newest first."""
    lasting = or_(table.c.retire_at.is_(None), table.c.retire_at > now)
    query = select(table).where(table.c.kind == kind, lasting).order_by(table.c.version.desc())
    return [_key(row) for row in connection.execute(query)]


def ensure_key(connection: Connection, kind: str, make: Callable[[], str], *, now: float) -> list[SecretKey]:
    """The same, after making the first when there never was one.  Nodes that begin at once get the same key."""
    if found := keys_of(connection, kind, now=now):
        return found
    log.append(connection, [log.KEYS], now)  # from here on one at a time
    if not connection.execute(select(1).where(table.c.kind == kind)).first():
        connection.execute(insert(table).values(kind=kind, version=1, material=make(), created_at=now))
    return keys_of(connection, kind, now=now)


def rotate_key(
    connection: Connection, kind: str, make: Callable[[int], str], *, overlap: float | None, now: float
) -> int:
    """Make a new key the one of its kind, retire the others in ``overlap`` seconds, and return the position.

    ``make`` is given the number of the new version.  Without ``overlap`` the others are good for ever.
    """
    pos = log.append(connection, [log.KEYS], now)  # from here on one at a time
    before = connection.execute(select(table.c.version).where(table.c.kind == kind)).scalars().all()
    if overlap is not None:
        older = (table.c.kind == kind) & or_(table.c.retire_at.is_(None), table.c.retire_at > now + overlap)
        connection.execute(update(table).where(older).values(retire_at=now + overlap))
    version = max(before, default=0) + 1
    connection.execute(insert(table).values(kind=kind, version=version, material=make(version), created_at=now))
    return pos


def prune_keys(connection: Connection, now: float) -> int:
    """Delete keys that are retired since ``KEPT`` seconds, and return how many.  The newest of a kind never is."""
    return connection.execute(delete(table).where(table.c.retire_at <= now - KEPT)).rowcount


def _key(row: Any) -> SecretKey:
    return SecretKey(row.kind, row.version, row.material, row.created_at, row.retire_at)
