"""Which nodes of a cluster are not there, and since when: for whoever asks how all of them stand.

A node is one that was given a certificate and not taken out since.  It is there while it may hold a lease or a session,
or is connected.  Pure; ``service.py`` sees who is, and asks.
"""

from collections.abc import Collection, Mapping

from attrs import define, field


@define(eq=False)
class Attendance:
    """What one key manager has seen since it began."""

    nodes: frozenset[str] = frozenset()
    """All there should be."""
    _seen: dict[str, float] = field(factory=dict, init=False)

    def saw(self, there: Collection[str], now: float) -> None:
        """These are there, at a UNIX time."""
        kept = {node: at for node, at in self._seen.items() if node in self.nodes}
        self._seen = kept | dict.fromkeys(self.nodes.intersection(there), now)

    def missing(self, there: Collection[str]) -> Mapping[str, float | None]:
        """Those that are not, and when each was there last; None: it was never seen here."""
        return {node: self._seen.get(node) for node in sorted(self.nodes.difference(there))}
