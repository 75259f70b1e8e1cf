"""The header fields of a message, as everybody sees them: parsed once, edited without copying.

``gateway/http1.py`` makes them of what came on the wire, policies read and edit them as ``Headers``,
``gateway/forwarding.py`` and ``gateway/edge.py`` write them out.

Clients and servers send the same names in the same order in message after message, whatever the values.  What follows
from the names alone is worked out once, as a ``Shape``; a message is then a shape and its lines, which nobody takes
apart but who asks for a value.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"(?![\t ])[\t -~\x80-\xff]*(?<![\t ])")
NONE: Final[frozenset[str]] = frozenset()
FRAMING: Final = frozenset("connection content-length transfer-encoding upgrade expect".split())
"""Fields that say where a message ends, and whether another one follows."""
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

MOST_SHAPES: Final = 1024
"""Shapes that are remembered; past that the table begins anew."""
LARGEST_SHAPE: Final = 2048
"""Characters of names above which a shape is not remembered."""
MOST_PICKERS: Final = 16
"""Ways of leaving fields out that are remembered with a shape."""

_shapes: Final[dict[tuple[str, ...], "Shape"]] = {}


def is_reserved(name: str) -> bool:
    """Whether a field is for the gateway alone to send, in any case."""
    lower = name.lower()
    return lower in SPECIAL or lower.startswith(RESERVED_PREFIXES)


Picker = Callable[[Sequence[str]], Iterable[str]]
"""What picks some lines of a head, and the empty one at its end."""


class Shape:
    """The names of a head in their order, and what follows from them.

    The lines of a head are its first line, one of each field as ``Name: value``, and an empty one.
    """

    __slots__ = ("connection", "for_client", "for_upstream", "framing", "host", "length", "masked", "names", "places",
                 "special", "underscores")  # fmt: skip

    def __init__(self, names: tuple[str, ...]) -> None:
        """Raises ValueError for what is not a name."""
        places: dict[str, tuple[int, ...]] = {}
        for place, name in enumerate(names):
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a header name: {name!r}")
            lower = name.lower()
            places[lower] = (*places.get(lower, ()), place + 1)
        self.names = names
        self.places = places
        """The lines of a name, by its lower case."""
        self.special = frozenset(lower for lower in places if is_reserved(lower))
        """The lower-case names that are not simply passed on: framing, for one hop, or reserved for gateways."""
        self.framing = FRAMING & self.special
        """Those of them that say where the message ends."""
        self.host = self._only("host")
        """The line of the one Host; 0 when there is none, or several."""
        self.connection = self._only("connection")
        self.length = self._only("content-length")
        underscored = [lower for lower in places if "_" in lower]
        self.underscores = bool(underscored)
        self.masked = frozenset(lower for lower in underscored if is_reserved(lower.replace("_", "-")))
        """Names that a server which reads ``_`` as ``-`` would take for fields in which only gateways speak."""
        self.for_upstream: dict[frozenset[str], Picker] = {}
        """What picks the lines for an upstream, by the lower-case names that are left out beside the reserved ones."""
        self.for_client: dict[frozenset[str], Picker] = {}
        """The same for a client, beside those for one hop."""

    def _only(self, lower: str) -> int:
        places = self.places.get(lower, ())
        return places[0] if len(places) == 1 else 0

    def picker(self, known: dict[frozenset[str], Picker], gone: frozenset[str]) -> Picker:
        """Make what picks the lines that are sent on, and remember it in one of the two tables above."""
        if len(known) >= MOST_PICKERS:
            known.clear()
        known[gone] = pick = self._without(gone | (self.special if known is self.for_upstream else ONE_HOP))
        return pick

    def _without(self, gone: frozenset[str]) -> Picker:
        kept = [place + 1 for place, name in enumerate(self.names) if name.lower() not in gone]
        return itemgetter(*kept, len(self.names) + 1) if kept else _nothing


def _nothing(_lines: object) -> tuple[str, ...]:
    return ()


def shape_of(names: tuple[str, ...]) -> Shape:
    """The shape with these names.  Raises ValueError for what is not a name."""
    shape = _shapes.get(names)
    if shape is None:
        shape = Shape(names)
        if sum(map(len, names)) <= LARGEST_SHAPE:
            if len(_shapes) >= MOST_SHAPES:
                _shapes.clear()
            _shapes[names] = shape
    return shape


def check_field(name: str, value: str) -> None:
    """Raises ValueError for a name or value that may not stand in a head."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"not a value for header {name}: control characters, outer blanks or non-Latin-1 text")


class Headers:
    """The header fields of a message: order and spelling are kept, names match in any case.

    A plain class with defaults on the class, as ``Exchange``, since one is made for every message.

    >>> headers = Headers([("Accept", "text/html"), ("X-Team", "a")])
    >>> headers.get("accept")
    'text/html'
    """

    _gone: frozenset[str] = NONE
    _added: tuple[tuple[str, str, str], ...] = ()

    def __init__(self, fields: Iterable[Field] | Mapping[str, str] = ()) -> None:
        """Raises ValueError for a name or value that may not stand in a head."""
        pairs = tuple(fields.items() if isinstance(fields, Mapping) else fields)
        for name, value in pairs:
            check_field(name, value)
        self.shape = shape_of(tuple([name for name, _ in pairs]))
        self._lines = ["", *[f"{name}: {value}" for name, value in pairs], ""]

    @classmethod
    def of(cls, shape: Shape, lines: list[str]) -> "Headers":
        """The fields of a head, as its shape and its lines; these are never changed."""
        self = cls.__new__(cls)
        self.shape = shape
        self._lines = lines
        return self

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of a field."""
        places = self.shape.places.get(name)  # which finds a name in lower case
        if places is None or self._gone or self._added:
            lower = name.lower()
            places = self.shape.places.get(lower)
            if places is None or lower in self._gone:
                for key, _, value in self._added:
                    if key == lower:
                        return value
                return default
        return self._lines[places[0]][len(name) + 2 :]

    def get_all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        lower = name.lower()
        values = [] if lower in self._gone else self.values(lower)
        return values + [value for key, _, value in self._added if key == lower] if self._added else values

    def all_of(self, lowers: Iterable[str]) -> list[str]:
        """Every value of several fields, by their lower-case names."""
        if self._gone or self._added:
            return [value for lower in lowers for value in self.get_all(lower)]
        lines, places = self._lines, self.shape.places
        return [lines[place][len(lower) + 2 :] for lower in lowers for place in places.get(lower, ())]

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def items(self) -> list[Field]:
        """All fields as they will be sent."""
        gone = self._gone
        fields = zip(self.shape.names, self._lines[1:-1], strict=True)
        kept = [(name, line[len(name) + 2 :]) for name, line in fields if name.lower() not in gone]
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
        check_field(name, value)
        self.put(name.lower(), name, value)

    def add(self, name: str, value: str) -> None:
        """Add a field beside those of the same name.  Raises ValueError for what may not stand in a head."""
        check_field(name, value)
        self._added += ((name.lower(), name, value),)

    def remove(self, name: str) -> None:
        """Take away every field of that name; nothing happens when there is none."""
        lower = name.lower()
        if lower in self.shape.places:
            self._gone |= {lower}
        if self._added:
            self._added = tuple([field for field in self._added if field[0] != lower])

    def remove_all(self, lowers: frozenset[str]) -> None:
        """Take away every field of these lower-case names."""
        self._gone = self._gone | lowers if self._gone else lowers
        if self._added:
            self._added = tuple([field for field in self._added if field[0] not in lowers])

    def put(self, lower: str, name: str, value: str) -> None:
        """``set`` without its checks, at a sixth of the cost, for what was checked when the policy was deployed.

        Args:
            lower: the name in lower case.
            name: the name as it is sent.
            value: text of the gateway's own making, never of a client.
        """
        if lower in self.shape.places:
            self._gone |= {lower}
        if self._added:
            self._added = (*[field for field in self._added if field[0] != lower], (lower, name, value))
        else:
            self._added = ((lower, name, value),)

    # --- for the gateway ---------------------------------------------------------------------------

    def values(self, lower: str) -> list[str]:
        """Every value of a field, by its lower-case name, as it came on the wire: edits do not count."""
        lines, start = self._lines, len(lower) + 2
        return [lines[place][start:] for place in self.shape.places.get(lower, ())]

    def to_upstream(self, nominated: frozenset[str] = NONE) -> str:
        """The fields that go on to an upstream, each ended by CRLF: nothing that only the gateway may say.

        ``nominated`` are names that the client declared to be for its hop only.
        """
        gone, shape = self._gone, self.shape
        if nominated:
            gone |= nominated & shape.places.keys()
        pick = shape.for_upstream.get(gone) or shape.picker(shape.for_upstream, gone)
        text = "\r\n".join(pick(self._lines))
        for lower, name, value in self._added:
            if not is_reserved(lower):
                text += f"{name}: {value}\r\n"
        return text

    def to_client(self) -> str:
        """The fields that go back to a client, each ended by CRLF: without framing and what is for one hop."""
        gone, shape = self._gone, self.shape
        pick = shape.for_client.get(gone) or shape.picker(shape.for_client, gone)
        text = "\r\n".join(pick(self._lines))
        for lower, name, value in self._added:
            if lower not in ONE_HOP:
                text += f"{name}: {value}\r\n"
        return text
