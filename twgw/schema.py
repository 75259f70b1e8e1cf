"""What may be written in a class of settings: as rows for a table, as JSON Schema for forms, as a commented file.

Used by ``twgw plugins show``, by the generated reference page, by ``config.py`` and, later, by the portals.
"""

import json
import textwrap
import types
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
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


def default_of(attribute: "attrs.Attribute[Any]") -> Any:
    """The default of a setting as it would be written; NOTHING when there is none."""
    default: Any = attribute.default
    if hasattr(default, "factory"):
        default = NOTHING if default.takes_self else default.factory()
    if default is None and _is_empty_when_none(attribute):
        return ""
    return default if default is NOTHING else _as_written(default)


def _is_empty_when_none(attribute: "attrs.Attribute[Any]") -> bool:
    """Whether None is written as empty text; see ``text_reader``."""
    return any(text_reader(member) for member in get_args(attribute.type))


def _as_written(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if text_reader(type(value)):
        return str(value)
    if attrs.has(type(value)):
        pairs = ((field, getattr(value, field.name)) for field in fields(type(value)))
        plain = ((field, "" if it is None and _is_empty_when_none(field) else _as_written(it)) for field, it in pairs)
        return {written_name(field): it for field, it in plain if it != default_of(field)}
    if isinstance(value, Mapping):
        return {key: _as_written(each) for key, each in value.items()}
    if isinstance(value, tuple | list | AbstractSet):
        return [_as_written(each) for each in value]
    return value if type(value) in SCALARS else str(value)


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


def schema(cls: type) -> dict[str, Any]:
    """JSON Schema (2020-12) of what may be written."""
    properties = {}
    for attribute in fields(cls):
        properties[written_name(attribute)] = _schema(written_type(attribute))
        if (default := default_of(attribute)) is not NOTHING and not attribute.metadata.get("secret"):
            properties[written_name(attribute)]["default"] = default
        if meaning := attribute.metadata.get("help"):
            properties[written_name(attribute)]["description"] = meaning
    required = [written_name(attribute) for attribute in fields(cls) if attribute.default is NOTHING]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(kind: Any) -> dict[str, Any]:
    if kind in _JSON:
        return {"type": _JSON[kind]}
    if text_reader(kind):
        return {"type": "string"}
    if choices := choices_of(kind):
        return {"enum": [written for written, _ in choices]}
    origin = get_origin(kind)
    if origin in UNIONS:
        return {"anyOf": [_schema(member) for member in get_args(kind)]}
    if origin in LISTS:
        return {"type": "array", "items": _schema(get_args(kind)[0])}
    if origin in MAPPINGS:
        return {"type": "object", "additionalProperties": _schema(get_args(kind)[1])}
    return schema(kind) if attrs.has(kind) else {}


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


def is_section(kind: Any) -> bool:
    """Whether a type is a class of settings of its own, not something written as text."""
    return attrs.has(kind) and not text_reader(kind)


def commented_toml(cls: type, introduction: str) -> str:
    """A TOML file that shows every setting with its meaning, commented out at its default."""
    lines = _wrapped(introduction)
    for section, section_cls in sections(cls):
        lines += ["", "", *_wrapped((section_cls.__doc__ or "").strip()), f"[{section}]"]
        for attribute in fields(section_cls):
            if is_section(written_type(attribute)):
                continue
            name, meaning = written_name(attribute), attribute.metadata["help"]
            if attribute.metadata["secret"]:
                meaning += f" Or: {name}_file, a file that holds it."
            # JSON writes texts, numbers, booleans and lists as TOML does.
            lines += ["", *_wrapped(meaning), f"#{name} = {json.dumps(default_of(attribute))}"]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="# ")
