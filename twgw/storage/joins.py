"""Tokens by which a new node joins the cluster: each is good once and for a while.  By their digests, as keys are.

They stand among the secrets of the cluster, and are deleted with those that are retired.  Called by
``cluster/joining.py``.
"""

import json
from collections.abc import Iterable

from sqlalchemy import delete, func, insert, select
from sqlalchemy.engine import Connection

from twgw.storage.schema import secret_key as table

KIND = "join"


def add_join(connection: Connection, digest: str, roles: Iterable[str], *, seconds: float, now: float) -> None:
    """Note a token that lets one node in with some of these roles."""
    newest = connection.execute(select(func.max(table.c.version)).where(table.c.kind == KIND)).scalar_one() or 0
    material = json.dumps({"digest": digest, "roles": sorted(roles)})
    connection.execute(
        insert(table).values(
            kind=KIND, version=newest + 1, material=material, created_at=now, retire_at=now + seconds
        )
    )  # fmt: skip


def find_join(connection: Connection, digest: str, *, now: float) -> frozenset[str] | None:
    """The roles that a token lets a node in with; None for one that is unknown, used or too old."""
    return next((roles for _, roles, _ in _found(connection, digest, now)), None)


def use_join(connection: Connection, digest: str, *, now: float) -> bool:
    """Use a token up; whether this use is the first."""
    return any(_take(connection, version, material) for version, _, material in _found(connection, digest, now))


def _take(connection: Connection, version: int, material: str) -> bool:
    """Whether it was there still; its number may be that of a later token by now."""
    which = (table.c.kind == KIND, table.c.version == version, table.c.material == material)
    return connection.execute(delete(table).where(*which)).rowcount == 1


def _found(connection: Connection, digest: str, now: float) -> Iterable[tuple[int, frozenset[str], str]]:
    query = select(table.c.version, table.c.material).where(table.c.kind == KIND, table.c.retire_at > now)
    for row in connection.execute(query):
        kept = json.loads(row.material)
        if kept["digest"] == digest:
            yield row.version, frozenset(kept["roles"]), row.material
