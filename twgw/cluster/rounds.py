"""A process with the database looks each second after its session, and when the node stops, the session ends.

A service of the node, made by ``startup_cluster.py``.
"""

from collections.abc import Callable
from typing import Any

from twisted.application.internet import TimerService
from twisted.internet.defer import Deferred, maybeDeferred

from twgw.cluster.membership import Membership

EVERY = 1.0
"""Seconds between two renewals when nobody waits."""


class Rounds(TimerService):
    """Looks each second, and has others look (``also``); when the node stops, the session ends."""

    def __init__(self, membership: Membership, reactor: Any, also: Callable[[], object] = lambda: None) -> None:
        super().__init__(EVERY, self._look)
        self.clock = reactor
        self._membership = membership
        self._also = also

    def _look(self) -> None:
        self._membership.look()
        self._also()

    def stopService(self) -> "Deferred[Any]":  # noqa: N802 - Twisted's name
        """Look no more, and end the session."""
        stopped = maybeDeferred(super().stopService)
        return stopped.addCallback(lambda _: Deferred.fromCoroutine(self._membership.stop()))
