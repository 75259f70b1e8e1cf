"""Time as the gateway knows it: the ``Clock`` of ``policy/interfaces.py`` on a reactor.

Made by ``tap.py`` and ``testing.py``.  Wall time is read once; after that it moves in step with monotonic time, so that
nobody who sets the system's clock opens or closes a window.
"""

import time
from typing import Any

from twisted.internet.defer import Deferred


class ReactorClock:
    """Monotonic time of the machine, waits of the reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.now = time.monotonic
        self._offset = time.time() - time.monotonic()  # noqa: TID251 - read once, at the start

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return self.now() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking."""
        done: Deferred[None] = Deferred()
        self._reactor.callLater(seconds, done.callback, None)
        await done
