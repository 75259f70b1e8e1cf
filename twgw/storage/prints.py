"""Fingerprints of what the registry has, whatever its log says.  ``cluster/drift.py`` compares what gateways serve."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from twgw.cluster.digests import print_of, settings_prints
from twgw.registry import Head
from twgw.storage import apis, log
from twgw.storage.settings import find_policies
from twgw.storage.tiers import list_tiers

MANY = 50
"""APIs that were changed from which on all are read at once."""
MOST_TIERS = 100_000


class StoredPrints:
    """Those of one database; a document that has not changed is not read again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Any, ...], int]] = {}

    def read(self, connection: Connection) -> tuple[Head, Mapping[str, int]]:
        """As of which position, and one for each thing that is to be served.  In a transaction that sees one moment."""
        head, marks, known = log.head(connection), apis.live_marks(connection), self._known
        changed = [name for name, mark in marks.items() if name not in known or known[name][0] != mark]
        if len(changed) > MANY:
            found = {api.id: api for api in apis.live_apis(connection)}
        else:
            found = {name: api for name, api in apis.find_lives(connection, changed).items() if api is not None}
        self._known = {
            name: (mark, print_of(name, found[name]) if name in changed else known[name][1])
            for name, mark in marks.items()
        }
        tiers = {entry.tier.name: entry.tier for entry in list_tiers(connection, limit=MOST_TIERS)}
        prints = {name: made for name, (_, made) in self._known.items()}
        return head, {**prints, **settings_prints(find_policies(connection)[0], tiers)}
