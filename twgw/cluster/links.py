"""Connections to the key managers of the cluster that stay: made again when they end, with pauses that grow.

Two for each, so that what is large delays nothing that is urgent.  Made by ``startup.py`` for a gateway without a
database; a service of ``tap.py``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.python.failure import Failure

from twgw.cluster.commands import Lost, Ping
from twgw.cluster.factory import PeerFactory
from twgw.cluster.here import Here
from twgw.cluster.outcomes import words
from twgw.cluster.protocol import Peer
from twgw.cluster.settings import Address
from twgw.cluster.tls import Tls

Name = TypeVar("Name")
CONNECT_WITHIN = 5.0
LONGEST_PAUSE = 5.0
"""Seconds."""
PATIENCE = 1.0
"""Seconds in which whoever is let go of takes what was said last."""


class Link:
    """One connection, made again and again.  ``connect()`` returns a Deferred of a Peer."""

    def __init__(
        self, name: str, connect: Callable[[], Any], here: Here, ready: Callable[[], object],
        failed: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self.name = name
        self.peer: Peer | None = None
        """Whoever said hello; None while nobody does."""
        self.tried = False
        """Whether it is known if somebody does."""
        self.why = "it was not tried yet"
        """Why nobody does."""
        self._connect = connect
        self._here = here
        self._ready = ready
        self._fails = failed
        self._busy = False
        self._failures = 0
        self._next = 0.0
        self._ended = False

    def look(self) -> None:
        """Connect when it is time to; else see whether the other end is alive.  Called every second."""
        if self.peer is not None:
            self.peer.ask(Ping).addErrback(lambda _failure: None)
        elif not self._busy and self._here.now() >= self._next:
            self._busy = True
            self._connect().addCallback(lambda peer: peer.ready).addCallbacks(self._connected, self._failed)

    def _connected(self, peer: Peer) -> None:
        self._busy, self._failures, self.tried = False, 0, True
        if self._ended:
            peer.close()
            return
        self.peer = peer
        if self.why:
            self._here.log.info("connected to {name}", name=self.name)
        self.why = ""
        self._ready()

    def _failed(self, failure: Failure) -> None:
        self._busy, self.tried = False, True
        self._failures += 1
        self._next = self._here.now() + min(LONGEST_PAUSE, 0.5 * self._failures)
        self._say(words(failure))
        self._fails()

    def end(self) -> None:
        """It is not wanted any more."""
        self._ended = True
        if self.peer is not None:
            self.peer.close()

    def lost(self) -> None:
        """The connection ended; the next try is at once."""
        self.peer = None
        self._say("the connection ended")

    def _say(self, why: str) -> None:
        if why != self.why:
            self._here.log.warn("no connection to {name}: {why}", name=self.name, why=why)  # noqa: G010 - not logging's
        self.why = why


class Connections(Generic[Name]):
    """Connections that stay, by their names; ``here`` is what they share."""

    def __init__(self, here: Here) -> None:
        self.links: dict[Name, Link] = {}
        self._gone: Deferred[None] | None = None
        """Fires when nobody is connected any more, where that is waited for."""
        self._here = here
        here.left = self._left

    def look(self) -> None:
        """See after every connection; called every second."""
        self._here.look()
        for link in self.links.values():
            link.look()

    def end(self) -> None:
        """Let go of all of them."""
        for peer in list(self._here.peers):
            peer.abort(Lost("the node stops"))

    def close(self, reactor: Any) -> "Deferred[None]":
        """Let go of all of them once they have what they were told last: say, that a lease is given back.

        Fires when they are gone; whoever does not take it is cut off.
        """
        greeted = [peer for peer in self._here.peers if peer.greeted]
        if not greeted:
            self.end()
            return succeed(None)
        self._gone = Deferred(lambda _: self.end())
        gone = self._gone.addTimeout(PATIENCE, reactor, lambda *_: None)
        for peer in greeted:
            peer.close()
        return gone

    def _left(self, peer: Peer) -> None:
        for link in self.links.values():
            if link.peer is peer:
                link.lost()
        if self._gone is not None and not self._gone.called and not any(it.greeted for it in self._here.peers):
            self.end()
            self._gone.callback(None)


class Links(Service):
    """The connections to all key managers.  ``ready`` is called for each that is made."""

    def __init__(
        self, reactor: Any, addresses: Sequence[Address], tls: Tls, here: Here, ready: Callable[[], object]
    ) -> None:
        self.here = here
        self.tls = tls
        self._reactor = reactor
        self._ready = ready
        self._waiting: list[Deferred[None]] = []
        self._over = False
        self._all: Connections[tuple[Address, str]] = Connections(here)
        self._all.links = {
            (address, link): Link(
                f"{address} ({link})", partial(opened, reactor, address, tls, PeerFactory(here, link)), here,
                self._connected, self._settle,
            )
            for address in addresses
            for link in ("control", "bulk")
        }  # fmt: skip

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Connect."""
        super().startService()
        self.look()

    def stopService(self) -> "Deferred[None]":  # noqa: N802 - Twisted's name
        """Let go of all of them."""
        super().stopService()
        closed = self._all.close(self._reactor)
        self._over = True
        self._settle()
        return closed

    def tried(self) -> "Deferred[None]":
        """Fires when somebody can be asked, or it is known why not: not at once when the node has just begun."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._settle()
        return waiting

    def _connected(self) -> None:
        self._settle()
        self._ready()

    def _settle(self) -> None:
        known = self._over or self.peers("bulk") or all(it.tried for it in self._of("bulk").values())
        waiting, self._waiting = (self._waiting, []) if known else ([], self._waiting)
        for each in waiting:
            each.callback(None)

    def look(self) -> None:
        """See after every connection; called every second."""
        if self.running:
            self._all.look()

    def peers(self, link: str) -> list[Peer]:
        """Whoever can be asked, in the order of the setting."""
        return [it.peer for it in self._of(link).values() if it.peer is not None]

    def _of(self, link: str) -> dict[Address, Link]:
        return {address: it for (address, kind), it in self._all.links.items() if kind == link}

    @property
    def why(self) -> str:
        """Why nobody can be asked."""
        return "; ".join(f"{address}: {it.why}" for address, it in self._of("bulk").items())


def opened(reactor: Any, address: Address, tls: Any, factory: PeerFactory) -> Any:
    """Open a connection: a Deferred of a Peer, which has said nothing yet."""
    endpoint = wrapClientTLS(tls, HostnameEndpoint(reactor, address.host, address.port, CONNECT_WITHIN))
    return endpoint.connect(factory)


async def connect(reactor: Any, address: Address, tls: Any, here: Here, link: str) -> Peer:
    """One connection, once, for a command.  Raises Lost, and what the other end answers to hello."""
    try:
        peer = await opened(reactor, address, tls, PeerFactory(here, link))
    except Exception as error:
        raise Lost(words(Failure(error))) from error
    ready: Peer = await peer.ready
    return ready
