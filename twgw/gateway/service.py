"""The gateway role: listeners, TLS, timers, redeployment, drain at the end.

Made by ``tap.py``.  Everything that the data plane needs of the process meets here; how it works is in the other files.
"""

import signal
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import partial
from math import ceil
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall

from twgw.config import Config
from twgw.gateway.caller import Caller
from twgw.gateway.certificates import CertificateError, Certificates, server_name
from twgw.gateway.deadlines import Deadlines
from twgw.gateway.deployment import Call, Deployment, MakeCall
from twgw.gateway.echo import URL as ECHO
from twgw.gateway.echo import echo
from twgw.gateway.edge import Edge, Front
from twgw.gateway.fleet import Fleet
from twgw.gateway.http1 import Limits
from twgw.gateway.network import TcpNetwork
from twgw.gateway.running import run_detached
from twgw.gateway.transport import SecureFactory, bind, take_queued, turn_away
from twgw.listen import Listen
from twgw.model import Upstream
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin, find_plugins


class Source(Protocol):
    """Where the state comes from: a file (``redeploy.py``) or a database (``follower.py``)."""

    @property
    def deployment(self) -> Deployment | None:
        """What is in force; None before the first."""

    @property
    def position(self) -> int:
        """Counts the states that were in force."""

    @property
    def outage(self) -> str:
        """Why it cannot be reached; empty while it can."""

    @property
    def fault(self) -> str:
        """Why what should be in force is not, a line for each fault; empty when it is."""

    def watch(self, connections: set[Edge]) -> None:
        """Told of the connections of clients: what is under way there may have to end."""

    def load(self) -> None:
        """Put it in force now, or raise."""

    def reload(self) -> object:
        """Read and compile it anew, whether it changed or not."""

    def look(self) -> object:
        """Put in force what is new; called every second."""


MakeSource = Callable[[Callable[[], dict[str, Plugin]], Gateway, MakeCall, Callable[[Deployment], None]], Source]
"""Makes the source, of what finds policies, what they are lent, what calls upstreams, and what puts in force."""


ON_ITS_WAY = 0.25
"""Seconds for which a connection that waits is not closed yet when the gateway stops."""
Listener = tuple[Listen, Callable[[Any], Any]]
"""Where to listen, and what does that with a factory of protocols."""


class GatewayService(Service):
    """Serves traffic from start to drain.

    ``listeners`` are those of the configuration, unless this process shares those of another, or has none: then it puts
    in force what others serve.  With ``later``, connections are taken when somebody calls ``listen``.
    """

    def __init__(
        self, reactor: Any, config: Config, gateway: Gateway, make_source: MakeSource, flush: Callable[[], None],
        listeners: Sequence[Listener] | None = None, *, later: bool = False,
    ) -> None:  # fmt: skip
        self._reactor = reactor
        self._config = config
        self._flush = flush
        self.gateway = gateway
        options = config.gateway
        self.deadlines = Deadlines(gateway.clock.now, reactor.callLater)
        self.fleet = Fleet(
            TcpNetwork(reactor, config.allowed),
            self.deadlines,
            pseudonym=options.pseudonym,
            dns_ttl=options.dns_ttl,
            detach=run_detached,
        )
        self.source = make_source(self.find_plugins, gateway, self.make_call, self._swap)
        self.edges: set[Edge] = set()
        self.source.watch(self.edges)
        self._listeners = listeners
        self._later = later
        self._most = ceil(options.max_connections / max(config.workers, 1))
        self._fronts: list[tuple[Front, Listener]] = []
        self._ports: list[Any] = []
        self.certificates: list[Certificates] = []
        self._timers: list[LoopingCall] = []
        self._date = ""
        self.draining = False
        self.refused_connections = 0

    def find_plugins(self) -> dict[str, Plugin]:
        """The policies that are installed now."""
        return dict(find_plugins(self._config.plugins.directories))

    def make_call(self, upstream: Upstream) -> Call:
        """What calls an upstream.  Raises SettingsError for one that may not be called."""
        if upstream.targets[0].url == ECHO:
            return echo
        self._config.allowed.check(upstream)
        return Caller(upstream, self.fleet).call

    def _swap(self, deployment: Deployment) -> None:
        """Put a new deployment in force, for every listener, in this turn of the reactor."""
        for front, _ in self._fronts:
            front.deployment = deployment
        self.fleet.retain(deployment.servers)

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Load the state and bind the listeners, while low ports may still be bound."""
        self._tick_date()
        listeners = self._listeners
        if listeners is None:
            listeners = [(where, partial(bind, self._reactor, where)) for where in self._config.gateway.listen]
        self._fronts = [(self._front(where), (where, listen)) for where, listen in listeners]
        self.source.load()
        if not self._later:
            self.listen()

    def listen(self) -> None:
        """Take connections."""
        for front, listener in self._fronts:
            self._listen(front, *listener)

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to serve."""
        super().startService()
        self.deadlines.start()
        self._every(1.0, self._tick_date)
        self._every(0.2, self._flush)
        self._every(1.0, self.source.look)

    def _front(self, where: Listen) -> Front:
        options = self._config.gateway
        return Front(
            gateway=self.gateway,
            deadlines=self.deadlines,
            deployment=None,  # type: ignore[arg-type]  # set by the first deployment, before anything listens
            date=lambda: self._date,
            scheme="https" if where.kind == "ssl" else "http",
            server_name=server_name if where.kind == "ssl" else None,
            limits=Limits(options.max_head, options.max_line, options.max_fields),
            pseudonym=options.pseudonym,
            trusted_proxies=options.trusted_proxies,
            max_request_body=options.max_request_body,
            header_timeout=options.header_timeout,
            keepalive_timeout=options.keepalive_timeout,
            body_grace=options.body_grace,
            body_min_rate=options.body_min_rate,
            send_timeout=options.send_timeout,
        )

    def _listen(self, front: Front, where: Listen, listen: Callable[[Any], Any]) -> None:
        factory: Any = EdgeFactory(front, self)
        if where.kind == "ssl":
            certificates = Certificates(where, self._config.gateway.tls.minimum_version)
            certificates.load()
            self.certificates.append(certificates)
            factory = SecureFactory(certificates, False, factory)
        self._ports.append(listen(factory))

    def _every(self, seconds: float, call: Callable[[], object]) -> None:
        timer = LoopingCall(call)
        timer.clock = self._reactor
        timer.start(seconds, now=False)
        self._timers.append(timer)

    def _tick_date(self) -> None:
        self._date = formatdate(self.gateway.clock.wall(), usegmt=True)

    def has_room(self) -> bool:
        """Whether one more connection may be held."""
        return len(self.edges) < self._most

    def reload(self) -> None:
        """SIGHUP: read the state and the certificates again."""
        for certificates in self.certificates:
            try:
                certificates.load()
            except CertificateError as error:
                self.gateway.log.error("{error}; the old certificate stays", error=error)  # noqa: TRY400 - not logging's
        self.source.reload()

    @property
    def addresses(self) -> list[Any]:
        """Where it listens."""
        return [port.getHost() for port in self._ports]

    async def _drain(self) -> None:
        """No new connections; exchanges finish, up to a limit."""
        self.draining = True
        for front, _ in self._fronts:
            front.draining = True
        for port in self._ports:
            turn_away(port)
            take_queued(port)
            stopped = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        clock, log, limit = self.gateway.clock, self.gateway.log, self._config.gateway.drain_timeout
        end = clock.now() + limit
        if self.edges:  # whoever sends a request just now is answered, and told that it is the last
            await clock.sleep(min(ON_ITS_WAY, limit))
        for edge in list(self.edges):
            edge.close_if_idle()
        if self.edges:
            await clock.sleep(0.05)  # for the idle ones to be gone
            log.info("stopping: {count} exchanges may go on for {limit:g} s", count=len(self.edges), limit=limit)
        while self.edges and clock.now() < end:
            await clock.sleep(0.05)
        if self.edges:
            log.warn("{count} exchanges were not done in time and are cut off", count=len(self.edges))  # noqa: G010 - not logging's
        for edge in list(self.edges):
            edge.abort()

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Drain, then let go of everything."""
        super().stopService()
        done = Deferred.fromCoroutine(self._drain())
        return done.addBoth(self._stopped)

    def _stopped(self, _result: object) -> None:
        for timer in self._timers:
            if timer.running:
                timer.stop()
        self.fleet.close()
        self.deadlines.stop()
        self._flush()


class EdgeFactory(Factory):
    """Makes an Edge for each client connection, as long as there is room."""

    noisy = False

    def __init__(self, front: Front, service: GatewayService) -> None:
        self._front = front
        self._service = service

    def buildProtocol(self, addr: IAddress | None) -> Edge | None:  # noqa: N802, ARG002 - Twisted's name and argument
        """An Edge, or None to refuse the connection."""
        if not self._service.has_room():
            self._service.refused_connections += 1
            return None
        return Edge(self._front, self._service.edges)


def on_signals(reactor: Any, stop: Callable[[], None], reload: Callable[[], None], end: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop, a second one ends at once; SIGHUP reloads."""
    stopping = False

    def terminate(_number: int, _frame: object) -> None:
        nonlocal stopping
        if stopping:
            end()
        else:
            stopping = True
            reactor.callFromThread(stop)

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, terminate)
    signal.signal(signal.SIGHUP, lambda _number, _frame: reactor.callFromThread(reload))
