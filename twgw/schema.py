"""What may be written in a class of settings: as rows for a table, as JSON Schema for forms, as a commented file.

Used by ``twgw plugins show``, by the generated reference page, by ``config.py`` and by the control plane, whose bodies
are what ``as_written`` makes of the nouns and whose OpenAPI document is made of ``schema``.
"""

import json
import textwrap
import types
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin

import attrs
from attrs import NOTHING, frozen

from twgw.settings import (
    LISTS,
    MAPPINGS,
    SCALARS,
    UNIONS,
    choices_of,
    fields,
    in_words,
    text_reader,
    written_name,
    written_type,
)

_JSON = {int: "integer", float: "number", str: "string", bool: "boolean", types.NoneType: "null"}
_BOUNDS = {"<": "exclusiveMaximum", "<=": "maximum", ">": "exclusiveMinimum", ">=": "minimum"}
_LENGTHS = {
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "string": {"min_length": "minLength", "max_length": "maxLength"},
}


def default_of(attribute: "attrs.Attribute[Any]") -> Any:
    """The default of a setting as it would be written; NOTHING when there is none."""
    default: Any = attribute.default
    if hasattr(default, "factory"):
        default = NOTHING if default.takes_self else default.factory()
    if default is None and _is_empty_when_none(attribute):
        return ""
    return default if default is NOTHING else as_written(default)


def _is_empty_when_none(attribute: "attrs.Attribute[Any]") -> bool:
    """Whether None is written as empty text; see ``text_reader``."""
    return any(text_reader(member) for member in get_args(attribute.type))


def as_written(value: Any, *, whole: bool = False, secrets: bool = True) -> Any:
    """An object as ``structure`` reads it, of what JSON and TOML have.

    Without the fields that are at their default, or ``whole``; where something is only told, without its ``secrets``.
    """
    if isinstance(value, Enum):
        return value.value
    if text_reader(type(value)):
        return str(value)
    kind: Any = type(value)
    if attrs.has(kind):
        found = {}
        for name, written, default, is_empty_when_none, is_secret in _fields(kind):
            it = getattr(value, name)
            plain = "" if it is None and is_empty_when_none else as_written(it, whole=whole, secrets=secrets)
            if (secrets or not is_secret) and (whole or plain != default):
                found[written] = plain
        return found
    if isinstance(value, Mapping):
        return {key: as_written(each, whole=whole, secrets=secrets) for key, each in value.items()}
    if isinstance(value, tuple | list | AbstractSet):
        return [as_written(each, whole=whole, secrets=secrets) for each in value]
    return value if type(value) in SCALARS else str(value)


@cache
def _fields(cls: Any) -> list[tuple[str, str, Any, bool, bool]]:
    """Of each field: its name, how it is written, its default, whether None is empty text, whether it is secret."""
    return [
        (it.name, written_name(it), default_of(it), _is_empty_when_none(it), bool(it.metadata.get("secret")))
        for it in fields(cls)
    ]


@frozen
class SettingRow:
    """One setting, for a table.  ``default`` is as it would be written in a file; empty when it is ``required``."""

    name: str
    type: str
    default: str
    meaning: str
    required: bool


def describe(cls: type, prefix: str = "") -> list[SettingRow]:
    """Every setting of a class, in its order; those of a class inside it follow, as ``limits[].amount``."""
    rows = []
    for attribute in fields(cls):
        kind, default, name = written_type(attribute), default_of(attribute), prefix + written_name(attribute)
        written = "" if default is NOTHING or attribute.metadata.get("secret") else json.dumps(default)
        meaning = attribute.metadata.get("help", "")
        rows.append(
            SettingRow(name, in_words(kind).removeprefix("a "), written, meaning, attribute.default is NOTHING)
        )
        for inner, brackets in _inner(kind, ""):
            rows += describe(inner, f"{name}{brackets}.")
    return rows


def _inner(kind: Any, brackets: str) -> Iterator[tuple[type, str]]:
    if is_section(kind):
        yield kind, brackets
    elif get_origin(kind) in UNIONS:
        for member in get_args(kind):
            yield from _inner(member, brackets)
    elif get_origin(kind) in LISTS:
        yield from _inner(get_args(kind)[0], brackets + "[]")
    elif get_origin(kind) in MAPPINGS:
        yield from _inner(get_args(kind)[1], brackets + ".*")


def schema(cls: type, *, whole: bool = False) -> dict[str, Any]:
    """JSON Schema (2020-12) of what may be written; ``whole``: of what ``as_written`` says with nothing left out."""
    properties = {}
    for attribute in fields(cls):
        name = written_name(attribute)
        properties[name] = _schema(written_type(attribute), whole=whole)
        if not whole:
            _narrow(properties[name], attribute.validator)
        if (default := default_of(attribute)) is not NOTHING and not attribute.metadata.get("secret") and not whole:
            properties[name]["default"] = default
        if meaning := attribute.metadata.get("help"):
            properties[name]["description"] = meaning
    required = [
        written_name(attribute)
        for attribute in fields(cls)
        if (whole and not attribute.metadata.get("secret")) or (not whole and attribute.default is NOTHING)
    ]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(kind: Any, *, whole: bool = False) -> dict[str, Any]:
    if kind in _JSON:
        return {"type": _JSON[kind]}
    if text_reader(kind):
        return {"type": "string"}
    if choices := choices_of(kind):
        return {"enum": [choice for choice, _ in choices]}
    origin = get_origin(kind)
    if origin in UNIONS:
        return {"anyOf": [_schema(member, whole=whole) for member in get_args(kind)]}
    if origin in LISTS:
        return {"type": "array", "items": _schema(get_args(kind)[0], whole=whole)}
    if origin in MAPPINGS:
        return {"type": "object", "additionalProperties": _schema(get_args(kind)[1], whole=whole)}
    return schema(kind, whole=whole) if attrs.has(kind) else {}


def _narrow(found: dict[str, Any], validator: Any) -> None:
    """What the validators of attrs say, in the words of JSON Schema; what others say is not shown."""
    for each in getattr(validator, "_validators", None) or [validator]:
        if (inner := getattr(each, "validator", None)) is not None:  # optional(...)
            for member in found.get("anyOf", [found]):
                if member != {"type": "null"}:
                    _narrow(member, inner)
        elif hasattr(each, "bound"):
            found[_BOUNDS[each.compare_op]] = each.bound
        elif hasattr(each, "pattern"):
            found["pattern"] = f"^(?:{each.pattern.pattern})$"
        else:
            lengths = _LENGTHS["array" if found.get("type") == "array" else "string"]
            for name, keyword in lengths.items():
                if (length := getattr(each, name, None)) is not None:
                    found[keyword] = length


def sections(cls: type, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Every section with its class, outer ones first."""
    for attribute in fields(cls):
        if is_section(kind := written_type(attribute)):
            yield prefix + written_name(attribute), kind
            yield from sections(kind, f"{prefix}{written_name(attribute)}.")


def leaves(cls: type) -> Iterator[tuple[str, "attrs.Attribute[Any]"]]:
    """Every setting that is no section, by its dotted name."""
    for section, section_cls in sections(cls):
        for attribute in fields(section_cls):
            if not is_section(written_type(attribute)):
                name = f"{section}.{written_name(attribute)}"
                yield name, attribute
                if attribute.metadata["secret"]:
                    yield f"{name}_file", attribute


def lists(cls: type) -> Iterator[tuple[str, type]]:
    """Every section that may stand several times, ``[[name]]``, with its class: a list of them, at the top."""
    for attribute in fields(cls):
        kind = written_type(attribute)
        if get_origin(kind) in LISTS and is_section(inner := get_args(kind)[0]):
            yield written_name(attribute), inner


def is_section(kind: Any) -> bool:
    """Whether a type is a class of settings of its own, not something written as text."""
    return attrs.has(kind) and not text_reader(kind)


def commented_toml(cls: type, introduction: str) -> str:
    """A TOML file that shows every setting with its meaning, commented out at its default."""
    lines = _wrapped(introduction)
    for section, section_cls in sections(cls):
        lines += ["", "", *_wrapped(_docstring(section_cls)), f"[{section}]", *_commented(section_cls, "#")]
    for name, inner in lists(cls):
        lines += ["", "", *_wrapped(_docstring(inner)), f"#[[{name}]]", *_commented(inner, "#  ")]
    return "\n".join(lines) + "\n"


def _docstring(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split())


def _commented(cls: type, sign: str) -> Iterator[str]:
    for attribute in fields(cls):
        if is_section(written_type(attribute)):
            continue
        name, meaning, default = written_name(attribute), attribute.metadata["help"], default_of(attribute)
        if attribute.metadata["secret"]:
            meaning += f" Or: {name}_file, a file that holds it."
        if default is NOTHING:
            meaning += " It must be given."
            default = [] if get_origin(written_type(attribute)) in LISTS else ""
        # JSON writes texts, numbers, booleans, lists and empty mappings as TOML does.
        yield from ["", *_wrapped(meaning), f"{sign}{name} = {json.dumps(default)}"]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="# ")
