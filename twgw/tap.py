"""``twistd twgw``: the one place where the parts of a node meet.

Named by ``twisted/plugins/twgw_dropin.py``.  Only this file receives the reactor.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.application.internet import TimerService
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import blockingCallFromThread, deferToThreadPool

from twgw import control
from twgw.admin.endpoints import Listener, at_once, root, site
from twgw.admin.service import check_by, ground, served
from twgw.admin.status import Status, assess
from twgw.clock import ReactorClock
from twgw.cluster.authority import CertificateError
from twgw.cluster.overview import Row
from twgw.cluster.reports import LONGEST
from twgw.config import Config
from twgw.demo import origin
from twgw.directory.store import UserStore
from twgw.directory.stores import Stores
from twgw.files import LineFiles
from twgw.gateway.client import HttpClient
from twgw.gateway.service import GatewayService, on_signals
from twgw.gateway.transport import DirectReactor
from twgw.keeping import keeping
from twgw.keymanager.service import EVERY as HOUSEKEEPING
from twgw.keymanager.service import Service as KeyManager
from twgw.listen import Listen
from twgw.log import TwistedLog
from twgw.metrics import LEAST, Registry
from twgw.model import Limit
from twgw.options import Options, give_up, in_words
from twgw.passwords import Passwords
from twgw.policy.interfaces import Clock, Gateway, Run
from twgw.policy.registry import PluginConflict
from twgw.readings import collected, refused
from twgw.shared_limits import SharedLimits, faults_of, shared_limits
from twgw.startup import Backing, FromDatabase, FromFile
from twgw.startup_cluster import FromKeyManagers, preparing, take_part, tell_counters
from twgw.startup_workers import Work, Workers
from twgw.threads import ThreadLog, Threads
from twgw.throttle.local import LocalLimiter
from twgw.web.application import Ground
from twgw.web.listener import WebListener
from twgw.web.login import people_of
from twgw.web.people import People
from twgw.web.rate import Rate
from twgw.workers.handed import Handed

PASSWORDS_AT_ONCE, PASSWORDS_WAITING = 2, 32
"""Passwords that are compared, and that wait for it: each takes tens of milliseconds and 64 MiB."""


class Node(MultiService):
    """All roles of one process.  A worker is ``handed`` what it needs by its parent, and carries traffic."""

    def __init__(self, reactor: Any, config: Config, handed: Handed | None = None) -> None:
        super().__init__()
        self._reactor = reactor
        self._config = config
        config.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = TwistedLog(config.log.level)
        clock = ReactorClock(reactor)
        self.files = LineFiles(config.node.data_dir, clock, log, together=handed is not None)
        self.metrics = Registry()
        self.work = Work(reactor, handed, clock, log, self.metrics) if handed is not None else None
        self.backing = self._backing(clock, log)
        self.shared = self._shared(clock, log)
        self.limiter = self.shared.limiter if self.shared else LocalLimiter(clock, kept=self.backing.kept)
        self.keeping = keeping(self, reactor, self.backing, config, self.limiter, clock, log, self.metrics)
        tell_counters(self.backing, self._counters)
        self.threads: list[Threads] = []
        self.user_stores = self._user_stores(log)
        self.people: People | None = None
        self.gateway = Gateway(
            clock=clock,
            credentials=self.backing.credentials,
            subscriptions=self.backing.subscriptions,
            limiter=self.limiter,
            http=HttpClient(reactor, config.allowed),
            metrics=self.metrics,
            files=self.files,
            log=log,
            directory=Stores(self.user_stores),
            passwords=Passwords(clock, self._threads("passwords", PASSWORDS_AT_ONCE, PASSWORDS_WAITING)),
            node=config.node.name,
            trusted_proxies=config.gateway.trusted_proxies,
            issuer=self.backing.issuer,
        )
        self.workers = self._workers(clock, log) if config.workers and self.work is None else None
        listeners = [] if self.workers else self.work.listeners(lambda: len(self.traffic.edges)) if self.work else None
        self.traffic = GatewayService(
            reactor, config, self.gateway, self.backing.make_source, self.files.flush, listeners,
            later=self.work is not None,
        )  # fmt: skip
        if self.shared and self.work is None:
            self.addService(self.shared.looks)
        if "gateway" in config.node.roles:
            self.addService(self.traffic)
        take_part(self, reactor, self.backing, clock, self._in_thread, log, self.metrics)
        self.exposed = collected(
            self.metrics, self.status, traffic=self.traffic, limiter=self.limiter, files=self.files,
            user_stores=self.user_stores,
        )  # fmt: skip
        self.key_manager: KeyManager | None = None
        if self.work is not None:
            self.work.join(self, self.backing, self.status, self._begin)
        else:
            self._answer(config, clock, log)

    def _counters(self) -> str:
        """How limits are counted, as other nodes are told."""
        why = "; ".join(faults_of(self.shared, self.backing.others))
        return why[:LONGEST] or ("shared" if self.shared else "")

    def _begin(self) -> None:
        """A worker has all that it needs."""
        if self.shared is not None:
            self.addService(self.shared.looks)
        self.traffic.listen()

    def _answer(self, config: Config, clock: Clock, log: TwistedLog) -> None:
        """What is not traffic; last the workers, as they begin when all else is there."""
        self.key_manager = self._control(clock, log)
        measure, exposed = at_once, self.exposed
        if self.workers is not None:
            measure, exposed = self.workers.measure, self.workers.exposed(self.exposed)
        if config.admin.listen is not None and "admin" in config.node.roles:
            self.addService(self._admin(config.admin.listen, exposed, measure, clock, log))
        if config.status.listen is not None:
            self.addService(Listener(self._reactor, config.status.listen, site(self.status, exposed, measure)))
        if self.workers is not None:
            self.addService(self.workers.services)

    def _shared(self, clock: Clock, log: TwistedLog) -> SharedLimits | None:
        """Where limits are counted, when that is not in this process; a parent counts none."""
        config, work = self._config, self.work
        if config.workers and work is None:
            return None
        parent = work.counters() if work is not None else None
        return shared_limits(
            self._reactor, config.memcached, clock, self.metrics, log, self.backing.others, max(config.workers, 1),
            parent, self.backing.kept,
        )  # fmt: skip

    def _workers(self, clock: Clock, log: TwistedLog) -> Workers:
        return Workers(self._reactor, self._config, self.backing, clock, log, self.metrics, self._in_thread)

    def _backing(self, clock: Clock, log: TwistedLog) -> Backing:
        """What the state comes from."""
        if self._config.state.file is not None:
            return FromFile(self._config, clock, self._in_thread)
        config = self._config if self.work is None else self.work.config
        world = clock, self._in_thread, log, self.metrics, self._reactor
        found: FromKeyManagers | FromDatabase
        if config.cluster.keymanagers:
            work = self.work
            found = FromKeyManagers(config, *world, work.tls if work is not None else None, renews=work is None)
        else:
            found = FromDatabase(config, *world)
        gauge, facts = self.metrics.gauge, found.facts
        gauge("twgw_database_available", "0 while the database does not answer.", (), lambda: not facts.outage, LEAST)
        gauge("twgw_registry_cached", "Keys and subscriptions that are kept in memory.", (), lambda: len(facts.cache))
        gauge("twgw_registry_waiting", "Keys and subscriptions that requests wait for.", (), lambda: len(facts))
        return found

    def _control(self, clock: Clock, log: TwistedLog) -> KeyManager | None:
        """The control listener with the roles that answer there, where a database is the state; the key manager."""
        config, backing, roles = self._config, self.backing, self._config.node.roles
        where = config.control.listen
        if where is None or not isinstance(backing, FromDatabase) or not control.ROLES.intersection(roles):
            return None
        manager = self._key_manager(backing, clock, log) if "keymanager" in roles else None
        answers = control.served(
            self._reactor, self._ground(backing, clock, log), backing.reached, config.control, roles,
            manager.blueprints() if manager is not None else (),
        )  # fmt: skip
        self.addService(WebListener(self._reactor, where, answers))
        return manager

    def _key_manager(self, backing: FromDatabase, clock: Clock, log: TwistedLog) -> KeyManager:
        """The key manager, and its rounds."""
        manager = KeyManager(
            self._config.keymanager, backing.database, backing.issuer, backing.peppers, clock.wall,
            ThreadLog(self._reactor, log).warn, self._people(backing),
        )  # fmt: skip
        rounds = TimerService(HOUSEKEEPING, lambda: Deferred.fromCoroutine(manager.one_round()))
        rounds.clock = self._reactor
        self.addService(rounds)
        return manager

    def _admin(
        self, where: Listen, exposed: CollectorRegistry, measure: Callable[[], Deferred[Any]], clock: Clock,
        log: TwistedLog,
    ) -> Service:  # fmt: skip
        """The admin listener: how the node is and, where a database is the state, the admin REST."""
        backing = self.backing
        if not isinstance(backing, FromDatabase):
            return Listener(self._reactor, where, site(self.status, exposed, measure))
        answers = root(self.status, exposed, measure)
        rest = served(self._reactor, self._ground(backing, clock, log), backing.reached)
        answers.putChild(b"admin", rest.resource())
        return WebListener(self._reactor, where, rest, answers)

    def _ground(self, backing: FromDatabase, clock: Clock, log: TwistedLog) -> Ground:
        """What the views stand on."""
        traffic = self.traffic
        return ground(
            backing.database, backing.peppers, self._people(backing), ThreadLog(self._reactor, log), clock.wall,
            check=check_by(traffic.find_plugins, self.gateway, traffic.make_call),
            status=lambda: self.status().document(),
            nodes=partial(self._nodes, backing), plugins=traffic.find_plugins, prepare=preparing(backing),
        )  # fmt: skip

    def _nodes(self, backing: FromDatabase, head: int) -> list[Row]:
        """How every node stands.  Called in threads."""
        return blockingCallFromThread(self._reactor, lambda: maybeDeferred(backing.nodes, head))

    def _people(self, backing: FromDatabase) -> People:
        """Who logs in, on every listener of the control plane: failures count together."""
        if self.people is None:
            said = self._config.keymanager
            rate = Rate(Limit(said.client_rate, 60), Limit(said.address_rate, 60))
            self.people = people_of(backing.database, rate, self._ask_directory if self._config.ldap else None)
        return self.people

    def _ask_directory(self, name: str, password: str) -> Any:
        """Called in threads."""

        def ask() -> Deferred[Any]:
            return Deferred.fromCoroutine(self.gateway.directory.authenticate(name, password))

        return blockingCallFromThread(self._reactor, ask)

    def _in_thread(self, function: Callable[..., Any], *args: Any) -> "Deferred[Any]":
        """Run a function that takes time off the reactor."""
        done: Deferred[Any] = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function, *args)
        return done

    def _threads(self, name: str, most: int, waiting: int) -> Run:
        """Threads of their own for one kind of calls."""
        self.threads.append(Threads(self._reactor, name, most, waiting))
        return self.threads[-1].run

    def _user_stores(self, log: TwistedLog) -> dict[str, UserStore]:
        """The user stores, in order.  Raises OSError for a ca_file that cannot be used."""
        now = time.monotonic
        outcomes = self.metrics.counter(
            "twgw_ldap_requests", "Users asked for, in user stores that are LDAP directories.", ("store", "outcome")
        )
        if not self._config.ldap:
            return {}
        from twgw.ldap import Servers  # a tenth of a second that a node without them starts earlier

        return {
            store.name: UserStore(
                store, Servers(store, now), now, self._threads(f"ldap-{store.name}", store.threads, store.max_waiting),
                log, outcomes,
            )
            for store in self._config.ldap
        }  # fmt: skip

    def status(self) -> Status:
        """What ``/readyz`` says."""
        source, fault = self.traffic.source, self.traffic.source.fault
        own = assess(
            self._config.node.name,
            position=source.position,
            apis=len(source.deployment.compiled) if source.deployment else None,
            draining=self.traffic.draining,
            fault=fault,
            refused=refused(source.deployment) if fault else (),
            outage=source.outage,
            isolated=self.backing.isolated if isinstance(self.backing, FromDatabase | FromKeyManagers) else "",
            certificates=[each.fault for each in self.traffic.certificates if each.fault],
            counters=faults_of(self.shared, self.backing.others),
        )
        return own if self.workers is None else self.workers.status(own)

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Load the state and bind.  What is wrong ends the start with a line for each fault, not with a traceback."""
        try:
            with in_words():
                self.backing.begin()
                if self.workers is not None:
                    self.workers.hold()
                super().privilegedStartService()
        except SystemExit:
            if isinstance(self.backing, FromDatabase) and self.backing.membership is not None:
                self.backing.membership.abandon()  # nobody need wait for this node
            self.backing.close()  # the process would wait for its threads, and never end
            raise

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Serve; then tell whoever watches how to try it."""
        super().startService()
        self._reactor.callWhenRunning(self._started)

    def _started(self) -> None:
        if self.work is None:
            on_signals(self._reactor, self._reactor.stop, self.reload, self._end)
        gc.collect()
        gc.freeze()  # what is there now stays: no collection need look at it again
        gc.set_threshold(50_000, 20, 100)
        sys.setswitchinterval(0.0005)  # while a thread compiles, traffic waits so long at each of its system calls
        if self.work is None:
            self._tell()

    def _tell(self) -> None:
        """Say how the node is used."""
        for line in self._listening():
            self.gateway.log.info("{line}", line=line)
        first = next((each for each in self._config.gateway.listen if each.kind == "tcp"), None)
        if self.traffic.running:
            address = origin(first.interface, self.addresses[0].port) if first is not None else ""
            for line in self.backing.lines(address):
                self.gateway.log.info("{line}", line=line)
        if not isinstance(self._reactor, DirectReactor):
            self.gateway.log.warn(  # noqa: G010 - not logging's
                "another reactor is installed; connections use its stock transports, which are slower"
            )

    @property
    def addresses(self) -> list[Any]:
        """Where there is traffic."""
        return self.traffic.addresses if self.workers is None else self.workers.addresses

    def reload(self) -> None:
        """Read the state and the certificates again."""
        self.traffic.reload()
        if self.workers is not None:
            self.workers.children.reload()

    def _listening(self) -> Iterator[str]:
        """Where it serves what."""
        config, bound = self._config, zip(self._config.gateway.listen, self.addresses, strict=False)
        if places := [str(Listen(where.kind, address.port, where.interface)) for where, address in bound]:
            yield f"Traffic on {', '.join(places)}"
        others = (config.admin.listen if "admin" in config.node.roles else None, config.status.listen)
        if places := [str(where) for where in others if where is not None]:
            yield f"Health and metrics on {', '.join(places)}"

    def _end(self) -> None:
        """A second signal: stop at once; only what was logged is still written."""
        self.gateway.log.warn("a second signal: stopped at once, whatever was going on is cut off")  # noqa: G010 - not logging's
        self.files.close()
        os._exit(1)

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Drain; only then stop what tells operators how that goes, and close the files."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self.workers is not None:
            await self.workers.let_go()
            await maybeDeferred(self.workers.services.removeService, self.workers.children)  # they drain
        if self.traffic.running:
            await maybeDeferred(self.removeService, self.traffic)  # which stops it
        if self.keeping:
            await maybeDeferred(self.removeService, self.keeping)
        await maybeDeferred(super().stopService)
        for threads in self.threads:
            threads.stop()
        if self.shared:
            self.shared.stop()
        self.backing.close()
        self.files.close()


def makeService(options: Options) -> Node:  # noqa: N802 - twistd's name
    """The node that a command line asks for."""
    from twisted.internet import reactor

    try:
        return Node(reactor, options.loaded)
    except (CertificateError, PluginConflict) as error:
        give_up([str(error)])
    except OSError as error:
        give_up([f"{error.filename}: {error.strerror}" if error.filename else str(error)])
