"""The ``[memcached]`` section: which servers count limits for several nodes.  Filled by ``config.py``."""

import re

from attrs import frozen, validators

from twgw.faults import Fault, SettingsError
from twgw.model import positive
from twgw.settings import setting

_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
PORT = 11211


@frozen
class ServerAddress:
    """Where one server listens: a host and its port, or the path of a socket."""

    host: str
    port: int = PORT

    @classmethod
    def from_text(cls, text: str) -> "ServerAddress":
        """Read ``HOST``, ``HOST:PORT`` or ``/PATH``.  Raises ValueError."""
        if text.startswith("/"):
            return cls(text, 0)
        found = _PLACE.fullmatch(text)
        if not found or (found[2] and not 0 < int(found[2]) < 65536):
            raise ValueError(f"must be HOST, HOST:PORT where that is not {PORT}, or the path of a socket")
        return cls(found[1].strip("[]").lower(), int(found[2] or PORT))

    @property
    def place(self) -> tuple[str, int] | str:
        """As pymemcache wants it."""
        return (self.host, self.port) if self.port else self.host

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def _each_once(_instance: object, _attribute: object, servers: tuple[ServerAddress, ...]) -> None:
    again = [place for place, server in enumerate(servers) if server in servers[:place]]
    if again:
        raise SettingsError([Fault(f"[{place}]", "stands there already") for place in again])


@frozen
class Memcached:
    """Servers that count limits for all nodes that name them. Without one, each node counts by itself."""

    servers: tuple[ServerAddress, ...] = setting(
        "HOST, HOST:PORT where that is not 11211, or the path of a socket. Every node must name the same ones in the "
        "same words: each counter has its place on one of them. Run them with memcached -M, or counters get lost.",
        default=(),
        validator=_each_once,
    )
    keys: tuple[ServerAddress, ...] = setting(
        "Servers in which gateways keep for each other what they read of keys and subscriptions, in the same form. Not "
        "those that count: these may forget what they like. Worth it where many gateways ask a database that is busy.",
        default=(),
        validator=_each_once,
    )
    nodes: int = setting(
        "How many processes count together. While a server does not answer, each lets pass this part of a limit. "
        "In a [cluster] it is known, and this does not count.",
        default=1,
        validator=positive,
    )
    timeout: float = setting(
        "Seconds after which a server is taken not to answer. What was asked for is not asked for again.",
        default=0.05,
        validator=positive,
    )
    namespace: str = setting(
        "Tells the counters of several clusters apart that use the same servers.",
        default="twgw",
        validator=validators.matches_re(r"[A-Za-z0-9._-]{0,100}"),
    )
