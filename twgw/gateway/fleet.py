"""The servers behind all APIs: names resolved, connections made and pooled.

One ``Fleet`` per process, kept across deployments so that connections stay warm; the ``Caller`` of an upstream takes
its servers from here.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from attrs import define, field, frozen

from twgw.gateway.deadlines import Deadlines
from twgw.gateway.health import Health
from twgw.gateway.running import Gone, Pause
from twgw.gateway.upstream import Broken, UpstreamConnection
from twgw.model import Upstream, UpstreamTls


class Network(Protocol):
    """How connections are made; the real one is in ``service.py``, tests join protocols in memory."""

    def connect(self, address: str, port: int, protocol: UpstreamConnection, tls: Any, timeout: float) -> None:
        """Connect; the protocol hears of success, ``protocol.connect_failed`` of failure."""

    def resolve(self, name: str) -> Awaitable[list[str]]:
        """All addresses of a name.  Raises OSError."""

    def client_tls(self, tls: UpstreamTls, name: str) -> Any:
        """What is needed to verify a server of this name."""


@frozen
class Place:
    """Where a target's URL points."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    """Put before the path that is sent; without final slash."""
    authority: str
    """Host and port as they stand in the Host field."""


def place(url: str) -> Place:
    """Read a target's URL, which was validated with the state."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Place(url, parts.scheme, parts.hostname or "", port, parts.path.rstrip("/"), parts.netloc)


@define(eq=False)
class Server:
    """One target: its addresses, their health, its idle connections."""

    place: Place
    upstream: Upstream
    tls: Any
    addresses: list[str] = field(factory=list)
    healths: dict[str, Health] = field(factory=dict)
    resolved_at: float = -1e9
    resolving: bool = False
    turn: int = 0
    idle: list[UpstreamConnection] = field(factory=list)
    connections: set[UpstreamConnection] = field(factory=set)

    def usable(self, now: float) -> bool:
        """Whether a connection to it may succeed, as far as is known."""
        if self.idle or not self.addresses:
            return True
        return any(self.healths[address].usable(now) for address in self.addresses)

    def next_addresses(self, now: float) -> list[str]:
        """Its addresses in the order in which to try them: in turn, those that failed lately last."""
        self.turn += 1
        count = len(self.addresses)
        turned = [self.addresses[(self.turn + number) % count] for number in range(count)]
        return sorted(turned, key=lambda address: not self.healths[address].usable(now))

    def know(self, addresses: Iterable[str], now: float) -> None:
        """Remember what the name resolved to."""
        self.addresses = list(dict.fromkeys(addresses))
        self.resolved_at = now
        self.healths = {
            address: self.healths.get(address) or Health(self.upstream.fail_timeout) for address in self.addresses
        }


class Fleet:
    """Every server that a deployment needs, by what makes connections to it interchangeable."""

    def __init__(
        self,
        network: Network,
        deadlines: Deadlines,
        *,
        pseudonym: str = "twgw",
        dns_ttl: float = 30.0,
        detach: Callable[[Any, Callable[[BaseException], None]], None],
    ) -> None:
        self._network = network
        self._deadlines = deadlines
        self.now = deadlines.now
        self.pseudonym = pseudonym
        self._dns_ttl = dns_ttl
        self._detach = detach
        self._servers: dict[tuple[str, Upstream], Server] = {}

    def servers_of(self, upstream: Upstream) -> list["Server"]:
        """The servers of an upstream, one for each target.  Raises SettingsError for one that cannot be called."""
        return [self._server(target.url, upstream) for target in upstream.targets]

    def _server(self, url: str, upstream: Upstream) -> Server:
        key = (url, upstream)
        server = self._servers.get(key)
        if server is None:
            where = place(url)
            name = upstream.tls.server_name or where.host
            tls = self._network.client_tls(upstream.tls, name) if where.scheme == "https" else None
            server = self._servers[key] = Server(where, upstream, tls)
            with suppress(ValueError):  # a name, to be resolved when it is wanted
                server.know([str(ipaddress.ip_address(where.host))], float("inf"))
        return server

    def retain(self, wanted: AbstractSet[tuple[str, Upstream]]) -> None:
        """Let go of all servers but those of a new deployment; exchanges under way go on."""
        for key in [key for key in self._servers if key not in wanted]:
            server = self._servers.pop(key)
            for connection in list(server.idle):
                connection.close()
            server.idle = _Closing()

    def close(self) -> None:
        """End all idle connections."""
        self.retain(frozenset())

    @property
    def servers(self) -> list[Server]:
        """All servers, for metrics and the status page."""
        return list(self._servers.values())

    async def connect(self, server: Server) -> UpstreamConnection:
        """A new connection, to the first address that takes it.  Raises Broken (no byte was sent)."""
        await self._resolve(server)
        upstream = server.upstream
        end = self.now() + upstream.connect_timeout
        why = f"{server.place.host} has no address"
        status = 502
        for address in server.next_addresses(self.now()):
            left = end - self.now()
            if left <= 0:
                break
            made = Pause()
            connection = UpstreamConnection(
                self._deadlines,
                partial(_made, made),
                partial(_give_back, server),
                partial(_gone, server),
                tls=server.tls is not None,
            )
            connection.response_timeout = upstream.response_timeout
            connection.idle_timeout = upstream.idle_timeout
            connection.keepalive_timeout = upstream.keepalive_timeout
            server.connections.add(connection)
            health = server.healths.get(address)
            if health is not None:
                health.started(self.now())
            self._network.connect(address, server.place.port, connection, server.tls, left)
            self._deadlines.arm(connection, left)
            try:
                problem = await made
            except Gone:
                made.done = True
                raise
            if not problem:
                if health is not None:
                    health.succeeded()
                return connection
            if health is not None:
                health.failed(self.now())
            why = f"{address} port {server.place.port}: {problem}"
        raise Broken(status, why, sent=False, answered=False)

    async def _resolve(self, server: Server) -> None:
        now = self.now()
        if now - server.resolved_at < self._dns_ttl:
            return
        if server.addresses:
            if not server.resolving:
                self._detach(self._look_up(server), lambda _error: None)
            return
        try:
            await self._look_up(server)
        except OSError as error:
            raise Broken(502, f"{server.place.host}: {error}", sent=False, answered=False) from error

    async def _look_up(self, server: Server) -> None:
        server.resolving = True
        try:
            addresses = await self._network.resolve(server.place.host)
        finally:
            server.resolving = False
        server.know(addresses, self.now())


class _Closing(list[UpstreamConnection]):
    """The idle list of a server that no API names any more: what comes back is closed."""

    def append(self, connection: UpstreamConnection) -> None:
        """Close instead of keeping."""
        connection.close()


def _made(made: Pause, connection: UpstreamConnection, problem: str) -> None:
    if not made.done:
        made.wake(problem)
    elif not problem:
        connection.rest()


def _give_back(server: Server, connection: UpstreamConnection) -> None:
    if len(server.idle) < server.upstream.max_idle_connections:
        server.idle.append(connection)
    else:
        connection.close()


def _gone(server: Server, connection: UpstreamConnection) -> None:
    server.connections.discard(connection)
    if connection in server.idle:
        server.idle.remove(connection)
