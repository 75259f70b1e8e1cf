"""Entries of a cache that others can write to: what they are called, and how they prove what they say.

An entry is sealed with a key that only nodes of the cluster have, together with its name: nobody else makes one, and
none passes for another.  An old one that comes back is a true one of that time; whether it holds is for positions of
the log to say (``cache.py``).  The key is made of the pepper that all nodes have, so it changes with that.  Pure.
"""

import hmac
from hashlib import sha256

from twgw.credentials import Pepper
from twgw.reader import Key, Right

SEAL_BYTES = 16
LARGEST = 60_000
"""Bytes of an entry."""
_SEAL, _NAME = b"twgw sealed entry 1\0", b"twgw name of an entry 1\0"


def _code(pepper: Pepper, purpose: bytes, *parts: bytes) -> bytes:
    """A code under the pepper; parts cannot run into each other."""
    text = purpose + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.new(pepper.secret, text, sha256).digest()[:SEAL_BYTES]


def name_of(pepper: Pepper, namespace: str, wanted: Key | Right) -> str:
    """What the entry of a key or a subscription is called: nothing of either can be read from it."""
    parts = ("key", wanted.kind, *wanted.digests) if isinstance(wanted, Key) else ("right", *wanted)
    return "k" + _code(pepper, _NAME, *(part.encode("utf-8", "surrogatepass") for part in (namespace, *parts))).hex()


def seal(pepper: Pepper, name: str, data: bytes) -> bytes | None:
    """An entry; None for one that would be too large."""
    return _code(pepper, _SEAL, name.encode(), data) + data if len(data) <= LARGEST - SEAL_BYTES else None


def opened(pepper: Pepper, name: str, entry: bytes) -> bytes | None:
    """What an entry says; None for one that no node has made, or made under another name or pepper.

    Names are of the newest pepper, so is the seal: an older one is known to whoever was in the cluster once.
    """
    data = entry[SEAL_BYTES:]
    return data if hmac.compare_digest(entry[:SEAL_BYTES], _code(pepper, _SEAL, name.encode(), data)) else None
