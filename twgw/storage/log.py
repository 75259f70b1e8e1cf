"""The cluster log: what took trust away or changed what is served, in order and without a gap.

The row of the head is locked from ``append`` to the end of the transaction, so positions become visible in their order
(protocol: TX-REVOKE).  Who reads facts reads the head first, in the same transaction, and may keep the facts as of it.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import Head, Record
from twgw.storage.schema import cluster_head, cluster_log

KEPT_SECONDS = 15 * 60
KEPT_ROWS = 100_000
FEW = 8
"""Records that are read at once where one is looked for."""
APPENDED = "twgw.appended"
"""Of the ``info`` of a connection: the position of the last record that its transaction has appended, and when."""


def head(connection: Connection) -> Head:
    """How far the log is; inside a transaction that appended, its own last position."""
    row = connection.execute(_HEAD).one()
    return Head(row.epoch, row.pos)


def append(connection: Connection, records: Iterable[Record], now: float) -> int:
    """Append records and return the position of the last.  The last statements of a transaction, as others wait."""
    entries = list(records)
    if not entries:
        return head(connection).pos
    connection.execute(update(cluster_head).values(pos=cluster_head.c.pos + len(entries)))
    reached = head(connection)
    connection.info[APPENDED] = reached, now
    first = reached.pos - len(entries) + 1
    connection.execute(
        insert(cluster_log),
        [
            {"epoch": reached.epoch, "pos": pos, "kind": each.kind, "tag": each.tag, "data": each.data, "at": now}
            for pos, each in enumerate(entries, first)
        ],
    )
    return reached.pos


def since(connection: Connection, pos: int, limit: int = 1000) -> list[Record]:
    """The records of this epoch after a position, in order, at most so many."""
    query = select(cluster_log).where(_OF_NOW, cluster_log.c.pos > pos).order_by(cluster_log.c.pos)
    return [_record(row) for row in connection.execute(query.limit(limit))]


def written(connection: Connection, pos: int, at: float, limit: int = 1000) -> list[Record]:
    """What one call has appended: up to a position, without a gap and at one moment."""
    found: list[Record] = []
    while len(found) < limit:
        query = select(cluster_log).where(_OF_NOW, cluster_log.c.pos <= pos - len(found))
        rows = connection.execute(query.order_by(cluster_log.c.pos.desc()).limit(FEW))
        own = list(takewhile(lambda row: row.at == at, rows))
        found += map(_record, own)
        if len(own) < FEW:  # mostly it was one, and the lock is held: no more is read than that takes
            break
    return found[::-1]


def read_times(connection: Connection, epoch: int, positions: Iterable[int]) -> dict[int, float]:
    """When the records at some positions were written; of those that are there."""
    rows = connection.execute(_TIMES, {"epoch": epoch, "positions": list(positions)})
    return {row.pos: row.at for row in rows}


def _record(row: Any) -> Record:
    return Record(row.kind, row.tag, row.data, row.epoch, row.pos, row.at)


def first(connection: Connection) -> int:
    """The oldest position that is kept; who has applied less than the one before it has to begin anew.  0: none is."""
    return connection.execute(select(func.min(cluster_log.c.pos))).scalar_one() or 0


def prune(connection: Connection, now: float, seconds: float = KEPT_SECONDS, rows: int = KEPT_ROWS) -> int:
    """Delete what is older than ``seconds`` and not among the last ``rows``.  Returns how many."""
    last = head(connection).pos
    old = (cluster_log.c.at < now - seconds) & (cluster_log.c.pos <= last - rows)
    return connection.execute(delete(cluster_log).where(old)).rowcount


def api_record(api: str) -> Record:
    """What is served under ``name:version`` has changed."""
    return Record("api", f"api:{api}")


def application_record(name: str) -> Record:
    """What is known of an application and all that it holds."""
    return Record("application", f"app:{name}")


def subscription_record(application: str, api: str) -> Record:
    """The right of an application to an API has changed."""
    return Record("subscription", f"sub:{application}/{api}")


def user_record(name: str) -> Record:
    """What is known of a user."""
    return Record("user", f"user:{name}")


def tier_record(name: str) -> Record:
    """The limits of a tier have changed."""
    return Record("tier", f"tier:{name}")


def token_record(digest: str) -> Record:
    """A credential or token, by the digest it is stored under."""
    return Record("token", token_tag(digest))


def token_tag(digest: str) -> str:
    """The tag of a credential or token: the beginning of its digest, without the version of the pepper."""
    return f"tok:{digest.partition(':')[2][:32]}"


POLICIES = Record("policies", "policies")
"""The global policies have changed."""
BLOCKS = Record("block", "block")
"""Somebody is blocked, or no longer."""
KEYS = Record("key", "key")
"""The keys for signing have changed."""


_HEAD = select(cluster_head.c.epoch, cluster_head.c.pos)
_TIMES = select(cluster_log.c.pos, cluster_log.c.at).where(
    cluster_log.c.epoch == bindparam("epoch"), cluster_log.c.pos.in_(bindparam("positions", expanding=True))
)
_OF_NOW = cluster_log.c.epoch == select(cluster_head.c.epoch).scalar_subquery()
"""The index of the log begins with the epoch."""
