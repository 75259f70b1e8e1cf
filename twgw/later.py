"""Read what a node of another version may have written: what is unknown here is passed over.

So messages of ``cluster/carrying.py``, and what sessions say of themselves, may grow while nodes are upgraded.  Pure.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import attrs

from twgw.settings import structure, written_name

T = TypeVar("T")


def understood(cls: type[T], value: Any) -> T:
    """A value of a class, as ``structure`` makes it.  Raises SettingsError."""
    return structure(cls, _known(cls, value))


def _known(kind: Any, value: Any) -> Any:
    """What this version knows of a value."""
    origin = get_origin(kind)
    inside = [it for it in (kind, *get_args(kind)) if isinstance(it, type) and attrs.has(it)]
    if not inside:
        return value
    if isinstance(value, list):
        return [_known(inside[0], each) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _known(inside[0], each) for key, each in value.items()}
    types = {written_name(attribute): attribute.type for attribute in attrs.fields(inside[0])}
    return {key: _known(types[key], each) for key, each in value.items() if key in types}
