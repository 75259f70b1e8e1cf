"""Sessions of key managers in the database: what ``membership.py`` renews, and looks at.

A renewal reads how far the log is under a lock that lets nobody append until it is committed.  So whatever is appended
after a renewal finds it in the database, and whatever is appended before is known to who renews.  It has to be a write:
a database that was replaced by another may still be read, and takes no commit.

A database that has lost what it had committed shows it by a log that is shorter than somebody knew it, or, when as much
was appended since, by records that are others than somebody appended or read (``remembered.py``).

When the database was brought back from a backup, sessions were lost with it, under which leases may be good still.
One row stands for all of them: nobody renews it, so everybody waits for its end, whoever has seen the loss or not.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection

from twgw.cluster.completion import Session, View
from twgw.registry import Head
from twgw.storage import log
from twgw.storage.nodes import list_removed
from twgw.storage.remembered import Remembered, Times
from twgw.storage.schema import cluster_head
from twgw.storage.schema import km_session as table
from twgw.throttle.others import CountsOn

APART = 1_000_000
"""Positions and beats that a new epoch leaves out: more than the old one may have given away unseen."""
LOST = "(lost)"
"""The node of a session that stands for those that the database has lost."""


def register(
    connection: Connection, session: str, node: str, known: Head, counting: Mapping[str, CountsOn], report: str = "",
    *, address: str = "", remembered: Remembered | None = None, now: float,
) -> View:  # fmt: skip
    """Begin a session, which has granted nothing yet.

    ``known``: how far the log was, as far as this node knows.  ``address``: where other key managers reach it.
    ``remembered``: what this process knows to stand in the log.
    """
    head, times = _locked_head(connection, known, remembered)
    done = {"done_epoch": head.epoch, "done_pos": head.pos}
    said = {"counting": _written(counting), "report": report, "address": address}
    connection.execute(insert(table).values(session=session, node=node, since=now, beats=1, **said, **done))
    return View(head, _sessions(connection), list_removed(connection), times)


def renew(
    connection: Connection, session: str, done: Head, known: Head, counting: Mapping[str, CountsOn], report: str = "",
    *, remembered: Remembered | None = None,
) -> View | None:  # fmt: skip
    """Renew a session, and say with what it is done, who counts limits and how its gateways stand.

    None when there is no such session any more.
    """
    head, times = _locked_head(connection, known, remembered)
    values = {"done_epoch": done.epoch, "done_pos": done.pos, "counting": _written(counting), "report": report}
    found = connection.execute(_RENEWED, {"own": session, **values})
    return View(head, _sessions(connection), list_removed(connection), times) if found.rowcount else None


def end(connection: Connection, session: str) -> None:
    """End a session of which nobody holds a lease."""
    connection.execute(delete(table).where(table.c.session == session))


def remove(connection: Connection, sessions: Iterable[Session]) -> int:
    """Take away sessions that have ended without a word, unless they were renewed since.  Returns how many."""
    return sum(
        connection.execute(delete(table).where(table.c.session == each.id, table.c.beats == each.beats)).rowcount
        for each in sessions
    )


def list_sessions(connection: Connection) -> tuple[Session, ...]:
    """All there are, also those that have ended without a word; for whoever looks."""
    return _sessions(connection)


def _locked_head(connection: Connection, known: Head, remembered: Remembered | None) -> tuple[Head, Times]:
    """How far the log is, and what of it was looked for; nobody appends before the end of the transaction.

    When it is not as far as was known, or is another, the database has lost what it had committed, as after a restore:
    a new epoch begins, in which nothing holds that was read before, and a session that is done with nothing.  Beats,
    too, go on far behind all that somebody may have seen: sessions that were brought back count theirs once more.
    """
    row = connection.execute(_LOCKED).one()
    head, sought = Head(row.epoch, row.pos), remembered.times if remembered is not None else {}
    known = max([known, *sought])
    found = _looked_for(connection, head, sought)
    if head >= known and not _is_another(connection, sought, found):
        return head, found
    head = Head(known.epoch + 1, max(head.pos, known.pos) + APART)
    connection.execute(update(cluster_head).values(epoch=head.epoch, pos=head.pos))
    connection.execute(update(table).values(beats=table.c.beats + APART))
    nothing = {"since": 0.0, "beats": 0, "done_epoch": 0, "done_pos": 0}
    connection.execute(insert(table).values(session=f"lost-{head.epoch}", node=LOST, **nothing))
    return head, {head: None}


def _looked_for(connection: Connection, head: Head, sought: Times) -> Times:
    """When the last record of the log was written, and those of this epoch that are looked for."""
    heads = [head, *(each for each in sought if each.epoch == head.epoch)]
    found = log.read_times(connection, head.epoch, {each.pos for each in heads})
    return {each: found.get(each.pos) for each in heads}


def _is_another(connection: Connection, sought: Times, found: Times) -> bool:
    """Whether one of those that are looked for is not what it was.  One that nobody keeps any more may have been."""
    differ = [head for head, at in found.items() if sought.get(head, at) != at]
    return any(found[head] is not None or head.pos >= log.first(connection) for head in differ)


def _sessions(connection: Connection) -> tuple[Session, ...]:
    rows = connection.execute(_SESSIONS)
    return tuple(
        Session(
            row.session, row.node, row.beats, Head(row.done_epoch, row.done_pos), _read(row.counting), row.report or "",
            row.address or "",
        )
        for row in rows
    )  # fmt: skip


def _written(counting: Mapping[str, CountsOn]) -> str:
    return json.dumps({gateway: [each.node, each.servers] for gateway, each in sorted(counting.items())})


def _read(text: str | None) -> Mapping[str, CountsOn] | None:
    if text is None:
        return None  # of a version that does not say
    return {gateway: CountsOn(*each[:2]) for gateway, each in json.loads(text).items()}  # a later version may say more


_LOCKED = select(cluster_head.c.epoch, cluster_head.c.pos).with_for_update(read=True)
_SESSIONS = select(table).order_by(table.c.session)
_SAID: dict[str, Any] = {name: bindparam(name) for name in ("done_epoch", "done_pos", "counting", "report")}
_RENEWED = update(table).where(table.c.session == bindparam("own")).values(beats=table.c.beats + 1, **_SAID)
"""Made once, as they are asked each second."""
