"""Who counts limits together with this process: how many there are, and whether they count on the same servers.

Without a cluster that is the setting ``nodes``; in one, leases tell it (``cluster/counting.py``).  Pure.
"""

from hashlib import blake2b

from attrs import frozen

from twgw.throttle.settings import Memcached


@frozen
class Others:
    """What is known of them."""

    nodes: int = 1
    """How many processes count together, this one among them."""
    share: bool = True
    """Whether this one may count its share of a limit alone: all others leave it that much."""
    apart: tuple[str, ...] = ()
    """Nodes that count on other servers."""


@frozen
class CountsOn:
    """A process that counts, as it tells it: its node, and a digest of where it counts; empty: in itself."""

    node: str = ""
    servers: str = ""


def digest_of(settings: Memcached) -> str:
    """Equal for nodes that find each counter at the same place; empty for one that counts in itself.

    >>> from twgw.throttle.settings import ServerAddress
    >>> a, b = ServerAddress("a"), ServerAddress("b")
    >>> digest_of(Memcached((a, b))) == digest_of(Memcached((b, a))) != digest_of(Memcached((a,)))
    True
    """
    if not settings.servers:
        return ""
    words = [settings.namespace, *sorted(map(str, settings.servers))]
    return blake2b("\0".join(words).encode(), digest_size=6).hexdigest()
