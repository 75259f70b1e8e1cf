"""A listener of the control plane: binds, answers by an application in threads, and drains before it ends.

Made by ``tap.py``, one for each application.
"""

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.resource import Resource

from twgw.listen import Listen
from twgw.web.channel import site
from twgw.web.resource import Served

IDLE = 60
"""Seconds that a connection may be idle."""


class WebListener(Service):
    """One plain TCP listener; for TLS a proxy stands before it."""

    def __init__(self, reactor: Any, where: Listen, served: Served, root: Resource | None = None) -> None:
        """``root``: what is answered, where that is more than the application."""
        self._root = root or served.resource()
        self._reactor = reactor
        self._where = where
        self._served = served
        self._port: Any = None

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Bind."""
        answers = site(self._root, requestFactory=self._served.request, timeout=IDLE)  # the audit has who changed what
        interface = self._where.interface or "127.0.0.1"
        self._port = self._reactor.listenTCP(self._where.port, answers, interface=interface)

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Answer."""
        super().startService()
        self._served.start()

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Take no more connections, then end what is under way."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        await self._served.stop()

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        number: int = self._port.getHost().port
        return number
