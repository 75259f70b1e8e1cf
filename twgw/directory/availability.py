"""Which server is asked first, and when a store is left alone: a state machine with time as an argument.

Used by ``ldap.py`` on the reactor's thread, for each store its own, so that one dead store does not slow another down.
"""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

from attrs import define, field

S = TypeVar("S")


@define(eq=False)
class Availability(Generic[S]):
    """What is known of the servers of one store.

    ``failures`` in a row open the breaker for ``rest`` seconds; then one question is let through, and another after
    the same time unless that one was answered, which closes it.
    """

    servers: Sequence[S]
    failures: int
    rest: float
    _failed_until: dict[S, float] = field(factory=dict, init=False)
    _in_a_row: int = field(default=0, init=False)
    _open_until: float = field(default=0.0, init=False)

    def allows(self, now: float) -> bool:
        """Whether a question may be asked.  While the breaker is open, the first after a rest is let through."""
        if self._in_a_row < self.failures:
            return True
        if now < self._open_until:
            return False
        self._open_until = now + self.rest
        return True

    def order(self, now: float) -> list[S]:
        """All servers: those that work as they are listed, then those that failed, the longest ago first."""
        return sorted(self.servers, key=lambda server: max(now, self._failed_until.get(server, now)))

    def server_failed(self, server: S, now: float) -> None:
        """A server did not answer: others are asked first for a while."""
        self._failed_until[server] = now + self.rest

    def server_worked(self, server: S) -> None:
        """A server answered."""
        self._failed_until.pop(server, None)

    def worked(self) -> None:
        """A question was answered."""
        self._in_a_row = 0

    def failed(self, now: float) -> None:
        """A question was not answered by any server."""
        self._in_a_row += 1
        self._open_until = now + self.rest

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        """How it stands, for people."""
        if self._in_a_row < self.failures:
            return "closed"
        return "open" if now < self._open_until else "half-open"
