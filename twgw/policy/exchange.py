"""What happens during one request: the objects a policy reads and changes.

Made by ``gateway/edge.py`` for each request, passed through every hook, read by the log at the end.
All text is ``str``; header values are Latin-1 text, one character for each byte on the wire (RFC 9110, 5.5).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from attrs import Factory, define

from twgw.model import Credential, Route, Subscription

if TYPE_CHECKING:
    from twgw.policy.interfaces import Decision

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?![\t ])[\t -~\x80-\xff]*(?<![\t ])")
NO_EDITS: frozenset[str] = frozenset()


class FieldBlock:
    """The fields of one head as they came: shared by every request that repeats the same bytes, never changed.

    ``text`` starts with CRLF and every field in it reads ``Name: value`` CRLF, so that a field can be cut out exactly.
    """

    __slots__ = ("index", "pairs", "repeated", "rendered", "text")

    def __init__(self, text: str, pairs: list[tuple[str, str]], index: dict[str, str]) -> None:
        self.text = text
        self.pairs = pairs
        self.index = index
        """Lower-case name to its first value."""
        self.repeated = len(pairs) != len(index)
        self.rendered: tuple[Any, str] | None = None
        """The last result of ``Headers.without``: what was asked for, and the text."""


def block_of(pairs: Iterable[tuple[str, str]]) -> FieldBlock:
    """Make a block from fields.  Raises ValueError for what may not stand in a head."""
    index: dict[str, str] = {}
    kept = []
    for name, value in pairs:
        _check(name, value)
        kept.append((name, value))
        index.setdefault(name.lower(), value)
    return FieldBlock("\r\n" + "".join(f"{name}: {value}\r\n" for name, value in kept), kept, index)


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"not a value for header {name}: control characters, outer blanks or non-Latin-1 text")


class Headers:
    """The header fields of a message: order and spelling are kept, names match in any case.

    >>> headers = Headers([("Accept", "text/html"), ("X-Team", "a")])
    >>> headers.get("accept")
    'text/html'
    """

    __slots__ = ("_added", "_block", "_gone")

    def __init__(self, fields: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        """Raises ValueError for a name or value that may not stand in a head."""
        self._block = block_of(fields.items() if isinstance(fields, Mapping) else fields)
        self._gone: frozenset[str] = NO_EDITS
        self._added: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of_block(cls, block: FieldBlock) -> "Headers":
        """A view of parsed fields; the block itself is never changed."""
        self = cls.__new__(cls)
        self._block = block
        self._gone = NO_EDITS
        self._added = ()
        return self

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of a field."""
        lower = name.lower()
        if lower not in self._gone:
            value = self._block.index.get(lower)
            if value is not None:
                return value
        for key, _, value in self._added:
            if key == lower:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        lower = name.lower()
        return [value for key, value in self.items() if key.lower() == lower]

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def items(self) -> list[tuple[str, str]]:
        """All fields as they will be sent."""
        gone = self._gone
        kept = [pair for pair in self._block.pairs if pair[0].lower() not in gone] if gone else self._block.pairs
        return [*kept, *((name, value) for _, name, value in self._added)]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items() == other.items()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({[name for name, _ in self.items()]})"  # names only: values may be secrets

    def set(self, name: str, value: str) -> None:
        """Replace every field of that name by one.  Raises ValueError for what may not stand in a head."""
        _check(name, value)
        self.remove(name)
        self._added += ((name.lower(), name, value),)

    def add(self, name: str, value: str) -> None:
        """Add a field beside those of the same name.  Raises ValueError for what may not stand in a head."""
        _check(name, value)
        self._added += ((name.lower(), name, value),)

    def remove(self, name: str) -> None:
        """Take away every field of that name; nothing happens when there is none."""
        lower = name.lower()
        if lower in self._block.index and lower not in self._gone:
            self._gone |= {lower}
        if self._added:
            self._added = tuple(field for field in self._added if field[0] != lower)

    # --- for the gateway ---------------------------------------------------------------------------

    def has_repeated(self) -> bool:
        """Whether any name came more than once."""
        return self._block.repeated

    def names(self) -> Mapping[str, str]:
        """The lower-case names that came on the wire, removed or not, with their first values."""
        return self._block.index

    def without(self, gone: frozenset[str]) -> str:
        """The head's fields as text, each ended by CRLF, without these lower-case names."""
        block = self._block
        drop = (self._gone | gone) if self._gone else gone
        rendered = block.rendered
        if rendered is not None and rendered[0] == drop:
            text = rendered[1]
        else:
            text = _cut(block, drop)
            block.rendered = (drop, text)
        if self._added:
            text += "".join([f"{name}: {value}\r\n" for lower, name, value in self._added if lower not in gone])
        return text


def _cut(block: FieldBlock, drop: frozenset[str]) -> str:
    text = block.text
    index = block.index
    if drop:
        if block.repeated:
            return "".join([f"{name}: {value}\r\n" for name, value in block.pairs if name.lower() not in drop])
        for name, value in block.pairs:
            if name.lower() in drop:
                text = text.replace(f"\r\n{name}: {value}\r\n", "\r\n", 1)
    assert index is not None
    return text[2:]


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


@define(eq=False)
class Request:
    """What the client asked for.  ``path`` is the one canonical path that routing, policies, log and upstream see."""

    method: str
    path: str
    query: str = ""
    """What stands behind ``?``, as it came; empty when there is none."""
    headers: Headers = Factory(Headers)
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


@define(eq=False)
class Exchange:
    """One request and what becomes of it.

    ``attributes`` is where policies leave notes for each other, keyed by policy name.
    """

    request: Request
    plan: Any = None
    route: Route | None = None
    params: Mapping[str, str] = Factory(dict)
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
    decisions: "list[Decision] | None" = None
    """What the limiter said, one for each charge."""
    target: str = ""
    """URL of the upstream target that was tried last."""
    tries: int = 0
    upstream_seconds: float = 0.0
    """From the first byte sent to an upstream to the end of its response head."""
    refused_by: str = ""
    """Name of the policy that answered, or of the part of the gateway that refused; empty when the upstream answered."""
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
    nominated: frozenset[str] = NO_EDITS
    """Fields that the client's Connection header declared to be for its hop only."""
    interim: Callable[[int, Headers], None] | None = None
    """Sends a 1xx answer to the client; None when it speaks HTTP/1.0."""
    attributes: dict[str, Any] = Factory(dict)
