"""Does a peer take what it is sent?  Told by its transport, asked by ``protocol.py``."""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Outlet:
    """Hears whether the peer takes what is sent."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.blocked_since: float | None = None
        self.unsent = 0

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """It does not."""
        if self.blocked_since is None:
            self.blocked_since = self._now()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """It does again."""
        self.blocked_since, self.unsent = None, 0

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The connection ended."""
