"""What a node with the database tells other nodes of itself, in its session, for ``twgw doctor``.

Which servers of memcached it counts on is looked at in a thread, each minute: two nodes may name the same in the same
words, and yet reach different ones.  Made by ``startup_cluster.py``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.application.internet import TimerService
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twgw import __version__
from twgw.cluster.reports import About
from twgw.memcached import see
from twgw.policy.interfaces import Log
from twgw.throttle.settings import Memcached

EVERY = 60.0
"""Seconds between two looks at memcached."""
SOON = 2.0
"""Seconds after the start until the first: the node marks a server that is new."""
PATIENCE = 1.0


@define(eq=False)
class Introduction:
    """Says what this node is; ``in_thread`` runs a function off the reactor, ``wall`` is UNIX time."""

    memcached: Memcached
    in_thread: Callable[..., "Deferred[Any]"]
    wall: Callable[[], float]
    log: Log
    _seen: Mapping[str, str] = field(factory=dict, init=False)

    def about(self) -> About:
        """As of this moment."""
        return About(__version__, self.wall(), self._seen)

    def look(self) -> "Deferred[None]":
        """See which servers there are."""
        return self.in_thread(marks_of, self.memcached).addCallbacks(self._saw, self._failed)

    def _saw(self, seen: Mapping[str, str]) -> None:
        self._seen = seen

    def _failed(self, failure: Failure) -> None:
        self.log.error("memcached could not be looked at: {error}", error=failure.getTraceback())


def marks_of(settings: Memcached) -> Mapping[str, str]:
    """The mark of each server, as it is seen from here; empty for one that does not answer."""
    found = {}
    for address in settings.servers:
        try:
            found[str(address)] = see(address, PATIENCE, settings.namespace).mark
        except OSError:
            found[str(address)] = ""
    return found


class Looks(TimerService):
    """Looks soon after the start, and then each minute."""

    def __init__(self, introduction: Introduction, reactor: Any) -> None:
        super().__init__(EVERY, introduction.look)
        self.clock = reactor
        self._reactor = reactor
        self._first: Any = None
        self._introduction = introduction

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin."""
        super().startService()
        self._first = self._reactor.callLater(SOON, self._introduction.look)

    def stopService(self) -> Any:  # noqa: N802 - Twisted's name
        """Look no more."""
        if self._first is not None and self._first.active():
            self._first.cancel()
        return super().stopService()
