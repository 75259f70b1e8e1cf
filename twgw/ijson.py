"""JSON from outside, read as I-JSON (RFC 7493): what two readers might understand differently is refused.  Pure.

Called for every body that the control plane is sent.  Beyond the RFC: no NUL, which databases refuse, and no more
than ``DEPTH`` levels, which parsers would have to recurse into.
"""

import json
import math
from typing import Any, NoReturn

DEPTH = 64
LARGEST = 2**53 - 1
"""The largest whole number that every reader has exactly (RFC 7493, 2.2)."""


def read(data: bytes) -> Any:
    """The value of a document.  Raises ValueError with what is wrong, never with a value that stands in it."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_whole, parse_float=_number
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise ValueError(f"has more than {DEPTH} levels") from error
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("has an object with two members of the same name")
    return found


def _constant(_: str) -> NoReturn:
    raise ValueError("has a number that is none (NaN or Infinity)")


def _whole(text: str) -> int:
    if len(text) > len(str(LARGEST)) + 1 or abs(number := int(text)) > LARGEST:
        raise ValueError(f"has a whole number beyond {LARGEST}")
    return number


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("has a number that is too large")
    return number


def _check(value: Any) -> None:
    """Depth and texts, without recursion."""
    level, depth = [value], 1
    while level:
        if depth > DEPTH:
            raise ValueError(f"has more than {DEPTH} levels")
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _check_text(each)
            elif isinstance(each, dict):
                for name in each:
                    _check_text(name)
                below += each.values()
            elif isinstance(each, list):
                below += each
        level, depth = below, depth + 1


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("has a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("has half of a surrogate pair")
