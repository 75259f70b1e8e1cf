"""Limits that several nodes count together: the limiter of ``throttle/shared.py``, on the servers of ``[memcached]``.

Made by ``tap.py`` where servers are named.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.application.internet import TimerService

from twgw.memcached import Memcached
from twgw.metrics import LEAST, MOST, SINCE, Registry
from twgw.policy.interfaces import Clock, Log
from twgw.throttle.kept import Kept
from twgw.throttle.others import Others
from twgw.throttle.reservation import Command
from twgw.throttle.servers import CounterServer, Sent
from twgw.throttle.settings import Memcached as Settings
from twgw.throttle.shared import SharedLimiter

PARENT = "parent"
"""What a worker calls the process that counts for it."""
ALONE = "limits counted there are degraded to the share of one node"
EVERY = 0.25
"""Seconds between two looks at what the servers owe."""
TRIES = 3
"""Batches to a server that has never answered before that is told: a node that begins is slow to read an answer."""


def _in_words(server: CounterServer) -> str:
    """A server, for the log."""
    return "the parent process" if server.name == PARENT else f"memcached {server.name}"


def elsewhere(others: Others) -> str:
    """What is said of nodes that count on other servers."""
    return f"{', '.join(others.apart)}: other servers are named in [memcached] there"


def behind(server: CounterServer) -> str:
    """What is said when a mark is from the future."""
    return (
        f"the clock of this node is {server.ahead:.0f} s behind that of another one, so limits counted there refuse "
        "here; twgw doctor compares clocks: set the one that is wrong, then start that node anew"
    )


class Door(Protocol):
    """What commands go through to a server."""

    fault: str
    """Why the last batch was not answered; empty when it was."""

    def send(self, commands: Sequence[Command], answered: Sent) -> None:
        """Do all of them; ``answered`` is told what became of each, or None when nobody knows."""

    def stop(self) -> None:
        """Let go of it."""


class SharedLimits:
    """The limiter, its servers, and the timer that looks after them."""

    def __init__(
        self, reactor: Any, settings: Settings, clock: Clock, metrics: Registry, log: Log,
        others: Callable[[], Others] | None = None, workers: int = 1, parent: Door | None = None,
        kept: Kept | None = None,
    ) -> None:  # fmt: skip
        """``workers``: of each node; ``parent``: what counts for those of this one where no servers are named."""
        self._log = log
        self._apart: tuple[str, ...] = ()
        self._told: dict[str, tuple[bool, int]] = {}
        self._behind: set[str] = set()
        """Servers whose mark is from the future."""
        later = partial(reactor.callLater, 0)
        doors: dict[str, Door] = {str(it): Memcached(reactor, it, settings.timeout) for it in settings.servers}
        if parent is not None and not doors:
            doors = {PARENT: parent}
        self._doors = list(doors.values())
        self.servers = [
            CounterServer(name, door.send, later, clock.wall, secrets.randbelow, settings.namespace)
            for name, door in doors.items()
        ]
        alike = Others((settings.nodes if settings.servers else 1) * workers)
        self.limiter = SharedLimiter(
            clock, self.servers, others or (lambda: alike), secrets.randbelow, settings.namespace, kept=kept
        )  # fmt: skip
        self.looks = TimerService(EVERY, self._look)
        self.looks.clock = reactor
        self._measured(metrics)

    def _look(self) -> None:
        self.limiter.heed()
        self._tell_apart(self.limiter.others.apart)
        for server, door in zip(self.servers, self._doors, strict=True):
            server.tick()
            self._tell_behind(server)
            now, told = (server.silent, server.losses), self._told.get(server.name, (False, 0))
            if now != told and (server.is_known or server.failures >= TRIES):
                self._told[server.name] = now
                self._tell(server, door.fault, now, told)

    def _tell(self, server: CounterServer, fault: str, now: tuple[bool, int], told: tuple[bool, int]) -> None:
        """Say what became of a server, once."""
        if now[1] != told[1]:
            self._log.error(
                "{server} has lost its data: what it counted counts as used up", server=_in_words(server)
            )
        if now[0] and not told[0]:
            text = "{server}: {fault}; {alone}"
            self._log.error(text, server=_in_words(server), fault=fault or "it does not answer", alone=ALONE)
        elif told[0] and not now[0]:
            self._log.info("{server} answers: limits are counted together again", server=_in_words(server))

    def _tell_behind(self, server: CounterServer) -> None:
        if server.ahead and server.name not in self._behind:
            self._behind.add(server.name)
            self._log.error("{server}: {line}", server=_in_words(server), line=behind(server))
        elif not server.ahead and server.name in self._behind:
            self._behind.remove(server.name)
            self._log.info("{server}: no other clock is far ahead any more", server=_in_words(server))

    def _tell_apart(self, apart: tuple[str, ...]) -> None:
        if apart and apart != self._apart:
            text = "{line}; until all name the same, limits are degraded to the share of one node"
            self._log.error(text, line=elsewhere(self.limiter.others))
        elif self._apart and not apart:
            self._log.info("all nodes count on the same servers of memcached again")
        self._apart = apart

    def faults(self) -> Iterator[str]:
        """Why a server does not count just now, and what that means, a line for each."""
        if self.limiter.others.apart:
            yield f"{elsewhere(self.limiter.others)}; {ALONE}"
        for server, door in zip(self.servers, self._doors, strict=True):
            if server.down and not server.barred:
                yield f"{server.name}: {door.fault or 'it does not answer'}; {ALONE}"
            elif server.ahead:
                yield f"{server.name}: {behind(server)}"

    def stop(self) -> None:
        """End the threads."""
        for door in self._doors:
            door.stop()

    def _measured(self, metrics: Registry) -> None:
        limiter, servers = self.limiter, self.servers
        gauge, each = metrics.gauge, ("server",)
        gauge("twgw_memcached_available", "0 while a server of memcached does not answer: limits are degraded.", each,
              lambda: {(server.name,): not server.down for server in servers}, LEAST)  # fmt: skip
        gauge("twgw_memcached_batches", "Batches sent to memcached since the start.", each,
              lambda: {(server.name,): server.batches for server in servers}, SINCE)  # fmt: skip
        gauge("twgw_memcached_failures", "Batches since the start of which nobody knows what became of them.", each,
              lambda: {(server.name,): server.failures for server in servers}, SINCE)  # fmt: skip
        gauge("twgw_memcached_losses", "Times since the start that data were lost; what was counted counts as used up.",
              each, lambda: {(server.name,): server.losses for server in servers}, SINCE)  # fmt: skip
        gauge("twgw_limit_counter_faults", "Counters since the start that could not be used, by the reason.",
              ("fault",), lambda: {(fault,): count for fault, count in limiter.faults.items()}, SINCE)  # fmt: skip
        gauge("twgw_limit_waited", "Requests since the start that waited for an answer.", (), lambda: limiter.waited,
              SINCE)  # fmt: skip
        gauge("twgw_limit_nodes", "Processes that count limits together.", (), lambda: limiter.others.nodes, MOST)
        gauge("twgw_limit_apart", "Nodes that count limits on other servers than this one.", (),
              lambda: len(limiter.others.apart), MOST)  # fmt: skip
        gauge("twgw_limit_degraded", "Charges since the start that were decided without the other nodes.", (),
              lambda: limiter.alone, SINCE)  # fmt: skip


def shared_limits(
    reactor: Any, settings: Settings, clock: Clock, metrics: Registry, log: Log, others: Callable[[], Others] | None,
    workers: int = 1, parent: Door | None = None, kept: Kept | None = None,
) -> SharedLimits | None:  # fmt: skip
    """What counts with other processes; None where there are no servers, and no parent to count for this one."""
    if not settings.servers and parent is None:
        return None
    return SharedLimits(reactor, settings, clock, metrics, log, others, workers, parent, kept)


def faults_of(limits: SharedLimits | None, others: Callable[[], Others] | None) -> Iterator[str]:
    """Why limits are not counted with all other nodes, a line for each."""
    if limits is not None:
        yield from limits.faults()
    elif others is not None and (found := others()).apart:
        yield f"{elsewhere(found)}; {ALONE}"
