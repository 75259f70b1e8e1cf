"""The nouns of the configuration: what an operator declares and a deployment is compiled from.

Everything here is frozen and valid once it exists.  The classes know no file format and no SQL;
``state.py`` builds them from a declarative file, the registry will build them from rows.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from attrs import define, field, frozen, validators

METHODS = frozenset(
    "GET HEAD POST PUT PATCH DELETE OPTIONS QUERY "
    "PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH".split()
)
"""The methods that are carried; others are answered 501 (RFC 9110, 9; RFC 4918; RFC 3253; RFC 5323)."""

positive = validators.gt(0)
not_negative = validators.ge(0)


def says(meaning: str) -> dict[str, str]:
    """What a field means, as ``setting`` of settings.py notes it: shown in the reference page and to portals."""
    return {"help": meaning}


class Lifecycle(Enum):
    """Where an API stands in its life; only some states carry traffic."""

    CREATED = "CREATED"
    PROTOTYPED = "PROTOTYPED"
    PUBLISHED = "PUBLISHED"
    BLOCKED = "BLOCKED"
    DEPRECATED = "DEPRECATED"
    RETIRED = "RETIRED"


class Isolated(Enum):
    """What an API does on a gateway that is cut off from its cluster."""

    REFUSE = "refuse"
    STALE = "stale"


class Algorithm(Enum):
    """How a Limit counts."""

    FIXED_WINDOW = "fixed-window"
    SLIDING_WINDOW = "sliding-window"
    TOKEN_BUCKET = "token-bucket"


class Unit(Enum):
    """What a Limit counts."""

    REQUESTS = "requests"
    BYTES = "bytes"


class Environment(Enum):
    """Which of an API's servers a key is for."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


class SubscriptionState(Enum):
    """Whether a subscription is a right to call; see ``store/subscriptions.py`` for the ways between them."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    PAUSED = "PAUSED"
    PRODUCTION_PAUSED = "PRODUCTION_PAUSED"
    CLOSED = "CLOSED"


class Balancing(Enum):
    """How an Upstream chooses one of its targets."""

    ROUND_ROBIN = "round-robin"


@frozen(cache_hash=True)
class Limit:
    """At most so many requests, or bytes, in so many seconds."""

    amount: int = field(validator=positive, metadata=says("Requests, or bytes, in a period."))
    period: float = field(default=60, validator=positive, metadata=says("Length of a period, in seconds."))
    algorithm: Algorithm = field(default=Algorithm.FIXED_WINDOW, metadata=says("How requests are counted."))
    burst: int | None = field(
        default=None,
        validator=validators.optional(positive),
        metadata=says("For a token bucket alone: how many requests may come at once. Without it: amount."),
    )
    unit: Unit = field(
        default=Unit.REQUESTS,
        metadata=says(
            "What is counted: requests, or the bytes of request and response bodies. Those are known at the end, so "
            "the last responses within a limit may go past it."
        ),
    )


@frozen
class Tier:
    """A named set of limits: of a subscription, an application, an API or a route."""

    name: str = field(metadata=says("Name by which APIs, routes, applications and subscriptions call it."))
    limits: tuple[Limit, ...] = field(default=(), metadata=says("Limits that hold together. Empty: unlimited."))
    burst: Limit | None = field(
        default=None,
        metadata=says("One more limit, against many requests at once; a refusal by it has a code of its own."),
    )
    approval: bool = field(
        default=False, metadata=says("Whether a publisher has to accept each subscription in it.")
    )
    groups: tuple[str, ...] = field(
        default=(), metadata=says("Groups of users whose applications may have it. Empty: everybody's.")
    )


@frozen
class Policy:
    """One use of a policy."""

    name: str = field(metadata=says("Name of an installed policy."))
    settings: Mapping[str, Any] = field(factory=dict, metadata=says("Its settings, which it describes itself."))
    enabled: bool = field(
        default=True, metadata=says("false switches off the policy of that name of the levels above this one.")
    )
    shadow: bool = field(
        default=False, metadata=says("true lets it decide, count and log, but refuse nothing: for trying it out.")
    )


@frozen
class Target:
    """One server of an upstream."""

    url: str = field(
        metadata=says("http://host:port/path, https://host:port/path, or echo: for the one that is built in.")
    )
    weight: int = field(
        default=1, validator=positive, metadata=says("Its share of the requests, in proportion to the other targets.")
    )


@frozen
class UpstreamTls:
    """How ``https://`` targets are verified, and what we show them."""

    verify: bool = field(default=True, metadata=says("Whether the server's certificate must be good."))
    ca_file: str | None = field(
        default=None, metadata=says("PEM file of the authorities that are trusted. Without it: those of the system.")
    )
    server_name: str | None = field(
        default=None, metadata=says("Name that the certificate must have. Without it: the host of the URL.")
    )
    certificate_file: str | None = field(default=None, metadata=says("PEM file of the certificate that we show."))
    key_file: str | None = field(
        default=None, metadata=says("PEM file of its key. Without it: the certificate's file holds it.")
    )


@frozen(cache_hash=True)
class Upstream:
    """The servers behind an API and how they are called.  All times in seconds."""

    targets: tuple[Target, ...] = field(validator=validators.min_len(1), metadata=says("The servers."))
    algorithm: Balancing = field(default=Balancing.ROUND_ROBIN, metadata=says("How one of them is chosen."))
    connect_timeout: float = field(
        default=3, validator=positive, metadata=says("For one connection to be made, TLS included.")
    )
    response_timeout: float = field(
        default=30, validator=positive, metadata=says("From the end of the request to the end of the response head.")
    )
    idle_timeout: float = field(default=60, validator=positive, metadata=says("Between two pieces of a body."))
    keepalive_timeout: float = field(
        default=60, validator=positive, metadata=says("How long a connection is kept that nobody uses.")
    )
    max_idle_connections: int = field(
        default=512, validator=not_negative, metadata=says("How many of them are kept for each target.")
    )
    fail_timeout: float = field(
        default=5, validator=positive, metadata=says("How long an address whose connections fail is left out.")
    )
    retries: int = field(
        default=1,
        validator=not_negative,
        metadata=says("How often a request may be sent again after the first try, where that cannot do harm."),
    )
    preserve_host: bool = field(
        default=False, metadata=says("Whether the upstream gets the client's Host instead of the target's.")
    )
    tls: UpstreamTls = field(factory=UpstreamTls, metadata=says("How https:// targets are verified."))


@frozen
class Route:
    """One line of an API: which methods and paths, and what is special about them."""

    path: str = field(
        default="/*",
        metadata=says("Path below base_path; {name} stands for one segment, a final * for the rest."),
    )
    methods: tuple[str, ...] = field(default=(), metadata=says("Methods that it carries. Empty: all."))
    upstream: Upstream | None = field(default=None, metadata=says("In place of the API's."))
    strip_base_path: bool | None = field(default=None, metadata=says("In place of the API's."))
    tier: str | None = field(
        default=None, metadata=says("Tier of all its calls together, whoever makes them; rate-limit counts.")
    )
    policies: tuple[Policy, ...] = field(default=(), metadata=says("Policies after those of the API."))


@frozen
class Deprecation:
    """What the callers of a deprecated API are told, in the fields of RFC 9745 and RFC 8594.  Times in UNIX seconds."""

    since: float | None = field(
        default=None,
        validator=validators.optional(not_negative),
        metadata=says("Since when it is deprecated, or from when on it will be. Without it, no Deprecation field."),
    )
    sunset: float | None = field(
        default=None,
        validator=validators.optional(not_negative),
        metadata=says("When it will stop to answer. Without it, no Sunset field."),
    )
    successor: str = field(default="", metadata=says("Address, or path, of what takes its place."))
    documentation: str = field(default="", metadata=says("Address of a page that says what to do."))


@frozen
class Transition:
    """One step in the life of an API: who moved it, from where to where, and when (UNIX seconds).

    ``position`` counts them for each API, from 1.
    """

    api: str
    position: int
    move: str
    before: Lifecycle
    after: Lifecycle
    actor: str
    at: float


@frozen
class Api:
    """A versioned API: where it is found, what guards it, and what answers it."""

    name: str = field(metadata=says("Its name; with the version, as name:version, it is what subscriptions call it."))
    version: str = field(metadata=says("Its version, as text."))
    base_path: str = field(metadata=says("The path below which it is found."))
    hosts: tuple[str, ...] = field(
        default=(), metadata=says("Host names by which it is called, *.example.com for all below one. Empty: any.")
    )
    state: Lifecycle = field(
        default=Lifecycle.PUBLISHED,
        metadata=says(
            "PROTOTYPED, PUBLISHED and DEPRECATED are served, BLOCKED answers 503, CREATED and RETIRED are not there."
        ),
    )
    default_version: bool = field(
        default=False,
        metadata=says(
            "Whether it is also found without its version: an API 1.0 at /pets/1.0 then answers at /pets too. "
            "One version of an API may be the default."
        ),
    )
    deprecation: Deprecation | None = field(
        default=None, metadata=says("What its callers are told once it is DEPRECATED.")
    )
    strip_base_path: bool = field(
        default=True, metadata=says("Whether the upstream gets the path without base_path.")
    )
    upstream: Upstream | None = field(
        default=None, metadata=says("The servers behind it. It may be left out when a policy answers.")
    )
    sandbox: Upstream | None = field(
        default=None, metadata=says("The servers for keys of the sandbox. Without it, such keys are refused.")
    )
    routes: tuple[Route, ...] = field(
        default=(Route(),), metadata=says("What it carries. Without it: every path and method.")
    )
    policies: tuple[Policy, ...] = field(
        default=(), metadata=says("Policies of all its routes, in order, after the global ones.")
    )
    tiers: tuple[str, ...] = field(default=(), metadata=says("Tiers that a subscription may have. Empty: any."))
    tier: str | None = field(
        default=None, metadata=says("Tier of all its calls together, whoever makes them; rate-limit counts.")
    )
    hard_limit: Limit | None = field(
        default=None,
        metadata=says("What its upstream can bear. Past it calls are refused with 503, not 429; rate-limit counts."),
    )
    title: str = field(default="", metadata=says("Name that people are shown. Empty: its name."))
    description: str = field(default="", metadata=says("What it is for, in words, for the store."))
    tags: tuple[str, ...] = field(default=(), metadata=says("Words under which the store finds it."))
    visible_to: tuple[str, ...] = field(
        default=(), metadata=says("Groups of users whom the store shows it, and who may subscribe. Empty: everybody.")
    )
    anonymous: bool = field(
        default=False, metadata=says("Whether calls without credentials are let in although a policy authenticates.")
    )
    underscores: bool = field(default=False, metadata=says("Whether header names with _ are accepted."))
    encoded_slashes: bool = field(default=False, metadata=says("Whether %2F is accepted in paths."))
    when_isolated: Isolated = field(
        default=Isolated.REFUSE,
        metadata=says(
            "What a gateway does that is cut off from its cluster: refuse with 503, or serve what it knows, stale. "
            "Then whoever was revoked meanwhile may go on there: that revoked is revoked does not hold for this API."
        ),
    )

    @property
    def id(self) -> str:
        """``name:version``, the name by which subscriptions, logs and metrics know it."""
        return f"{self.name}:{self.version}"

    @property
    def servers(self) -> "tuple[tuple[str, Upstream], ...]":
        """Every server that it names, also for the sandbox and for single routes: its URL, and how it is called."""
        named = (self.upstream, self.sandbox, *(route.upstream for route in self.routes))
        return tuple((target.url, each) for each in named if each is not None for target in each.targets)

    @property
    def unversioned_path(self) -> str:
        """``base_path`` without the segment that is its version; empty where there is none."""
        segments = self.base_path.rstrip("/").split("/")
        if self.version not in segments[1:]:
            return ""
        segments.pop(len(segments) - 1 - segments[::-1].index(self.version))
        return "/".join(segments) or "/"


@frozen
class Subscription:
    """The right of an application to call an API, in a tier."""

    api: str = field(metadata=says("The API, as name:version."))
    tier: str | None = field(default=None, metadata=says("A tier; where the API names some, one of them."))
    state: SubscriptionState = field(
        default=SubscriptionState.ACCEPTED,
        metadata=says(
            "Only an ACCEPTED one is a right to call, and with keys of the sandbox a PRODUCTION_PAUSED one."
        ),
    )


@frozen
class Credential:
    """Proof of who calls."""

    kind: str = field(default="api-key", metadata=says("api-key, or basic for a user name and a password."))
    id: str = field(
        default="",
        metadata=says("Name of the credential in logs. Without it: the id inside the key, or application#number."),
    )
    application: str = field(default="", metadata=says("Left out: it is the application around it."))
    value: str | None = field(default=None, repr=False, metadata=says("The key itself, for development."))
    digest: str | None = field(
        default=None,
        repr=False,
        metadata=says("What is stored of a key, as twgw key new prints it; of a password, as twgw key password does."),
    )
    scopes: tuple[str, ...] = field(default=(), metadata=says("What the caller may do, for policies that ask."))
    environment: Environment = field(
        default=Environment.PRODUCTION, metadata=says("Which servers of an API it is for.")
    )
    tier: str | None = field(default=None, metadata=says("Left out: it is that of the application around it."))
    owner: str | None = field(default=None, metadata=says("Left out: it is the owner of the application around it."))
    user: str | None = field(
        default=None,
        metadata=says("Name of the user for whom it is used, where there is one; of the kind basic: to log in."),
    )
    groups: tuple[str, ...] = field(
        default=(), metadata=says("Consumer groups of the caller, for acl and for the upstream.")
    )
    expires_at: float | None = field(default=None, metadata=says("UNIX time at which it ends."))


@frozen
class Application:
    """Whoever calls APIs."""

    name: str = field(metadata=says("Its name."))
    subscriptions: tuple[Subscription, ...] = field(default=(), metadata=says("The APIs that it may call."))
    credentials: tuple[Credential, ...] = field(default=(), metadata=says("What it shows to be known."))
    tier: str | None = field(
        default=None, metadata=says("Tier of all its calls together, whatever API they go to; rate-limit counts.")
    )


@define(eq=False)
class Charge:
    """What one request is charged against: ``cost`` taken from the counter ``key`` under ``limit``.

    ``name`` is shown to clients (RateLimit fields); ``hidden`` keeps it from them.
    ``shadow`` names the policy that only watches: its charge never refuses and has a counter of its own.
    ``code`` is WSO2's code of a refusal by it.
    Made for one request, therefore not frozen (a frozen class costs three times as much to make).
    """

    key: str
    limit: Limit
    name: str = "default"
    cost: int = 1
    hidden: bool = False
    shadow: str = ""
    code: int = 900804


@frozen
class State:
    """A whole declarative state."""

    policies: tuple[Policy, ...] = field(
        default=(Policy("correlation-id"), Policy("request-metrics"), Policy("access-log")),
        metadata=says("Policies of every API, before its own, and of requests that belong to none."),
    )
    tier_presets: tuple[Literal["wso2-1.x", "wso2-4.x"], ...] = field(
        default=(), metadata=says("Tiers that WSO2 API Manager begins with; those below come before, by their name.")
    )
    tiers: tuple[Tier, ...] = field(default=(), metadata=says("Sets of limits."))
    apis: tuple[Api, ...] = field(default=(), metadata=says("What is served."))
    applications: tuple[Application, ...] = field(default=(), metadata=says("Who calls."))
