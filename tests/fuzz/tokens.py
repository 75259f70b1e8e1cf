"""Fuzz targets: what callers bring as tokens, and the keys that verify them."""

from tests.bad_tokens import AUDIENCE, CLAIMS, ISSUER, KEY, NOW
from twgw import jwt
from twgw.jwt import Expected


def token(data: bytes) -> None:
    """A token is good or refused, nothing else happens; one that is good is of the issuer."""
    try:
        claims = jwt.verify(data.decode("latin-1"), [KEY], Expected(ISSUER, (AUDIENCE,), ("at+jwt",)), NOW)
    except jwt.Refused:
        return
    assert CLAIMS == claims


def key_set(data: bytes) -> None:
    """A set of keys is read or refused; what is read can verify and not sign."""
    try:
        keys = jwt.read_jwks(data)
    except jwt.KeyFault:
        return
    assert not any(key.private for key in keys)
