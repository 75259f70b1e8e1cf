"""``twistd twgw``: options, and the one place where the parts of a node meet.

Named by ``twisted/plugins/twgw_dropin.py``.  Only this file receives the reactor.
"""

import gc
import os
import socket
import sys
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from twisted.application.service import MultiService, Service
from twisted.logger import Logger
from twisted.python import usage

from twgw import __version__
from twgw.admin.endpoints import site
from twgw.admin.status import Status, assess
from twgw.clock import ReactorClock
from twgw.config import Config, Listen, load
from twgw.credentials import PepperError, digest, load_pepper
from twgw.faults import InvalidFileError
from twgw.gateway.client import HttpClient
from twgw.gateway.lookup import Lookup, Rights
from twgw.gateway.service import GatewayService, on_signals
from twgw.gateway.transport import DirectReactor
from twgw.metrics import Registry
from twgw.policy.interfaces import Gateway
from twgw.throttle.local import LocalLimiter


def install_reactor() -> None:
    """Install our epoll reactor, unless another one is there already."""
    if "twisted.internet.reactor" not in sys.modules:
        from twisted.internet.main import installReactor  # noqa: PLC0415 - only now is it wanted

        installReactor(DirectReactor())


class Options(usage.Options):
    """The command line of ``twistd twgw``."""

    synopsis = "[--config FILE] [--check]"
    longdesc = (
        "An API gateway. Without a configuration it starts with defaults: traffic on port 8080, health and metrics on "
        "127.0.0.1:8081, and a demo API in ./twgw-data. `twgw init DIR` writes files to begin with."
    )
    optParameters = [  # noqa: RUF012 - as usage.Options wants it
        ["config", "c", None, "The configuration, a TOML file (default: the variable TWGW_CONFIG, else none)."],
    ]
    optFlags = [  # noqa: RUF012 - as above
        ["check", None, "Load, validate and compile everything, say what is wrong, and exit."],
    ]

    def __init__(self) -> None:
        install_reactor()
        super().__init__()

    def opt_version(self) -> None:
        """Print the version of twgw and exit."""
        print(f"twgw {__version__}")  # noqa: T201 - asked for
        raise SystemExit(0)

    def postOptions(self) -> None:  # noqa: N802 - Twisted's name
        """Load the configuration.  What is wrong with it ends the start with a line for each fault."""
        path = self["config"] or os.environ.get("TWGW_CONFIG")
        try:
            self.loaded = load(Path(path) if path else None, os.environ, {})
        except InvalidFileError as error:
            raise usage.UsageError(str(error)) from error
        if self["check"]:
            faults = check_files(self.loaded)
            for line in faults:
                print(line, file=sys.stderr)  # noqa: T201 - asked for
            if not faults:
                print("The configuration and the state are valid.")  # noqa: T201 - asked for
            raise SystemExit(1 if faults else 0)


class TwistedLog:
    """The ``Log`` of ``policy/interfaces.py`` on Twisted's logger."""

    def __init__(self) -> None:
        self._logger = Logger(namespace="twgw")

    def info(self, text: str, **fields: Any) -> None:
        """Something worth knowing."""
        self._logger.info(text, **fields)

    def warn(self, text: str, **fields: Any) -> None:
        """Something to look at."""
        self._logger.warn(text, **fields)

    def error(self, text: str, **fields: Any) -> None:
        """Something broken."""
        self._logger.error(text, **fields)


class Node(MultiService):
    """All roles of one process."""

    def __init__(self, reactor: Any, config: Config) -> None:
        super().__init__()
        log = TwistedLog()
        self.name_ = config.node.name or socket.gethostname()
        clock = ReactorClock(reactor)
        registry = CollectorRegistry()
        self.metrics = Registry()
        registry.register(self.metrics)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.files = LineFiles(config.node.data_dir, clock, log)
        pepper = config.node.pepper or load_pepper(config.node.data_dir / "pepper")
        lookup = Lookup(clock, lambda key: digest(pepper, key))
        limiter = LocalLimiter(clock)
        self.http = HttpClient(reactor)
        self.gateway = Gateway(
            clock=clock,
            credentials=lookup,
            subscriptions=Rights(lookup),
            limiter=limiter,
            http=self.http,
            metrics=self.metrics,
            files=self.files,
            log=log,
            node=self.name_,
        )
        self.traffic = GatewayService(reactor, config, self.gateway, lookup, self.files.flush)
        if "gateway" in config.node.roles:
            self.addService(self.traffic)
        for where in (config.admin.listen if "admin" in config.node.roles else None, config.status.listen):
            if where is not None:
                self.addService(Listener(reactor, where, site(self.status, registry)))

    def status(self) -> Status:
        """What ``/readyz`` says."""
        deployment = self.traffic.redeployer.deployment
        return assess(
            self.name_,
            position=deployment.position if deployment else 0,
            apis=len(deployment.compiled) if deployment else 0,
            draining=self.traffic.draining,
            fault=self.traffic.redeployer.fault,
        )


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
