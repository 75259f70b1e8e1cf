"""Where a node with the database answers those that have none; it tells them at once when the log goes on.

Made by ``tap.py`` where ``[cluster] listen`` says so.
"""

import json
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from math import inf
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from twgw.cluster.answers import in_pieces
from twgw.cluster.attendance import Attendance
from twgw.cluster.authority import Identity
from twgw.cluster.commands import GATEWAY, Advanced, Lost, Status
from twgw.cluster.factory import PeerFactory
from twgw.cluster.here import Here
from twgw.cluster.overview import Row, absent, rows
from twgw.cluster.protocol import Peer
from twgw.cluster.refusals import EVERY
from twgw.cluster.rollcall import Roll
from twgw.cluster.tls import Tls, TlsFactory
from twgw.gateway.transport import bind
from twgw.listen import Listen
from twgw.registry import Head
from twgw.schema import as_written
from twgw.storage.errors import Unavailable

MEMBERS_EVERY = 10.0
"""Seconds between two readings of which nodes there should be."""


class Listening(Service):
    """The listener of a key manager.  ``head`` reads how far the log is."""

    def __init__(
        self, reactor: Any, where: Listen, tls: Tls, here: Here, head: Callable[[], Awaitable[Head]],
        wall: Callable[[], float],
    ) -> None:  # fmt: skip
        self.here = here
        self.head = Head(0, 0)
        """How far the log was when it was last read."""
        self.roll: Callable[[], Roll] = dict
        """Everybody who has a session or a lease."""
        self.known: Callable[[], Head] = lambda: self.head
        """How far the log is, as far as is known here."""
        self.cut_off: Callable[[], str] = str
        """Why nothing is known here of how others stand now; empty while that is."""
        self.members: Callable[[], Awaitable[Collection[str]]] = partial(succeed, ())
        """Reads which nodes there should be."""
        self.attendance = Attendance()
        self._wall = wall
        self._counted_at = -inf
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

    def _status(self, peer: Peer) -> dict[str, Any]:
        """The answer to Status: of what is known, so that nobody waits for a database that is away."""
        told = [as_written(row, whole=True) for row in self.nodes(self.known().pos, peer)]
        found = {"cluster": self.here.identity.cluster, "cut_off": self.cut_off(), "nodes": told}
        return in_pieces(peer, json.dumps(found).encode())

    def nodes(self, head: int, asking: Peer | None = None) -> list[Row]:
        """Every node, by name: whoever has a session or a lease, or is connected here, but for one that only asks.

        Of those that should be there and are not, that is said, unless this one is cut off itself.
        """
        mine = self.here.identity
        found = {row.node: row for row in rows(self.roll(), head)}
        found.setdefault(mine.node, _row(mine, head, head))
        for peer, identity in self._connected(asking):
            found.setdefault(identity.node, _row(identity, peer.position, head))
        known = self.here.removals
        found = {
            name: evolve(row, removed=known.is_out(name), rejoined=known.is_back(name)) for name, row in found.items()
        }
        if self.cut_off():
            found = {name: row if name == mine.node else evolve(row, lease="") for name, row in found.items()}
            return [found[name] for name in sorted(found)]
        return absent(found.values(), self.attendance.missing(self._there(asking)))

    def _connected(self, asking: Peer | None) -> list[tuple[Peer, Identity]]:
        """Gateways that have a connection, but for one that only asks."""
        peers = [each for each in self.here.peers if each.greeted and each.link == "bulk" and each is not asking]
        return [(each, each.identity) for each in peers if each.identity is not None]

    def _there(self, asking: Peer | None = None) -> set[str]:
        """Nodes that may hold a session or a lease, or are connected; and this one."""
        holding = {each.node for each in self.roll().values() if each.holds}
        return {self.here.identity.node, *holding, *(identity.node for _, identity in self._connected(asking))}

    def _attend(self) -> None:
        """See who is there, while that can be seen."""
        if self.cut_off():
            return
        self.attendance.saw(self._there(), self._wall())
        if self.here.now() - self._counted_at >= MEMBERS_EVERY:
            self._counted_at = self.here.now()
            Deferred.fromCoroutine(self._count()).addErrback(self._broke)

    async def _count(self) -> None:
        try:
            self.attendance.nodes = frozenset(await self.members())
        except Unavailable:
            return  # it is tried again

    def look(self) -> None:
        """See after every connection, and whether somebody else let the log go on; called every second."""
        self.here.look()
        self._attend()
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
        self.here.log.error("other nodes could not be looked after: {error}", error=failure.getTraceback())

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
