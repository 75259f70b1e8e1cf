"""Settings: attrs classes filled from what a person wrote, strictly, with every fault and its place.

A class of settings is an attrs class whose fields are made by ``setting``.  ``structure`` fills it, for
``config.py``, ``state.py`` and the policies of an API alike, so that errors look the same everywhere.
``schema.py`` shows it to portals, the command line and the reference page.
The only file that imports cattrs; nothing of it is seen outside, and none of its coercions are used.
"""

import math
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Union, Unpack, get_args, get_origin, get_type_hints, overload

import attrs
import cattrs
from attrs import NOTHING
from cattrs.errors import AttributeValidationNote, BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from twgw.faults import Fault, SettingsError, WrongTypeError, below, nearest, suggest

T = TypeVar("T")
Network = IPv4Network | IPv6Network
"""An IPv4 or IPv6 network, written as text."""
Validator = Callable[[Any, Any, Any], Any] | Sequence[Callable[[Any, Any, Any], Any]]
Hook = Callable[[Any, Any], Any]

UNIONS = (Union, types.UnionType)
MAPPINGS = (Mapping, dict)
LISTS = (tuple, list, frozenset, Sequence, Collection, Iterable, AbstractSet)
SCALARS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", types.NoneType: "nothing"}


class Options(TypedDict, total=False):
    """What every ``setting`` may have besides its meaning and its default."""

    validator: Validator | None
    alias: str | None
    secret: bool
    metadata: Mapping[str, Any]


@overload
def setting(meaning: str, *, default: T, **options: Unpack[Options]) -> T: ...
@overload
def setting(meaning: str, *, factory: Callable[[], T], **options: Unpack[Options]) -> T: ...
@overload
def setting(
    meaning: str, *, default: Any = ..., converter: Callable[[Any], Any] = ..., **options: Unpack[Options]
) -> Any: ...
def setting(
    meaning: str,
    *,
    default: Any = NOTHING,
    factory: Any = None,
    validator: Any = None,
    converter: Any = None,
    alias: str | None = None,
    secret: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """Declare one setting of a class.

        amount: int = setting("Requests in a period.", validator=positive)

    ``meaning`` is shown wherever the setting is.  Without ``default`` or ``factory`` the setting must be given.
    With a ``converter``, the type of its argument is what must be written, and the field's type what comes of it.
    ``alias`` is the name in the file when that is no Python name.  A ``secret`` is never shown.
    The fields may stand in any order, as they are given by name only.
    """
    return attrs.field(
        default=default,
        factory=factory,
        validator=validator,
        converter=converter,
        repr=not secret,
        kw_only=True,
        metadata={**(metadata or {}), "help": meaning, "alias": alias, "secret": secret},
    )


def structure(cls: type[T], mapping: Mapping[str, Any]) -> T:
    """Fill a class of settings.  Nothing is coerced.  Raises SettingsError with every fault that was found."""
    try:
        return _converter.structure(mapping, cls)
    except (BaseValidationError, SettingsError) as error:
        raise SettingsError(_faults(error, "")) from error


_converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=True)


def _faults(error: Exception, path: str) -> Iterator[Fault]:
    if isinstance(error, SettingsError):
        yield from (fault.under(path) for fault in error.faults)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [written_name(attribute) for attribute in fields(error.cl)]
        for key in sorted(error.extra_fields, key=str):
            yield Fault(below(path, str(key)), "unknown" + suggest(str(key), known))
    elif isinstance(error, BaseValidationError):
        names = {attribute.name: written_name(attribute) for attribute in fields(error.cl)}
        slips = [each for each in error.exceptions if isinstance(each, ForbiddenExtraKeysError)]
        meant = {nearest(str(key), names.values()) for each in slips for key in each.extra_fields}
        for each in error.exceptions:
            notes = [note for note in getattr(each, "__notes__", ()) if isinstance(note, AttributeValidationNote)]
            place = below(path, names[notes[0].name]) if notes else path
            if notes and isinstance(each, KeyError):
                if names[notes[0].name] not in meant:  # else the slip is said already
                    yield Fault(place, "missing")
            else:
                yield from _faults(each, place)
    else:
        yield Fault(path, _plain(error))


def _plain(error: Exception) -> str:
    """What a validator or a converter said, without the name and the value that attrs puts around it."""
    if not isinstance(error, ValueError | TypeError):
        return f"{type(error).__name__}: {error}"
    text = str(error.args[0]) if error.args else str(error)
    if "must be in" in text and len(error.args) == 4:
        return "must be one of " + ", ".join(str(choice) for choice in error.args[2])
    if "must match regex" in text and len(error.args) == 4:
        return f"must match {error.args[2].pattern}"
    text = re.sub(r"^Length of '\w+' must", "length must", text)
    text = re.sub(r"^'\w+' must", "must", text)
    return re.sub(r"(must be (?:>=|<=|>|<|==) \S+): .*", r"\1", text, flags=re.DOTALL)


def _wrong(wanted: str, value: object, hint: str = "") -> WrongTypeError:
    """The value itself is not shown: it may be a secret in the wrong place."""
    return WrongTypeError([Fault("", f"must be {wanted}, not {_kind(value)}{hint}")])


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return SCALARS.get(type(value), f"a {type(value).__name__}")


# --- what is written, to what it means: one hook for each kind of type ---


def _scalar(kind: type[T]) -> Callable[[Any, Any], T]:
    def read(value: Any, _: Any) -> T:
        if type(value) is kind:
            return value
        hint = "; put it in quotes" if kind is str and isinstance(value, int | float) else ""
        raise _wrong(SCALARS[kind], value, hint)

    return read


for _type in (int, str, bool):
    _converter.register_structure_hook(_type, _scalar(_type))


@_converter.register_structure_hook
def _float(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise _wrong("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SettingsError([Fault("", "must be a finite number")])
    return number


def _one_of(kind: Any) -> Hook:
    choices = choices_of(kind)

    def read(value: Any, _: Any) -> Any:
        for written, meant in choices:
            if type(value) is type(written) and value == written:
                return meant
        names = [str(written) for written, _ in choices]
        near = get_close_matches(value.upper(), [name.upper() for name in names], n=1) if type(value) is str else []
        hint = "".join(f"; did you mean {name}?" for name in names if name.upper() in near)
        raise SettingsError([Fault("", f"must be one of {', '.join(names)}{hint}")])

    return read


def _each(pairs: Iterable[tuple[Any, Any]], kind: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    faults: list[Fault] = []
    for key, value in pairs:
        try:
            found.append((key, _converter.structure(value, kind)))
        except Exception as error:  # noqa: BLE001 - every fault is collected, whatever a validator raised
            faults += _faults(error, below("", key))
    if faults:
        raise SettingsError(faults)
    return found


def _list(kind: Any) -> Hook:
    make = {list: list, frozenset: frozenset, AbstractSet: frozenset}.get(get_origin(kind), tuple)
    item = get_args(kind)[0]

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _wrong("a list", value)
        return make(entry for _, entry in _each(enumerate(value), item))

    return read


def _mapping(kind: Any) -> Hook:
    item = get_args(kind)[1]

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong("a mapping", value)
        if strange := [Fault("", f"keys must be text, not {_kind(key)}") for key in value if type(key) is not str]:
            raise SettingsError(strange)
        return dict(_each(value.items(), item))

    return read


def _union(kind: Any) -> Hook:
    members = get_args(kind)
    empty_is_none = types.NoneType in members and any(text_reader(member) for member in members)

    def read(value: Any, _: Any) -> Any:
        better: Exception | None = None
        if value == "" and empty_is_none:
            return None
        for member in members:
            if member is types.NoneType:
                if value is None:
                    return None
                continue
            try:
                return _converter.structure(value, member)
            except WrongTypeError:
                continue
            except Exception as error:  # noqa: BLE001 - the next member may take it
                better = better or error
        raise better or _wrong(in_words(kind), value)

    return read


def _text(value: Any, kind: Any) -> Any:
    read_text = text_reader(kind)
    if type(value) is not str or read_text is None:
        raise _wrong(in_words(kind), value)
    try:
        return read_text(value)
    except ValueError as error:
        raise SettingsError(_faults(error, "")) from error


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        hint = f"has bits set outside of its mask; did you mean {ip_network(text, strict=False)}?"
    except ValueError:
        hint = "must be a network such as 10.0.0.0/8 or 2001:db8::/32"
    raise ValueError(hint)


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("must be the name of a file or directory")
    return Path(text)


def _class(cls: Any) -> Hook:
    overrides: Any = {
        attribute.name: override(struct_hook=_checked(attribute), rename=written_name(attribute))
        for attribute in fields(cls)
    }
    read_fields = make_dict_structure_fn(cls, _converter, **overrides)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong("a mapping", value)
        return read_fields(value, cls)

    return read


def _checked(attribute: "attrs.Attribute[Any]") -> Hook:
    """Converter and validator of one field, asked before the whole is made: the constructor would stop at the first."""
    kind, validate = written_type(attribute), attribute.validator
    convert: Any = attribute.converter if callable(attribute.converter) else None

    def read(value: Any, _: Any) -> Any:
        value = _converter.structure(value, kind)
        try:
            meant = convert(value) if convert else value
            if validate:
                validate(None, attribute, meant)
        except (ValueError, TypeError) as error:
            raise SettingsError(_faults(error, "")) from error
        except Exception:  # noqa: BLE001 - see below
            # A validator that looks at the whole instance: the constructor will ask it again.
            return value
        return value

    return read


def _origin_in(origins: tuple[Any, ...]) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) in origins


_hooks: tuple[tuple[Callable[[Any], bool], Callable[[Any], Hook]], ...] = (
    (attrs.has, _class),
    (_origin_in(LISTS), _list),
    (_origin_in(MAPPINGS), _mapping),
    (_origin_in(UNIONS), _union),
    (lambda kind: text_reader(kind) is not None, lambda _: _text),
    (lambda kind: bool(choices_of(kind)), _one_of),
)
for _applies, _hook in _hooks:
    _converter.register_structure_hook_factory(_applies, _hook)
_converter.register_structure_hook(Path, _text)  # cattrs has one of its own, which coerces


# --- what a type says of itself ---


def fields(cls: Any) -> "tuple[attrs.Attribute[Any], ...]":
    """The settings of a class, with their types resolved."""
    return tuple(attribute for attribute in attrs.fields(attrs.resolve_types(cls)) if attribute.init)


def written_name(attribute: "attrs.Attribute[Any]") -> str:
    """The name by which a field stands in a file."""
    return attribute.metadata.get("alias") or attribute.name


def written_type(attribute: "attrs.Attribute[Any]") -> Any:
    """The type a person has to write: that of the converter's argument, else the field's own."""
    if attribute.converter is None:
        return attribute.type
    hints = get_type_hints(attribute.converter) if hasattr(attribute.converter, "__annotations__") else {}
    hints.pop("return", None)
    return next(iter(hints.values()), Any)


def text_reader(kind: Any) -> Callable[[str], Any] | None:
    """Of a type that is written as text: what reads it.  Ours have a class method ``from_text``, raising ValueError.

    Where such a type may also be None, that is written as empty text, as TOML has no null.
    """
    if kind == Network:
        return _network
    if kind is Path:
        return _path
    reader: Callable[[str], Any] | None = getattr(kind, "from_text", None) if attrs.has(kind) else None
    return reader


def choices_of(kind: Any) -> list[tuple[Any, Any]]:
    """Of an enum or a Literal: what may be written, and what it means."""
    if get_origin(kind) is Literal:
        return [(choice, choice) for choice in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [(member.value, member) for member in kind]
    return []


def in_words(kind: Any) -> str:
    """A type in words."""
    if kind in SCALARS:
        return SCALARS[kind]
    if text_reader(kind):
        return "a network" if kind == Network else "a path" if kind is Path else "text"
    if choices := choices_of(kind):
        return "one of " + ", ".join(str(written) for written, _ in choices)
    origin = get_origin(kind)
    if origin in UNIONS:
        return " or ".join(in_words(member) for member in get_args(kind))
    if origin in LISTS:
        return "a list of " + in_words(get_args(kind)[0]).removeprefix("a ")
    if origin in MAPPINGS:
        return "a mapping of " + in_words(get_args(kind)[1]).removeprefix("a ")
    return "a mapping" if attrs.has(kind) else "anything"
