"""Whether a node is ready, and what an operator should look at.  Pure; asked by ``endpoints.py``."""

from collections.abc import Iterable

from attrs import frozen


@frozen
class Status:
    """How a node stands.  ``reasons`` are why it is not ready; ``warnings`` are worth a look, traffic is served."""

    node: str
    position: int
    apis: int
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether a balancer should send traffic."""
        return not self.reasons

    def document(self) -> dict[str, object]:
        """The answer of ``/readyz``."""
        return {
            "ready": self.ready,
            "node": self.node,
            "position": self.position,
            "apis": self.apis,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
        }


def assess(
    node: str,
    *,
    position: int,
    apis: int | None,
    draining: bool,
    fault: str,
    outage: str = "",
    isolated: bool = False,
    certificates: Iterable[str] = (),
    counters: Iterable[str] = (),
) -> Status:
    """Judge a node.

    Args:
        position: of the state in force.
        apis: how many are in force; None before there is a state.
        fault: what is wrong with the state as it is now, a line for each fault.
        outage: why the database does not answer.
        isolated: whether the node is cut off from its cluster.
        certificates: what is wrong with those of the listeners as their files are now.
        counters: why servers of memcached do not count, a line for each.
    """
    reasons = []
    if apis is None:
        reasons.append("config: no state is deployed yet")
    if draining:
        reasons.append("draining: the node is stopping")
    if isolated:
        reasons.append("cluster: it is not known here what others revoked; every request is refused until it is")
    warnings = [f"state: {line}; the last good state serves" for line in fault.splitlines()]
    warnings += [f"database: {outage}; what is known is served, the rest is refused"] * bool(outage)
    warnings += [f"certificate: {line}; the last good one serves" for line in certificates]
    warnings += [f"memcached: {line}; limits counted there are degraded to the share of one node" for line in counters]
    return Status(node, position, apis or 0, tuple(reasons), tuple(warnings))
