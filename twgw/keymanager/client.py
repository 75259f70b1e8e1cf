"""What a client may do, and where its users may be sent.  Pure.

``Client.settings`` of the registry is the document of a ``ClientSettings``.  Read by ``grants.py``, written by the
admin REST.
"""

import re
from ipaddress import IPv6Address, ip_address
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from attrs import frozen, validators

from twgw.faults import Fault, SettingsError
from twgw.policy.bearer import SCOPE
from twgw.settings import setting

GrantType = Literal["client_credentials", "authorization_code", "refresh_token", "password"]

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#$&-;=?-\[\]_a-z~%]+", re.ASCII)
"""Characters of RFC 3986, 2, behind a scheme."""
_LONGEST_URI = 2000


def _redirect_uris(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    faults = [Fault(f"[{at}]", why) for at, uri in enumerate(value) if (why := redirect_problem(uri))]
    if faults:
        raise SettingsError(faults)


def _scopes(_instance: object, _attribute: object, value: tuple[str, ...] | None) -> None:
    for scope in value or ():
        if not SCOPE.fullmatch(scope):
            raise ValueError(f"{scope!r} must be printable ASCII characters without blanks, quotes and backslashes")


@frozen
class ClientSettings:
    """What a client may do."""

    grants: tuple[GrantType, ...] = setting(
        "How it may get tokens. password only works where [keymanager] password_grant allows it.",
        default=("client_credentials",),
    )
    redirect_uris: tuple[str, ...] = setting(
        "For authorization_code: where its users may be sent back, letter for letter. On 127.0.0.1 any port will do.",
        default=(),
        validator=_redirect_uris,
    )
    public: bool = setting(
        "Whether it runs where a secret cannot be kept, as in a browser or on a phone. It then has none.", default=False
    )
    scopes: tuple[str, ...] | None = setting(
        "What it may ask for, of the scopes of APIs that its application is subscribed to. Without it: all of them.",
        default=None,
        validator=_scopes,
    )
    default_scopes: tuple[str, ...] = setting(
        "What it gets when it asks for no scope.", default=(), validator=_scopes
    )
    token_format: Literal["opaque", "jwt"] = setting(
        "Whether its access tokens are opaque or JWTs (RFC 9068).", default="opaque"
    )
    access_seconds: float | None = setting(
        "How long its access tokens last. Without it: as [keymanager] says.",
        default=None,
        validator=validators.optional([validators.ge(1), validators.le(86400 * 366)]),
    )
    refresh_seconds: float | None = setting(
        "How long a refresh token lasts that is not used. Without it: as [keymanager] says.",
        default=None,
        validator=validators.optional([validators.ge(1), validators.le(86400 * 366)]),
    )
    introspect: bool = setting("Whether it may ask about tokens of others (RFC 7662).", default=False)

    def __attrs_post_init__(self) -> None:
        faults = []
        if "authorization_code" in self.grants and not self.redirect_uris:
            faults.append(Fault("redirect_uris", "missing; authorization_code needs one"))
        if self.public and "client_credentials" in self.grants:
            faults.append(Fault("grants", "client_credentials is for who can keep a secret (RFC 6749, 4.4)"))
        if self.public and self.introspect:
            faults.append(Fault("introspect", "is for who can keep a secret (RFC 7662, 2.1)"))
        if faults:
            raise SettingsError(faults)


def redirect_problem(uri: str) -> str:
    """Why a redirect URI cannot be registered; empty when it can (RFC 9700, 2.1; RFC 8252, 7)."""
    if len(uri) > _LONGEST_URI or not _URI.fullmatch(uri):
        return "must be an absolute URI of plain characters"
    if "#" in uri:
        return "must not have a fragment"
    try:
        url = urlsplit(uri)
        port = url.port
    except ValueError:
        return "must be a URI"
    if "@" in url.netloc:
        return "must not have a user"
    if "*" in url.netloc:
        return "must not have a wildcard"
    if url.scheme == "https":
        return "" if url.hostname else "must have a host"
    if url.scheme == "http":
        return "" if _is_loopback(url) and port != 0 else "must be https, or http on 127.0.0.1 or [::1]"
    if "." not in url.scheme:
        return "must be https, http on 127.0.0.1, or of a scheme that is your domain, such as com.example.app:/"
    return ""


def redirects_to(registered: str, uri: str) -> bool:
    """Whether a redirect URI is the registered one: letter for letter, but for the port on a loopback address."""
    if uri == registered:
        return True
    if not registered.startswith("http://") or redirect_problem(uri):
        return False
    one, other = urlsplit(registered), urlsplit(uri)
    same = (one.scheme, one.hostname, one.path, one.query) == (other.scheme, other.hostname, other.path, other.query)
    return same and _is_loopback(other) and other.geturl() == uri


def _is_loopback(url: SplitResult) -> bool:
    try:
        address = ip_address(url.hostname or "")
    except ValueError:
        return False
    written = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    host = url.netloc.rpartition(":")[0] if url.port is not None else url.netloc
    return address.is_loopback and host == written
