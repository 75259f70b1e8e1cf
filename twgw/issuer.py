"""This gateway as an issuer of tokens: its name, and the keys that it has just now.

Implements ``Issuer`` of ``policy/interfaces.py``; made by ``tap.py``.  The key manager signs access tokens with it,
backend-jwt what it tells upstreams, and jwt-auth verifies by it.  Where a database is the state its keys are rows
that all nodes share; where a file is, one file in the data directory, made when the first token is signed.
Pure, but for ``load_signing``.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

from attrs import define, field

from twgw import jwt
from twgw.jwt import Key, KeyFault
from twgw.keymanager.jwks import Ring, next_change, ring_of
from twgw.newfile import create
from twgw.registry import SecretKey

FILE = "signing.pem"
"""In the data directory."""


class SigningError(Exception):
    """The key for signing cannot be used; the text says why and what to do."""


@define(eq=False)
class Issuer:
    """Signs, and says by which keys its tokens are verified.

    ``load`` gives the rows when the first key is asked for and there are none; ``use`` takes others.
    """

    name: str
    wall: Callable[[], float]
    load: Callable[[], Sequence[SecretKey]] = field(default=tuple, repr=False)
    _rows: Sequence[SecretKey] = field(factory=tuple, init=False, repr=False)
    _ring: Ring | None = field(default=None, init=False, repr=False)
    _until: float = field(default=-inf, init=False)

    def use(self, rows: Sequence[SecretKey]) -> None:
        """Take these keys from now on, given the newest first."""
        self._rows, self._ring = tuple(rows), None

    def ring(self) -> Ring:
        """The keys of this moment.  Raises SigningError where there are none."""
        now, ring = self.wall(), self._ring
        if ring is not None and now < self._until:
            return ring
        rows = [row for row in self._rows or self.load() if row.retire_at is None or now < row.retire_at]
        if not rows:
            raise SigningError("there is no key for signing")
        made = ring_of(rows, now)
        if ring is not None and [key.id for key in ring.published] == [key.id for key in made.published]:
            made = Ring(made.signing, ring.published)  # the same tuple: what was verified by it stays verified
        self._rows, self._ring, self._until = rows, made, next_change(rows, now) or inf
        return made

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that verify its tokens; none where it never signed one."""
        return self.ring().published if self._rows else ()

    def sign(self, claims: Mapping[str, Any], **options: Any) -> str:
        """Sign a token; see ``jwt.sign``.  Raises SigningError."""
        return jwt.sign(claims, self.ring().signing, **options)

    @property
    def x5t(self) -> str:
        """The SHA-1 thumbprint of the certificate of the key that signs; empty where it has none."""
        return self.ring().signing.x5t


def load_signing(path: Path) -> list[SecretKey]:
    """Read the file of the signing key, or make it.  Raises SigningError, and OSError of the disk.

    It holds an RSA key as PEM text, and perhaps its certificate; two nodes that begin at once get the same.
    """
    try:
        return [_read(path)]
    except FileNotFoundError:
        with suppress(FileExistsError):
            create(path, jwt.generate("RS256").to_pem())
        return [_read(path)]


def _read(path: Path) -> SecretKey:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            raise SigningError(f"{path}: other users may read it; run: chmod 600 {path}")
        text = file.read(65536)
    try:
        key = jwt.from_pem(text, "RS256")
    except KeyFault as error:
        raise SigningError(f"{path}: {error}; put the PEM text of an RSA key there, or take the file away") from error
    if not key.private:
        raise SigningError(f"{path}: a public key cannot sign; put the private one there")
    return SecretKey("signing", 1, key.to_text(), 0.0, None)
