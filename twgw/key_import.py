"""The keys of other gateways, as they come from there: whose each is, and its SHA-256, which is all that is needed.

Pure.  Called by ``twgw key import``; ``credentials.digest_of_hash`` makes of it what is stored.
"""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

from attrs import field, frozen

from twgw.document import read_document
from twgw.faults import Fault, InvalidFileError

Form = Literal["list", "sha256", "kong"]
FORMATS = get_args(Form)
SHORTEST, LONGEST = 8, 512
"""Characters of a key."""

_KEY = re.compile(rf"[!-~]{{{SHORTEST},{LONGEST}}}", re.ASCII)
_HASH = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


@frozen
class ForeignKey:
    """A key that was made elsewhere.  The key itself is not kept."""

    application: str
    sha256: str = field(repr=False)


def read_keys(text: str, name: str, form: Form) -> list[ForeignKey]:
    """The keys of a file.  ``name`` is shown in errors.  Raises InvalidFileError with a line for everything wrong.

    No error repeats what stands in the place of a key.
    """
    faults: list[str] = []
    found: list[ForeignKey] = []
    where: dict[str, str] = {}
    for place, application, sha256, fault in _FORMS[form](text, name):
        named = application.strip() and len(application) <= 100 and application.isprintable()
        problem = fault or ("" if named else "the application must be 1 to 100 printable characters")
        if problem or sha256 in where:
            faults.append(f"{place}: {problem or f'is the same key as {where[sha256]}'}")
        else:
            where[sha256] = place
            found.append(ForeignKey(application.strip(), sha256))
    if faults or not found:
        raise InvalidFileError(faults or [f"{name}: holds no key"])
    return found


Entry = tuple[str, str, str, str]
"""Place, application, SHA-256, and what is wrong with the key."""


def _plain(key: str) -> tuple[str, str]:
    """The SHA-256 of a key, and what is wrong with it."""
    if not _KEY.fullmatch(key):
        return "", f"the key must be {SHORTEST} to {LONGEST} printable ASCII characters without blanks"
    if key.startswith("tw_"):
        return "", "the key starts as those of twgw do; make it known by its digest instead"
    return hashlib.sha256(key.encode()).hexdigest(), ""


def _hashed(text: str) -> tuple[str, str]:
    """A SHA-256 in hex, or as WSO2 stores it, and what is wrong with it."""
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict) or value.get("algorithm") != "SHA-256":
            return "", 'the hash must be {"hash": …, "algorithm": "SHA-256"}'
        text = str(value.get("hash"))
    return (text.lower(), "") if _HASH.fullmatch(text) else ("", "the hash must be a SHA-256 in 64 hex digits")


def _rows(text: str, name: str, read: Callable[[str], tuple[str, str]]) -> Iterator[Entry]:
    rows = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        for row in rows:
            place = f"{name}:{rows.line_num}"
            if not row or row[0].startswith("#"):
                continue
            if len(row) != 2:
                yield place, "-", "", "must be APPLICATION,KEY"
            else:
                yield place, row[0], *read(row[1].strip())
    except csv.Error as error:
        yield f"{name}:{rows.line_num}", "-", "", f"is not CSV: {error}"


def _kong(text: str, name: str) -> Iterator[Entry]:
    value, source = read_document(text, name)
    consumers = value.get("consumers") if isinstance(value, dict) else None
    if not isinstance(consumers, list):
        raise InvalidFileError([f"{name}: has no consumers"])
    for number, consumer in enumerate(consumers):
        keys: Any = consumer.get("keyauth_credentials", []) if isinstance(consumer, dict) else []
        for position, each in enumerate(keys if isinstance(keys, list) else []):
            path = f"consumers[{number}].keyauth_credentials[{position}]"
            place = source.locate(Fault(path, "")).removesuffix(": ")
            key = each.get("key") if isinstance(each, dict) else None
            application = consumer.get("username") or consumer.get("custom_id") or ""
            if not isinstance(key, str) or key.startswith("{vault:"):
                yield place, str(application), "", "has no key in it; dump the file with its credentials"
            else:
                yield place, str(application), *_plain(key)


_FORMS: dict[Form, Callable[[str, str], Iterator[Entry]]] = {
    "list": lambda text, name: _rows(text, name, _plain),
    "sha256": lambda text, name: _rows(text, name, _hashed),
    "kong": _kong,
}
