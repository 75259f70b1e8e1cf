"""Make connections to other nodes, and as many as there is room for.  Used by ``service.py``, on both sides."""

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twgw.cluster.here import Here
from twgw.cluster.protocol import Peer


class PeerFactory(Factory):
    """Makes a Peer of each connection, as long as there is room."""

    noisy = False

    def __init__(self, here: Here, link: str | None = None, most: int = 2000, most_strangers: int = 100) -> None:
        self._here = here
        self._link = link
        self._most = most
        self._most_strangers = most_strangers

    def buildProtocol(self, addr: IAddress | None) -> Peer | None:  # noqa: N802 - Twisted's name
        """A Peer, or None to refuse the connection."""
        peers = self._here.peers
        if self._link is None and (
            len(peers) >= self._most or sum(not peer.greeted for peer in peers) >= self._most_strangers
        ):
            self._here.refusals.add("full", str(getattr(addr, "host", "a peer")), "too many connections are open")
            return None
        return Peer(self._here, self._link)
