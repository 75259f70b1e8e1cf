"""Where the state of a node comes from, a file or a database: what is to be done before traffic, and what to tell then.

``tap.py`` asks both the same.  A first start on a database makes its tables, keeps the pepper in it, and fills the one
that nobody named with the demo, or with the ``apis.yaml`` of an earlier version.  Each step is done whole or not at
all, so that the next start goes on where one was killed.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import attrs
from attrs import define, field
from twisted.internet.defer import Deferred, succeed

from twgw import jwt
from twgw.cache import Cache
from twgw.cluster.clocks import MachineClocks, Terms
from twgw.cluster.lease import UNKNOWN
from twgw.cluster.membership import Membership
from twgw.cluster.overview import Row, rows
from twgw.cluster.rollcall import Reached
from twgw.config import Config
from twgw.credentials import Pepper, PepperError, Peppers, load_pepper, new_pepper
from twgw.demo import ensure_key, find_key, how_to_call, text
from twgw.gateway import lookup, registry
from twgw.gateway.deployment import Deployment, MakeCall
from twgw.gateway.follower import Follower
from twgw.gateway.redeploy import Redeployer
from twgw.gateway.service import MakeSource
from twgw.issuer import FILE as SIGNING
from twgw.issuer import Issuer, load_signing
from twgw.key_cache import with_key_cache
from twgw.memcached import Memcached
from twgw.model import State
from twgw.policy.interfaces import Clock, Credentials, Gateway, Log, Metrics, Subscriptions
from twgw.policy.registry import Plugin
from twgw.registry import CredentialEntry, SecretKey
from twgw.state import load_state, parse_state
from twgw.storage import apis, applications, credentials, keys, settings, subscriptions, tiers
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.moving import look_aside
from twgw.storage.reader import DatabaseReader
from twgw.storage.upgrade import upgrade
from twgw.throttle.kept import Kept
from twgw.throttle.others import CountsOn, Others, digest_of
from twgw.web.login import first_admin

InThread = Callable[..., "Deferred[Any]"]
"""Runs a function off the reactor."""
PEPPER_FILE = "pepper"
LEFT_BEHIND = "apis.yaml"
"""Made in the data directory by versions that had no database."""
NOT_KEPT = "Kept in memory only: what is counted against limits, which begins anew at each start"
SHORT_NOT_KEPT = "Kept in memory only: what is counted against limits of up to a minute, which each start begins anew"
COUNTED = "Limits are counted on memcached ({}), in memory only, for all nodes that name the same servers"
SHORT_COUNTED = "Limits are counted on memcached ({}), in memory only but for those of more than a minute"
RIGHTS = 100
FIRST = "admin"
"""Whose all that is that the first start makes."""


def not_kept(config: Config) -> str:
    """What a restart begins anew, and of what."""
    servers = ", ".join(map(str, config.memcached.servers))
    if config.state.file is not None:
        return COUNTED.format(servers) if servers else NOT_KEPT
    return SHORT_COUNTED.format(servers) if servers else SHORT_NOT_KEPT


class Backing(Protocol):
    """What stands behind a node."""

    @property
    def credentials(self) -> Credentials:
        """Whose key it is."""

    @property
    def subscriptions(self) -> Subscriptions:
        """Whether its application may call."""

    @property
    def issuer(self) -> Issuer:
        """Who signs tokens."""

    @property
    def others(self) -> Callable[[], Others] | None:
        """Who counts limits together with this process; None where only a setting says so."""

    @property
    def kept(self) -> Kept | None:
        """Where it is kept what was counted against long limits; None where that is nowhere."""

    @property
    def make_source(self) -> MakeSource:
        """Makes what puts the state in force, and what changes of it."""

    def begin(self) -> None:
        """Do what comes before the state is loaded.  Raises what ends the start, with a text that says why."""

    def lines(self, address: str) -> list[str]:
        """What to tell whoever started the node, which clients call at this address (empty: not in plain text)."""

    def close(self) -> None:
        """Let go of everything."""


@define(eq=False)
class FromFile:
    """A file that somebody named is the state."""

    config: Config
    clock: Clock
    in_thread: InThread
    peppers: Peppers = field(factory=Peppers)
    credentials: lookup.Lookup = field(init=False)
    subscriptions: lookup.Rights = field(init=False)
    issuer: Issuer = field(init=False)
    make_source: MakeSource = field(init=False)
    others: None = field(default=None, init=False)
    kept: None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        state = self.config.state
        assert state.file is not None
        self.credentials = lookup.Lookup(self.clock, self.peppers.digest)
        self.subscriptions = lookup.Rights(self.credentials)
        signing = self.config.node.data_dir / SIGNING
        self.issuer = Issuer(self.config.node.name, self.clock.wall, partial(load_signing, signing))
        self.make_source = partial(
            Redeployer, state.file, lookup=self.credentials, in_thread=self.in_thread, watch=state.watch
        )

    def begin(self) -> None:
        """Read the pepper, or make it.  Raises PepperError, and OSError of the disk."""
        self.peppers.known = (self.config.node.pepper or load_pepper(self.config.node.data_dir / PEPPER_FILE),)

    def lines(self, _address: str) -> list[str]:
        """What is not kept."""
        return [not_kept(self.config)]

    def close(self) -> None:
        """There is nothing to let go of."""


@define(eq=False)
class FromDatabase:
    """A database is the state."""

    config: Config
    clock: Clock
    in_thread: InThread
    log: Log
    metrics: Metrics
    reactor: Any
    peppers: Peppers = field(factory=Peppers)
    database: Database = field(init=False)
    reader: DatabaseReader = field(init=False)
    kept: Kept = field(factory=Kept, init=False)
    facts: registry.Facts = field(init=False)
    credentials: registry.Keys = field(init=False)
    subscriptions: registry.Rights = field(init=False)
    issuer: Issuer = field(init=False)
    follower: Follower = field(init=False)
    advanced: Callable[[], object] = field(default=lambda: None, init=False)
    """Tells gateways without a database that the log went on."""
    everybody: Callable[[int], list[Row]] | None = field(default=None, init=False)
    """How every node stands, where others are connected."""
    doors: list[Memcached] = field(init=False)
    """To what gateways keep of keys for each other."""
    membership: Membership | None = field(init=False)
    """In a cluster, and where there are workers; None on a node of one process."""

    def __attrs_post_init__(self) -> None:
        self.database = open_database(self.config, self.reactor)
        self.reader = DatabaseReader(self.database)
        cache = Cache(self.config.database.cached)
        reader, self.doors = with_key_cache(
            self.reader, cache, self.config.memcached, self.peppers, self.clock, self.metrics, self.reactor
        )  # fmt: skip
        self.facts = registry.Facts(cache, reader, self.clock, self.log, self.metrics)
        self.credentials = registry.Keys(self.facts, self.clock, self.peppers.digests)
        self.subscriptions = registry.Rights(self.facts, self.clock)
        self.issuer = Issuer(self.config.issuer, self.clock.wall)
        self.membership = self._member() if self.config.cluster.listen or self.config.workers else None

    def _member(self) -> Membership:
        said, wall = self.config.cluster, self.clock.wall
        terms = Terms(said.lease, said.session)
        node = self.config.node
        address = str(said.address(node.name)) if said.listen is not None else ""
        made = Membership(
            self.database, self.reactor, MachineClocks, terms, node.name, wall, self.log, node.roles, address
        )
        made.lends = "gateway" in node.roles and not self.config.workers
        made.lease.counts = CountsOn(node.name, digest_of(self.config.memcached))
        return made

    @property
    def others(self) -> Callable[[], Others] | None:
        """Who counts limits together with this process; None where only a setting says so."""
        return self.membership.company.others if self.membership is not None else None

    def make_source(
        self,
        find_plugins: Callable[[], dict[str, Plugin]],
        gateway: Gateway,
        make_call: MakeCall,
        swap: Callable[[Deployment], None],
    ) -> Follower:
        """Make what follows the log of the database."""
        self.follower = Follower(
            self.reader, self.facts, self.subscriptions, self.in_thread, find_plugins, gateway, make_call, swap,
            self._read_keys, *((self.membership.lease.valid, self.membership.advanced) if self.membership else ()),
        )  # fmt: skip
        if self.membership is not None:
            self.membership.behind = self.follower.poll
            self.membership.reread = self.follower.reload
        return self.follower

    def begin(self) -> None:
        """Bring the database to this version, and fill it where that is ours to do.

        Raises Unavailable, PepperError, InvalidFileError for an ``apis.yaml`` that is to be imported, and OSError.
        """
        look_aside(self.config.database_place.file)
        before = upgrade(self.database)
        if not before.is_current:
            done = f"upgraded its tables from {before.current}" if before.current else "made its tables"
            self.log.info("{name}: {done}", name=self.database.name, done=done)
        self.peppers.known = ensure_peppers(self.database, self.config, self.clock.wall())
        self.issuer.use(self.database.call(self._ensure_signing, write=True))
        if self.config.database.url is None and self.database.call(_is_empty):
            self._fill()
        if self.membership is not None:
            self.membership.begin()
        found = first_admin(self.database, self.config.node.data_dir, self.peppers.digest, self.clock.wall())
        if found is not None:
            self.log.info("The first admin logs in with the secret in {path}", path=str(found))
            show(found)

    def _fill(self) -> None:
        """Put a first state into the database, unless another node was quicker."""
        data_dir = self.config.node.data_dir
        left = data_dir / LEFT_BEHIND
        if left.exists():
            what, state = str(left), load_state(left).state
        else:
            key = ensure_key(data_dir)
            what, state = "the demo", parse_state(text(self.peppers.digest(key)), "demo.yaml").state
        now = self.clock.wall()
        if self.database.call(_fill, state, self.peppers, now, write=True):
            self.log.info("{name}: filled with {what}", name=self.database.name, what=what)

    async def _read_keys(self) -> None:
        found = await self.reader.secrets(self.clock.wall())
        self.peppers.known = tuple(Pepper.from_text(each.material) for each in found.peppers)
        if self.membership is not None and found.removed is not None:
            self.membership.removals.saw(found.head, found.removed)
        self.issuer.use(found.signing)

    def _ensure_signing(self, connection: Any) -> list[SecretKey]:
        return keys.ensure_key(connection, "signing", self._first_signing, now=self.clock.wall())

    def _first_signing(self) -> str:
        """That of the time when a file was the state, or a new one."""
        path = self.config.node.data_dir / SIGNING
        return load_signing(path)[0].material if path.exists() else jwt.generate("RS256").to_text()

    @property
    def isolated(self) -> str:
        """Why the gateway is cut off from its cluster; empty while it is not."""
        member = self.membership
        if member is None or not member.lends or member.lease.valid():
            return ""
        return member.taken_out() or UNKNOWN

    def nodes(self, head: int) -> list[Row]:
        """How every node stands when the log is that far; a node by itself is one."""
        if self.everybody is not None:
            return self.everybody(head)
        if self.membership is not None:
            return rows(self.membership.nodes(), head)
        node, applied = self.config.node, self.follower.applied
        return [Row(node.name, node.roles, applied, max(0, head - applied), gateways=int("gateway" in node.roles))]

    def reached(self, position: int) -> "Deferred[Reached]":
        """Fires when a position of the log is in force here, and in a cluster wherever else requests are answered."""
        self.advanced()
        if self.membership is not None:
            return self.membership.reached(position)
        node, began = self.config.node, self.clock.now()
        if "gateway" not in node.roles:
            return succeed(Reached(position, 0.0))
        here = self.follower.reached(position)
        return here.addCallback(lambda _: Reached(position, self.clock.now() - began, (node.name,)))

    def lines(self, address: str) -> list[str]:
        """How to call the demo, while it can be called, and what is not kept."""
        key = find_key(self.config.node.data_dir)
        try:
            path = self._opened(key) if key and address else None
        except Unavailable:
            path = None
        kept = not_kept(self.config)
        return [kept] if path is None or key is None else [how_to_call(key, path, address), kept]

    def _opened(self, key: str) -> str | None:
        """The base path of an API that a key opens; without a host name, as the call has none."""
        deployment = self.follower.deployment
        compiled = deployment.compiled if deployment is not None else {}
        names = self.database.call(_apis_of, self.peppers.digests(key))
        found = [compiled[name].api for name in names if name in compiled]
        return next((api.base_path for api in found if not api.hosts), None)

    def close(self) -> None:
        """End the threads and the connections of the database."""
        for door in self.doors:
            door.stop()
        self.database.close()


def open_database(config: Config, reactor: Any = None) -> Database:
    """The database of a node; nothing is connected yet.  Without a reactor it is for ``call`` alone."""
    settings = config.database
    return Database(
        config.database_url,
        password=settings.password,
        pool_size=settings.pool_size,
        connect_timeout=settings.connect_timeout,
        statement_timeout=settings.statement_timeout,
        reactor=reactor,
    )


def ensure_peppers(database: Database, config: Config, now: float) -> tuple[Pepper, ...]:
    """The peppers in a database, the newest first; the first is that of the configuration, of the file, or a new one.

    Raises Unavailable, PepperError, and OSError of the disk.
    """
    path = config.node.data_dir / PEPPER_FILE
    mine = config.node.pepper or (load_pepper(path) if path.exists() else None)
    first = (mine or new_pepper()).text
    kept = database.call(keys.ensure_key, "pepper", lambda: first, now=now, write=True)
    known = tuple(Pepper.from_text(each.material) for each in kept)
    if config.node.pepper not in (None, *known):
        raise PepperError("[node] pepper: the database has another one, which counts; leave pepper out")
    return known


def show(secret: Path) -> None:
    """Print the secret of the first admin for whoever sits at the terminal; files and journals are told nothing."""
    terminal = sys.__stdout__
    if terminal is not None and terminal.isatty():
        print(f"The secret of the first admin, shown this once: {secret.read_text('ascii').strip()}", file=terminal)


def _is_empty(connection: Any) -> bool:
    return not (
        apis.count_apis(connection)
        or applications.list_applications(connection, limit=1)
        or tiers.list_tiers(connection, limit=1)
    )


def _fill(connection: Any, state: State, peppers: Peppers, now: float) -> bool:
    """Make a state that of an empty database; whether it was empty still."""
    if not _is_empty(connection):
        return False
    if state.policies != State().policies:
        settings.set_policies(connection, state.policies, now=now)
    for tier in state.tiers:
        tiers.create_tier(connection, tier, now=now)
    for api in state.apis:
        apis.create_api(connection, api, owner=FIRST, now=now, state=api.state)
        apis.publish(connection, api.id, 1, now=now)
    for application in state.applications:
        applications.create_application(connection, application.name, owner=FIRST, now=now, tier=application.tier)
        for one in application.subscriptions:
            subscriptions.subscribe(connection, application.name, one.api, now=now, tier=one.tier, state=one.state)
        for key in application.credentials:
            digest = peppers.digest(key.value) if key.value else key.digest
            found_by = peppers.digest(key.user or "") if key.kind == credentials.PASSWORD else ""
            kept = attrs.evolve(key, value=None, digest=digest)
            credentials.add_credential(connection, kept, found_by=found_by, now=now)
    return True


def _apis_of(connection: Any, digests: tuple[str, ...]) -> list[str]:
    """The APIs to which the owner of a key is subscribed."""
    for digest in digests:
        known = credentials.find_by_digest(connection, "api-key", digest)
        if isinstance(known.entry, CredentialEntry) and known.valid:
            *_, rights = subscriptions.rights_of(connection, known.entry.credential.application, RIGHTS)
            return [right.api for right in rights]
    return []
