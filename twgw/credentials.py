"""Keys: how they are made, recognized and stored.

A key reads ``tw_<environment>_<id>_<secret>_<check>``: scanners find it by its first letters, the id may be logged,
and the check refuses a mistyped key without a lookup.  What is stored is its digest under the node's pepper.
Called by ``twgw key new``, by ``state.py`` for the form and by ``gateway/lookup.py`` for the digest.
Everything is pure but ``load_pepper``, which reads or makes the pepper file.
"""

import hashlib
import hmac
import os
import re
import secrets
import string
import zlib
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen, validators

from twgw.newfile import create

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PEPPER_BYTES = 32
_FAIR = 256 - 256 % len(ALPHABET)
_CHARACTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
_BEYOND = bytes(range(_FAIR, 256))

_KEY = re.compile(r"(tw_[a-z0-9]{1,16}_([0-9A-Za-z]{8})_[0-9A-Za-z]{43})_([0-9A-Za-z]{6})", re.ASCII)
_ENVIRONMENT = re.compile(r"[a-z0-9]{1,16}", re.ASCII)
_DIGEST = re.compile(r"v[1-9][0-9]{0,5}:[0-9a-f]{64}", re.ASCII)
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_PEPPER = re.compile(r"(v[1-9][0-9]{0,5}):([0-9a-f]{64,128})", re.ASCII)


class PepperError(Exception):
    """The pepper cannot be used; the text says why and what to do."""


@frozen
class Pepper:
    """The secret under which keys are stored: a stolen file of digests is worth nothing without it.

    ``version`` stands before every digest, so that a new pepper can be told from an old one.
    """

    version: str
    secret: bytes = field(repr=False, validator=validators.min_len(PEPPER_BYTES))

    @property
    def text(self) -> str:
        """The pepper as it stands in its file, or in a database."""
        return f"{self.version}:{self.secret.hex()}"

    @classmethod
    def from_text(cls, text: str) -> "Pepper":
        """Read a pepper as it stands in its file, ``v1:`` and at least 64 hex digits.  Raises ValueError."""
        found = _PEPPER.fullmatch(text.strip())
        if not found or len(found[2]) % 2:
            raise ValueError("must be v1: and 64 or more hex digits")
        return cls(found[1], bytes.fromhex(found[2]))


@define
class Peppers:
    """The peppers that are in use: the first is for new keys, any of them may be that of an older one."""

    known: tuple[Pepper, ...] = ()

    def digest(self, key: str) -> str:
        """What is stored of a new key."""
        return digest(self.known[0], key)

    def digests(self, key: str) -> tuple[str, ...]:
        """What may be stored of a key that is shown."""
        return tuple([digest(pepper, key) for pepper in self.known])


def new_pepper(version: int = 1) -> Pepper:
    """A pepper that nobody knows."""
    return Pepper(f"v{version}", secrets.token_bytes(PEPPER_BYTES))


def mint(environment: str = "live") -> str:
    """Make a key: 43 random characters, 256 bits.  Show it once and store its digest."""
    if not _ENVIRONMENT.fullmatch(environment):
        raise ValueError("environment must be 1 to 16 lower-case letters and digits")
    body = f"tw_{environment}_{_random(8)}_{_random(43)}"
    return f"{body}_{_check(body)}"


def key_id(key: str) -> str | None:
    """The part of a key that may be logged; None for what is no whole key."""
    found = _KEY.fullmatch(key)
    return found[2] if found and hmac.compare_digest(_check(found[1]), found[3]) else None


def well_formed(key: str) -> bool:
    """Whether a key of our form was copied whole and without a mistake."""
    return key_id(key) is not None


def digest(pepper: Pepper, key: str) -> str:
    """What is stored of a key, ``v1:`` and the HMAC-SHA-256 in hex.  A key of this entropy needs no slow hash.

    Of a key that was made elsewhere it is made over the key's SHA-256, so that one of which only that is left can be
    taken over (``digest_of_hash``) and is found in the same way.
    """
    if key.startswith("tw_"):
        return _digest(pepper, key)
    return digest_of_hash(pepper, hashlib.sha256(key.encode()).hexdigest())


def digest_of_hash(pepper: Pepper, sha256: str) -> str:
    """What is stored of a key that was made elsewhere, by its SHA-256 in hex.  Raises ValueError."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("must be a SHA-256 in 64 hex digits")
    return _digest(pepper, f"sha256:{sha256.lower()}")


def _digest(pepper: Pepper, text: str) -> str:
    return f"{pepper.version}:{hmac.new(pepper.secret, text.encode(), hashlib.sha256).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether a text has the form of a digest."""
    return _DIGEST.fullmatch(text) is not None


def load_pepper(path: Path) -> Pepper:
    """Read the pepper file, or make it.  Its directory must exist.  Raises PepperError, and OSError of the disk.

    Two nodes that start at once on one directory get the same pepper: the file appears whole or not at all.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        with suppress(FileExistsError):  # another node was first: its pepper counts
            create(path, new_pepper().text + "\n")
        return _read(path)


def _read(path: Path) -> Pepper:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        status = os.fstat(descriptor)
        if status.st_mode & 0o077:
            raise PepperError(f"{path}: other users may read it; run: chmod 600 {path}")
        if status.st_uid not in (os.geteuid(), 0):
            raise PepperError(f"{path}: belongs to another user; it must be owned by the user of the gateway")
        text = file.read(1024)
    try:
        return Pepper.from_text(text)
    except ValueError as error:
        raise PepperError(f"{path}: not a pepper: {error}; restore it, or every key has to be made anew") from error


def _random(length: int) -> str:
    """So many characters of the alphabet, each as likely as the others: bytes past its last multiple are dropped."""
    text = ""
    while len(text) < length:
        text += secrets.token_bytes(length + 8).translate(_CHARACTERS, _BEYOND).decode()
    return text[:length]


def _check(body: str) -> str:
    """CRC-32 in six characters: against mistakes, not against forgery."""
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, len(ALPHABET))
        text = ALPHABET[rest] + text
    return text
