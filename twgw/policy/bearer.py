"""Bearer tokens in requests, and what their clients are told (RFC 6750).

Used by the policies that know callers by such a token, and by scopes.
"""

import re

from twgw.policy.exchange import Problem, Request

LONGEST_TOKEN = 8192
"""Characters; a longer token is refused without being looked at."""

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
REALM = re.compile(r"[ !#-\[\]-~]*", re.ASCII)
"""What a realm may be, so that it stays within its quotes."""
SCOPE = re.compile(r"[!#-\[\]-~]{1,255}", re.ASCII)
"""One scope (RFC 6749, 3.3)."""


def bearer_token(request: Request, realm: str) -> str | Problem | None:
    """The token of a request, None when it brings none, a Problem when nobody can say which one is meant.

    Only the header field is read: an address ends up in logs.
    """
    values = request.headers.get_all("authorization")
    if not values:
        return None
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1:
        return invalid_request(realm, "more than one Authorization field")
    if scheme.lower() != "bearer":
        return None
    token = token.strip(" ")
    if len(token) > LONGEST_TOKEN:
        return invalid_token(realm, "too long")
    if not _TOKEN.fullmatch(token):
        return invalid_request(realm, "not the form of a bearer token")
    if request.query and any(part.partition("=")[0] == "access_token" for part in request.query.split("&")):
        return invalid_request(realm, "a token in the query too")
    return token


def hide(request: Request) -> None:
    """Take a bearer token away from what goes to the upstream."""
    value = request.headers.get("authorization")
    if value is not None and value[:7].lower() == "bearer ":
        request.headers.remove("authorization")


def challenge(realm: str, **said: str) -> str:
    """A value for WWW-Authenticate."""
    return ", ".join([f'Bearer realm="{realm}"', *(f'{name}="{value}"' for name, value in said.items())])


def invalid_request(realm: str, why: str) -> Problem:
    """The request is malformed, or brings credentials in two ways."""
    said = challenge(realm, error="invalid_request", error_description=why)
    return Problem(400, "Invalid request", why, headers=(("WWW-Authenticate", said),), code=900901)


def invalid_token(realm: str, why: str = "unknown, expired or revoked") -> Problem:
    """The token is not good."""
    said = challenge(realm, error="invalid_token", error_description=why)
    return Problem(401, "Invalid credentials", why, headers=(("WWW-Authenticate", said),), code=900901)


def insufficient_scope(realm: str, scopes: str) -> Problem:
    """The token is good, and not for this."""
    said = challenge(realm, error="insufficient_scope", scope=scopes)
    return Problem(403, "Insufficient scope", headers=(("WWW-Authenticate", said),), code=900910)


def unavailable(why: str) -> Problem:
    """Nobody can say just now whether the token is good."""
    return Problem(503, "Credentials cannot be checked", why, headers=(("Retry-After", "1"),), code=900900)
