"""``twistd twgw``: options, and the one place where the parts of a node meet.

Named by ``twisted/plugins/twgw_dropin.py``.  Only this file receives the reactor.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from prometheus_client import CollectorRegistry
from twisted.application.internet import TimerService
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import blockingCallFromThread, deferToThreadPool
from twisted.python import usage

from twgw import __version__, control
from twgw.admin.endpoints import root, site
from twgw.admin.service import check_by, ground, served
from twgw.admin.status import Status, assess
from twgw.checking import check_files
from twgw.clock import ReactorClock
from twgw.cluster.authority import CertificateError
from twgw.config import Config, load
from twgw.credentials import PepperError
from twgw.demo import origin
from twgw.directory.store import UserStore
from twgw.directory.stores import Stores
from twgw.faults import InvalidFileError
from twgw.files import LineFiles
from twgw.gateway.client import HttpClient
from twgw.gateway.service import GatewayService, on_signals
from twgw.gateway.transport import DirectReactor
from twgw.keymanager.service import EVERY as HOUSEKEEPING
from twgw.keymanager.service import Service as KeyManager
from twgw.listen import Listen
from twgw.log import TwistedLog
from twgw.metrics import Registry
from twgw.model import Limit
from twgw.passwords import Passwords
from twgw.policy.interfaces import Clock, Gateway, Run
from twgw.policy.registry import PluginConflict
from twgw.readings import collected
from twgw.shared_limits import faults_of, shared_limits
from twgw.startup import Backing, FromDatabase, FromFile
from twgw.startup_cluster import FromKeyManagers, preparing, take_part
from twgw.storage.errors import Unavailable
from twgw.threads import ThreadLog, Threads
from twgw.throttle.local import LocalLimiter
from twgw.web.application import Ground
from twgw.web.listener import WebListener
from twgw.web.login import people_of
from twgw.web.people import People
from twgw.web.rate import Rate

PASSWORDS_AT_ONCE, PASSWORDS_WAITING = 2, 32
"""Passwords that are compared, and that wait for it: each takes tens of milliseconds and 64 MiB."""


def install_reactor() -> None:
    """Install our epoll reactor, unless another one is there already."""
    if "twisted.internet.reactor" not in sys.modules:
        from twisted.internet.main import installReactor

        installReactor(DirectReactor())


class Options(usage.Options):
    """The command line of ``twistd twgw``."""

    synopsis = "[--config FILE] [--set SETTING=VALUE]... [--check]"
    longdesc = (
        "An API gateway. Without a configuration it starts with defaults: traffic on port 8080, health and metrics on "
        "127.0.0.1:8081, and a demo API in ./twgw-data. `twgw init DIR` writes files to begin with."
    )
    optParameters = [  # noqa: N815 - Twisted's name, and what it wants
        ["config", "c", None, "The configuration, a TOML file (default: the variable TWGW_CONFIG, else none)."],
    ]
    optFlags = [  # noqa: N815 - as above
        ["check", None, "Load, validate and compile everything, say what is wrong, and exit."],
    ]

    def __init__(self) -> None:
        install_reactor()
        self._given: dict[str, str] = {}
        super().__init__()

    def opt_set(self, given: str) -> None:
        """A setting that wins over file and environment, as gateway.listen=tcp:9000; may stand several times."""
        name, equals, value = given.partition("=")
        if not equals:
            raise usage.UsageError(f"--set {given}: write SECTION.SETTING=VALUE, as gateway.listen=tcp:9000")
        self._given[name.strip()] = value

    opt_s = opt_set

    def opt_version(self) -> None:
        """Print the version of twgw and exit."""
        print(f"twgw {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:  # noqa: N802 - Twisted's name
        """Load the configuration.  What is wrong with it ends the start with a line for each fault."""
        path = self["config"] or os.environ.get("TWGW_CONFIG")
        try:
            self.loaded = load(Path(path) if path else None, os.environ, self._given)
        except InvalidFileError as error:
            _give_up(error.lines)
        if self["check"]:
            faults = check_files(self.loaded)
            if faults:
                _give_up(faults)
            print("The configuration and the state are valid.")
            raise SystemExit(0)


def _give_up(faults: Iterable[str]) -> NoReturn:
    """End the start: what is wrong, a line each, and nothing else."""
    for line in faults:
        print(line, file=sys.stderr)
    raise SystemExit(1)


class Node(MultiService):
    """All roles of one process."""

    def __init__(self, reactor: Any, config: Config) -> None:
        super().__init__()
        self._reactor = reactor
        self._config = config
        config.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = TwistedLog(config.log.level)
        clock = ReactorClock(reactor)
        self.files = LineFiles(config.node.data_dir, clock, log)
        self.metrics = Registry()
        self.backing = self._backing(clock, log)
        self.shared = shared_limits(reactor, config.memcached, clock, self.metrics, log, self.backing.others)
        self.limiter = self.shared.limiter if self.shared else LocalLimiter(clock)
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
        self.traffic = GatewayService(reactor, config, self.gateway, self.backing.make_source, self.files.flush)
        if self.shared:
            self.addService(self.shared.looks)
        if "gateway" in config.node.roles:
            self.addService(self.traffic)
        self.key_manager = self._control(clock, log)
        take_part(self, reactor, self.backing, clock, self._in_thread, log, self.metrics)
        exposed = collected(
            self.metrics, self.status, traffic=self.traffic, limiter=self.limiter, files=self.files,
            user_stores=self.user_stores,
        )  # fmt: skip
        if config.admin.listen is not None and "admin" in config.node.roles:
            self.addService(self._admin(config.admin.listen, exposed, clock, log))
        if config.status.listen is not None:
            self.addService(Listener(reactor, config.status.listen, site(self.status, exposed)))

    def _backing(self, clock: Clock, log: TwistedLog) -> Backing:
        """What the state comes from."""
        if self._config.state.file is not None:
            return FromFile(self._config, clock, self._in_thread)
        asks = bool(self._config.cluster.keymanagers)
        kind = FromKeyManagers if asks else FromDatabase
        found = kind(self._config, clock, self._in_thread, log, self.metrics, self._reactor)
        gauge, facts = self.metrics.gauge, found.facts
        gauge("twgw_database_available", "0 while the database does not answer.", (), lambda: not facts.outage)
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

    def _admin(self, where: Listen, exposed: CollectorRegistry, clock: Clock, log: TwistedLog) -> Service:
        """The admin listener: how the node is and, where a database is the state, the admin REST."""
        backing = self.backing
        if not isinstance(backing, FromDatabase):
            return Listener(self._reactor, where, site(self.status, exposed))
        answers = root(self.status, exposed)
        rest = served(self._reactor, self._ground(backing, clock, log), backing.reached)
        answers.putChild(b"admin", rest.resource())
        return WebListener(self._reactor, where, rest, answers)

    def _ground(self, backing: FromDatabase, clock: Clock, log: TwistedLog) -> Ground:
        """What the views stand on."""
        traffic = self.traffic
        return ground(
            backing.database, backing.peppers, self._people(backing), ThreadLog(self._reactor, log), clock.wall,
            check=check_by(traffic.find_plugins, self.gateway, traffic.make_call),
            status=lambda: self.status().document(), plugins=traffic.find_plugins, prepare=preparing(backing),
        )  # fmt: skip

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
        source = self.traffic.source
        return assess(
            self._config.node.name,
            position=source.position,
            apis=len(source.deployment.compiled) if source.deployment else None,
            draining=self.traffic.draining,
            fault=source.fault,
            outage=source.outage,
            isolated=isinstance(self.backing, FromDatabase | FromKeyManagers) and self.backing.isolated,
            certificates=[each.fault for each in self.traffic.certificates if each.fault],
            counters=faults_of(self.shared, self.backing.others),
        )

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Load the state and bind.  What is wrong ends the start with a line for each fault, not with a traceback."""
        try:
            self.backing.begin()
            super().privilegedStartService()
        except InvalidFileError as error:
            _give_up(error.lines)
        except CannotListenError as error:
            where = f"{error.interface or 'any address'} port {error.port}"
            _give_up([f"cannot listen on {where}: {error.socketError}; is another gateway running there?"])
        except OSError as error:
            _give_up([f"{error.filename}: {error.strerror}" if error.filename else str(error)])
        except (PepperError, PluginConflict, Unavailable, ValueError) as error:
            _give_up([str(error)])

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Serve; then tell whoever watches how to try it."""
        super().startService()
        self._reactor.callWhenRunning(self._started)

    def _started(self) -> None:
        on_signals(self._reactor, self._reactor.stop, self.traffic.reload, self._end)
        gc.collect()
        gc.freeze()  # what is there now stays: no collection need look at it again
        gc.set_threshold(50_000, 20, 100)
        sys.setswitchinterval(0.0005)  # while a thread compiles, traffic waits so long at each of its system calls
        for line in self._listening():
            self.gateway.log.info("{line}", line=line)
        first = next((each for each in self._config.gateway.listen if each.kind == "tcp"), None)
        if self.traffic.running:
            address = origin(first.interface, self.traffic.addresses[0].port) if first is not None else ""
            for line in self.backing.lines(address):
                self.gateway.log.info("{line}", line=line)
        if not isinstance(self._reactor, DirectReactor):
            self.gateway.log.warn(  # noqa: G010 - not logging's
                "another reactor is installed; connections use its stock transports, which are slower"
            )

    def _listening(self) -> Iterator[str]:
        """Where it serves what."""
        config, bound = self._config, zip(self._config.gateway.listen, self.traffic.addresses, strict=False)
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
        if self.traffic.running:
            await maybeDeferred(self.removeService, self.traffic)  # which stops it
        await maybeDeferred(super().stopService)
        for threads in self.threads:
            threads.stop()
        if self.shared:
            self.shared.stop()
        self.backing.close()
        self.files.close()


class Listener(Service):
    """One stock TCP listener."""

    def __init__(self, reactor: Any, where: Listen, factory: Any) -> None:
        self._reactor = reactor
        self._where = where
        self._factory = factory
        self._port: Any = None

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Bind."""
        self._port = self._reactor.listenTCP(
            self._where.port, self._factory, interface=self._where.interface or "127.0.0.1"
        )

    def stopService(self) -> Any:  # noqa: N802 - Twisted's name
        """Unbind."""
        super().stopService()
        return self._port.stopListening() if self._port is not None else None


def makeService(options: Options) -> Node:  # noqa: N802 - twistd's name
    """The node that a command line asks for."""
    from twisted.internet import reactor

    try:
        return Node(reactor, options.loaded)
    except (CertificateError, PluginConflict) as error:
        _give_up([str(error)])
    except OSError as error:
        _give_up([f"{error.filename}: {error.strerror}" if error.filename else str(error)])
