"""What a gateway reads of the registry, wherever that is: in a database of its node, or with a key manager.

``storage/reader.py`` reads the one, ``cluster/remote.py`` asks the other; ``gateway/follower.py`` and
``gateway/registry.py`` know no difference.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, Protocol

from attrs import field, frozen

from twgw.cache import Fact
from twgw.model import Api
from twgw.registry import Head, News, SecretKey, Served
from twgw.throttle.kept import Counted

AT_A_TIME = 25
"""APIs that are read at once, of many that have changed: whoever reads them for others has others to answer, too."""


class Key(NamedTuple):
    """A credential that is asked for: what its fact is called here, its kind, its digests under the peppers in use."""

    fact: bytes
    kind: str
    digests: tuple[str, ...]


class Right(NamedTuple):
    """A subscription that is asked for, and what its fact is called."""

    application: str
    api: str


Found = tuple[Fact, dict[Right, Fact]]
"""What is known of one thing, and of the rights that come with a key."""


@frozen
class Secrets:
    """The secrets of the cluster that a gateway needs, each kind with the newest first."""

    peppers: tuple[SecretKey, ...] = field(repr=False)
    signing: tuple[SecretKey, ...] = field(repr=False)
    issuer: str = ""
    """In whose name tokens are signed; empty: in that of the node itself."""
    head: Head = Head(0, 0)  # noqa: RUF009 - it is frozen
    """As of which position of the log."""
    removed: Mapping[str, frozenset[str]] | None = None
    """Nodes that were taken out, each with the serial numbers of certificates that it was given since; None: unsaid."""


class Reader(Protocol):
    """Reads the registry.  Every method raises ``storage.errors.Unavailable`` when nobody answers."""

    @property
    def name(self) -> str:
        """Where the registry is, for the log."""

    @property
    def whom(self) -> str:
        """Who is asked, in words: the database."""

    def at_start(self) -> tuple[Head, Served] | None:
        """The same as ``everything``, of however many, before the reactor runs; None where that cannot be."""

    def everything(self, most: int | None = None) -> Awaitable[tuple[Head, Served]]:
        """Everything that is to be in force, and as of which position.

        Of more APIs than ``most`` it has names and states alone (``Served.unread``); an earlier key manager tells all.
        """

    def news(self, since: Head, most: int | None = None) -> Awaitable[News | None]:
        """What followed a position; None when that can no longer be said.

        Of more APIs than ``most`` it has names and states alone (``News.unread``); an earlier key manager tells all.
        """

    def apis(self, names: Sequence[str]) -> Awaitable[Mapping[str, Api | None]]:
        """APIs as clients are to find them, at most ``AT_A_TIME``; None for one that they are not to find."""

    def facts(self, wanted: Sequence[Key | Right], now: float) -> Awaitable[list[Found]]:
        """What is known of each thing, as of a position that was read before it.  ``now`` in UNIX seconds."""

    def secrets(self, now: float) -> Awaitable[Secrets]:
        """The secrets that are not retired."""

    def counted(self, place: str, now: float) -> Awaitable[Sequence[Counted]]:
        """What was counted against long limits at a place, and is worth something still."""

    def counted_at_start(self, place: str, now: float) -> Sequence[Counted] | None:
        """The same, before the reactor runs; None where that cannot be."""

    def keep_counted(self, place: str, values: Sequence[Counted], now: float) -> Awaitable[None]:
        """Keep what was counted, where it is more than what is kept."""
