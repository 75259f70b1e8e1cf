"""The registry as a gateway without a database reads it: from a key manager.  The ``Reader`` of ``reader.py``.

Made by ``startup.py`` on the connections of ``links.py``.  The first key manager that answers is asked; when its
connection ends meanwhile, the next.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, succeed
from twisted.protocols.amp import Command

from twgw.cluster import encoding
from twgw.cluster.commands import (
    PIECE,
    RENEWS,
    Away,
    Broken,
    KeepCounted,
    Lost,
    Part,
    ReadAll,
    ReadApis,
    ReadCounted,
    ReadFacts,
    ReadKeys,
    ReadNews,
    Refused,
    Renew,
    Unknown,
)  # fmt: skip
from twgw.cluster.encoding import Garbled
from twgw.cluster.protocol import Peer
from twgw.model import Api
from twgw.reader import Found, Key, Right, Secrets
from twgw.registry import Head, News, Served
from twgw.storage.errors import Unable, Unavailable
from twgw.throttle.kept import Counted

LARGEST = 64 << 20
"""Bytes of an answer."""


def _at_once() -> Awaitable[None]:
    return succeed(None)


@define(eq=False)
class Remote:
    """Asks key managers.

    ``peers`` gives those that are connected, in the order in which they are to be asked; ``why`` says why there is
    none, once it was ``tried``.  ``in_thread(function, *args)`` runs a function off the reactor.
    """

    name: str
    peers: Callable[[], Iterable[Peer]]
    why: Callable[[], str]
    in_thread: Callable[..., "Deferred[Any]"]
    tried: Callable[[], Awaitable[None]] = _at_once
    whom: str = "the key manager"

    def at_start(self) -> None:
        """Nobody can be asked yet."""

    async def everything(self, most: int | None = None) -> tuple[Head, Served]:
        """Everything that is to be in force."""
        found: tuple[Head, Served] = await self._read(ReadAll, encoding.read_everything, most=most)
        return found

    async def news(self, since: Head, most: int | None = None) -> News | None:
        """What followed a position."""
        found: News | None = await self._read(
            ReadNews, encoding.read_news, epoch=since.epoch, position=since.pos, most=most
        )  # fmt: skip
        return found

    async def apis(self, names: Sequence[str]) -> Mapping[str, Api | None]:
        """APIs as clients are to find them.  Raises Unavailable, and Unable for those of an earlier version."""
        wanted, half = encoding.write_names(names), len(names) // 2
        if len(wanted) > PIECE and half:  # of names that are long, and in an alphabet that takes many bytes
            return {**await self.apis(names[:half]), **await self.apis(names[half:])}
        found: News | None = await self._read(ReadApis, encoding.read_news, wanted=wanted)
        if found is None or found.apis.keys() != set(names):
            raise Unavailable(f"{self.whom} answers something else")
        return found.apis

    async def facts(self, wanted: Sequence[Key | Right], now: float) -> list[Found]:  # noqa: ARG002 - its clock decides
        """What is known of each thing."""
        data = await self._ask(ReadFacts, wanted=encoding.write_wanted(wanted))
        try:
            return encoding.read_facts(data, wanted)
        except Garbled as error:
            raise Unavailable(f"{self.whom} {error}") from error

    async def secrets(self, now: float) -> Secrets:  # noqa: ARG002 - as above
        """The secrets that are not retired."""
        data = await self._ask(ReadKeys)
        try:
            return encoding.read_secrets(data)
        except Garbled as error:
            raise Unavailable(f"{self.whom} {error}") from error

    async def counted(self, place: str, now: float) -> list[Counted]:  # noqa: ARG002 - as above
        """What was counted against long limits at a place."""
        found: list[Counted] = await self._read(ReadCounted, encoding.read_counted, place=place)
        return found

    def counted_at_start(self, place: str, now: float) -> None:
        """Nobody can be asked yet."""

    async def keep_counted(self, place: str, values: Sequence[Counted], now: float) -> None:  # noqa: ARG002 - as above
        """Keep what was counted: the first key manager that answers writes it down."""
        for start in range(0, len(values), encoding.MOST_COUNTED):
            piece = encoding.write_counted(values[start : start + encoding.MOST_COUNTED], small=True)
            await self._answer(partial(_keep, place=place, values=piece))

    async def certificate(self, request: str) -> str:
        """Another certificate for this node.  Raises Unavailable, also where key managers are of an earlier version."""
        found: dict[str, str] = await self._answer(lambda peer: peer.ask(Renew, request=request), RENEWS)
        return found["certificate"]

    async def _read(self, command: type[Command], read: Callable[[bytes], Any], **arguments: Any) -> Any:
        """Ask, and read the answer off the reactor, as it may be large."""
        data = await self._ask(command, **arguments)
        try:
            return await self.in_thread(read, data)
        except Garbled as error:
            raise Unavailable(f"{self.whom} {error}") from error

    async def _ask(self, command: type[Command], **arguments: Any) -> bytes:
        """The whole answer of the first that gives one.  Raises Unavailable."""
        found: bytes = await self._answer(lambda peer: whole(peer, command, **arguments))
        return found

    async def _answer(self, ask: Callable[[Peer], Awaitable[Any]], ability: str = "") -> Any:
        why, kind = "", Unavailable
        await self.tried()
        for peer in self.peers():
            if ability and ability not in peer.abilities:
                why = f"{peer.name}: its version does not know how"
                continue
            try:
                return await ask(peer)
            except (Away, Broken, Lost, Refused) as error:
                why = f"{peer.name}: {error}"
                kind = Unable if isinstance(error, Unknown) else kind
        raise kind(f"no key manager answers: {why or self.why()}")


def _keep(peer: Peer, **arguments: Any) -> "Deferred[dict[str, Any]]":
    return peer.ask(KeepCounted, **arguments)


async def whole(peer: Peer, command: type[Command], **arguments: Any) -> bytes:
    """All pieces of an answer."""
    answer = await peer.ask(command, **arguments)
    size, data = answer["size"], bytearray(answer["piece"])
    if size > LARGEST:
        raise Broken(f"its answer has {size} bytes")
    while len(data) < size:
        piece = (await peer.ask(Part, answer=answer["answer"], offset=len(data)))["piece"]
        if not piece:
            raise Broken("its answer ends too early")
        data += piece
    return bytes(data)
