"""A node in a cluster: as a key manager that others ask, or as a gateway without a database that asks them.

``tap.py`` makes what stands behind the latter where ``[cluster] keymanagers`` names some, as ``startup.py`` has it for
a file and a database.  Until one of them answers, every request is refused with 503; then it serves as any other node.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from attrs import define, evolve, field
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread
from twisted.protocols.amp import Command

from twgw.cache import Cache
from twgw.cluster.answers import Answers
from twgw.cluster.carrying import Carrier
from twgw.cluster.clocks import MachineClocks
from twgw.cluster.commands import GATEWAY, KEY_MANAGER, RENEWS, Advanced, Join, Renew
from twgw.cluster.counting import Company
from twgw.cluster.drift import Comparison
from twgw.cluster.handover import told
from twgw.cluster.here import Answer, Here
from twgw.cluster.joining import Door
from twgw.cluster.lease import UNKNOWN, Lease, Watch
from twgw.cluster.links import Links
from twgw.cluster.membership import Membership
from twgw.cluster.mesh import Mesh, connecting
from twgw.cluster.messages import Ack, Anew, LeaseAsked, LeaseGiven, LeaseReturned, News, Relay, RelayDone
from twgw.cluster.preparing import Preparing
from twgw.cluster.protocol import Peer
from twgw.cluster.remote import Remote
from twgw.cluster.removals import REPLACED, TAKEN_OUT, Removals
from twgw.cluster.renewing import Renewal, Renewals
from twgw.cluster.renewing import Rounds as Renewing
from twgw.cluster.reports import Report
from twgw.cluster.rounds import Rounds
from twgw.cluster.service import Listening
from twgw.cluster.tls import Tls, load
from twgw.config import Config
from twgw.credentials import Pepper, Peppers
from twgw.gateway import registry
from twgw.gateway.deployment import Deployment, MakeCall
from twgw.gateway.follower import Follower
from twgw.issuer import Issuer
from twgw.key_cache import with_key_cache
from twgw.memcached import Memcached
from twgw.metrics import LEAST, OWN, Registry
from twgw.policy.interfaces import Clock, Gateway, Log, Metrics
from twgw.policy.registry import Plugin
from twgw.registry import Head
from twgw.startup import Backing, FromDatabase, not_kept
from twgw.startup_about import Introduction, Looks
from twgw.storage.log import head
from twgw.storage.nodes import list_nodes
from twgw.storage.reader import DatabaseReader
from twgw.throttle.kept import Kept
from twgw.throttle.others import CountsOn, Others, digest_of


@define(eq=False)
class FromKeyManagers:
    """Key managers are asked for the state.  Raises CertificateError for files that cannot be used."""

    config: Config
    clock: Clock
    in_thread: Callable[..., "Deferred[Any]"]
    log: Log
    metrics: Metrics
    reactor: Any
    tls: Tls | None = None
    """Of a worker that asks its parent; else that of the files."""
    renews: bool = True
    """Whether this process renews the certificate in the files: of a node with workers, the parent does."""
    peppers: Peppers = field(factory=Peppers)
    links: Links = field(init=False)
    reader: Remote = field(init=False)
    facts: registry.Facts = field(init=False)
    credentials: registry.Keys = field(init=False)
    subscriptions: registry.Rights = field(init=False)
    issuer: Issuer = field(init=False)
    follower: Follower = field(init=False)
    lease: Lease = field(init=False)
    company: Company = field(init=False)
    kept: Kept = field(factory=Kept, init=False)
    removals: Removals = field(factory=Removals, init=False)
    """Who was taken out of the cluster."""
    doors: list[Memcached] = field(init=False)
    carrier: Carrier = field(init=False)
    counters: Callable[[], str] = field(default=str, init=False)
    """How limits are counted."""
    stopped: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        where = self.config.cluster
        tls = self.tls or load(*where.files)
        tls.check(where.name, GATEWAY)
        self.lease = Lease(uuid4().hex, MachineClocks)
        self.lease.counts = CountsOn(self.config.node.name, digest_of(self.config.memcached))
        self.company = Company(MachineClocks)
        self.carrier = Carrier({LeaseGiven: KEY_MANAGER, Anew: KEY_MANAGER}, lambda _peer, told: self._told(told))
        answers: dict[type[Command], Answer] = {Advanced: self._advanced, **self.carrier.answers}
        here = Here.of(tls.identity, self.clock, self.log, self.metrics, answers)
        if self.tls is None:
            here.removals = self.removals  # of nodes; a parent is none
        self.links = Links(self.reactor, where.keymanagers, tls, here, self._connected)
        name = "key manager " + ", ".join(map(str, where.keymanagers))
        links = self.links
        self.reader = Remote(name, partial(links.peers, "bulk"), lambda: links.why, self.in_thread, links.tried)
        cache = Cache(self.config.database.cached)
        reader, self.doors = with_key_cache(
            self.reader, cache, self.config.memcached, self.peppers, self.clock, self.metrics, self.reactor
        )  # fmt: skip
        self.facts = registry.Facts(cache, reader, self.clock, self.log, self.metrics)
        self.credentials = registry.Keys(self.facts, self.clock, self.peppers.digests)
        self.subscriptions = registry.Rights(self.facts, self.clock)
        self.issuer = Issuer(self.config.issuer, self.clock.wall)

    def make_source(
        self,
        find_plugins: Callable[[], dict[str, Plugin]],
        gateway: Gateway,
        make_call: MakeCall,
        swap: Callable[[Deployment], None],
    ) -> Follower:
        """Make what follows the log that key managers tell of."""
        self.follower = Follower(
            self.reader, self.facts, self.subscriptions, self.in_thread, find_plugins, gateway, make_call, swap,
            self._read_keys, self.lease.valid, self._in_force,
        )  # fmt: skip
        return self.follower

    @property
    def isolated(self) -> str:
        """Why the gateway is cut off from its cluster; empty while it is not."""
        if self.lease.valid():
            return ""
        return next((why for why in (TAKEN_OUT, REPLACED) if why in self.links.why), UNKNOWN)

    @property
    def others(self) -> Callable[[], Others]:
        """Who counts limits together with this process."""
        return self.company.others

    def _told(self, message: LeaseGiven | Anew) -> None:
        if isinstance(message, LeaseGiven):
            self.company.take(message, self.lease)
            self.lease.take(message)
        elif message.gateway == self.lease.gateway:
            self.follower.reload()

    def look(self) -> None:
        """Ask every key manager for a lease; called every second."""
        if self.stopped:
            return
        self.lease.report = evolve(self.lease.report, counters=self.counters())
        for peer in self.links.peers("control"):
            self.carrier.tell(peer, self.lease.ask())

    def give_back(self) -> None:
        """The gateway has stopped: nobody need wait for it."""
        self.stopped = True
        self._tell(self.lease.give_back())
        self.company.left()

    def _in_force(self, head: Head, report: Report) -> None:
        self.lease.report = evolve(report, counters=self.counters())
        self.lease.advance(head)
        self._tell(self.lease.ack())
        if not self.lease.valid():  # who had not followed for long was given none
            self.look()

    def _tell(self, message: Ack | LeaseReturned) -> None:
        for peer in self.links.peers("control"):
            self.carrier.tell(peer, message)

    def begin(self) -> None:
        """Nothing can be done before connections are there."""

    def lines(self, _address: str) -> list[str]:
        """What is not kept."""
        return [not_kept(self.config)]

    def close(self) -> None:
        """The connections end with their service."""
        for door in self.doors:
            door.stop()

    async def _read_keys(self) -> None:
        found = await self.reader.secrets(self.clock.wall())
        self.peppers.known = tuple(Pepper.from_text(each.material) for each in found.peppers)
        if found.removed is not None:
            self.removals.saw(found.head, found.removed)
        self.issuer.name = found.issuer or self.issuer.name
        self.issuer.use(found.signing)

    def _advanced(self, _peer: Any, epoch: int, position: int) -> dict[str, Any]:
        """A key manager says that the log went on: see."""
        if (epoch, position) != (self.facts.cache.epoch, self.follower.applied):
            self.follower.poll()
        return {}

    def _connected(self) -> None:
        self.look()
        self.follower.poll()


class Asking(TimerService):
    """Asks for leases each second; when the node stops, they are given back."""

    def __init__(self, backing: FromKeyManagers) -> None:
        super().__init__(1, backing.look)
        self.clock = backing.reactor
        self._backing = backing

    def stopService(self) -> Any:  # noqa: N802 - Twisted's name
        """Ask no more."""
        self._backing.give_back()
        return super().stopService()


def listening(
    backing: FromDatabase, clock: Clock, in_thread: Callable[..., "Deferred[Any]"], log: Log, metrics: Metrics
) -> Listening | None:
    """Where a node with the database answers others, if anywhere.  Raises CertificateError as above."""
    where, member = backing.config.cluster, backing.membership
    if where.listen is None or member is None:
        return None
    tls = load(*where.files)
    tls.check(where.name, KEY_MANAGER)
    tls.let_strangers_join()
    here = Here.of(tls.identity, clock, log, metrics, {})
    door = Door(
        backing.database, where.name, clock.wall, here.refusals, log,
        lambda roles: told(backing.config, member.others, roles),
        lambda: {each.node for each in member.nodes().values()},
    )  # fmt: skip
    renewals = Renewals(backing.database, clock.wall, log)
    here.answers = {**for_gateways(backing, clock, in_thread), Join: door.answer, Renew: renewals.answer}
    here.abilities = (RENEWS,)
    here.removals = member.removals
    member.taken_out = lambda: member.removals.why(tls.identity)
    listener = Listening(backing.reactor, where.listen, tls, here, partial(backing.database.run, head), clock.wall)
    listener.members = partial(backing.database.run, list_nodes)
    tell_of_news(backing, listener)
    backing.everybody = listener.nodes
    return listener


def for_gateways(
    backing: FromDatabase, clock: Clock, in_thread: Callable[..., "Deferred[Any]"],
    hear: Mapping[type[Any], Callable[[Peer, Any], object]] | None = None,
) -> Mapping[type[Command], Answer]:  # fmt: skip
    """What gateways that connect are answered, and given leases by; ``hear`` takes what else they may tell."""
    assert backing.membership is not None
    answers = Answers(DatabaseReader(backing.database), in_thread, clock.wall, backing.config.issuer)
    return {**answers.by_command(), **_lending(backing.membership, hear or {}).answers}


def tell_of_news(backing: FromDatabase, listener: Listening) -> None:
    """Have those that are connected there hear at once that the log went on."""
    assert backing.membership is not None
    others, member, tell = backing.advanced, backing.membership, backing.membership.tell
    carrier = Carrier({}, lambda *_: None)
    listener.roll, listener.known, listener.cut_off = member.nodes, lambda: member.grants.known, lambda: member.cut_off

    def advanced() -> None:
        others()
        listener.advanced()

    def told(message: News | Anew | Relay | RelayDone) -> None:
        tell(message)
        if isinstance(message, News):
            listener.advanced()
        elif isinstance(message, Anew):
            for peer in listener.gateways():
                carrier.tell(peer, message)

    backing.advanced = advanced
    backing.membership.tell = told


def meshed(backing: FromDatabase, member: Membership, listener: Listening) -> Mesh:
    """The connections of a key manager to the others, which are told the rest."""
    connect, there = connecting(backing.reactor, listener.tls), lambda: member.completion.there
    mesh, tell = Mesh(member.address, listener.here, connect, there), member.tell

    def told(message: News | Anew | Relay | RelayDone) -> None:
        tell(message)
        if not isinstance(message, News | Anew):
            mesh.tell(message)

    member.tell = told
    return mesh


def _lending(membership: Membership, also: Mapping[type[Any], Callable[[Peer, Any], object]]) -> Carrier:
    """What gives leases to gateways elsewhere, and hears what they and other key managers have in force."""

    def hear(peer: Peer, message: Any) -> None:
        if message.__class__ in also:
            also[message.__class__](peer, message)
            return
        assert peer.identity is not None  # a carrier hears of nobody else
        answer = membership.heard(message, peer.identity.node, tuple(sorted(peer.identity.roles)))
        if answer is not None:
            carrier.tell(peer, answer)

    senders = dict.fromkeys((LeaseAsked, LeaseReturned, Ack, *also), GATEWAY)
    carrier = Carrier(senders | dict.fromkeys((Relay, RelayDone), KEY_MANAGER), hear)
    return carrier


def tell_counters(backing: Backing, counters: Callable[[], str]) -> None:
    """Have other nodes hear how this process counts limits."""
    if isinstance(backing, FromKeyManagers):
        backing.counters = counters
    elif isinstance(backing, FromDatabase) and backing.membership is not None:
        backing.membership.counters = counters


def preparing(backing: FromDatabase) -> Preparing | None:
    """What has every node try a change of what is served before it is made; None for a node by itself."""
    if backing.membership is None:
        return None
    return Preparing(
        partial(backing.database.call, write=True), backing.membership.tried,
        partial(blockingCallFromThread, backing.reactor), backing.clock.wall,
    )  # fmt: skip


def take_part(
    node: MultiService, reactor: Any, backing: Backing, clock: Clock, in_thread: Callable[..., "Deferred[Any]"],
    log: Log, metrics: Registry,
) -> None:  # fmt: skip
    """Give a node its connections to others: to key managers, or of those that ask this one.  Raises as above."""
    ends: Links | Listening | None = None
    leases: TimerService | None = None
    parts: list[Links | Listening | Mesh] = []
    if isinstance(backing, FromKeyManagers):
        ends, leases, lease = backing.links, Asking(backing), backing.lease
        parts = [backing.links]
    elif isinstance(backing, FromDatabase) and backing.membership is not None:
        comparison = Comparison(backing.database, backing.membership, backing.membership.anew, log)
        ends = listening(backing, clock, in_thread, log, metrics)
        leases = Rounds(backing.membership, reactor, comparison.look)
        meaning = "Gateways of this key manager that serve something else than the database has."
        metrics.gauge("twgw_cluster_drifted", meaning, (), comparison.drifted, OWN)
        lease = backing.membership.lease
        parts = [ends, meshed(backing, backing.membership, ends)] if ends is not None else []
    if leases is None:
        return
    services: list[Any] = [leases]
    if not isinstance(backing, FromDatabase) or (backing.membership is not None and backing.membership.lends):
        services.append(_each_second(Watch(lease.valid, log), reactor))
    if isinstance(backing, FromDatabase) and backing.membership is not None:
        introduction = Introduction(backing.config.memcached, in_thread, clock.wall, log)
        backing.membership.about = introduction.about
        services.append(Looks(introduction, reactor))
    gauge, meaning = metrics.gauge, "Seconds left of the lease; negative without one."
    gauge("twgw_cluster_lease_seconds", meaning, (), lease.left, LEAST)
    if ends is not None:
        there = ends
        gauge("twgw_cluster_connections", "Connections to other nodes.", (), there.here.count, OWN)
        meaning = "UNIX time at which the certificate for other nodes ends."
        gauge("twgw_cluster_certificate_expires_at", meaning, (), lambda: there.tls.ends_at, OWN)
        if isinstance(backing, FromDatabase) or (isinstance(backing, FromKeyManagers) and backing.tls is None):
            services.append(renewing(backing, ends, reactor, clock, in_thread, log))
    for service in (*parts, *services, *(_each_second(part, reactor) for part in parts)):
        node.addService(service)


def renewing(
    backing: FromKeyManagers | FromDatabase, ends: Links | Listening, reactor: Any, clock: Clock,
    in_thread: Callable[..., "Deferred[Any]"], log: Log,
) -> Renewing:  # fmt: skip
    """What keeps the certificate of a node good."""
    ask: Callable[[str], Awaitable[str]] | None
    if isinstance(backing, FromDatabase):
        renewals = Renewals(backing.database, clock.wall, log)

        def ask(request: str) -> Awaitable[str]:
            return renewals.give(ends.tls.identity, request)
    else:
        ask = backing.reader.certificate if backing.renews else None
    return Renewing(Renewal(ends.tls, backing.config.cluster.files, ask, in_thread, clock.wall, log), reactor)


def _each_second(part: Links | Listening | Mesh | Watch, reactor: Any) -> TimerService:
    """Has it look after its connections, or its lease."""
    rounds = TimerService(1, part.look)
    rounds.clock = reactor
    return rounds
