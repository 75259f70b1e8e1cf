"""What goes wrong in a long run, and when: drawn from a seed, so that the same seed draws the same again.

Pure; ``faults.py`` does it, ``run.py`` asks.
"""

import random

from attrs import frozen

GATEWAYS = ("a", "b", "g")
LINKS = ("a-database", "b-database", "a-memcached", "b-memcached", "g-memcached", "g-a", "g-b")
WHOLE = ("database", "memcached", "g")
"""All links to the database, to memcached, of the gateway: cut at once."""
KINDS = {
    "pause": (6, (*GATEWAYS, "memcached", "database")),
    "kill": (4, (*GATEWAYS, "memcached", "database")),
    "cut": (5, (*LINKS, *WHOLE)),
    "cut one way": (4, LINKS),
    "delay": (3, LINKS),
    "loss": (3, LINKS),
    "failover": (2, ("database",)),
    "flush": (2, ("memcached",)),
    "old data": (2, ("memcached",)),
    "clock": (1, GATEWAYS),
}
"""Each kind, how often it is drawn beside the others, and what it is done to."""
LASTS = ("pause", "cut", "cut one way", "delay", "loss", "failover", "clock")
TOUCHES = {"database": ("a-database", "b-database"), "memcached": ("a-memcached", "b-memcached", "g-memcached")}
QUIET_AFTER = 30
"""Faults after which everything is healed, so that it is seen to be well."""


@frozen
class Fault:
    """One thing that goes wrong."""

    kind: str
    target: str
    seconds: float = 0.0
    """For how long."""
    seed: int = 0
    """Of what else is chosen by chance."""

    def __str__(self):
        return f"{self.kind} {self.target}" + (f" for {self.seconds:.1f} s" if self.seconds else "")


def draw(seed, kinds=tuple(KINDS), longest=30.0, shortest=0.1):
    """Faults without an end.  How long they last is spread over orders of magnitude."""
    chance = random.Random(f"{seed}")
    weights = [KINDS[kind][0] for kind in kinds]
    while True:
        kind = chance.choices(kinds, weights)[0]
        seconds = shortest * (longest / shortest) ** chance.random() if kind in LASTS else 0.0
        yield Fault(kind, chance.choice(KINDS[kind][1]), round(seconds, 3), chance.randrange(1 << 30))


def touched(fault):
    """What nobody else may do something to meanwhile."""
    if fault.kind in {"cut", "cut one way", "delay", "loss"}:
        if fault.target == "g":
            return {"g-a", "g-b", "g-memcached"}
        return set(TOUCHES.get(fault.target, (fault.target,)))
    if fault.kind == "failover":
        return {"database", *TOUCHES["database"]}
    return {fault.target}
