"""What gateways and key managers tell each other.  Plain values: ``commands.py`` says how they go over a wire.

Each of them may be lost, come late, twice, or in another order; what they mean rests on positions alone.
"""

from functools import partial

from attrs import field, frozen
from attrs.validators import max_len

from twgw.cluster.reports import Report
from twgw.registry import Head
from twgw.throttle.others import CountsOn, Others

LONGEST_NAME = 64
"""Characters by which a gateway calls itself."""


def _is_small(_message: object, _attribute: object, counts: CountsOn) -> None:
    if max(len(counts.node), len(counts.servers)) > 255 or not (counts.node + counts.servers).isprintable():
        raise ValueError("is no name of a node")


@frozen
class LeaseAsked:
    """A gateway asks a key manager for a lease."""

    gateway: str = field(validator=max_len(LONGEST_NAME))
    """Made anew at each start of a process."""
    number: int
    """Of the question: the gateway knows when it asked, and a lease counts from then."""
    applied: Head
    """What the gateway has in force."""
    counts: CountsOn = field(factory=CountsOn, validator=_is_small)
    """Where it counts limits."""
    report: Report = field(factory=Report)


@frozen
class LeaseGiven:
    """The answer: the gateway may trust what it knows for so long, once it has ``need`` in force."""

    gateway: str
    number: int
    seconds: float
    """From the moment at which the gateway asked, by its own clocks."""
    need: Head
    others: Others = field(factory=partial(Others, share=False))
    """Who counts limits together with it."""


@frozen
class LeaseReturned:
    """A gateway uses no lease any more that answered a question up to a number: it stops."""

    gateway: str = field(validator=max_len(LONGEST_NAME))
    number: int


@frozen
class Anew:
    """A key manager tells a gateway that what it serves is not what the registry has: read everything anew."""

    gateway: str


@frozen
class News:
    """A key manager tells its gateways how far the log is, so that they read it at once."""

    head: Head


@frozen
class Ack:
    """A gateway tells its key managers what it has in force."""

    gateway: str = field(validator=max_len(LONGEST_NAME))
    applied: Head
    report: Report = field(factory=Report)


@frozen
class Relay:
    """A key manager that appended to the log tells the others how far it is."""

    head: Head


@frozen
class RelayDone:
    """A key manager tells the others: whoever may trust what it knows by a lease of mine has this in force."""

    session: str
    done: Head
    report: str = ""
    """How its gateways stand, as ``reports.py`` writes it."""
