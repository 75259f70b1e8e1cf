"""What happens during one request: the objects a policy reads and changes.

Made by ``gateway/edge.py`` for each request, passed through every hook, read by the log at the end.
All text is ``str``; header values are Latin-1 text, one character for each byte on the wire (RFC 9110, 5.5).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from attrs import Factory, define, field, frozen

from twgw.model import Charge, Credential, Route, Subscription
from twgw.policy.headers import NONE, Headers

if TYPE_CHECKING:
    from twgw.policy.interfaces import Decision

class Body(Protocol):
    """A body that is still on its way; ``gateway/relay.py`` has the real ones."""

    length: int | None
    """How many bytes there will be, None when only the end will tell."""
    received: int
    """How many bytes came so far."""
    limit: int
    """How many bytes are accepted; 0 for no limit."""

    async def read(self, limit: int) -> bytes:
        """Wait for the whole body.  Raises BodyTooLarge past ``limit`` bytes, BodyLost when the peer leaves."""


@frozen
class Hop:
    """The connection a request came by, as we tell the upstream about it."""

    peer: str
    """Address at the other end."""
    scheme: str = "http"
    trusted: bool = False
    """Whether the peer is a proxy whose word about the client counts."""
    remarkable: bool = field(init=False)
    """Whether it is more than a client's plain connection."""

    @remarkable.default
    def _remarkable(self) -> bool:
        return self.trusted or self.scheme != "http"


LOOPBACK = Hop("127.0.0.1")


class Request:
    """What the client asked for.  ``path`` is the one canonical path that routing, policies, log and upstream see.

    A plain class with defaults on the class, as ``Exchange``: an instance holds only what was set, which makes it
    four times cheaper to make than a slotted one with every field.
    """

    query: str = ""
    """What stands behind ``?``, as it came; empty when there is none."""
    headers: Headers
    host: str = ""
    """Host field in lower case, with its port when it has one."""
    scheme: str = "http"
    client: str = "127.0.0.1"
    """Address of the client: of the nearest hop that is not a trusted proxy."""
    peer: str = "127.0.0.1"
    """Address at the other end of the connection."""
    version: str = "1.1"
    body: Body | None = None
    """The body to come; None when there is none."""
    content: bytes | None = None
    """The body, once a policy with ``request_body = True`` asked for it; what is set here is what is forwarded."""
    body_limit: int = 0
    """Bytes of body that are accepted; 0 for no limit.  A policy may change it in ``twgw_receive``."""
    target: str = ""
    """The request target as it came."""

    def __init__(self, method: str, path: str, headers: Headers | None = None) -> None:
        self.method = method
        self.path = path
        self.headers = Headers() if headers is None else headers

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.path!r})"


@define(eq=False)
class Response:
    """An answer: of the upstream, or made by a policy.

    ``body`` is bytes, or a body on its way from the upstream.
    """

    status: int = 200
    headers: Headers = Factory(Headers)
    body: "bytes | Body" = b""
    reason: str = ""
    close: bool = False
    """Whether the connection to the client ends with this response."""


@define(eq=False)
class Problem:
    """A refusal, sent as problem+json (RFC 9457).

    ``title`` is shown to the client and is fixed text; ``detail`` says more; ``code`` is WSO2's error code.
    ``headers`` are sent with it, ``members`` become members of the document, ``close`` ends the connection.
    """

    status: int
    title: str
    detail: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    type: str = "about:blank"
    code: int | None = None
    members: Mapping[str, Any] = Factory(dict)
    close: bool = False


Answer = Response | Problem


class Plan(Protocol):
    """What an exchange knows of the API it belongs to; compiled by ``gateway/deployment.py``."""

    api_id: str


class Cancellable(Protocol):
    """Something under way that nobody may want any more."""

    def cancel(self, error: BaseException) -> None:
        """End it; nobody is told."""


class Exchange:
    """One request and what becomes of it."""

    plan: Any = None
    route: Route | None = None
    params: Mapping[str, str] = MappingProxyType({})
    """The values of ``{name}`` in the route's path."""
    upstream_path: str = "/"
    """The path that is sent to the upstream, below the path of the target's URL."""
    id: str = ""
    """Set by correlation-id; names the exchange in logs, problems and ``X-Request-Id``."""
    started_at: float = 0.0
    """Monotonic seconds at the last byte of the head."""
    response: Response | None = None
    credential: Credential | None = None
    subscription: Subscription | None = None
    charges: "tuple[Charge, ...]" = ()
    """What the throttle hooks want to be taken."""
    decisions: "list[Decision] | None" = None
    """What the limiter said, one for each charge."""
    target: str = ""
    """URL of the upstream target that was tried last."""
    tries: int = 0
    upstream_seconds: float = 0.0
    """From the first byte sent to an upstream to the end of its response head."""
    refused_by: str = ""
    """Name of the policy, or of the part of the gateway, that answered; empty when the upstream did."""
    reason: str = ""
    """Why, in words for the log."""
    shadowed: tuple[tuple[str, str], ...] = ()
    """What shadow policies would have refused: policy and reason."""
    status: int = 0
    """What was sent; 499 when the client left first."""
    sent: int = 0
    """Bytes of response body that were sent."""
    received: int = 0
    """Bytes of request body that came."""
    finished_at: float = 0.0
    problem: Problem | None = None
    """What the gateway itself found wrong before any policy was asked: no route, a blocked API, a bad head."""
    came_by: Hop = LOOPBACK
    nominated: frozenset[str] = NONE
    """Fields that the client's Connection header declared to be for its hop only."""
    waits_for: "Cancellable | None" = None
    """What is under way for it; cancelled when the client leaves."""
    interim: Callable[[int, Headers], None] | None = None
    """Sends a 1xx answer to the client; None when it speaks HTTP/1.0."""

    _attributes: dict[str, Any] | None = None

    def __init__(self, request: Request) -> None:
        self.request = request

    @property
    def attributes(self) -> dict[str, Any]:
        """Where policies leave notes for each other, keyed by policy name."""
        if self._attributes is None:
            self._attributes = {}
        return self._attributes

    def __repr__(self) -> str:
        return f"Exchange({self.request!r}, id={self.id!r})"
