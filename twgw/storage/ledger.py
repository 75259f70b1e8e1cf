"""What a write of the control plane notes beside what it does: the ``Ledger`` of ``web/transaction.py``.

``tap.py`` hands this module to the Flask applications; all three are called in the transaction of the write.
"""

import json
from typing import Any

import attrs
from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection

from twgw.storage.audit import append
from twgw.storage.schema import idempotency as table
from twgw.web.transaction import Done, Kept

KEPT_SECONDS = 24 * 60 * 60


def audit(
    connection: Connection, now: float, actor: str, action: str, subject: str, before: Any, after: Any
) -> None:
    """Append to the audit."""
    append(connection, actor=actor, action=action, subject=subject, before=before, after=after, now=now)


def recall(connection: Connection, actor: str, key: str, now: float) -> Kept | None:
    """The answer that was given to this Idempotency-Key of somebody within a day."""
    query = select(table).where(table.c.actor == actor, table.c.id_key == key, table.c.at > now - KEPT_SECONDS)
    row = connection.execute(query).one_or_none()
    return Kept(row.request_hash, Done(**json.loads(row.response))) if row else None


def remember(connection: Connection, actor: str, key: str, kept: Kept, now: float) -> None:
    """Keep an answer for a day.  Raises what becomes a Conflict when the same key is at work elsewhere."""
    connection.execute(
        delete(table).where(table.c.actor == actor, table.c.id_key == key, table.c.at <= now - KEPT_SECONDS)
    )
    response = json.dumps(attrs.asdict(kept.done), ensure_ascii=False)
    connection.execute(
        insert(table).values(
            actor=actor, id_key=key, request_hash=kept.fingerprint, status=kept.done.status, response=response, at=now
        )
    )


def prune_remembered(connection: Connection, now: float) -> int:
    """Delete answers that are older than a day, and return how many."""
    return connection.execute(delete(table).where(table.c.at <= now - KEPT_SECONDS)).rowcount
