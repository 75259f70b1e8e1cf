"""Numbers reserved from a counter that every node adds to: values, commands, what an answer grants, how many to ask.

A counter only grows.  Whoever adds ``k`` to it and is told that it is now ``c`` owns the numbers ``c - k + 1`` to
``c``, and nobody else does; only those up to the limit are good for a request.  So the nodes together admit no more
than the limit, whatever their clocks say, and an answer that is lost loses its numbers.

Pure.  ``accounts.py`` counts with it, ``servers.py`` sends the commands, ``memcached.py`` writes them down.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import NamedTuple

from twgw.model import Limit

NUMBERS = 1 << 32
"""The lower bits of a value count; above them 12 bits say how often it was closed, and 20 who made it."""
NONCE = NUMBERS << 12
MOST = 1 << 30
"""Numbers of a counter.  A larger limit is counted in larger units."""
AHEAD = 0.1
"""Seconds for which a block of numbers should last."""
MONTH = 30 * 86400
"""Above so many seconds memcached takes a lifetime for a UNIX time."""


class Add(NamedTuple):
    """Add to a counter, or make it; the answer is its value after that."""

    key: str
    initial: int
    delta: int
    lifetime: int
    """Of one that is made, as memcached wants it: seconds, or a UNIX time; 0 for ever."""


class Put(NamedTuple):
    """Set a value, when nobody changed it since the answer that had ``cas``; with 0, whatever is there."""

    key: str
    value: int
    cas: int = 0
    lifetime: int = 0


class Answer(NamedTuple):
    """What became of a command that was done."""

    value: int = 0
    cas: int = 0


Command = Add | Put
Reply = Answer | str | None
"""Text says why a server did not do it.  None: nobody knows whether it was done."""


def counted(value: int) -> tuple[int, int, int]:
    """Take a value apart: the nonce of who made it, how often it was closed, and the number that was reached."""
    above, reached = divmod(value, NUMBERS)
    nonce, closed = divmod(above, NONCE // NUMBERS)
    return nonce, closed, reached


def reserve(key: str, nonce: int, numbers: int, lifetime: int, before: int = 0) -> Add:
    """Reserve numbers.  Who has to make the counter puts its own nonce, from 1 to 2^20 - 1, into it.

    ``before``: how many were reserved of one that was lost.
    """
    return Add(key, nonce * NONCE + before + numbers, numbers, lifetime)


def close(key: str, nonce: int, lifetime: int, before: int = 0) -> Add:
    """See to it that nobody is granted anything of a counter any more, and read what it counted."""
    return Add(key, nonce * NONCE + NUMBERS + before, NUMBERS, lifetime)


def key_of(name: str, label: int, lost_at: float) -> str:
    """What the counter of a window is called; one in which data were lost goes on in another."""
    return f"{name}:{label:x}.{int(lost_at * 8):x}" if lost_at else f"{name}:{label:x}"


def granted(limit: int, count: int, asked: int) -> int:
    """How many of the ``asked`` numbers up to ``count`` are within the limit.

    >>> [granted(10, count, 4) for count in (4, 10, 12, 14, 99)]
    [4, 4, 2, 0, 0]
    """
    return asked if count <= limit else max(limit - (count - asked), 0)


def block(left: int, nodes: int, last: int, waiting: int, rate: float) -> int:
    """How many numbers to reserve, at least 1.

    Enough for all that ``waiting`` requests cost, and for a moment more at this ``rate`` (a second), which is believed
    up to twice the ``last`` block.  No node takes more than its share of half of what is ``left``: there is always
    some for one that comes later, and near the limit nothing is left over in a node that does not need it.
    """
    wanted, ahead = waiting, rate * AHEAD
    if ahead > waiting:
        wanted = max(waiting, min(ceil(ahead), 2 * last))
    share = left // (2 * max(nodes, 1))
    return wanted if 0 < wanted <= share else max(min(wanted, share), 1)


def lifetime_of(seconds: float, now: float) -> int:
    """A lifetime as memcached wants it, from ``now`` in UNIX time."""
    return ceil(seconds) if seconds <= MONTH else min(ceil(now + seconds), (1 << 31) - 1)


def name_of(namespace: str, limit: Limit, key: str) -> str:
    """What the counter of a limit and a key is called: nothing that a client sends stands in a key of memcached."""
    digest = _begun(namespace, limit).copy()
    digest.update(key.encode("utf-8", "surrogatepass"))
    return "t" + b2a_base64(digest.digest(), newline=False).decode()


@lru_cache(1024)
def _begun(namespace: str, limit: Limit) -> blake2b:
    definition = (limit.amount, limit.period, limit.algorithm.value, limit.burst, limit.unit.value)
    return blake2b(f"{namespace}\0{definition}\0".encode(), digest_size=12)


def place_of(name: str, servers: Sequence[str]) -> int:
    """Which of the servers keeps a counter: rendezvous hashing, so all nodes agree that have the same list.

    One server more, or less, moves only the counters that are, or were, on it.
    """
    if len(servers) == 1:
        return 0
    scores = [blake2b(f"{server}\0{name}".encode(), digest_size=8).digest() for server in servers]
    return scores.index(max(scores))
