"""Know callers by an API key in a header field, or in the query where that is switched on.

    - {name: key-auth, settings: {header_names: [X-API-Key], hide_credentials: true}}

A key that is there twice is refused, whatever the two are: others might look at the other one.
"""

import re
from collections.abc import Awaitable
from urllib.parse import unquote_plus

from attrs import field, frozen, validators

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.policy import Credential, Exchange, Gateway, Problem, setting
from twgw.policy.edits import names_of
from twgw.policy.headers import is_reserved

Found = Credential | Problem | None

LONGEST_KEY = 512
"""Characters; a longer key is refused without being looked up."""


@frozen
class Settings:
    """Where the key stands."""

    header_names: tuple[str, ...] = setting(
        "Header fields that may hold the key.", default=("X-API-Key", "apikey"), validator=names_of(is_reserved)
    )
    query_names: tuple[str, ...] = setting(
        "Query parameters that may hold the key; addresses end up in logs and histories, so better none.", default=()
    )
    hide_credentials: bool = setting("Take the key away before the request goes to the upstream.", default=True)
    realm: str = setting(
        "Name of what is protected, shown to a client without a key.",
        default="twgw",
        validator=validators.matches_re(re.compile(r"[ !#-\[\]-~]*")),
    )
    lower_names: tuple[str, ...] = field(init=False, repr=False, eq=False)
    hidden: frozenset[str] = field(init=False, repr=False, eq=False)
    secret_query: frozenset[str] = field(init=False, repr=False, eq=False)

    @lower_names.default
    def _lower_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.lower() for name in self.header_names))

    @hidden.default
    def _hidden(self) -> frozenset[str]:
        return frozenset(self.lower_names)

    @secret_query.default
    def _secret_query(self) -> frozenset[str]:
        return frozenset(self.query_names)

    def __attrs_post_init__(self) -> None:
        if not (self.header_names or self.query_names):
            raise SettingsError([Fault("header_names", "give a name here or in query_names")])

    @property
    def challenge(self) -> str:
        """What a client without a key is told to bring."""
        return f'Key realm="{self.realm}"'


@hookimpl
def twgw_authenticate(exchange: Exchange, settings: Settings, gateway: Gateway) -> Found | Awaitable[Found]:
    """Find out whose key it is."""
    request = exchange.request
    keys = request.headers.all_of(settings.lower_names)
    if settings.query_names and request.query:
        keys += [value for name, value in _parameters(request.query) if name in settings.secret_query]
    if not keys:
        return None
    if len(keys) > 1:
        return Problem(400, "More than one API key", code=900901)
    key = keys[0]
    if not key:
        return None
    found = None if len(key) > LONGEST_KEY else gateway.credentials.find("api-key", key)
    if isinstance(found, Credential):
        return found
    return _unknown(settings) if found is None else _found_later(found, settings)


async def _found_later(finding: Awaitable[Credential | None], settings: Settings) -> Found:
    """The same when somebody else has to be asked."""
    return await finding or _unknown(settings)


def _unknown(settings: Settings) -> Problem:
    return Problem(401, "Invalid credentials", headers=(("WWW-Authenticate", settings.challenge),), code=900901)


@hookimpl(tryfirst=True)
def twgw_transform(exchange: Exchange, settings: Settings, gateway: Gateway) -> None:  # noqa: ARG001 - saves a call
    """Hide the key from the upstream, before another policy may put one there that is meant for it."""
    if not settings.hide_credentials:
        return
    request = exchange.request
    request.headers.remove_all(settings.hidden)
    if settings.query_names and request.query:
        secret = settings.secret_query
        parts = request.query.split("&")
        request.query = "&".join([part for part in parts if unquote_plus(part.partition("=")[0]) not in secret])


def _parameters(query: str) -> list[tuple[str, str]]:
    pieces = [part.partition("=") for part in query.split("&")]
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pieces]
