"""What gateways are to have in force, and what became of it since a position.  Called by the gateway's follower."""

from collections.abc import Iterable, Mapping

import attrs
from sqlalchemy.engine import Connection

from twgw.model import Api, Policy, Tier
from twgw.registry import Block, Head, News, Record, Served
from twgw.storage import log
from twgw.storage.apis import find_lives, find_states, live_apis, live_states
from twgw.storage.blocks import list_blocks
from twgw.storage.rows import from_text, to_text
from twgw.storage.settings import find_policies
from twgw.storage.tiers import list_tiers

RECORDS = 1000
"""Records that are read at once."""
MOST_TIERS = 100_000
PREPARE = "prepare"
"""The kind of a record by which gateways are asked to compile something, and to say whether they can."""
KINDS = frozenset(
    ("token", "application", "user", "subscription", "api", "tier", "policies", "block", "key", PREPARE)
)
"""What records are about.  One about anything else was written by a later version: then everything is read anew."""


def read_all(connection: Connection, most: int | None = None) -> tuple[Head, Served]:
    """Everything that is to be in force, and as of which position.  In a transaction that sees one moment.

    When there are more APIs than ``most``, only their states are read.
    """
    head = log.head(connection)
    states = live_states(connection) if most is not None else {}
    unread = states if most is not None and len(states) > most else {}
    apis = {} if unread else {api.id: api for api in live_apis(connection)}
    return head, Served(apis, _policies(connection), _tiers(connection), _blocks(connection), unread)


def read_news(connection: Connection, since: Head, most: int | None = None) -> News | None:
    """What followed a position; None when that can no longer be said.  In a transaction that sees one moment.

    When more APIs than ``most`` are named, only their states are read: one that is taken away is so at once.
    """
    head = log.head(connection)
    if head == since:
        return News()
    records = log.since(connection, since.pos, RECORDS)
    kinds = {record.kind for record in records}
    follows = head.epoch == since.epoch and head.pos > since.pos and records and records[0].pos == since.pos + 1
    if not follows or not kinds <= KINDS:
        return None
    return attrs.evolve(_named_by(connection, records, most), more=records[-1].pos < head.pos)


def read_candidate(connection: Connection, position: int, now: float) -> News:
    """What the transaction that appended up to a position, at ``now``, makes of what is served; without the records."""
    return attrs.evolve(_named_by(connection, log.written(connection, position, now)), records=(), blocks=None)


def prepare_record(candidate: News) -> Record:
    """A record that asks gateways to prepare something."""
    return Record(PREPARE, PREPARE, to_text(candidate))


def candidate_of(record: Record) -> News:
    """What is to be prepared.  Raises SettingsError when a later version wrote it."""
    return from_text(News, record.data)


def _named_by(connection: Connection, records: Iterable[Record], most: int | None = None) -> News:
    """Records, with what became of that which they name."""
    known = tuple(records)
    kinds = {record.kind for record in known}
    apis = sorted({record.tag.removeprefix("api:") for record in known if record.kind == "api"})
    many = most is not None and len(apis) > most
    states = find_states(connection, apis) if many else {}
    gone: dict[str, Api | None] = dict.fromkeys(set(apis) - states.keys())
    return News(
        known,
        gone if many else find_lives(connection, apis),
        _policies(connection) if "policies" in kinds else None,
        _tiers(connection) if "tier" in kinds else None,
        _blocks(connection) if "block" in kinds else None,
        unread=states,
    )


def _policies(connection: Connection) -> tuple[Policy, ...]:
    return find_policies(connection)[0]


def _blocks(connection: Connection) -> tuple[Block, ...]:
    """Also those that have ended: when they do is for the clock of the gateway."""
    return tuple(list_blocks(connection, now=0.0))


def _tiers(connection: Connection) -> Mapping[str, Tier]:
    return {entry.tier.name: entry.tier for entry in list_tiers(connection, limit=MOST_TIERS)}
