"""Where a node with the database answers those that have none; it tells them at once when the log goes on.

Made by ``tap.py`` where ``[cluster] listen`` says so.
"""

import json
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twgw.cluster.answers import in_pieces
from twgw.cluster.authority import Identity
from twgw.cluster.commands import GATEWAY, Advanced, Away, Lost, Status
from twgw.cluster.factory import PeerFactory
from twgw.cluster.here import Here
from twgw.cluster.overview import Row, rows
from twgw.cluster.protocol import Peer
from twgw.cluster.refusals import EVERY
from twgw.cluster.rollcall import Roll
from twgw.cluster.tls import Tls, TlsFactory
from twgw.gateway.transport import bind
from twgw.listen import Listen
from twgw.registry import Head
from twgw.schema import as_written
from twgw.storage.errors import Unavailable


class Listening(Service):
    """The listener of a key manager.  ``head`` reads how far the log is."""

    def __init__(
        self, reactor: Any, where: Listen, tls: Tls, here: Here, head: Callable[[], Awaitable[Head]]
    ) -> None:
        self.here = here
        self.head = Head(0, 0)
        """How far the log was when it was last read."""
        self.roll: Callable[[], Roll] = dict
        """Everybody who has a session or a lease."""
        self._reactor = reactor
        self._where = where
        self.tls = tls
        self._read_head = head
        self._reading = False
        self._again = False
        self._said: dict[str, float] = {}
        """When it was said of each node that it is connected."""
        self._port: Any = None
        here.arrived = self._arrived
        here.answers = {**here.answers, Status: self._status}

    @property
    def address(self) -> Any:
        """Where it listens."""
        return self._port.getHost()

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Bind."""
        self._port = bind(self._reactor, self._where, TlsFactory(self.tls, False, PeerFactory(self.here)))

    def stopService(self) -> Any:  # noqa: N802 - Twisted's name
        """Unbind, and let go of everybody."""
        super().stopService()
        for peer in list(self.here.peers):
            peer.abort(Lost("the node stops"))
        return self._port.stopListening() if self._port is not None else None

    def gateways(self) -> list[Peer]:
        """Those that are to hear how far the log is."""
        return [
            peer
            for peer in self.here.peers
            if peer.greeted and peer.link == "control" and peer.identity and GATEWAY in peer.identity.roles
        ]

    def _status(self, peer: Peer) -> "Deferred[dict[str, Any]]":
        """The answer to Status."""
        return Deferred.fromCoroutine(self._standing(peer))

    async def _standing(self, peer: Peer) -> dict[str, Any]:
        try:
            head = (await self._read_head()).pos
        except Unavailable as error:
            raise Away(str(error)) from error
        told = [as_written(row, whole=True) for row in self.nodes(head, peer)]
        return in_pieces(peer, json.dumps({"cluster": self.here.identity.cluster, "nodes": told}).encode())

    def nodes(self, head: int, asking: Peer | None = None) -> list[Row]:
        """Every node, by name: whoever has a session or a lease, or is connected here, but for one that only asks."""
        mine = self.here.identity
        found = {row.node: row for row in rows(self.roll(), head)}
        found.setdefault(mine.node, _row(mine, head, head))
        for each in self.here.peers:
            if each.identity is not None and each.greeted and each.link == "bulk" and each is not asking:
                found.setdefault(each.identity.node, _row(each.identity, each.position, head))
        return [found[name] for name in sorted(found)]

    def look(self) -> None:
        """See after every connection, and whether somebody else let the log go on; called every second."""
        self.here.look()
        self.advanced()

    def advanced(self) -> None:
        """The log went on, or may have: tell all gateways."""
        if not self.gateways():
            return
        if self._reading:
            self._again = True
            return
        self._reading = True
        Deferred.fromCoroutine(self._tell()).addErrback(self._broke).addBoth(self._told)

    async def _tell(self) -> None:
        try:
            head = await self._read_head()
        except Unavailable:
            return  # gateways hear of it when they read
        if head != self.head:
            self.head = head
            for peer in self.gateways():
                peer.tell(Advanced, epoch=head.epoch, position=head.pos)

    def _broke(self, failure: Failure) -> None:
        self.here.log.error("gateways were not told of the log: {error}", error=failure.getTraceback())

    def _told(self, _result: object) -> None:
        self._reading = False
        if self._again:
            self._again = False
            self.advanced()

    def _arrived(self, peer: Peer) -> None:
        identity = peer.identity
        now = self.here.now()
        if peer.link == "control" and identity is not None and now - self._said.get(identity.node, -inf) >= EVERY:
            self._said[identity.node] = now
            self.here.log.info("{name} is connected", name=identity.node)


def _row(identity: Identity, position: int, head: int) -> Row:
    """How a node stands of which only the connection is known."""
    return Row(identity.node, tuple(sorted(identity.roles)), position, max(0, head - position))
