"""What passes between a limiter and the accounts of its limits.

``shared.py`` asks an account what it knows; when that is nothing, ``ask`` of the account is given an ``Asking`` and
makes commands, and ``answered`` takes the replies and says in a ``Heard`` what came of them.
"""

from attrs import define, frozen

from twgw.throttle.reservation import Command


@define
class Asking:
    """What an account needs to know to ask.  Made for each question, therefore not frozen."""

    now: float
    """UNIX time in seconds."""
    cost: int
    """Of the request that waits longest."""
    waiting: int
    """Of all that wait."""
    nodes: int
    """How many count together."""
    nonce: int
    lost_at: float
    owed: int = 0
    """What this node let pass while it could not ask."""


@frozen
class Heard:
    """What came of asking: a fault by its kind, and commands of which nobody waits for the end."""

    fault: str = ""
    tell: tuple[Command, ...] = ()


LOST, POISONED, REFUSED = "lost", "poisoned", "refused"
"""A counter is not what it was; holds what no node wrote; is not kept by its server, which says why."""
NOTHING = Heard()
SOON = 0.5
"""Seconds after which is asked again what nobody can know yet."""
