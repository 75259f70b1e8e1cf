"""JSON Web Tokens: signed, and verified under keys that the verifier chose (RFC 7515, 7517, 7519; RFC 8725).

Nothing that a token says chooses how it is verified: its key is looked up by ``kid`` among those that are given, each
key is for one algorithm, and headers that bring a key or change the rules are refused.
Pure: the time is an argument.  The one file that imports joserfc; called by the key manager and by jwt-auth.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha1
from ssl import PEM_cert_to_DER_cert
from typing import Any

from attrs import field, frozen
from joserfc import jwk, jws
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from twgw import ijson

LONGEST_TOKEN = 8192
"""Characters; a longer token is refused without being read."""
MOST_SKEW = 60.0
"""Seconds by which the clock of an issuer may differ from ours."""
MOST_KEYS = 100
"""Keys in one set; a larger set is refused."""

ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("HS256", "HS384", "HS512"), "oct"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "Ed25519"),
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
}
"""The algorithms that are known, each with the kind of key it takes.  ``none`` is not among them."""

_PLAIN = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
"""The algorithm of a key that does not say."""
_PUBLIC = ("kty", "crv", "n", "e", "x", "y")
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi")
_REFUSED = ("crit", "b64", "jku", "x5u", "jwk", "x5c", "zip", "enc")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_RSA_BITS = 2048


class Refused(Exception):
    """A token is not good; the text says why and has nothing of the token in it."""


class UnknownKey(Refused):
    """None of the keys that were given is the one that the token names; its issuer may have a new one."""


class KeyFault(ValueError):
    """A key, or a set of keys, cannot be used; the text says why and has nothing of the key in it."""


@frozen(eq=False)
class Key:
    """One key, for one algorithm.  ``id`` is the ``kid`` of the tokens it signs."""

    id: str
    algorithm: str
    _key: Any = field(repr=False)
    x5t: str = ""
    """SHA-1 thumbprint of its certificate (RFC 7517, 4.8), where it came with one."""

    @property
    def private(self) -> bool:
        """Whether it can sign."""
        return bool(self._key.is_private)

    def public(self) -> dict[str, Any]:
        """What may be published of it, as a JWK.  Raises KeyFault for a shared secret."""
        if self._key.key_type == "oct":
            raise KeyFault("a shared secret has no public part")
        return {**self._members(private=False), "use": "sig"}

    def to_text(self) -> str:
        """All of it, private part included, as the text of a JWK; ``from_text`` reads it."""
        return json.dumps(self._members(private=self.private))

    def _members(self, *, private: bool) -> dict[str, Any]:
        members = {**self._key.as_dict(private=private), "kid": self.id, "alg": self.algorithm}
        return {**members, "x5t": self.x5t} if self.x5t else members

    def to_pem(self) -> str:
        """The same as PEM text, without its id and algorithm."""
        text: str = self._key.as_pem(private=self.private).decode()
        return text

    @classmethod
    def from_text(cls, text: str) -> "Key":
        """Read what ``to_text`` wrote.  Raises KeyFault."""
        return key_of(_object(text.encode(), KeyFault("not a JWK")))


def generate(algorithm: str = "RS256") -> Key:
    """Make a key pair.  Its id is the thumbprint of RFC 7638."""
    kind = ALGORITHMS[algorithm]
    made: Any
    if kind == "RSA":
        made = jwk.RSAKey.generate_key(_RSA_BITS)
    elif kind == "Ed25519":
        made = jwk.OKPKey.generate_key("Ed25519")
    elif kind == "oct":
        raise KeyFault("a shared secret is not made here")
    else:
        made = jwk.ECKey.generate_key(kind)
    return Key(made.thumbprint(), algorithm, made)


def from_pem(text: str, algorithm: str, id: str = "") -> Key:
    """The key in a PEM text: public, private with or without its certificate, or a certificate's.  Raises KeyFault."""
    kind = ALGORITHMS.get(algorithm, "")
    kinds: dict[str, Any] = {"RSA": jwk.RSAKey, "Ed25519": jwk.OKPKey}
    if kind in {"", "oct"}:
        raise KeyFault("a PEM file holds a key for one of " + ", ".join(name for name in ALGORITHMS if name[0] != "H"))
    blocks = {found[1]: found[0] for found in reversed(list(_BLOCK.finditer(text)))}  # of several the first
    certificate = blocks.pop("CERTIFICATE", "")
    try:
        found = kinds.get(kind, jwk.ECKey).import_key(next(iter(blocks.values()), certificate or text))
        members = {**found.as_dict(private=found.is_private), "alg": algorithm}
        if certificate:
            members["x5t"] = urlsafe_b64encode(sha1(PEM_cert_to_DER_cert(certificate)).digest()).decode()  # noqa: S324
    except Exception:  # noqa: BLE001 - the library raises what it likes for a text that is no key
        raise KeyFault(f"not the PEM text of a key for {algorithm}") from None
    return key_of({**members, "kid": id or found.thumbprint()})


def from_secret(secret: str, algorithm: str, id: str = "") -> Key:
    """A secret shared with the issuer.  Raises KeyFault when it is shorter than the hash (RFC 7518, 3.2)."""
    least = _SECRET_BYTES.get(algorithm)
    if least is None:
        raise KeyFault("a shared secret is for one of " + ", ".join(_SECRET_BYTES))
    if len(secret.encode()) < least:
        raise KeyFault(f"a secret for {algorithm} has at least {least} bytes")
    try:
        return Key(id, algorithm, jwk.OctKey.import_key(secret))
    except ValueError as error:
        raise KeyFault("this is a public key, and no secret") from error


def key_of(members: Mapping[str, Any], algorithm: str = "") -> Key:
    """A key from the members of a JWK.  Raises KeyFault for one that is not for signatures, or too short.

    ``algorithm`` is that of a key that does not say itself.
    """
    kind = str(members.get("crv" if members.get("kty") in ("EC", "OKP") else "kty"))
    name = members.get("alg") or algorithm or _PLAIN.get(kind, "")
    if not isinstance(name, str) or kind == "oct" or ALGORITHMS.get(name) != kind:
        raise KeyFault("not a key for signatures")
    if members.get("use", "sig") != "sig":
        raise KeyFault("not a key for signatures")
    try:
        bits = int.from_bytes(urlsafe_b64decode(members["n"].encode())).bit_length() if kind == "RSA" else _RSA_BITS
        found = jwk.import_key({each: members[each] for each in (*_PUBLIC, *_PRIVATE) if each in members})
        kid = members.get("kid") or found.thumbprint()
    except Exception:  # noqa: BLE001 - the library raises what it likes for a key it cannot read
        raise KeyFault("not a whole key") from None
    if bits < _RSA_BITS:
        raise KeyFault(f"an RSA key has at least {_RSA_BITS} bits")
    if not isinstance(kid, str):
        raise KeyFault("kid must be text")
    x5t = members.get("x5t")
    return Key(kid, name, found, x5t if isinstance(x5t, str) else "")


def read_jwks(document: bytes, algorithm: str = "") -> tuple[Key, ...]:
    """The public keys in a JWK set that are for signatures; others are passed over (RFC 7517, 5).

    Raises KeyFault for what is no JWK set, for one with too many keys, and for two keys that cannot be told apart.
    """
    keys = _object(document, KeyFault("not a JWK set")).get("keys")
    if not isinstance(keys, list) or not all(isinstance(members, dict) for members in keys):
        raise KeyFault("not a JWK set")
    if len(keys) > MOST_KEYS:
        raise KeyFault(f"a set of more than {MOST_KEYS} keys")
    found = []
    for members in keys:
        try:
            found.append(key_of({name: value for name, value in members.items() if name not in _PRIVATE}, algorithm))
        except KeyFault:
            continue
    if len({(key.id, key.algorithm) for key in found}) < len(found):
        raise KeyFault("two keys with the same kid")
    return tuple(found)


def write_jwks(keys: Iterable[Key]) -> dict[str, Any]:
    """The JWK set that publishes these keys."""
    return {"keys": [key.public() for key in keys]}


def sign(
    claims: Mapping[str, Any], key: Key, typ: str = "JWT", header: Mapping[str, Any] | None = None,
    *, encode: Callable[[bytes], bytes] = urlsafe_b64encode,
) -> str:  # fmt: skip
    """Sign a token.  About 1 ms for an RSA key: not on the path of a request.

    Args:
        header: more members of the header, or others in place of the usual ones; None takes one away.
        encode: another encoding than that of the RFC, for who reads no other.
    """
    head = {"alg": key.algorithm, "typ": typ, "kid": key.id, **(header or {})}
    parts = ({name: value for name, value in head.items() if value is not None}, claims)
    start = b".".join(encode(json.dumps(each, separators=(",", ":")).encode()) for each in parts)
    return (start + b"." + encode(_model(key).sign(start, key._key))).decode()  # noqa: SLF001 - our own


@frozen
class Expected:
    """What a token must be to be good."""

    issuer: str
    audiences: tuple[str, ...]
    """One of them must be in ``aud``.  Empty: ``aud`` is not looked at."""
    types: tuple[str, ...]
    """What ``typ`` may be, in lower case; empty text stands for a token without."""
    skew: float = MOST_SKEW
    """Seconds that are forgiven at ``exp``, ``nbf`` and ``iat``."""


def looks_like(token: str) -> bool:
    """Whether a text has the form of a JWT, good or not."""
    return token.count(".") == 2 and token.startswith("ey")


def unverified_issuer(token: str) -> str | None:
    """The issuer that a token names, to choose among several; it proves nothing."""
    if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        return None
    try:
        issuer = _object(urlsafe_b64decode(token.split(".")[1].encode()), ValueError()).get("iss")
    except ValueError:
        return None
    return issuer if isinstance(issuer, str) else None


def verify(token: str, keys: Iterable[Key], expected: Expected, now: float) -> dict[str, Any]:
    """The claims of a good token.  Raises Refused."""
    if len(token) > LONGEST_TOKEN:
        raise Refused(f"longer than {LONGEST_TOKEN} characters")
    if not _TOKEN.fullmatch(token):
        raise Refused("not a JWT")
    start, _, signature = token.rpartition(".")
    head, _, body = start.partition(".")
    try:
        header = _object(urlsafe_b64decode(head.encode()), Refused("its header is not a JSON object"))
        proof = urlsafe_b64decode(signature.encode())
        payload = urlsafe_b64decode(body.encode())
    except ValueError as error:
        raise Refused("not base64url") from error
    key = _key_for(header, keys)
    if not _model(key).verify(start.encode(), proof, key._key):  # noqa: SLF001 - our own
        raise Refused("its signature is wrong")
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in expected.types:
        raise Refused("its typ is not one of those expected")
    claims = _object(payload, Refused("its claims are not a JSON object"))
    _check(claims, expected, now)
    return claims


def _key_for(header: Mapping[str, Any], keys: Iterable[Key]) -> Key:
    for name in _REFUSED:
        if name in header:
            raise Refused(f"its header has {name}")
    algorithm, kid = header.get("alg"), header.get("kid")
    found = [key for key in keys if key.algorithm == algorithm and (kid is None or kid == key.id)]
    if len(found) != 1:
        raise UnknownKey("no key of this kid and algorithm" if kid is not None else "no kid, and not one key alone")
    return found[0]


def _check(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    if claims.get("iss") != expected.issuer:
        raise Refused("its issuer is another")
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if expected.audiences and not any(each in expected.audiences for each in audiences if isinstance(each, str)):
        raise Refused("it is for another audience")
    if now >= _time(claims, "exp", None) + expected.skew:
        raise Refused("it has expired")
    if now < _time(claims, "nbf", -math.inf) - expected.skew:
        raise Refused("it is not valid yet")
    if now < _time(claims, "iat", -math.inf) - expected.skew:
        raise Refused("it was issued in the future")


def _time(claims: Mapping[str, Any], name: str, default: float | None) -> float:
    value = claims.get(name, default)
    if type(value) in (int, float) and (value == default or abs(value) < 1e12):
        return float(value)
    raise Refused(f"its {name} is not a time")


def _model(key: Key) -> Any:
    return jws.JWSRegistry.algorithms[key.algorithm]


def _object(text: bytes, fault: Exception) -> dict[str, Any]:
    """A JSON object in which nothing has two meanings.  Raises the fault for anything else."""
    try:
        found = ijson.read(text)
    except ValueError:
        raise fault from None
    if not isinstance(found, dict):
        raise fault
    return found
