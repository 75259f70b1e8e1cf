"""Keep what is deployed in step with the state file: load, compile off the reactor, swap in one turn.

Made by ``tap.py`` where a file is the state.  A bad file changes nothing: it is logged line by line, ``fault``
says it to ``/readyz`` and a metric counts it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twgw.faults import InvalidFileError, SettingsError
from twgw.gateway.deployment import Deployment, MakeCall, deploy
from twgw.gateway.lookup import Facts, Lookup, facts_of
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin, PluginConflict
from twgw.state import LoadedState, load_state

Swap = Callable[[Deployment], None]
"""Puts a deployment in force."""
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
    """Deploys a state file, now and whenever it changes.  ``in_thread(function)`` runs a function off the reactor."""

    def __init__(
        self,
        path: Path,
        find_plugins: Callable[[], dict[str, Plugin]],
        gateway: Gateway,
        make_call: MakeCall,
        swap: Swap,
        lookup: Lookup,
        in_thread: Callable[..., "Deferred[Any]"],
        *,
        watch: bool = True,
    ) -> None:
        self.path = path
        self._find_plugins = find_plugins
        self._gateway = gateway
        self._make_call = make_call
        self._swap = swap
        self._lookup = lookup
        self._in_thread = in_thread
        self._watch = watch
        self.deployment: Deployment | None = None
        self.fault = ""
        """What is wrong with the file as it is now; empty when it is what is deployed."""
        self._seen: tuple[int, ...] = ()
        self._busy = False
        self._again = False
        metrics = gateway.metrics
        self._reloads = metrics.counter("twgw_state_reloads", "Reloads of the state file by result.", ("result",))

    outage = ""
    """A file does not go away: what was loaded stays."""

    @property
    def position(self) -> int:
        """How many states were deployed."""
        return self.deployment.position if self.deployment is not None else 0

    def watch(self, connections: object) -> None:
        """What is under way is finished: a file that changes takes nothing back at once."""

    def load(self) -> None:
        """Deploy the file now.  Raises InvalidFileError with every fault and its place."""
        self._seen = self._stamp()
        self._install(self._prepare())

    def reload(self) -> "Deferred[None]":
        """Deploy the file anew in a thread; fires when it is in force, or was refused.  One at a time."""
        if self._busy:
            self._again = True
            done: Deferred[None] = Deferred()
            done.callback(None)
            return done
        self._busy = True
        self._seen = self._stamp()
        return self._in_thread(self._prepare).addCallbacks(self._install, self._refused).addBoth(self._done)

    def look(self) -> None:
        """Reload when the file is another one than last time; called every second."""
        if self._watch and not self._busy and self._stamp() != self._seen:
            self.reload()

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
        return deployment, facts_of(loaded.state, self._lookup.digest)

    def _install(self, ready: Ready) -> None:
        deployment, facts = ready
        self.deployment = deployment
        self._swap(deployment)
        self._lookup.replace(facts)
        self.fault = ""
        self._reloads.add(("ok",))
        count = len(deployment.compiled)
        self._gateway.log.info(
            "{path}: {count} {noun} in force, position {position}",
            path=str(self.path), count=count, noun="API" if count == 1 else "APIs", position=deployment.position,
        )  # fmt: skip

    def _refused(self, failure: Failure) -> None:
        error = failure.value
        lines = error.lines if isinstance(error, InvalidFileError) else (f"{self.path}: {error!r}",)
        if isinstance(error, PluginConflict):
            lines = (f"plugins: {error}",)
        self.fault = "\n".join(lines)
        self._reloads.add(("refused",))
        for line in lines:
            self._gateway.log.error("{line}", line=line)
        self._gateway.log.error(
            "{path} was not deployed; what was in force stays until it is saved again, or SIGHUP says to read it",
            path=str(self.path),
        )

    def _done(self, _result: object) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.reload()
