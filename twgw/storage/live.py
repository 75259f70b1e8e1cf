"""The APIs that clients are to find, as a store shows them, kept from one look to the next.  Used by the catalogue.

Ten thousand documents are not read for each page: a look reads how far the log is, and anew only what was named in it
since the one before.  Of each API only what a store shows is kept: no routes, no policies, no servers.
"""

from collections.abc import Sequence
from threading import Lock

from attrs import define, field
from sqlalchemy.engine import Connection

from twgw.model import Api
from twgw.reader import AT_A_TIME
from twgw.registry import Head
from twgw.storage import log
from twgw.storage.apis import LISTED, list_live
from twgw.storage.served import read_news


@define(eq=False)
class LiveApis:
    """All of them.  Called in threads, one at a time."""

    _turn: Lock = field(factory=Lock, init=False)
    _head: Head | None = field(default=None, init=False)
    _apis: dict[str, Api] = field(factory=dict, init=False)
    _list: Sequence[Api] = field(default=(), init=False)

    def read(self, connection: Connection) -> Sequence[Api]:
        """What is to be found now.

        For a transaction that sees one moment and only reads: what others do not see yet, and may never see, is not to
        be kept.  One that began before the last look is shown what that one saw.
        """
        with self._turn:
            head, before = log.head(connection), self._head
            if before is None or before.epoch != head.epoch or before.pos < head.pos:
                self._follow(connection, before)
                self._head, self._list = head, tuple(self._apis.values())
            return self._list

    def _follow(self, connection: Connection, before: Head | None) -> None:
        news = None if before is None else read_news(connection, before, AT_A_TIME)
        if news is None or news.more or news.unread:
            self._apis = {api.id: api for api in list_live(connection)}
            return
        for name_version, api in news.apis.items():
            self._apis.pop(name_version, None)
            if api is not None:
                self._apis[name_version] = Api(**{name: getattr(api, name) for name in LISTED})
