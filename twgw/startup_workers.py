"""A node with workers: its parent, which starts them, answers them and adds up their numbers; and a worker's end.

The two know each other by certificates that the parent makes at each start, of an authority that nobody else has; the
parent listens on the loopback address, and speaks TLS there as nodes do.  To a parent with the database a worker is a
gateway without one (``startup_cluster.py``), with a lease of its own.  Where other key managers are asked, workers ask
them themselves; where a file is the state, they read it.
"""

from array import array
from collections.abc import Awaitable, Callable, Mapping, MutableSequence
from functools import partial
from typing import Any

import attrs
from attrs import define, field
from prometheus_client import CollectorRegistry
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.protocols.amp import Command

from twgw.admin.status import Status, together
from twgw.cluster import authority
from twgw.cluster.answers import in_pieces, part
from twgw.cluster.authority import Authority, Identity
from twgw.cluster.carrying import Carrier
from twgw.cluster.commands import GATEWAY, KEY_MANAGER, Measure, Part, Reserve
from twgw.cluster.here import Answer, Here
from twgw.cluster.links import Links
from twgw.cluster.protocol import Peer
from twgw.cluster.remote import whole
from twgw.cluster.service import Listening
from twgw.cluster.settings import Address
from twgw.cluster.tls import Tls
from twgw.config import Config
from twgw.gateway.certificates import Certificates
from twgw.gateway.service import Listener
from twgw.gateway.transport import adopt, hold, turn_away
from twgw.listen import Listen
from twgw.metrics import OWN, Registry
from twgw.policy.interfaces import Clock, Log
from twgw.registry import Head
from twgw.startup import Backing, FromDatabase
from twgw.startup_cluster import FromKeyManagers, for_gateways, tell_of_news
from twgw.storage.log import head
from twgw.throttle.numbers import Numbers
from twgw.workers import reserving, sums
from twgw.workers.balance import GONE, Balance, numbers_in, shared_memory
from twgw.workers.children import Children
from twgw.workers.handed import Handed

LOOPBACK = "127.0.0.1"
PARENT = "parent"
PATIENCE = 1.0
"""Seconds for a worker to tell its numbers."""
SOON, AT_THE_LATEST = 0.05, 10.0
"""Seconds between two looks at whether a worker is ready to begin, and after which it begins in any case."""
FRESH = 3.0
"""Seconds for which what a worker said of itself holds."""


def name_of(node: str, number: int) -> str:
    """What a worker is called in its certificate, and where nodes are named."""
    return f"{node[:80]}.worker{number}"


@define(eq=False)
class Workers:
    """The parent's side: everything that a node with workers has beside what every node has."""

    reactor: Any
    config: Config
    backing: Backing
    clock: Clock
    log: Log
    metrics: Registry
    in_thread: Callable[..., "Deferred[Any]"]
    services: MultiService = field(factory=MultiService)
    listening: Listening = field(init=False)
    children: Children = field(init=False)
    total: sums.Sums = field(init=False)
    numbers: Numbers = field(factory=Numbers)
    _signer: Authority = field(init=False)
    _board: int = field(init=False)
    _connections: MutableSequence[int] = field(init=False)
    _held: list[Any] = field(factory=list)
    _said: dict[int, tuple[float, Status]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        config, clock = self.config, self.clock
        self._board = shared_memory(config.workers)
        self._connections = numbers_in(self._board, config.workers)
        self._connections[:] = array("q", [GONE] * config.workers)
        self._signer = authority.new_authority(config.cluster.name, clock.wall())
        tls = Tls(self._signer.certificate, *self._certified(PARENT, KEY_MANAGER))
        here = Here.of(tls.identity, clock, self.log, self.metrics, {})
        here.answers = {Part: part, Reserve: reserving.answering(self.numbers, clock.wall), **self._for_gateways()}
        self.listening = Listening(self.reactor, Listen("tcp", 0, LOOPBACK), tls, here, self._head, clock.wall)
        here.arrived = lambda _peer: None  # each says itself in the log that it serves
        here.turns.share = None  # this process has nothing else to do
        if isinstance(self.backing, FromDatabase):
            tell_of_news(self.backing, self.listening)
        self.total = sums.Sums(self.metrics.collect, self.metrics.of_all)
        self.children = Children(
            self.reactor, self.log, clock.now, config.workers, self._inherited,
            self._hand, self._left, config.gateway.drain_timeout,
        )  # fmt: skip
        rounds = TimerService(1, self.listening.look)
        rounds.clock = self.reactor
        for service in (self.listening, rounds, self.children):
            service.setServiceParent(self.services)
        self._measured()

    def _measured(self) -> None:
        gauge = self.metrics.gauge
        gauge("twgw_workers", "Workers that are to run.", (), lambda: self.config.workers, OWN)
        gauge("twgw_workers_ready", "Workers that are ready.", (), lambda: sum(it.ready for it in self.standing()), OWN)
        gauge("twgw_worker_restarts", "Workers since the start that ended, and were started again.", (),
              lambda: self.children.restarts, OWN)  # fmt: skip
        gauge("twgw_limit_numbers", "Values that workers count limits with.", (), lambda: len(self.numbers), OWN)

    # --- processes -----------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Listen, for the workers; before there are any.  Raises CannotListenError, CertificateError, OSError."""
        for where in self.config.gateway.listen:
            if where.kind == "ssl":
                Certificates(where, self.config.gateway.tls.minimum_version).load()
            self._held.append(hold(self.reactor, where))

    async def let_go(self) -> None:
        """Listen no more, before the workers do: who is the last to close a socket resets what waits there."""
        held, self._held = self._held, []
        for port in held:
            turn_away(port)
            await port.stopListening()

    @property
    def addresses(self) -> list[Any]:
        """Where the workers listen."""
        return [port.getHost() for port in self._held]

    def _certified(self, node: str, role: str) -> tuple[str, str]:
        key = authority.new_key()
        who = Identity(self.config.cluster.name, node, frozenset({role}))
        request, now = authority.request(key, node), self.clock.wall()
        return authority.issue(self._signer, request, who, now, authority.AUTHORITY_DAYS), key

    def _inherited(self) -> list[int]:
        return [self._board, *(port.fileno() for port in self._held)]

    def _hand(self, number: int, descriptors: tuple[int, ...]) -> Handed:
        board, *sockets = descriptors
        return Handed(
            self.config, number, self.config.workers, self.listening.address.port, tuple(sockets), board,
            self._signer.certificate, *self._certified(name_of(self.config.node.name, number), GATEWAY),
            isinstance(self.backing, FromDatabase),
        )  # fmt: skip

    def _left(self, number: int) -> None:
        self._connections[number - 1] = GONE
        self._said.pop(number, None)
        self.total.left(number)

    # --- what workers say ------------------------------------------------------------------------------------

    def _for_gateways(self) -> Mapping[type[Command], Answer]:
        """What comes with being gateways of ours, where the state is here."""
        if isinstance(self.backing, FromDatabase):
            return for_gateways(self.backing, self.clock, self.in_thread, {Status: self._hear})
        return Carrier({Status: GATEWAY}, self._hear).answers

    def _head(self) -> Awaitable[Head]:
        """How far the log is that workers follow by us."""
        if isinstance(self.backing, FromDatabase):
            return self.backing.database.run(head)
        return succeed(Head(0, 0))

    def _hear(self, peer: Peer, status: Status) -> None:
        number = _number(peer)
        if number is not None:
            self._said[number] = (self.clock.now(), status)

    def standing(self) -> list[Status]:
        """How those stand that said so lately."""
        now = self.clock.now()
        return [status for _, (at, status) in sorted(self._said.items()) if now - at < FRESH]

    def status(self, own: Status) -> Status:
        """How the node stands."""
        return together(own, self.standing(), self.config.workers)

    def exposed(self, own: CollectorRegistry) -> CollectorRegistry:
        """What a scrape reads: in place of what this process counts, what all of them do."""
        own.unregister(self.metrics)
        own.register(self.total)
        return own

    def measure(self) -> "Deferred[Any]":
        """Fires when every worker has told its numbers, or had the time to."""
        peers = {number: peer for peer in self.listening.here.peers if (number := _number(peer, "bulk")) is not None}
        asked = [Deferred.fromCoroutine(self._measure(number, peer)) for number, peer in peers.items()]
        return DeferredList([it.addTimeout(PATIENCE, self.reactor) for it in asked], consumeErrors=True)

    async def _measure(self, number: int, peer: Peer) -> None:
        report = await whole(peer, Measure)
        if peer in self.listening.here.peers:
            self.total.told(number, report)


def _number(peer: Peer, link: str = "control") -> int | None:
    """Which worker is at the other end of a connection."""
    node = peer.identity.node if peer.identity is not None and peer.greeted and peer.link == link else ""
    number = node.rpartition(".worker")[2]
    return int(number) if number.isdecimal() else None


@define(eq=False)
class Work:
    """A worker's side.  ``links`` lead to the parent."""

    reactor: Any
    handed: Handed
    clock: Clock
    log: Log
    metrics: Registry
    links: Links = field(init=False)
    balance: Balance = field(init=False)
    _carrier: Carrier = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._carrier = Carrier({}, lambda _peer, _message: None)

    def listeners(self, held: Callable[[], int]) -> list[Listener]:
        """Those of the parent, shared with the other workers; ``held`` says how many connections this one has."""
        handed = self.handed
        self.balance = Balance(numbers_in(handed.board, handed.of), handed.number - 1, held)
        named = zip(handed.config.gateway.listen, handed.sockets, strict=True)
        return [(where, partial(adopt, self.reactor, descriptor, self.balance.mine)) for where, descriptor in named]

    @property
    def config(self) -> Config:
        """That of the node, where the parent has the database with the parent as key manager."""
        config = self.handed.config
        if not self.handed.is_key_manager:
            return config
        asked = attrs.evolve(config.cluster, keymanagers=(Address(LOOPBACK, self.handed.port),))
        return attrs.evolve(config, cluster=asked)

    @property
    def tls(self) -> Tls | None:
        """What key managers are asked with, where that is the parent."""
        return self.handed.tls if self.handed.is_key_manager else None

    def counters(self) -> reserving.Parent:
        """What limits are counted with where there is no memcached."""
        return reserving.Parent(lambda: self.links.peers("control"), self.reactor)

    def join(
        self, node: MultiService, backing: Backing, status: Callable[[], Status], begin: Callable[[], object]
    ) -> None:
        """Have the connection to the parent, and say every second how this worker is.

        It is to ``begin`` when it is ready, as until then others serve what it would refuse; at the latest after a
        while, as it may be that nobody is ready, and clients are to be told so.
        """
        if self.handed.is_key_manager and isinstance(backing, FromKeyManagers):
            self.links = backing.links
        else:
            self.links = self._linked()
            self.links.setServiceParent(node)
            self._every_second(node, self.links.look)
        here = self.links.here
        mine: Mapping[type[Command], Answer] = {Measure: self._measure, Part: part}
        here.answers = {**here.answers, **mine}
        self._every_second(node, lambda: self._say(status()))
        until = self.clock.now() + AT_THE_LATEST

        def look() -> None:
            if (status().ready and self.links.peers("control")) or self.clock.now() > until:
                beginning.disownServiceParent()
                begin()
                self._say(status())
                self._every_second(node, self.balance.tell)

        beginning = self._often(node, SOON, look)

    def _linked(self) -> Links:
        tls = self.handed.tls
        here = Here.of(tls.identity, self.clock, self.log, self.metrics, {})
        return Links(self.reactor, [Address(LOOPBACK, self.handed.port)], tls, here, lambda: None)

    def _every_second(self, node: MultiService, call: Callable[[], object]) -> None:
        self._often(node, 1, call)

    def _often(self, node: MultiService, seconds: float, call: Callable[[], object]) -> TimerService:
        timer = TimerService(seconds, call)
        timer.clock = self.reactor
        timer.setServiceParent(node)
        return timer

    def _say(self, status: Status) -> None:
        for peer in self.links.peers("control"):
            self._carrier.tell(peer, status)

    def _measure(self, peer: Peer) -> dict[str, Any]:
        return in_pieces(peer, sums.written(self.metrics.collect(), self.metrics.of_all))
