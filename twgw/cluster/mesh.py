"""Connections of key managers to each other, by which each hears at once what another has appended, or is done with.

Nothing rests on them: without, the same is read in the database, up to a second later.  So a key manager opens one to
each session that it sees there and only speaks on it; what it hears, comes on those that the others opened.
Made by ``startup_cluster.py``; a service of ``tap.py``.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred

from twgw.cluster.carrying import Carrier
from twgw.cluster.completion import Session
from twgw.cluster.factory import PeerFactory
from twgw.cluster.here import Here
from twgw.cluster.links import Connections, Link, opened
from twgw.cluster.messages import Relay, RelayDone
from twgw.cluster.settings import Address
from twgw.cluster.tls import Tls

Connect = Callable[[Address, Here], Any]
"""Opens a connection: returns a Deferred of a Peer."""


class Mesh(Service):
    """The connections to all other key managers.

    Args:
        own: where this one is reached, which is left out.
        here: of the connections that others open.
        sessions: called every second: those that there are.
    """

    def __init__(self, own: str, here: Here, connect: Connect, sessions: Callable[[], Iterable[Session]]) -> None:
        self.here = evolve(here, peers=set(), answers={}, arrived=lambda _peer: None)
        self._all: Connections[str] = Connections(self.here)
        self._own = own
        self._connect = connect
        self._sessions = sessions
        self._carrier = Carrier({}, lambda _peer, _message: None)

    def look(self) -> None:
        """Open what is missing, close what is too much, and see after the rest; called every second."""
        if self.running:
            self._follow({it.address: it.node for it in self._sessions() if it.address not in ("", self._own)})
            self._all.look()

    def _follow(self, named: Mapping[str, str]) -> None:
        """Have a link to each address, which is that of a node."""
        links = self.links
        for address in links.keys() - named.keys():
            links.pop(address).end()
        for address in sorted(named.keys() - links.keys()):
            connect = partial(self._opened, address)
            links[address] = Link(f"{named[address]} at {address}", connect, self.here, lambda: None)

    def _opened(self, address: str) -> "Deferred[Any]":
        """A connection; it fails for an address that is not understood, as a later version may write it."""
        return maybeDeferred(lambda: self._connect(Address.from_text(address), self.here))

    @property
    def links(self) -> dict[str, Link]:
        """By address."""
        return self._all.links

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Let go of all of them."""
        super().stopService()
        self._all.end()

    def tell(self, message: Relay | RelayDone) -> None:
        """Tell everybody who is connected."""
        for link in self.links.values():
            if link.peer is not None:
                self._carrier.tell(link.peer, message)


def connecting(reactor: Any, tls: Tls) -> Connect:
    """Open connections over the network."""
    return lambda address, here: opened(reactor, address, tls, PeerFactory(here, "relay"))
