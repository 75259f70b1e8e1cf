"""Make connections to other nodes, and as many as there is room for.  Used by ``service.py``, on both sides."""

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twgw.cluster.here import Here
from twgw.cluster.protocol import Peer


class PeerFactory(Factory):
    """Makes a Peer of each connection, as long as there is room."""

    noisy = False

    def __init__(
        self, here: Here, link: str | None = None, most: int = 2000, most_strangers: int = 100, most_of_one: int = 50
    ) -> None:
        """``most_strangers``: who said nothing yet; ``most_of_one``: of them at one address, for the sake of others."""
        self._here = here
        self._link = link
        self._most = most
        self._most_strangers = most_strangers
        self._most_of_one = most_of_one

    def buildProtocol(self, addr: IAddress | None) -> Peer | None:  # noqa: N802 - Twisted's name
        """A Peer, or None to refuse the connection."""
        host = str(getattr(addr, "host", "a peer"))
        if self._link is None and self._is_full(host):
            self._here.refusals.add("full", host, "too many connections are open")
            return None
        return Peer(self._here, self._link)

    def _is_full(self, host: str) -> bool:
        peers = self._here.peers
        strangers = [peer for peer in peers if not peer.greeted]
        there = sum(peer.host == host for peer in strangers)
        return len(peers) >= self._most or len(strangers) >= self._most_strangers or there >= self._most_of_one
