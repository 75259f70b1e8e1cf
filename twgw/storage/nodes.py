"""Nodes that were taken out of the cluster, and the certificates that were given out.

Of a node that was taken out, those certificates are good that it was given since, and no others: whatever it had, and
whatever a later version or a lost note may have given it, is refused.  Nothing rests on clocks, or on a list that is
whole.  Who gives a certificate out and who takes a node out do so one after the other, by the head of the log.

Called by ``cluster/joining.py``, ``cluster/renewing.py`` and the admin REST; ``storage/cluster.py`` and
``storage/reader.py`` read it for those that refuse.
"""

from collections.abc import Mapping

from sqlalchemy import delete, func, insert, select
from sqlalchemy.engine import Connection

from twgw.registry import Record
from twgw.storage import log
from twgw.storage.schema import cluster_head
from twgw.storage.schema import node_certificate as given
from twgw.storage.schema import removed_node as removed

KEPT = 86_400.0
"""Seconds for which a certificate that has ended is kept: clocks differ."""


def remove_node(connection: Connection, node: str, *, now: float) -> int:
    """Take a node out: no certificate of it is good any more.  Returns the position."""
    position = log.append(connection, [_record(node)], now)  # from here on nobody gives one out
    connection.execute(delete(given).where(given.c.node == node))
    connection.execute(delete(removed).where(removed.c.node == node))
    connection.execute(insert(removed).values(node=node, at=now))
    return position


def give_certificate(connection: Connection, serial: str, node: str, ends_at: float, *, now: float) -> None:
    """Note a certificate that is given to a node; the last of a transaction, as others wait."""
    if find_removed(connection, node):
        log.append(connection, [_record(node)], now)  # everybody is to know that this one is good
    connection.execute(delete(given).where(given.c.ends_at < now - KEPT))
    connection.execute(insert(given).values(serial=serial, node=node, issued_at=now, ends_at=ends_at))


def hold(connection: Connection) -> None:
    """Let nobody take a node out before the end of this transaction."""
    connection.execute(select(cluster_head.c.pos).with_for_update()).one()


def find_removed(connection: Connection, node: str) -> bool:
    """Whether a node was ever taken out."""
    return connection.execute(select(removed.c.node).where(removed.c.node == node)).first() is not None


def count_given(connection: Connection, node: str, since: float) -> int:
    """How many certificates a node was given since a time."""
    query = select(func.count()).select_from(given).where(given.c.node == node, given.c.issued_at > since)
    return int(connection.execute(query).scalar_one())


def list_nodes(connection: Connection) -> set[str]:
    """Nodes that have a certificate, as far as is noted: those of earlier versions are not."""
    return set(connection.execute(select(given.c.node).distinct()).scalars())


def list_removed(connection: Connection) -> Mapping[str, frozenset[str]]:
    """Nodes that were taken out, each with the serial numbers that it was given since."""
    found: dict[str, set[str]] = {}
    for row in connection.execute(_REMOVED):
        found.setdefault(row.node, set()).update([row.serial] if row.serial else [])
    return {node: frozenset(serials) for node, serials in found.items()}


def _record(node: str) -> Record:
    """Whoever follows the log reads what it needs of secrets and certificates anew; earlier versions do so, too."""
    return Record("key", f"node:{node}")


_REMOVED = select(removed.c.node, given.c.serial).select_from(removed.outerjoin(given, given.c.node == removed.c.node))
"""Made once, as it is asked with each renewal of a session."""
