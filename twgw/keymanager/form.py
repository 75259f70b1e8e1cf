"""What a client sends to the OAuth2 endpoints, read in one way only.  Pure.

A parameter that is there twice, credentials in two places, or characters that the grammar does not have are refused
before anything else looks at them (RFC 6749, 3.1, 3.2, appendix A).  Called by ``endpoints.py``.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from attrs import field, frozen

METHODS = ("client_secret_basic", "client_secret_post", "none")
"""How a client may show who it is (RFC 7591, 2); with none it is public."""
MOST = 30
"""Parameters of one request."""

_VSCHARS = re.compile(r"[ -~]*", re.ASCII)
_NOT_QUOTED = re.compile(r"[!#-\[\]-~]*", re.ASCII)
_SCOPES = re.compile(r"([!#-\[\]-~]+( [!#-\[\]-~]+)*)?", re.ASCII)
_ANY = re.compile(r"[^\x00-\x1f\x7f]*")
GRAMMAR = {
    "client_id": _VSCHARS,
    "client_secret": _VSCHARS,
    "code": _VSCHARS,
    "code_challenge": re.compile(r"[A-Za-z0-9._~-]{43,128}|", re.ASCII),
    "code_challenge_method": re.compile(r"[A-Za-z0-9._-]*", re.ASCII),
    "code_verifier": _VSCHARS,
    "grant_type": _NOT_QUOTED,
    "password": _ANY,
    "redirect_uri": _NOT_QUOTED,
    "refresh_token": _VSCHARS,
    "response_type": re.compile(r"[a-z_ ]*", re.ASCII),
    "scope": _SCOPES,
    "state": _VSCHARS,
    "token": _VSCHARS,
    "token_type_hint": _NOT_QUOTED,
    "username": _ANY,
}
"""What each parameter may be; others are not looked at."""


class Malformed(Exception):
    """A request that nobody can be sure to understand; the text is for its sender."""


@frozen
class Shown:
    """What a client shows to be known: how, and what."""

    method: str
    """As RFC 7591, 2 names it: client_secret_basic, client_secret_post or none."""
    id: str
    secret: str = field(default="", repr=False)


def parameters(text: str) -> dict[str, str]:
    """The parameters of a form or query.  One without a value counts as left out.  Raises Malformed."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST, errors="strict")
    except ValueError as error:
        raise Malformed("the parameters cannot be read, or are too many") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Malformed("a parameter is there twice" if name not in GRAMMAR else f"{name} is there twice")
        if name in GRAMMAR and not GRAMMAR[name].fullmatch(value):
            raise Malformed(f"{name} is malformed")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def body(data: bytes, content_type: str, query: str) -> dict[str, str]:
    """The parameters of a POST: in the body, in no other place.  Raises Malformed."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Malformed("send the parameters as application/x-www-form-urlencoded")
    if query:
        raise Malformed("send the parameters in the body, none in the query")
    try:
        return parameters(data.decode("ascii"))
    except UnicodeDecodeError as error:
        raise Malformed("the parameters cannot be read, or are too many") from error


def shown(authorization: str | None, form: Mapping[str, str]) -> Shown | None:
    """How a client wants to be known; None when it says nothing.  Raises Malformed for two ways at once."""
    id, secret = form.get("client_id"), form.get("client_secret")  # noqa: A001 - what it is
    if authorization is not None:
        basic = _basic(authorization)
        if secret is not None:
            raise Malformed("client_secret is there beside an Authorization field")
        if id is not None and id != basic.id:
            raise Malformed("client_id is another than that of the Authorization field")
        return basic
    if id is None:
        return None
    return Shown("none", id) if secret is None else Shown("client_secret_post", id, secret)


def _basic(text: str) -> Shown:
    """The two halves of Basic credentials, each decoded (RFC 6749, 2.3.1)."""
    scheme, _, value = text.partition(" ")
    try:
        id, colon, secret = base64.b64decode(value.strip(), validate=True).decode("ascii").partition(":")  # noqa: A001
        id, secret = unquote_plus(id, errors="strict"), unquote_plus(secret, errors="strict")  # noqa: A001
    except (ValueError, binascii.Error) as error:
        raise Malformed("the Authorization field is not that of HTTP Basic") from error
    if scheme.lower() != "basic" or not colon or not id or not (_VSCHARS.fullmatch(id) and _VSCHARS.fullmatch(secret)):
        raise Malformed("the Authorization field is not that of HTTP Basic")
    return Shown("client_secret_basic", id, secret)
