"""The header fields of a message, as everybody sees them: parsed once, edited without copying.

``gateway/http1.py`` makes blocks of what came on the wire, policies read and edit them as ``Headers``,
``gateway/forwarding.py`` and ``gateway/edge.py`` write them out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
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
NAMES_KEPT: Final = 2048


_special: Final = set(SPECIAL)
"""The special names, with those of the reserved prefixes that were seen lately."""


class _Names(dict[str, str]):
    """Field names as spelled to lower case; those that were seen lately."""

    def __missing__(self, name: str) -> str:
        self[name] = lower = name.lower()
        if lower.startswith(RESERVED_PREFIXES):
            _special.add(lower)
        return lower


_names: Final = _Names()

Field = tuple[str, str]
"""Name as spelled, and value."""


class FieldBlock:
    """The fields of one head as they came: shared by every request that repeats the same bytes, never changed.

    ``text`` starts with CRLF and every field in it reads ``Name: value`` CRLF, so that a field can be cut out exactly.
    """

    __slots__ = ("index", "pairs", "rendered", "repeated", "sent", "special", "text")

    def __init__(self, text: str, pairs: list[Field]) -> None:
        if len(_names) > NAMES_KEPT:
            _names.clear()
            _special.intersection_update(SPECIAL)
        names = _names
        index = {names[pair[0]]: pair for pair in pairs}
        self.repeated = len(index) != len(pairs)
        if self.repeated:
            for pair in reversed(pairs):
                index[names[pair[0]]] = pair
        self.text = text
        self.pairs = pairs
        self.index = index
        """Lower-case name to its first field."""
        self.special = _special.intersection(index)
        """Lower-case names that are not simply passed on: framing, for one hop, or reserved for gateways."""
        self.rendered: tuple[Any, str] | None = None
        """The last result of ``Headers.without``: what was asked for, and the text."""
        self.sent: tuple[Any, str] | None = None
        """The last fields that were sent to an upstream: what they were made from, and the text."""


def block_of(fields: Iterable[Field]) -> FieldBlock:
    """Make a block from fields.  Raises ValueError for what may not stand in a head."""
    pairs = list(fields)
    for name, value in pairs:
        _check(name, value)
    return FieldBlock("\r\n" + "".join([f"{name}: {value}\r\n" for name, value in pairs]), pairs)


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
        field = self._block.index.get(lower)
        if field is not None and lower not in self._gone:
            return field[1]
        for key, _, value in self._added:
            if key == lower:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        lower = name.lower()
        block = self._block
        values = []
        if lower in block.index and lower not in self._gone:
            if block.repeated:
                values = [value for key, value in block.pairs if key.lower() == lower]
            else:
                values = [block.index[lower][1]]
        if self._added:
            values += [value for key, _, value in self._added if key == lower]
        return values

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def items(self) -> list[Field]:
        """All fields as they will be sent."""
        gone = self._gone
        kept = [pair for pair in self._block.pairs if pair[0].lower() not in gone] if gone else self._block.pairs
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
        if lower in self._block.index:
            self._gone |= {lower}
        if self._added:
            self._added = tuple(field for field in self._added if field[0] != lower)

    # --- for the gateway ---------------------------------------------------------------------------

    @property
    def block(self) -> FieldBlock:
        """The fields as they came on the wire."""
        return self._block

    @property
    def edits(self) -> tuple[frozenset[str], tuple[tuple[str, str, str], ...]]:
        """What was taken away and what was added since."""
        return self._gone, self._added

    @property
    def special(self) -> AbstractSet[str]:
        """The lower-case names that are for the gateway alone to send, of the wire and of policies."""
        if not self._added:
            return self._block.special
        return self._block.special.union([lower for lower, _, _ in self._added if is_reserved(lower)])

    def without(self, names: AbstractSet[str]) -> str:
        """The fields as text, each ended by CRLF, without these lower-case names."""
        block = self._block
        drop = names | self._gone if self._gone else names
        rendered = block.rendered
        if rendered is not None and rendered[0] == drop:
            text = rendered[1]
        else:
            text = _cut(block, drop)
            block.rendered = (drop, text)
        if self._added:
            text += "".join([f"{name}: {value}\r\n" for lower, name, value in self._added if lower not in names])
        return text


def _cut(block: FieldBlock, drop: AbstractSet[str]) -> str:
    """The fields of a block without some; cut out of its text, which is cheaper than to join the others."""
    if not block.repeated:
        text = block.text
        index = block.index
        for lower in drop:
            field = index.get(lower)
            if field is not None:
                text = text.replace(f"\r\n{field[0]}: {field[1]}\r\n", "\r\n", 1)
        return text[2:]
    return "".join([f"{name}: {value}\r\n" for name, value in block.pairs if name.lower() not in drop])
