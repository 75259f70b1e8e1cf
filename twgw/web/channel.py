"""How a listener of twisted.web reads HTTP/1, and what its sites have in common.

A line of a head that begins with a blank goes on with the field above it for twisted.web, and is a field of its own, or
nothing, for others (RFC 9112, 5.2): the gateway refuses that, and so does what stands beside it.
"""

from typing import Any

from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Site


class Channel(HTTPChannel):
    """A connection of a client.  None has another protocol by TLS: a proxy ends that."""

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take a line of a head, unless it goes on with another one."""
        if line[:1] in (b" ", b"\t"):
            self._respondToBadRequestAndDisconnect()
        else:
            super().lineReceived(line)


def site(root: Resource, **options: Any) -> Site:
    """What a listener answers: it says nothing of its code, and of requests nothing in the log of the node."""
    made: Any = Site(root, **options)
    made.protocol = Channel
    made.displayTracebacks = False
    made.noisy = False
    made.log = lambda _request: None
    return made  # type: ignore[no-any-return]
