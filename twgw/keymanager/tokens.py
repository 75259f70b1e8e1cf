"""The life of a token: issued, rotated, expired, revoked.  Pure; ``storage/tokens.py`` keeps it.

All that comes of one login is a *family*: access token, refresh token, and what they are refreshed to.  A code or a
refresh token is used once; who shows one a second time has stolen it or was stolen from, and the family ends.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from attrs import field, frozen

from twgw import jwt
from twgw.credentials import mint
from twgw.jwt import Key
from twgw.registry import Known, Token

CODE_SECONDS = 60.0
"""Life of an authorization code (RFC 9700, 2.1.1)."""

Digest = Callable[[str], str]


@frozen
class Grant:
    """What is granted: to whom, for whom, and for what."""

    client: str
    application: str
    environment: str
    user: str | None
    scopes: tuple[str, ...]
    family: str = ""


@frozen
class Issued:
    """A token and its row.  The token itself is shown once."""

    secret: str = field(repr=False)
    row: Token


def new_family() -> str:
    """Name of all that will come of one login."""
    return secrets.token_hex(16)


def granted(requested: str | None, allowed: Collection[str], default: Iterable[str]) -> tuple[str, ...] | None:
    """The scopes of a new token: what was asked for and is allowed; None when nothing of it is (RFC 6749, 3.3)."""
    asked = tuple(dict.fromkeys((requested or "").split())) or tuple(default)
    given = tuple(scope for scope in asked if scope in allowed)
    return None if requested and requested.split() and not given else given


def opaque(grant: Grant, digest: Digest, seconds: float, now: float) -> Issued:
    """An access token that says nothing by itself."""
    secret = mint("at")
    return Issued(secret, _row("access", digest(secret), grant, now + seconds))


def signed(grant: Grant, digest: Digest, seconds: float, now: float, *, issuer: str, key: Key) -> Issued:
    """An access token that is a JWT (RFC 9068).  Its row goes by its ``jti``."""
    id, expires_at = mint("jti"), int(now + seconds)  # noqa: A001 - what it is called in a token
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": grant.user or grant.client,
        "client_id": grant.client,
        "iat": int(now),
        "exp": expires_at,
        "jti": id,
        **({"scope": " ".join(grant.scopes)} if grant.scopes else {}),
    }
    return Issued(jwt.sign(claims, key, "at+jwt"), _row("jti", digest(id), grant, float(expires_at)))


def refresh(grant: Grant, digest: Digest, seconds: float, now: float) -> Issued:
    """A refresh token: one more link of its family."""
    secret = mint("rt")
    return Issued(secret, _row("refresh", digest(secret), grant, now + seconds))


def code(grant: Grant, digest: Digest, now: float, *, redirect_uri: str | None, challenge: str) -> Issued:
    """An authorization code, bound to where it was sent and to the proof of who asked for it (RFC 7636)."""
    secret = mint("ac")
    data = {"redirect_uri": redirect_uri, "challenge": challenge}
    return Issued(secret, _row("code", digest(secret), grant, now + CODE_SECONDS, data))


def good(known: Known, now: float) -> Token | None:
    """The token, while it may be used."""
    entry = known.entry
    return entry if isinstance(entry, Token) and known.valid and now < entry.expires_at else None


def grant_of(token: Token, scopes: tuple[str, ...] | None = None) -> Grant:
    """What a code or refresh token grants; perhaps only a part of its scopes."""
    kept = token.scopes if scopes is None else scopes
    return Grant(token.client, token.application, token.environment, token.user, kept, token.family)


def answer(access: Issued, renewal: Issued | None, now: float) -> dict[str, Any]:
    """The token response (RFC 6749, 5.1)."""
    told = {
        "access_token": access.secret,
        "token_type": "Bearer",
        "expires_in": int(access.row.expires_at - now),
        "scope": " ".join(access.row.scopes),
    }
    return told if renewal is None else {**told, "refresh_token": renewal.secret}


def told(token: Token, issuer: str) -> dict[str, Any]:
    """What is said of a good token to who may ask (RFC 7662, 2.2)."""
    return {
        "active": True,
        "scope": " ".join(token.scopes),
        "client_id": token.client,
        "token_type": "Bearer",
        "exp": int(token.expires_at),
        "iat": int(token.issued_at),
        "sub": token.user or token.client,
        "aud": issuer,
        "iss": issuer,
        "application": token.application,
        **({"username": token.user} if token.user else {}),
    }


def _row(kind: str, digest: str, grant: Grant, expires_at: float, data: Mapping[str, Any] | None = None) -> Token:
    return Token(
        kind=kind, digest=digest, application=grant.application, expires_at=expires_at, client=grant.client,
        user=grant.user, scopes=grant.scopes, family=grant.family, environment=grant.environment, data=data or {},
    )  # fmt: skip
