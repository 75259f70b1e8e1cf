"""The nouns of the configuration: what an operator declares and a deployment is compiled from.

Everything here is frozen and valid once it exists.  The classes know no file format and no SQL;
``state.py`` builds them from a declarative file, the registry will build them from rows.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import define, field, frozen, validators

METHODS = frozenset(
    "GET HEAD POST PUT PATCH DELETE OPTIONS QUERY "
    "PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH".split()
)
"""The methods that are carried; others are answered 501 (RFC 9110, 9; RFC 4918; RFC 3253; RFC 5323)."""

positive = validators.gt(0)
not_negative = validators.ge(0)


class Lifecycle(Enum):
    """Where an API stands in its life; only some states carry traffic."""

    CREATED = "CREATED"
    PROTOTYPED = "PROTOTYPED"
    PUBLISHED = "PUBLISHED"
    BLOCKED = "BLOCKED"
    DEPRECATED = "DEPRECATED"
    RETIRED = "RETIRED"


class Algorithm(Enum):
    """How a Limit counts."""

    FIXED_WINDOW = "fixed-window"
    SLIDING_WINDOW = "sliding-window"
    TOKEN_BUCKET = "token-bucket"


class Balancing(Enum):
    """How an Upstream chooses one of its targets."""

    ROUND_ROBIN = "round-robin"


@frozen
class Limit:
    """At most ``amount`` requests in ``period`` seconds.

    ``burst`` is for the token bucket alone: how many may come at once (default: ``amount``).
    """

    amount: int = field(validator=positive)
    period: float = field(default=60, validator=positive)
    algorithm: Algorithm = Algorithm.FIXED_WINDOW
    burst: int | None = field(default=None, validator=validators.optional(positive))


@frozen
class Tier:
    """A named set of limits that a subscription buys; no limits means unlimited."""

    name: str
    limits: tuple[Limit, ...] = ()


@frozen
class Policy:
    """One use of a policy: its name, its settings as written, whether it acts or only watches."""

    name: str
    settings: Mapping[str, Any] = field(factory=dict)
    enabled: bool = True
    shadow: bool = False


@frozen
class Target:
    """One server of an upstream, ``http://host:port/path``, ``https://…`` or ``echo:``."""

    url: str
    weight: int = field(default=1, validator=positive)


@frozen
class UpstreamTls:
    """How ``https://`` targets are verified, and what we show them."""

    verify: bool = True
    ca_file: str | None = None
    server_name: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


@frozen
class Upstream:
    """The servers behind an API and how they are called.  All times in seconds.

    ``connect_timeout`` is for one connection to be made, ``response_timeout`` from the end of the request
    to the end of the response head, ``idle_timeout`` between two pieces of a body.
    ``retries`` is how often a request may be sent again after the first try.
    ``preserve_host`` sends the client's Host instead of the target's.
    ``fail_timeout`` is how long a target whose connections fail is left out.
    """

    targets: tuple[Target, ...] = field(validator=validators.min_len(1))
    algorithm: Balancing = Balancing.ROUND_ROBIN
    connect_timeout: float = field(default=3, validator=positive)
    response_timeout: float = field(default=30, validator=positive)
    idle_timeout: float = field(default=60, validator=positive)
    keepalive_timeout: float = field(default=60, validator=positive)
    max_idle_connections: int = field(default=512, validator=not_negative)
    fail_timeout: float = field(default=5, validator=positive)
    retries: int = field(default=1, validator=not_negative)
    preserve_host: bool = False
    tls: UpstreamTls = field(factory=UpstreamTls)


@frozen
class Route:
    """One line of an API: which methods and paths, and what is special about them.

    ``path`` is relative to the API's ``base_path``; ``{name}`` stands for one segment, a final ``*`` for the rest.
    No methods means all.  ``upstream`` and ``strip_base_path`` replace the API's when given.
    """

    path: str = "/*"
    methods: tuple[str, ...] = ()
    upstream: Upstream | None = None
    strip_base_path: bool | None = None
    policies: tuple[Policy, ...] = ()


@frozen
class Api:
    """A versioned API: where it is found, what guards it, and what answers it.

    ``hosts`` limits it to those names (none: any).  ``tiers`` are those a subscription may have (none: any).
    ``anonymous`` lets calls without credentials in although an authenticating policy is attached.
    ``underscores`` and ``encoded_slashes`` accept header names with ``_`` and paths with ``%2F``.
    """

    name: str
    version: str
    base_path: str
    hosts: tuple[str, ...] = ()
    state: Lifecycle = Lifecycle.PUBLISHED
    strip_base_path: bool = True
    upstream: Upstream | None = None
    routes: tuple[Route, ...] = (Route(),)
    policies: tuple[Policy, ...] = ()
    tiers: tuple[str, ...] = ()
    anonymous: bool = False
    underscores: bool = False
    encoded_slashes: bool = False

    @property
    def id(self) -> str:
        """``name:version``, the name by which subscriptions, logs and metrics know it."""
        return f"{self.name}:{self.version}"


@frozen
class Subscription:
    """The right of an application to call an API, in a tier."""

    api: str
    tier: str | None = None


@frozen
class Credential:
    """Proof of who calls.  ``digest`` is what is stored of a key; ``value`` is the key itself, for development.

    ``id`` names the credential in logs, never the secret.  ``expires_at`` is a UNIX time.
    """

    kind: str = "api-key"
    id: str = ""
    application: str = ""
    value: str | None = field(default=None, repr=False)
    digest: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()
    expires_at: float | None = None


@frozen
class Application:
    """Whoever calls APIs: its subscriptions and its credentials."""

    name: str
    subscriptions: tuple[Subscription, ...] = ()
    credentials: tuple[Credential, ...] = ()


@define(eq=False)
class Charge:
    """What one request is charged against: ``cost`` taken from the counter ``key`` under ``limit``.

    ``name`` is shown to clients (RateLimit fields); ``hidden`` keeps it from them.
    ``shadow`` names the policy that only watches: its charge never refuses and has a counter of its own.
    Made for one request, therefore not frozen (a frozen class costs three times as much to make).
    """

    key: str
    limit: Limit
    name: str = "default"
    cost: int = 1
    hidden: bool = False
    shadow: str = ""


@frozen
class State:
    """A whole declarative state.  ``policies`` are global: they run before those of every API."""

    policies: tuple[Policy, ...] = (Policy("correlation-id"), Policy("request-metrics"), Policy("access-log"))
    tiers: tuple[Tier, ...] = ()
    apis: tuple[Api, ...] = ()
    applications: tuple[Application, ...] = ()
