"""What a key manager answers to gateways without a database.  Made by ``service.py``, called by ``protocol.py``.

It reads the registry as a gateway of its own process does, in threads of the database, writes what is large in one,
and hands it out in pieces that fit into a box.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.protocols.amp import Command

from twgw.cluster import encoding
from twgw.cluster.commands import (
    PIECE,
    Away,
    KeepCounted,
    Part,
    ReadAll,
    ReadApis,
    ReadCounted,
    ReadFacts,
    ReadKeys,
    ReadNews,
    Refused,
)  # fmt: skip
from twgw.cluster.here import Answer
from twgw.cluster.protocol import Peer
from twgw.reader import Reader
from twgw.registry import Head, News
from twgw.storage.errors import Unavailable

MOST_LARGE = 2
"""Large answers that are kept for a peer, until it has read all of them, or asks anew."""

LONGEST_PLACE = 100
"""Characters of a node's name."""

InThread = Callable[..., "Deferred[Any]"]


@define(eq=False)
class Answers:
    """Reads for others.  ``wall`` is UNIX time, ``issuer`` the name in which tokens of this cluster are signed."""

    reader: Reader
    in_thread: InThread
    wall: Callable[[], float]
    issuer: str = ""
    _waiting: "dict[int | None, list[Deferred[bytes]]]" = field(factory=dict)
    """Who waits for everything, by how many APIs they want at the most."""

    def by_command(self) -> Mapping[type[Command], Answer]:
        """What answers which command."""
        answers: Sequence[tuple[type[Command], Callable[..., Awaitable[bytes]]]] = (
            (ReadAll, self._everything),
            (ReadNews, self._news),
            (ReadApis, self._apis),
            (ReadFacts, self._facts),
            (ReadKeys, self._secrets),
            (ReadCounted, self._counted),
        )
        return {
            **{command: partial(_answered, read) for command, read in answers}, Part: part, KeepCounted: self._keep,
        }  # fmt: skip

    async def _counted(self, place: str) -> bytes:
        _check_place(place)
        written: bytes = await self.in_thread(
            encoding.write_counted, await self.reader.counted(place, self.wall())
        )  # fmt: skip
        return written

    def _keep(self, _peer: Peer, place: str, values: bytes) -> "Deferred[dict[str, Any]]":
        return Deferred.fromCoroutine(self._kept(place, values))

    async def _kept(self, place: str, values: bytes) -> dict[str, Any]:
        _check_place(place)
        try:
            await self.reader.keep_counted(place, encoding.read_counted(values, small=True), self.wall())
        except encoding.Garbled as error:
            raise Refused(str(error)) from error
        except Unavailable as error:
            raise Away(str(error)) from error
        return {}

    def _everything(self, most: int | None) -> "Deferred[bytes]":
        """Read once for all who ask meanwhile: whatever came after it, they hear of as news."""
        waiter: Deferred[bytes] = Deferred()
        waiting = self._waiting.setdefault(most, [])
        waiting.append(waiter)
        if len(waiting) == 1:
            Deferred.fromCoroutine(self._read_everything(most)).addBoth(self._tell, most)
        return waiter

    async def _read_everything(self, most: int | None) -> bytes:
        written: bytes = await self.in_thread(encoding.write_everything, *await self.reader.everything(most))
        return written

    def _tell(self, result: Any, most: int | None) -> None:
        for waiter in self._waiting.pop(most):
            waiter.callback(result)  # a Failure too

    async def _news(self, epoch: int, position: int, most: int | None) -> bytes:
        if min(epoch, position) < 0 or max(epoch, position) >= 1 << 63:
            raise Refused("there is no such position")
        news = await self.reader.news(Head(epoch, position), most)
        if news is None or not news.about_apis:
            return encoding.write_news(news)
        written: bytes = await self.in_thread(encoding.write_news, news)
        return written

    async def _apis(self, wanted: bytes) -> bytes:
        try:
            names = encoding.read_names(wanted)
        except encoding.Garbled as error:
            raise Refused(str(error)) from error
        written: bytes = await self.in_thread(encoding.write_news, News(apis=await self.reader.apis(names)))
        return written

    async def _facts(self, wanted: bytes) -> bytes:
        try:
            asked = encoding.read_wanted(wanted)
        except encoding.Garbled as error:
            raise Refused(str(error)) from error
        return encoding.write_facts(await self.reader.facts(asked, self.wall()))

    async def _secrets(self) -> bytes:
        found = await self.reader.secrets(self.wall())
        return encoding.write_secrets(attrs.evolve(found, issuer=self.issuer))


def _check_place(place: str) -> None:
    if len(place) > LONGEST_PLACE or not encoding.is_text(place):
        raise Refused("no node is called so")


def _answered(read: Callable[..., Awaitable[bytes]], peer: Peer, **arguments: Any) -> Deferred[dict[str, Any]]:
    async def answer() -> dict[str, Any]:
        peer.position = arguments.get("position", peer.position)
        try:
            data = await read(**arguments)
        except Unavailable as error:
            raise Away(str(error)) from error
        return in_pieces(peer, data)

    return Deferred.fromCoroutine(answer())


def in_pieces(peer: Peer, data: bytes) -> dict[str, Any]:
    """The beginning of an answer; the rest is kept for the peer."""
    peer.answers += 1
    if len(data) > PIECE:
        peer.large[peer.answers] = data
        for number in list(peer.large)[:-MOST_LARGE]:
            del peer.large[number]
    return {"answer": peer.answers, "size": len(data), "piece": data[:PIECE]}


def part(peer: Peer, answer: int, offset: int) -> dict[str, Any]:
    """A further piece of a large answer; with the last one it is forgotten."""
    data = peer.large.get(answer)
    if data is None or not 0 < offset < len(data):
        raise Refused("there is no such piece of an answer any more")
    if offset + PIECE >= len(data):
        del peer.large[answer]
    return {"piece": data[offset : offset + PIECE]}
