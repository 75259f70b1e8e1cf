"""A name and a password in the Authorization field of a request, and what their clients are told (RFC 7617).

Used by basic-auth and ldap-auth.
"""

import base64
import binascii

from twgw.policy.exchange import Problem, Request

LONGEST = 4096
"""Characters of the encoded pair; a longer one is refused without being looked at."""
MOST_KEPT = 60
"""Seconds for which a good password may be known again without being proved."""


def challenge(realm: str, scheme: str = "Basic") -> str:
    """What a client without a password is told to bring."""
    return f'{scheme} realm="{realm}", charset="UTF-8"'


def credentials(request: Request, scheme: str, told: str) -> tuple[str, str] | Problem | None:
    """Name and password of a request, None when it brings none of this scheme, a Problem for what has no meaning.

    ``told`` is the challenge that goes with a refusal.  The name ends at the first colon; a password may have more.
    """
    values = request.headers.get_all("authorization")
    if not values:
        return None
    found, _, encoded = values[0].partition(" ")
    if len(values) > 1:
        return Problem(400, "More than one Authorization field", code=900914)
    if found.lower() != scheme.lower():
        return None
    encoded = encoded.strip(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode() if len(encoded) <= LONGEST else ""
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    name, colon, password = text.partition(":")
    return (name, password) if colon else invalid(told)


def invalid(told: str) -> Problem:
    """The name or the password is wrong; which of them, nobody is told."""
    return Problem(401, "Invalid credentials", headers=(("WWW-Authenticate", told),), code=900914)


def hide(request: Request, scheme: str) -> None:
    """Take name and password away from what goes to the upstream."""
    value = request.headers.get("authorization")
    if value is not None and value.partition(" ")[0].lower() == scheme.lower():
        request.headers.remove("authorization")
