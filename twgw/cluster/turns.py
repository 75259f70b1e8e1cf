"""No node takes all the time of another: so many of its questions are under way, so much of each second is its own.

However many connections a node opens for one purpose, they count together; what is large holds up nothing that is
urgent.  Whoever is over that is not read from: what it sends waits in its own machine, and nobody else does.  Asked by
``protocol.py``; ``look`` is called every second.
"""

from collections import Counter, deque
from typing import Any

from attrs import define, field

from twgw.cluster.refusals import Refusals

MOST_RUNNING = 4
"""Questions of one node that are being answered, for one purpose; then no more are read.  Half of the threads that read
the database (``storage/database.py``), which the node's own gateway and its session need, too."""
SHARE = 0.5
"""Of each second, that the thread of the reactor spends on what one node sends."""
MOST_CONNECTIONS = 200
"""Of one node: two for each of its processes, and one for each command that it runs."""


Who = tuple[str, str]
"""A node, and what connections of it are for."""


@define(eq=False)
class Turns:
    """Who has its turn.  ``share`` None: everybody, as they are processes of this node."""

    refusals: Refusals
    share: float | None = SHARE
    _running: Counter[Who] = field(factory=Counter)
    _used: dict[str, float] = field(factory=dict)
    _waiting: "dict[Who, deque[Any]]" = field(factory=dict)
    """Peers that are not read from."""
    _busy: set[Who] = field(factory=set)

    def begin(self, who: Who) -> None:
        """A question of a node is being answered."""
        self._running[who] += 1

    def used(self, node: str, seconds: float) -> None:
        """Time was spent on a node."""
        if self.share is not None:
            self._used[node] = self._used.get(node, 0.0) + seconds

    def heed(self, peer: Any) -> None:
        """Read no more from a peer when its node has had its turn."""
        who = peer.who
        if self._is_over(who) and not peer.paused:
            peer.pauseProducing()
            self._waiting.setdefault(who, deque()).append(peer)
            if self._is_late(who[0]):
                self.refusals.add("flood", who[0], f"it sends more than is read in {self.share:g} s of a second")

    def end(self, who: Who) -> None:
        """A question was answered."""
        self._running[who] -= 1
        if not self._running[who]:
            del self._running[who]
        self._go_on(who)

    def look(self) -> None:
        """Another second."""
        self._used.clear()
        for who in list(self._waiting):
            self._go_on(who)

    def _go_on(self, who: Who) -> None:
        """Read from those again that wait, as long as it is their turn."""
        waiting = self._waiting.get(who)
        if not waiting or who in self._busy:
            return
        self._busy.add(who)  # what is read now may be answered at once
        while waiting and not self._is_over(who):
            waiting.popleft().go_on()
        self._busy.discard(who)
        if not waiting:
            del self._waiting[who]

    def _is_over(self, who: Who) -> bool:
        return self._running[who] >= MOST_RUNNING or self._is_late(who[0])

    def _is_late(self, node: str) -> bool:
        return self.share is not None and self._used.get(node, 0.0) >= self.share
