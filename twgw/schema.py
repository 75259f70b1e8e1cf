"""What may be written in a class of settings: as rows for a table, and as JSON Schema for forms.

Used by ``twgw plugins show``, by the generated reference page and, later, by the portals.
"""

import json
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
    Network,
    choices_of,
    fields,
    in_words,
    written_name,
    written_type,
)

_JSON = {int: "integer", float: "number", str: "string", bool: "boolean", types.NoneType: "null"}


def _default(attribute: "attrs.Attribute[Any]") -> Any:
    """The default as it would be written; NOTHING when there is none."""
    default: Any = attribute.default
    if hasattr(default, "factory"):
        default = NOTHING if default.takes_self else default.factory()
    return default if default is NOTHING else _as_written(default)


def _as_written(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if attrs.has(type(value)):
        plain = ((field, getattr(value, field.name)) for field in fields(type(value)))
        return {written_name(field): _as_written(it) for field, it in plain if _as_written(it) != _default(field)}
    if isinstance(value, Mapping):
        return {key: _as_written(each) for key, each in value.items()}
    if isinstance(value, tuple | list | AbstractSet):
        return [_as_written(each) for each in value]
    return value if value is None or type(value) in SCALARS else str(value)


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
        kind, default, name = written_type(attribute), _default(attribute), prefix + written_name(attribute)
        written = "" if default is NOTHING or attribute.metadata.get("secret") else json.dumps(default)
        meaning = attribute.metadata.get("help", "")
        rows.append(
            SettingRow(name, in_words(kind).removeprefix("a "), written, meaning, attribute.default is NOTHING)
        )
        for inner, brackets in _inner(kind, ""):
            rows += describe(inner, f"{name}{brackets}.")
    return rows


def _inner(kind: Any, brackets: str) -> Iterator[tuple[type, str]]:
    if attrs.has(kind):
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
        if (default := _default(attribute)) is not NOTHING and not attribute.metadata.get("secret"):
            properties[written_name(attribute)]["default"] = default
        if meaning := attribute.metadata.get("help"):
            properties[written_name(attribute)]["description"] = meaning
    required = [written_name(attribute) for attribute in fields(cls) if attribute.default is NOTHING]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(kind: Any) -> dict[str, Any]:
    if kind in _JSON:
        return {"type": _JSON[kind]}
    if kind == Network:
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
