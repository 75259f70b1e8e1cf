"""What gateways are to have in force, and what became of it since a position.  Called by the gateway's follower."""

from collections.abc import Mapping

from sqlalchemy.engine import Connection

from twgw.model import Policy, Tier
from twgw.registry import Block, Head, News, Served
from twgw.storage import log
from twgw.storage.apis import find_live, live_apis
from twgw.storage.blocks import list_blocks
from twgw.storage.settings import find_policies
from twgw.storage.tiers import list_tiers

RECORDS = 1000
"""Records that are read at once."""
MOST_TIERS = 100_000
KINDS = frozenset(("token", "application", "user", "subscription", "api", "tier", "policies", "block", "key"))
"""What records are about.  One about anything else was written by a later version: then everything is read anew."""


def read_all(connection: Connection) -> tuple[Head, Served]:
    """Everything that is to be in force, and as of which position.  In a transaction that sees one moment."""
    head = log.head(connection)
    apis = {api.id: api for api in live_apis(connection)}
    return head, Served(apis, _policies(connection), _tiers(connection), _blocks(connection))


def read_news(connection: Connection, since: Head) -> News | None:
    """What followed a position; None when that can no longer be said.  In a transaction that sees one moment."""
    head = log.head(connection)
    if head == since:
        return News()
    records = log.since(connection, since.pos, RECORDS)
    kinds = {record.kind for record in records}
    follows = head.epoch == since.epoch and head.pos > since.pos and records and records[0].pos == since.pos + 1
    if not follows or not kinds <= KINDS:
        return None
    apis = sorted({record.tag.removeprefix("api:") for record in records if record.kind == "api"})
    return News(
        tuple(records),
        {api: find_live(connection, api) for api in apis},
        _policies(connection) if "policies" in kinds else None,
        _tiers(connection) if "tier" in kinds else None,
        _blocks(connection) if "block" in kinds else None,
        more=records[-1].pos < head.pos,
    )


def _policies(connection: Connection) -> tuple[Policy, ...]:
    return find_policies(connection)[0]


def _blocks(connection: Connection) -> tuple[Block, ...]:
    """Also those that have ended: when they do is for the clock of the gateway."""
    return tuple(list_blocks(connection, now=0.0))


def _tiers(connection: Connection) -> Mapping[str, Tier]:
    return {entry.tier.name: entry.tier for entry in list_tiers(connection, limit=MOST_TIERS)}
