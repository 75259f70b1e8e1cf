"""The audit: who changed what, as a chain in which nothing can be changed or left out unseen.

``append`` is called in the transaction of the change, after what that appended to the cluster log.  Each entry has a
hash over itself and the hash before it; the last one stands also in ``audit_head``.  Whoever keeps a copy of that last
hash elsewhere can tell, with ``verify``, whether somebody rewrote all of it.
"""

import hashlib
import json
from typing import Any

from attrs import frozen
from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import AuditEntry
from twgw.storage.schema import audit as table
from twgw.storage.schema import audit_head

PIECE = 1000


@frozen
class Verified:
    """What ``verify`` found: how many entries are good, the hash of the last of them, and what is wrong after it."""

    entries: int
    hash: str
    fault: str


def append(
    connection: Connection, *, actor: str, action: str, subject: str, before: Any = None, after: Any = None, now: float
) -> int:
    """Note a change, with what was there before and after as JSON has it; returns its number.

    Others wait for the end of this transaction from here on.
    """
    connection.execute(update(audit_head).values(seq=audit_head.c.seq + 1))
    head = connection.execute(select(audit_head.c.seq, audit_head.c.hash)).one()
    entry = {
        "seq": head.seq,
        "at": now,
        "actor": actor,
        "action": action,
        "subject": subject,
        "before_text": _text(before),
        "after_text": _text(after),
    }
    link = _link(head.hash, entry)
    connection.execute(insert(table).values(**entry, hash=link))
    connection.execute(update(audit_head).values(hash=link))
    return int(head.seq)


def list_audit(
    connection: Connection,
    before: int | None = None,
    limit: int = 100,
    *,
    actor: str | None = None,
    subject: str | None = None,
) -> list[AuditEntry]:
    """Entries, the newest first, those before one, at most so many."""
    query = select(table).order_by(table.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.seq < before)
    for column, value in ((table.c.actor, actor), (table.c.subject, subject)):
        if value is not None:
            query = query.where(column == value)
    return [_entry(row) for row in connection.execute(query)]


def verify(connection: Connection) -> Verified:
    """Follow the chain from its beginning."""
    last, link = 0, ""
    while rows := connection.execute(_after(last)).all():
        for row in rows:
            if row.seq != last + 1:
                return Verified(last, link, f"entry {last + 1} is missing")
            if row.hash != _link(link, row._asdict()):
                return Verified(last, link, f"entry {row.seq} is not what was written")
            last, link = row.seq, row.hash
    head = connection.execute(select(audit_head.c.seq, audit_head.c.hash)).one()
    if head.seq != last or head.hash != link:
        return Verified(last, link, f"the last entry should be {head.seq}, with the hash {head.hash}")
    return Verified(last, link, "")


def _after(seq: int) -> Any:
    return select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(PIECE)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _link(before: str, entry: Any) -> str:
    names = ("actor", "action", "subject", "before_text", "after_text")
    covered = [before, entry["seq"], f"{entry['at']:.6f}", *(entry[name] for name in names)]
    return hashlib.sha256(_text(covered).encode()).hexdigest()


def _entry(row: Any) -> AuditEntry:
    before, after = json.loads(row.before_text), json.loads(row.after_text)
    return AuditEntry(row.seq, row.at, row.actor, row.action, row.subject, before, after, row.hash)
