"""The header fields of a message, as everybody sees them: parsed once, edited without copying.

``gateway/http1.py`` makes blocks of what came on the wire, policies read and edit them as ``Headers``,
``gateway/forwarding.py`` and ``gateway/edge.py`` write them out.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Final

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"(?![\t ])[\t -~\x80-\xff]*(?<![\t ])")
NONE: Final[frozenset[str]] = frozenset()
ONE_HOP: Final = frozenset(
    "connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    "upgrade http2-settings content-length".split()
)
"""Fields for one hop, and the framing, which every hop makes anew (RFC 9110, 7.6.1)."""
SPECIAL: Final = ONE_HOP | frozenset("host expect forwarded via x-real-ip x-anonymous-consumer".split())
"""Fields that mean something to a gateway besides their value."""
RESERVED_PREFIXES: Final = ("x-forwarded-", "x-consumer-", "x-credential-", "x-authenticated-", "x-twgw-")
"""Fields in which only gateways speak."""
Field = tuple[str, str]
"""Name as spelled, and value."""


def _any_case(name: str) -> str:
    return "".join([f"[{letter.upper()}{letter}]" if letter.isalpha() else re.escape(letter) for letter in name])


def _one_of(names: Iterable[str]) -> str:
    """An expression for some names in any case; it fails at the first wrong letter.  ``*`` is any rest."""
    rests: dict[str, list[str]] = {}
    for name in sorted(names):
        rests.setdefault(name[:1], []).append(name[1:])
    ends = {"": "(?=:)", "*": "[^:]*"}
    branches = [ends.get(first) or _any_case(first) + _one_of(rest) for first, rest in rests.items()]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


_SPECIAL_NAMES: Final = [*SPECIAL, *(prefix + "*" for prefix in RESERVED_PREFIXES)]
_SPECIAL_FIELD: Final = re.compile(rf"\n({_one_of(_SPECIAL_NAMES)}): ([^\r]*)\r")
_ANY_FIELD: Final = re.compile(r"\n([^:]++): ([^\r]*+)")


@lru_cache(1024)
def _finder(lower: str) -> Callable[[str], list[Field]]:
    """What finds every field of a name in the text of a block."""
    return re.compile(rf"\n({_any_case(lower)}): ([^\r]*)").findall


class FieldBlock:
    """The fields of one head as they came: shared by every request that repeats the same bytes, never changed.

    ``text`` starts with CRLF and every field in it reads ``Name: value`` CRLF, so that a field can be found and cut out
    exactly.  What nobody asks for is never taken apart.
    """

    __slots__ = ("_found", "plain", "rendered", "sent", "special", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        found: dict[str, list[Field]] = {}
        parts = _SPECIAL_FIELD.split(text)  # plain text, then name, value and plain text for each special field
        for at in range(1, len(parts), 3):
            name = parts[at]
            lower = name.lower()
            if lower in found:
                found[lower].append((name, parts[at + 1]))
            else:
                found[lower] = [(name, parts[at + 1])]
        self.plain = "".join(parts[::3])
        """The text without its special fields."""
        self.special = found
        """What is not simply passed on, by lower-case name: framing, for one hop, or reserved for gateways."""
        self._found: dict[str, list[Field]] | None = None
        self.rendered: tuple[Any, str] | None = None
        """The last text for a client, and what was taken away for it."""
        self.sent: tuple[Any, str] | None = None
        """The last fields that were sent to an upstream: what they were made from, and the text."""

    def fields(self, lower: str) -> list[Field]:
        """Every field with this lower-case name, in order."""
        fields = self.special.get(lower)
        if fields is not None:
            return fields
        if self._found is None:
            self._found = {}
        else:
            fields = self._found.get(lower)
        if fields is None:
            fields = self._found[lower] = _finder(lower)(self.text)
        return fields

    def pairs(self) -> list[Field]:
        """All fields, in order."""
        found: list[Field] = _ANY_FIELD.findall(self.text)
        return found

    def without(self, names: AbstractSet[str]) -> str:
        """The text without its special fields and those of some lower-case names, each field ended by CRLF."""
        text = self.plain
        for lower in names:
            if lower not in self.special:
                for name, value in self.fields(lower):
                    text = text.replace(f"\r\n{name}: {value}\r\n", "\r\n", 1)
        return text[2:]


def block_of(fields: Iterable[Field]) -> FieldBlock:
    """Make a block from fields.  Raises ValueError for what may not stand in a head."""
    lines = []
    for name, value in fields:
        _check(name, value)
        lines.append(f"{name}: {value}\r\n")
    return FieldBlock("\r\n" + "".join(lines))


def is_reserved(name: str) -> bool:
    """Whether a field is for the gateway alone to send, in any case."""
    lower = name.lower()
    return lower in SPECIAL or lower.startswith(RESERVED_PREFIXES)


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

    def __init__(self, fields: Iterable[Field] | Mapping[str, str] = ()) -> None:
        """Raises ValueError for a name or value that may not stand in a head."""
        self._block = block_of(fields.items() if isinstance(fields, Mapping) else fields)
        self._gone = NONE
        self._added: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of_block(cls, block: FieldBlock) -> "Headers":
        """A view of parsed fields; the block itself is never changed."""
        self = cls.__new__(cls)
        self._block = block
        self._gone = NONE
        self._added = ()
        return self

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of a field."""
        lower = name.lower()
        if lower not in self._gone:
            fields = self._block.fields(lower)
            if fields:
                return fields[0][1]
        for key, _, value in self._added:
            if key == lower:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        lower = name.lower()
        values = [] if lower in self._gone else [field[1] for field in self._block.fields(lower)]
        return values + [value for key, _, value in self._added if key == lower] if self._added else values

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def items(self) -> list[Field]:
        """All fields as they will be sent."""
        gone = self._gone
        kept = [field for field in self._block.pairs() if field[0].lower() not in gone]
        return [*kept, *((name, value) for _, name, value in self._added)]

    def __iter__(self) -> Iterator[Field]:
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
        if self._block.fields(lower):
            self._gone |= {lower}
        if self._added:
            self._added = tuple(field for field in self._added if field[0] != lower)

    def put(self, lower: str, name: str, value: str) -> None:
        """``set`` without its checks, at a sixth of the cost, for what was checked when the policy was deployed.

        Args:
            lower: the name in lower case.
            name: the name as it is sent.
            value: text of the gateway's own making, never of a client.
        """
        self.remove(lower)
        self._added += ((lower, name, value),)

    # --- for the gateway ---------------------------------------------------------------------------

    @property
    def block(self) -> FieldBlock:
        """The fields as they came on the wire."""
        return self._block

    @property
    def edits(self) -> tuple[frozenset[str], tuple[tuple[str, str, str], ...]]:
        """What was taken away and what was added since."""
        return self._gone, self._added

    def to_upstream(self, nominated: frozenset[str] = NONE) -> str:
        """The fields that go on to an upstream, each ended by CRLF: nothing that only the gateway may say.

        ``nominated`` are names that the client declared to be for its hop only.
        """
        gone = self._gone | nominated if nominated else self._gone
        text = self._block.without(gone)
        if self._added:
            text += "".join([f"{name}: {value}\r\n" for lower, name, value in self._added if not is_reserved(lower)])
        return text

    def to_client(self) -> str:
        """The fields that go back to a client, each ended by CRLF: without framing and what is for one hop."""
        block = self._block
        rendered = block.rendered
        if rendered is not None and rendered[0] == self._gone:
            text = rendered[1]
        else:
            text = block.without(self._gone)
            for lower in block.special.keys() - ONE_HOP - self._gone:
                text += "".join([f"{name}: {value}\r\n" for name, value in block.special[lower]])
            block.rendered = (self._gone, text)
        if self._added:
            text += "".join([f"{name}: {value}\r\n" for lower, name, value in self._added if lower not in ONE_HOP])
        return text
