"""Let in only callers whose credential carries the scopes that a route asks for.

    - {name: scopes, settings: {scopes: [orders.read]}}

Attach it to routes that ask for different scopes; on an API it holds for all routes, beside what a route asks for.
A scope is compared letter for letter.  It needs a policy that knows callers, such as oauth2, jwt-auth or key-auth.
"""

from typing import Literal

from attrs import field, frozen, validators

from twgw import hookimpl
from twgw.gateway.problems import unauthorized
from twgw.policy import Exchange, Problem, setting
from twgw.policy.bearer import REALM, SCOPE, insufficient_scope


def _scopes(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError("must name a scope")
    for scope in value:
        if not SCOPE.fullmatch(scope):
            raise ValueError(f"{scope!r} must be printable ASCII characters without blanks, quotes and backslashes")


@frozen
class Settings:
    """What a caller must have."""

    scopes: tuple[str, ...] = setting("The scopes.", validator=_scopes)
    match: Literal["all", "any"] = setting("Whether a caller needs all of them, or one.", default="all")
    roles: tuple[str, ...] = setting(
        "For the key manager: it gives the scopes only to users who have one of these roles. Empty: to everybody.",
        default=(),
    )
    realm: str = setting(
        "Name of what is protected, shown to a client without the scopes.",
        default="twgw",
        validator=validators.matches_re(REALM),
    )
    wanted: frozenset[str] = field(init=False, repr=False, eq=False)
    refusal: str = field(init=False, repr=False, eq=False)

    @wanted.default
    def _wanted(self) -> frozenset[str]:
        return frozenset(self.scopes)

    @refusal.default
    def _refusal(self) -> str:
        return " ".join(self.scopes)


@hookimpl
def twgw_authorize(exchange: Exchange, settings: Settings) -> Problem | None:
    """Compare what is wanted with what the credential has."""
    credential = exchange.credential
    if credential is None:
        return unauthorized(exchange.plan.chains.challenges)
    had = settings.wanted.intersection(credential.scopes)
    if had if settings.match == "any" else len(had) == len(settings.wanted):
        return None
    return insufficient_scope(settings.realm, settings.refusal)
