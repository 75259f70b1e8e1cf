"""What the core asks of the world, and what the data plane lends to a policy.

The real ones live at the edge (``throttle/local.py``, ``gateway/lookup.py``, …); tests pass their own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Protocol, TypeVar

from attrs import define, frozen

from twgw.model import Charge, Credential, Subscription, Tier

T = TypeVar("T")


class Unanswered(Exception):
    """What decides about a request cannot be known now; the text says why.  The request is refused with 503."""


class Clock(Protocol):
    """Time.  ``now`` never goes back and is for durations; ``wall`` is UNIX time, in step with ``now``."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the gateway."""


@define
class Decision:
    """What a Limiter says about one Charge.  Times in seconds.

    ``remaining`` is what is left of the limit now, ``reset_after`` when it is whole again,
    ``retry_after`` when this charge could succeed (0 when it was allowed).
    """

    charge: Charge
    allowed: bool
    remaining: int
    reset_after: float
    retry_after: float = 0.0


class Limiter(Protocol):
    """Counts charges against limits, exactly."""

    def take_all(self, charges: Sequence[Charge]) -> list[Decision] | Awaitable[list[Decision]]:
        """Take every charge, or none of them when one does not fit.  A limiter that need not wait answers at once."""


class Credentials(Protocol):
    """Finds the owner of a secret."""

    def find(self, kind: str, secret: str) -> Credential | None | Awaitable[Credential | None]:
        """The credential of that kind, None for an unknown, expired or revoked one.  Raises Unanswered."""


class Subscriptions(Protocol):
    """Finds the right of an application to call an API."""

    def find(self, application: str, api: str) -> Subscription | None | Awaitable[Subscription | None]:
        """The subscription of an application to an API (``name:version``).  Raises Unanswered."""

    def tier(self, name: str) -> Tier | None:
        """A tier by its name."""


@frozen
class HttpAnswer:
    """The answer to a call of our own."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """Our own HTTP calls, for policies that ask another service."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        timeout: float = 5.0, limit: int = 1 << 20,
    ) -> HttpAnswer:
        """Call a URL.  Raises OSError when no whole answer of ``limit`` bytes at most came in ``timeout`` seconds."""


@frozen
class DirectoryUser:
    """A user whom a directory knows."""

    store: str
    """Name of the store in which they are."""
    name: str
    """Their name as the directory writes it, however it was typed."""
    dn: str
    groups: tuple[str, ...] = ()
    """Names of their groups in the directory, also of groups that hold those."""
    roles: tuple[str, ...] = ()
    """What the configuration grants these groups in the control plane."""
    consumer_groups: tuple[str, ...] = ()
    """What it grants them for calls of APIs."""
    mail: str = ""
    display_name: str = ""


class Refusal(Enum):
    """Why a directory gives no user; as a condition it is false."""

    UNKNOWN = "unknown"
    WRONG_PASSWORD = "wrong password"
    UNAVAILABLE = "unavailable"
    """Nobody can say: a store does not answer."""

    def __bool__(self) -> bool:
        return False


class Directory(Protocol):
    """Users who are kept elsewhere."""

    async def authenticate(self, user: str, password: str, store: str = "") -> DirectoryUser | Refusal:
        """Who logs in with this name and password; ``store`` names the only one that is asked.

        Raises LookupError when there is no such store, or none at all.
        """

    async def find(self, user: str, store: str = "") -> DirectoryUser | Refusal:
        """A user by name, for their groups and roles.  Nothing is proved by that.  Raises LookupError as above."""


class Passwords(Protocol):
    """Compares passwords with what is stored of them."""

    async def verify(self, stored: str, password: str, keep: float = 0) -> bool:
        """Whether this is the password that was stored so; empty for that of nobody, which takes as long.

        ``keep`` is for how many seconds a right one is known again without the work.  Raises BlockingIOError when too
        many wait, TimeoutError when it takes too long.
        """


class Run(Protocol):
    """Runs what blocks in a thread, as ``Threads.run`` of threads.py."""

    def __call__(self, call: Callable[[], T], timeout: float, late: Callable[[], None] | None = None) -> Awaitable[T]:
        """What the call returns or raises; BlockingIOError when there is no room, TimeoutError when it takes longer."""


class Log(Protocol):
    """The gateway's own log, for operators."""

    def info(self, text: str, **fields: Any) -> None:
        """Something worth knowing."""

    def warn(self, text: str, **fields: Any) -> None:
        """Something to look at."""

    def error(self, text: str, **fields: Any) -> None:
        """Something broken."""


class Counter(Protocol):
    """A number that only grows."""

    def add(self, labels: tuple[str, ...] = (), amount: float = 1) -> None:
        """Count."""


class Histogram(Protocol):
    """How many observations fell below each bound."""

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        """Note one value."""


class Metrics(Protocol):
    """Where a policy counts; read at each scrape."""

    def counter(self, name: str, help: str, labels: tuple[str, ...] = ()) -> Counter:
        """The counter of that name, made at the first call."""

    def histogram(self, name: str, help: str, labels: tuple[str, ...], bounds: tuple[float, ...]) -> Histogram:
        """The histogram of that name, made at the first call."""


class Files(Protocol):
    """Append-only text files that survive rotation and a full disk."""

    def lines(self, path: str) -> "LineSink":
        """The sink that appends lines to a path (``-`` for standard output); one for each path."""


class LineSink(Protocol):
    """Takes whole lines; never blocks, never raises, counts what it had to drop."""

    def write(self, line: str) -> None:
        """Append one line (with its newline)."""


class Issuer(Protocol):
    """This gateway as an issuer of tokens (``twgw/jwt.py``)."""

    @property
    def name(self) -> str:
        """What stands in ``iss`` of its tokens, and in ``aud`` of those that are for itself."""

    @property
    def keys(self) -> tuple[Any, ...]:
        """The keys that verify its tokens; another tuple when they change."""

    def sign(
        self, claims: Mapping[str, Any], *, typ: str = "JWT", header: Mapping[str, Any] | None = None, **options: Any
    ) -> str:
        """Sign a token (``jwt.sign``); about 1 ms, so keep what comes of it."""

    @property
    def x5t(self) -> str:
        """The SHA-1 thumbprint of the certificate of the key that signs (RFC 7515, 4.1.7); empty without one."""


@frozen
class Gateway:
    """What the data plane lends to a policy.  A plain record: it has no behaviour of its own."""

    clock: Clock
    credentials: Credentials
    subscriptions: Subscriptions
    limiter: Limiter
    http: Http
    metrics: Metrics
    files: Files
    log: Log
    directory: Directory
    passwords: Passwords
    node: str = "twgw"
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """The peers whose word about a request counts."""
    issuer: Issuer | None = None
    """Whose tokens jwt-auth looks up by their id; None where none are issued."""
