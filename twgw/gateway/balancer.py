"""Choose one of several servers: smooth weighted round robin.

Pure.  ``gateway/upstream.py`` has one Balancer for the targets of an upstream and one for the addresses of a target.
"""

from collections.abc import Callable, Sequence


class Balancer:
    """Gives each server its share of the choices, spread as evenly as can be (nginx's algorithm).

    With weights 5, 1, 1 the choices are a a b a c a a, not a a a a a b c.
    """

    __slots__ = ("_lead", "_weights")

    def __init__(self, weights: Sequence[int]) -> None:
        """Raises ValueError when there is no server, or one with a weight below 1."""
        if not weights or min(weights) < 1:
            raise ValueError(f"there must be a server, and every weight must be > 0: {list(weights)}")
        self._weights = tuple(weights)
        self._lead = [0] * len(weights)
        """How much each server got less than its share, in units of weight."""

    def choose(self, usable: Callable[[int], bool]) -> int | None:
        """The number of the next server among the usable ones, None when there is none."""
        weights = self._weights
        if len(weights) == 1:
            return 0 if usable(0) else None
        lead = self._lead
        best: int | None = None
        total = 0
        for server, weight in enumerate(weights):
            if usable(server):
                total += weight
                lead[server] += weight
                if best is None or lead[server] > lead[best]:
                    best = server
        if best is not None:
            lead[best] -= total
        return best
