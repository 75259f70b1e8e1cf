"""A gateway's reads from the database of its own node: the ``Reader`` of ``reader.py``.  Made by ``startup.py``.

What a key manager answers to gateways without a database is read with it, too.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred

from twgw.model import Api
from twgw.reader import Found, Key, Right, Secrets
from twgw.registry import Head, News, Served
from twgw.storage.apis import find_lives
from twgw.storage.counted import raise_counted, read_counted
from twgw.storage.database import Database
from twgw.storage.facts import read_facts
from twgw.storage.keys import keys_of
from twgw.storage.log import head
from twgw.storage.nodes import list_removed
from twgw.storage.served import read_all, read_news
from twgw.throttle.kept import Counted

FAMILIAR = 10_000
"""Applications whose rights are not read again; past that the memory begins anew."""


class DatabaseReader:
    """Reads in threads of the database."""

    whom = "the database"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._familiar: set[str] = set()
        """Applications whose rights came with a key already: of another of their keys they are not read again."""

    @property
    def name(self) -> str:
        """Where the database is."""
        return self._database.name

    def at_start(self) -> tuple[Head, Served]:
        """Everything, at once."""
        return self._database.call(read_all)

    def everything(self, most: int | None = None) -> "Deferred[tuple[Head, Served]]":
        """Everything that is to be in force."""
        return self._database.run(read_all, most)

    def news(self, since: Head, most: int | None = None) -> "Deferred[News | None]":
        """What followed a position."""
        return self._database.run(read_news, since, most).addCallback(self._read)

    def _read(self, news: News | None) -> News | None:
        if news is not None and news.records:
            last = news.records[-1]
            self._database.remembered.note(Head(last.epoch, last.pos), last.at)
        return news

    def apis(self, names: Sequence[str]) -> "Deferred[Mapping[str, Api | None]]":
        """APIs as clients are to find them."""
        return self._database.run(find_lives, names)

    def facts(self, wanted: Sequence[Key | Right], now: float) -> "Deferred[list[Found]]":
        """What is known of each thing."""
        done = self._database.run(read_facts, wanted, now, self._familiar, snapshot=False)
        return done.addCallback(self._note)

    def _note(self, found: list[Found]) -> list[Found]:
        if len(self._familiar) >= FAMILIAR:
            self._familiar = set()
        self._familiar.update(right.application for _, rights in found for right in rights)
        return found

    def secrets(self, now: float) -> "Deferred[Secrets]":
        """The secrets that are not retired."""
        return self._database.run(read_secrets, now)

    def counted(self, place: str, now: float) -> "Deferred[list[Counted]]":
        """What was counted against long limits at a place."""
        return self._database.run(read_counted, place, now)

    def counted_at_start(self, place: str, now: float) -> list[Counted]:
        """The same, before the reactor runs."""
        return self._database.call(read_counted, place, now)

    def keep_counted(self, place: str, values: Sequence[Counted], now: float) -> "Deferred[None]":
        """Keep what was counted, where it is more than what is kept."""
        return self._database.run(raise_counted, place, values, now, write=True)


def read_secrets(connection: Connection, now: float) -> Secrets:
    """The secrets that a gateway needs, as of one moment."""
    reached = head(connection)
    peppers, signing = (tuple(keys_of(connection, kind, now=now)) for kind in ("pepper", "signing"))
    return Secrets(peppers, signing, head=reached, removed=list_removed(connection))
