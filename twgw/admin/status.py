"""Whether a node is ready, and what an operator should look at.  Pure; asked by ``endpoints.py``."""

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen


@frozen
class Status:
    """How a node stands.  ``reasons`` are why it is not ready; ``warnings`` are worth a look, traffic is served."""

    node: str
    position: int
    apis: int
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    workers: tuple[int, int] | None = None
    """How many processes are ready to carry traffic, and how many there are to be; None where one does all."""

    @property
    def ready(self) -> bool:
        """Whether a balancer should send traffic."""
        return not self.reasons

    def document(self) -> dict[str, object]:
        """The answer of ``/readyz``."""
        found: dict[str, object] = {
            "ready": self.ready,
            "node": self.node,
            "position": self.position,
            "apis": self.apis,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
        }
        if self.workers is not None:
            found["workers"] = dict(zip(("ready", "of"), self.workers, strict=True))
        return found


def together(own: Status, workers: Sequence[Status], of: int) -> Status:
    """Judge a node by its parent process and those of its workers that say how they are."""
    ready = sum(it.ready for it in workers)
    said = dict.fromkeys(reason for it in workers for reason in it.reasons if reason not in own.reasons)
    why = "".join(f"; {reason}" for reason in said)
    none = (f"workers: none of {of} is ready{why}",) if not ready else ()
    some = (f"workers: {ready} of {of} are ready{why}",) if 0 < ready < of else ()
    warnings = dict.fromkeys([*own.warnings, *(warning for it in workers for warning in it.warnings), *some])
    return evolve(
        own,
        reasons=(*own.reasons, *none),
        warnings=tuple(warnings),
        workers=(ready, of),
    )


def _api_of(line: str) -> str:
    return line.partition(": ")[0]


def assess(
    node: str,
    *,
    position: int,
    apis: int | None,
    draining: bool,
    fault: str,
    refused: Iterable[str] = (),
    outage: str = "",
    isolated: str = "",
    certificates: Iterable[str] = (),
    counters: Iterable[str] = (),
) -> Status:
    """Judge a node.

    Args:
        position: of the state in force.
        apis: how many are in force; None before there is a state.
        fault: what is wrong with the state as it is now, a line for each fault.
        refused: APIs that cannot be had and never could be, whose calls are answered with 503.
        outage: why the database does not answer.
        isolated: why the node is cut off from its cluster; empty where it is not.
        certificates: what is wrong with those of the listeners as their files are now.
        counters: why servers of memcached do not count, and what that means, a line for each.
    """
    reasons = []
    if apis is None:
        reasons.append("config: no state is deployed yet")
    if draining:
        reasons.append("draining: the node is stopping")
    if isolated:
        text = "requests are refused meanwhile, but for APIs with when_isolated: stale"
        reasons.append(f"cluster: {isolated}; {text}")
    never = frozenset(refused)
    kept, gone = "the last good state serves", "its calls are answered with 503"
    warnings = [f"state: {line}; {gone if _api_of(line) in never else kept}" for line in fault.splitlines()]
    served = "" if isolated else "; what is known is served, the rest is refused"
    warnings += [f"database: {outage}{served}"] * bool(outage)
    warnings += [f"certificate: {line}; the last good one serves" for line in certificates]
    warnings += [f"memcached: {line}" for line in counters]
    return Status(node, position, apis or 0, tuple(reasons), tuple(warnings))
