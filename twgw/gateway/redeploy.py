"""Keep what is deployed in step with the state file: load, compile off the reactor, swap in one turn.

Made by ``service.py``.  A file that is wrong changes nothing: it is logged line by line, ``fault`` says it to
``/readyz`` and a metric counts it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from twgw.faults import InvalidFileError, SettingsError
from twgw.gateway.deployment import Deployment, MakeCall, deploy
from twgw.gateway.lookup import Digest, Facts, facts_of
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin
from twgw.state import LoadedState, load_state

Swap = Callable[[Deployment, Facts], None]
Ready = tuple[Deployment, Facts]


def compiled(
    loaded: LoadedState,
    plugins: Mapping[str, Plugin],
    gateway: Gateway,
    make_call: MakeCall,
    previous: Deployment | None = None,
) -> Deployment:
    """What a file declares, ready to serve.  Raises InvalidFileError with every fault and its place."""
    try:
        return deploy(loaded.state, plugins, gateway, make_call, previous)
    except SettingsError as error:
        source = loaded.source
        faults = sorted(error.faults, key=lambda fault: source.line(fault.path))
        raise InvalidFileError(map(source.locate, faults)) from error


class Redeployer:
    """Deploys a state file, now and whenever it changes."""

    def __init__(
        self,
        path: Path,
        find_plugins: Callable[[], dict[str, Plugin]],
        gateway: Gateway,
        make_call: MakeCall,
        digest: Digest,
        swap: Swap,
    ) -> None:
        self.path = path
        self._find_plugins = find_plugins
        self._gateway = gateway
        self._make_call = make_call
        self._digest = digest
        self._swap = swap
        self.deployment: Deployment | None = None
        self.fault = ""
        """What is wrong with the file as it is now; empty when it is what is deployed."""
        self._seen: tuple[int, ...] = ()
        self._busy = False
        self._again = False
        metrics = gateway.metrics
        self._reloads = metrics.counter("twgw_state_reloads", "Reloads of the state file by result.", ("result",))

    def load(self) -> None:
        """Deploy the file now.  Raises InvalidFileError with every fault and its place."""
        self._seen = self._stamp()
        self._install(self._prepare())

    def reload(self, reactor: Any) -> Deferred[None]:
        """Deploy the file anew in a thread; fires when it is in force, or was refused.  One at a time."""
        if self._busy:
            self._again = True
            done: Deferred[None] = Deferred()
            done.callback(None)
            return done
        self._busy = True
        self._seen = self._stamp()
        working: Deferred[Any] = deferToThreadPool(reactor, reactor.getThreadPool(), self._prepare)
        working.addCallbacks(self._install, self._refused)
        return working.addBoth(self._done, reactor)

    def look(self, reactor: Any) -> None:
        """Reload when the file is another one than last time; called every second."""
        if not self._busy and self._stamp() != self._seen:
            self.reload(reactor)

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _prepare(self) -> Ready:
        """Everything that takes time; touches nothing that is in force."""
        loaded = load_state(self.path)
        deployment = compiled(loaded, self._find_plugins(), self._gateway, self._make_call, self.deployment)
        return deployment, facts_of(loaded.state, self._digest)

    def _install(self, ready: Ready) -> None:
        deployment, facts = ready
        self.deployment = deployment
        self._swap(deployment, facts)
        self.fault = ""
        self._reloads.add(("ok",))
        count = len(deployment.compiled)
        self._gateway.log.info(
            "{path}: {count} APIs in force, position {position}",
            path=str(self.path), count=count, position=deployment.position,
        )  # fmt: skip

    def _refused(self, failure: Failure) -> None:
        error = failure.value
        lines = error.lines if isinstance(error, InvalidFileError) else (f"{self.path}: {error!r}",)
        self.fault = "\n".join(lines)
        self._reloads.add(("refused",))
        for line in lines:
            self._gateway.log.error("{line}", line=line)
        self._gateway.log.error("{path} was not deployed; what was in force stays", path=str(self.path))

    def _done(self, _result: object, reactor: Any) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.reload(reactor)
