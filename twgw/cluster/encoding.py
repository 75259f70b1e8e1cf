"""What a key manager tells of the registry, as bytes: JSON of what ``as_written`` makes and ``structure`` reads.

Pure.  ``answers.py`` writes it, ``remote.py`` reads it.  What may be large is compressed.  What comes is of a node that
showed its certificate, and is read as strictly as a file all the same: of a later version it may hold what is unknown
here, and nothing of that is guessed.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from attrs import asdict

from twgw.cache import Fact
from twgw.faults import SettingsError
from twgw.model import Credential, Subscription
from twgw.reader import AT_A_TIME, Found, Key, Right, Secrets
from twgw.registry import Head, News, SecretKey, Served
from twgw.schema import as_written
from twgw.settings import structure
from twgw.throttle.kept import Counted

LARGEST = 256 << 20
"""Bytes of a state, once it is no longer compressed."""
MOST_COUNTED, LONGEST_KEY = 500, 48
"""Values that are told at once of what was counted, and the length of their names."""
LATEST = 2**40
"""UNIX time; nothing lasts until then."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
TOGETHER, DIGESTS = 64, 8
"""Things that may be asked for at once, and digests of one of them."""


class Garbled(ValueError):
    """What came is not understood."""


def is_text(text: str) -> bool:
    """Whether a database takes it."""
    return not _NO_TEXT.search(text)


def write_everything(head: Head, served: Served) -> bytes:
    """All that is to be in force."""
    return _compressed({"head": asdict(head), "served": as_written(served)})


def read_everything(data: bytes) -> tuple[Head, Served]:
    """The same again.  Raises Garbled."""
    found = _mapping(_decompressed(data))
    return _structured(Head, found.get("head")), _structured(Served, found.get("served"))


def write_news(news: News | None) -> bytes:
    """What followed a position."""
    return _compressed(None if news is None else as_written(news))


def read_news(data: bytes) -> News | None:
    """The same again.  Raises Garbled."""
    found = _decompressed(data)
    return None if found is None else _structured(News, found)


def write_names(names: Sequence[str]) -> bytes:
    """APIs that are asked for; what is told of them is news without records."""
    return _json(list(names))


def read_names(data: bytes) -> list[str]:
    """The same again.  Raises Garbled."""
    found = _parsed(data)
    if not isinstance(found, list) or len(found) > AT_A_TIME:
        raise Garbled("asks for too much, or for nothing that is known")
    if not all(isinstance(it, str) and is_text(it) for it in found):
        raise Garbled("asks for something that is not known")
    return found


def write_wanted(wanted: Sequence[Key | Right]) -> bytes:
    """What is asked for; how a fact is called in the gateway, it keeps for itself."""
    return _json([["key", one.kind, one.digests] if isinstance(one, Key) else ["right", *one] for one in wanted])


def read_wanted(data: bytes) -> list[Key | Right]:
    """The same again.  Raises Garbled."""
    found = _parsed(data)
    if not isinstance(found, list) or len(found) > TOGETHER:
        raise Garbled("asks for too much, or for nothing that is known")
    return [_wanted(each) for each in found]


def _wanted(entry: Any) -> Key | Right:
    match entry:
        case ["right", str(application), str(api)] if is_text(application + api):
            return Right(application, api)
        case ["key", str(kind), [*digests]] if len(digests) <= DIGESTS and all(isinstance(it, str) for it in digests):
            if is_text("".join((kind, *digests))):
                return Key(b"", kind, tuple(digests))
    raise Garbled("asks for something that is not known")


def write_facts(found: Sequence[Found]) -> bytes:
    """What is known of each thing."""
    return _json(
        [
            {**_fact(fact), "rights": [[*right, _fact(its_fact)] for right, its_fact in rights.items()]}
            for fact, rights in found
        ]
    )


def _fact(fact: Fact) -> dict[str, Any]:
    return {
        "position": fact.position,
        "epoch": fact.epoch,
        "expires": None if fact.expires == inf else fact.expires,
        "tags": fact.tags,
        "payload": None if fact.payload is None else as_written(fact.payload),
    }


def read_facts(data: bytes, wanted: Sequence[Key | Right]) -> list[Found]:
    """The same again, for what was asked for.  Raises Garbled."""
    found = _parsed(data)
    if not isinstance(found, list) or len(found) != len(wanted):
        raise Garbled("answers something else")
    try:
        return [_found(each, one) for each, one in zip(found, wanted, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise Garbled("answers something else") from error


def _found(entry: Any, one: Key | Right) -> Found:
    rights = {
        Right(str(application), str(api)): _known(fact, Subscription) for application, api, fact in entry["rights"]
    }
    return _known(entry, Credential if isinstance(one, Key) else Subscription), rights


def _known(entry: Any, kind: type) -> Fact:
    payload, expires = entry["payload"], entry["expires"]
    return Fact(
        int(entry["position"]),
        int(entry["epoch"]),
        inf if expires is None else float(expires),
        tuple(map(str, entry["tags"])),
        None if payload is None else _structured(kind, payload),
    )


def write_secrets(found: Secrets) -> bytes:
    """The secrets that a gateway needs."""
    told: dict[str, Any] = {"peppers": [*map(asdict, found.peppers)], "signing": [*map(asdict, found.signing)],
                            "issuer": found.issuer}  # fmt: skip
    if found.removed is not None:
        told["head"] = asdict(found.head)
        told["removed"] = {node: sorted(serials) for node, serials in found.removed.items()}
    return _json(told)


def read_secrets(data: bytes) -> Secrets:
    """The same again.  Raises Garbled."""
    found = _mapping(_parsed(data))
    try:
        peppers, signing = (
            tuple(_structured(SecretKey, each) for each in found[kind]) for kind in ("peppers", "signing")
        )
        return Secrets(peppers, signing, str(found["issuer"]), *_removed(found))
    except (KeyError, TypeError) as error:
        raise Garbled("answers something else") from error


def _removed(found: Mapping[str, Any]) -> tuple[Head, Mapping[str, frozenset[str]] | None]:
    """Who was taken out, as of where; a key manager of an earlier version does not say."""
    if "removed" not in found:
        return Head(0, 0), None
    nodes = _mapping(found["removed"])
    return _structured(Head, found["head"]), {str(node): frozenset(map(str, it)) for node, it in nodes.items()}


def write_counted(values: Sequence[Counted], *, small: bool = False) -> bytes:
    """What was counted; ``small`` for as much as fits into a box."""
    return _json(values) if small else _compressed(values)


def read_counted(data: bytes, *, small: bool = False) -> list[Counted]:
    """The same again.  Raises Garbled."""
    found = _parsed(data) if small else _decompressed(data)
    if not isinstance(found, list) or (small and len(found) > MOST_COUNTED):
        raise Garbled("tells too much, or nothing that is known")
    return [_counted(each) for each in found]


def _counted(entry: Any) -> Counted:
    match entry:
        case [str(key), int(used), float() | int() as ends] if len(key) <= LONGEST_KEY and is_text(key):
            if used is not True and 0 <= used < 1 << 63 and 0 <= ends < LATEST:  # so it is a number
                return Counted(key, used, float(ends))
    raise Garbled("tells something that is not known")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _compressed(value: Any) -> bytes:
    return zlib.compress(_json(value), 1)


def _decompressed(data: bytes) -> Any:
    reading = zlib.decompressobj()
    try:
        text = reading.decompress(data, LARGEST)
    except zlib.error as error:
        raise Garbled("answers something else") from error
    if not reading.eof:
        raise Garbled(f"answers with more than {LARGEST} bytes, or not all of it came")
    return _parsed(text)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Garbled("does not speak JSON") from error


def _mapping(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise Garbled("answers something else")
    return found


def _structured(kind: type[Any], found: Any) -> Any:
    try:
        return structure(kind, found)
    except SettingsError as error:
        raise Garbled(f"tells what is not known here: {next(iter(error.faults))}") from error
