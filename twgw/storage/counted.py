"""What was counted against long limits: values that only grow, each until its window has ended.

``place`` is a node that counts in itself, or empty for all nodes that count together.  Called by ``reader.py``, which
gateways and key managers read with.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select
from sqlalchemy.engine import Connection

from twgw.storage.rows import batches
from twgw.storage.schema import counted as table
from twgw.storage.vendors import raising
from twgw.throttle.kept import Counted

MOST = 1_000_000
"""Values that are read: as many as a gateway keeps counters."""
GONE = 1000
"""Values that have ended, and are let go with each writing."""


def raise_counted(connection: Connection, place: str, values: Sequence[Counted], now: float) -> None:
    """Keep values, each where it is greater than what is kept, and let some go that have ended.

    In the order of their names, so that nobody who does the same is in the way.
    """
    statement = raising(connection.dialect.name, table, ("place", "counter"), ("used", "ends"))
    rows = [{"place": place, "counter": key, "used": used, "ends": ends} for key, used, ends in sorted(values)]
    for some in batches(rows):
        connection.execute(statement, list(some))
    prune_counted(connection, now, GONE)


def read_counted(connection: Connection, place: str, now: float) -> list[Counted]:
    """All that is worth something still, the last to end first."""
    query = select(table.c.counter, table.c.used, table.c.ends).where(table.c.place == place, table.c.ends > now)
    return [Counted(*row) for row in connection.execute(query.order_by(table.c.ends.desc()).limit(MOST))]


def prune_counted(connection: Connection, now: float, at_most: int) -> int:
    """Delete some of what has ended, and return how many."""
    ended = select(table.c.place, table.c.counter).where(table.c.ends <= now).limit(at_most)
    gone = [row._asdict() for row in connection.execute(ended)]
    if gone:
        which = (table.c.place == bindparam("of"), table.c.counter == bindparam("named"), table.c.ends <= now)
        connection.execute(delete(table).where(*which), [{"of": it["place"], "named": it["counter"]} for it in gone])
    return len(gone)
