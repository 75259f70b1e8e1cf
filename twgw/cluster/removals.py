"""Which certificates are refused although they are good: those of nodes that were taken out of the cluster.

A node that came back has another certificate, with another serial number, and that one is good.  ``membership.py``
and the follower of the log tell what the registry has; ``protocol.py`` asks, for each box.  Pure.
"""

from collections.abc import Mapping

from attrs import define, field

from twgw.cluster.authority import Identity
from twgw.registry import Head

TAKEN_OUT = "the node was taken out of the cluster; it comes back by: twgw cluster join, with another certificate"
REPLACED = (
    "the node was taken out of the cluster, and this is its certificate from before: it joined anew since; start it "
    "anew, or stop it where another machine is that node now"
)


@define(eq=False)
class Removals:
    """What a process knows of them."""

    as_of: Head = Head(0, 0)  # noqa: RUF009 - it is frozen
    """Whoever was taken out up to there is refused here."""
    _good: Mapping[str, frozenset[str]] = field(factory=dict, init=False)

    def saw(self, head: Head, removed: Mapping[str, frozenset[str]]) -> None:
        """Who was taken out, with the serial numbers that each was given since, as of a position of the log."""
        if head >= self.as_of:  # else it was read before what is known, and comes later
            self.as_of, self._good = head, removed

    def reached(self, head: Head) -> None:
        """The log was followed up to there, and what it said of nodes was read."""
        self.as_of = max(self.as_of, head)

    def is_out(self, node: str) -> bool:
        """Whether a node was taken out, and did not come back."""
        return not self._good.get(node, True)

    def is_back(self, node: str) -> bool:
        """Whether a node was taken out, and given a certificate since."""
        return bool(self._good.get(node))

    def why(self, identity: Identity | None) -> str:
        """Why a certificate is refused; empty when it is not."""
        if identity is None or not self.refuses(identity):
            return ""
        return REPLACED if self.is_back(identity.node) else TAKEN_OUT

    def refuses(self, identity: Identity | None) -> bool:
        """Whether a certificate is that of a node that was taken out, and is none that it was given since."""
        if identity is None:
            return False
        good = self._good.get(identity.node)
        return good is not None and identity.serial not in good
