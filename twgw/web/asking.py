"""What a request asks for, read from its text: body, query, conditions, preferences.  Pure.

Called by ``application.py`` and ``transaction.py``.  Nothing is guessed: what is not understood is refused, with its
place.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from twgw import ijson
from twgw.faults import Fault, SettingsError
from twgw.schema import as_written
from twgw.settings import fields, structure, written_name, written_type
from twgw.web.refusals import changed_meanwhile, invalid, refuse, unconditional

LONGEST_WAIT = 60.0
"""Seconds that a client may ask to be held, at most."""

_WHOLE = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,16})?", re.ASCII)
_TAG = re.compile(r'(?:W/)?"[!#-~]*"', re.ASCII)
_IDEMPOTENCY = re.compile(r'"?([!#-~]{1,100})"?', re.ASCII)
_WAIT = re.compile(r"wait\s*=\s*\"?([0-9]{1,9})\"?", re.ASCII)
_LENIENT = re.compile(r"(\A|[,\s])handling\s*=\s*\"?lenient\"?([,;\s]|\Z)", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


def body_of(cls: type, data: bytes, content_type: str) -> Any:
    """The body as an object of a class; refused with 415, 400 or, with the path of every fault, 422."""
    return _structured(cls, _json(data, content_type))


def _json(data: bytes, content_type: str) -> Any:
    if content_type.partition(";")[0].strip().lower() not in ("application/json", "application/merge-patch+json"):
        raise refuse(415, "Not JSON", "send Content-Type: application/json")
    try:
        return ijson.read(data)
    except ValueError as error:
        raise refuse(400, "Not readable", f"the body {error}") from error


def query_of(cls: type, pairs: Iterable[tuple[str, str]]) -> Any:
    """The query as an object of a class: numbers and true or false are read from their text."""
    kinds = {written_name(attribute): written_type(attribute) for attribute in fields(cls)}
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name in found:
            raise refuse(400, "Not readable", "the query has two parameters of the same name")
        if "\0" in text:
            raise refuse(400, "Not readable", "the query has a NUL character")
        found[name] = _scalar(text, kinds.get(name, str))
    return _structured(cls, found)


def _scalar(text: str, kind: Any) -> Any:
    """The value of a text, where it has the form of one; else the text, and ``structure`` says what is wrong."""
    kinds = get_args(kind) or (kind,)
    if bool in kinds:
        return _BOOLEANS.get(text, text)
    if int in kinds and _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if float in kinds and _NUMBER.fullmatch(text) else text


def patch_of(data: bytes, content_type: str) -> dict[str, Any]:
    """The body of a PATCH: a JSON merge patch (RFC 7396) of an object."""
    value = _json(data, content_type)
    if not isinstance(value, dict):
        raise invalid([Fault("", "must be a mapping")])
    return value


def merged(cls: type, before: Any, patch: Mapping[str, Any]) -> Any:
    """The object that a merge patch makes of another, which has the fields of the class and perhaps more."""
    now = {written_name(each): as_written(getattr(before, each.name)) for each in fields(cls)}
    return _structured(cls, _patched(now, patch))


def _patched(value: Any, patch: Any) -> Any:
    """RFC 7396, 2: what is null goes away, objects are merged, everything else is replaced."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(value) if isinstance(value, Mapping) else {}
    for name, each in patch.items():
        if each is None:
            found.pop(name, None)
        else:
            found[name] = _patched(found.get(name), each)
    return found


def _structured(cls: type, value: Any) -> Any:
    try:
        return structure(cls, value)
    except SettingsError as error:
        raise invalid(error.faults) from error


def limit_of(query: Any) -> int:
    """How many entries a page may have."""
    limit: int = query.limit
    if not 1 <= limit <= 100:
        raise invalid([Fault("limit", "must be 1 to 100")])
    return limit


def after(query: Any) -> str | None:
    """The key behind which a page begins; None for the first page."""
    if not query.cursor:
        return None
    try:
        key = base64.b64decode(query.cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise invalid([Fault("cursor", "must be next of a page before")]) from error
    if "\0" in key:
        raise invalid([Fault("cursor", "must be next of a page before")])
    return key


def cursor(last: str | None) -> str | None:
    """What a client sends to get the next page; it is not meant to be read."""
    return None if last is None else base64.urlsafe_b64encode(last.encode()).decode()


def text_of(value: Any) -> str:
    """A value of ours as the JSON text that is sent."""
    return json.dumps(as_written(value, whole=True), indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def tag_of(text: str) -> str:
    """The ETag of a representation (RFC 9110, 8.8.3)."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def check_match(if_match: str | None, current: str, *, needed: bool) -> None:
    """Whether what is there is what the client means to change (RFC 9110, 13.1.1).  Raises a Refusal."""
    if if_match is None:
        if needed:
            raise unconditional()
        return
    if if_match.strip() != "*" and tag_of(current) not in _TAG.findall(if_match):
        raise changed_meanwhile()


def idempotency_key(text: str | None) -> str | None:
    """The value of Idempotency-Key, with or without its quotes."""
    if text is None:
        return None
    found = _IDEMPOTENCY.fullmatch(text.strip())
    if not found:
        raise refuse(400, "Not readable", "Idempotency-Key must be 1 to 100 printable characters without blanks")
    return found[1]


def fingerprint(method: str, path: str, data: bytes) -> str:
    """What makes two requests the same."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), data))).hexdigest()


def is_lenient(prefer: str | None) -> bool:
    """Whether a change is to be made though some nodes cannot have it in force (``Prefer``, RFC 7240)."""
    return prefer is not None and _LENIENT.search(prefer) is not None


def wait_of(prefer: str | None, default: float = 20.0) -> float:
    """How long the answer may be held until a change is in force, in seconds (``Prefer``, RFC 7240)."""
    if prefer is None:
        return default
    if re.search(r"(\A|[,\s])respond-async([,;\s]|\Z)", prefer):
        return 0.0
    found = _WAIT.search(prefer)
    return min(float(found[1]), LONGEST_WAIT) if found else default
