"""Tell the upstream who calls, in a signed token, as WSO2 API Manager does.

    - {name: backend-jwt}
    - {name: backend-jwt, settings: {header: X-JWT-Assertion, form: wso2-1.x}}

The token is made once for a caller, an API and a tier, and used until it is nearly over.  The upstream verifies it by
the keys at ``/oauth2/jwks``; where a file is the state, by the public part of ``signing.pem`` in the data directory.
A key that upstreams know already, with its certificate, may be put into that file.
What a client sends in that field is taken away; a call without credentials gets no token.
"""

import base64
from typing import Any, Literal

from attrs import define, field, frozen, validators

from twgw import hookimpl
from twgw.policy import Credential, Exchange, Gateway, setting
from twgw.policy.edits import names_of
from twgw.policy.headers import is_reserved

REMEMBERED = 10_000
"""Tokens that are kept; past that the table begins anew."""
EARLY = 0.8
"""The part of its life for which a token is sent; an upstream has the rest to look at it."""
TENANT = "-1234"
"""What WSO2 calls the one tenant of an installation without tenants."""


def _header(instance: object, attribute: object, value: str) -> None:
    names_of(is_reserved)(instance, attribute, (value,))


@define(eq=False)
class Made:
    """A token, and until when it is sent."""

    token: str
    until: float
    """Monotonic seconds."""


@frozen
class Settings:
    """What the upstream is told."""

    header: str = setting("Header field of the token.", default="X-JWT-Assertion", validator=_header)
    dialect: str = setting("What the names of claims begin with.", default="http://wso2.org/claims")
    issuer: str = setting("What stands in iss.", default="wso2.org/products/am")
    seconds: float = setting(
        "How long a token is good.", default=900.0, validator=[validators.ge(10), validators.le(86400)]
    )
    form: Literal["jwt", "wso2-1.x"] = setting(
        "jwt: as the RFC says. wso2-1.x: in base64 with + and /, exp in milliseconds, for upstreams of that time.",
        default="jwt",
    )
    made: dict[tuple[Any, ...], Made] = field(init=False, repr=False, eq=False, factory=dict)


@hookimpl
def twgw_transform(exchange: Exchange, settings: Settings, gateway: Gateway) -> None:
    """Send the token of the caller."""
    headers = exchange.request.headers
    headers.remove(settings.header)
    credential = exchange.credential
    if credential is None:
        return
    tier = exchange.subscription.tier if exchange.subscription is not None else None
    who = (credential.application, credential.user, credential.environment, credential.tier, credential.owner)
    key = (exchange.plan.api_id, tier, *who)
    now = gateway.clock.now()
    made = settings.made.get(key)
    if made is None or now >= made.until:
        if len(settings.made) >= REMEMBERED:
            settings.made.clear()
        token = _signed(_claims(exchange, credential, tier, settings), settings, gateway)
        made = settings.made[key] = Made(token, now + settings.seconds * EARLY)
    headers.set(settings.header, made.token)


def _claims(exchange: Exchange, credential: Credential, tier: str | None, settings: Settings) -> dict[str, str]:
    """What WSO2 says; what nobody knows here is left out."""
    api = exchange.plan.api
    user = credential.user
    told = {
        "subscriber": credential.owner,
        "applicationid": credential.application,
        "applicationname": credential.application,
        "applicationtier": credential.tier or "Unlimited",
        "apicontext": api.base_path,
        "version": api.version,
        "tier": tier or "Unlimited",
        "keytype": credential.environment.value.upper(),
        "usertype": "APPLICATION_USER" if user else "APPLICATION",
        "enduser": user or credential.owner or credential.application,
        "enduserTenantId": TENANT,
    }
    return {f"{settings.dialect}/{name}": value for name, value in told.items() if value}


def _signed(claims: dict[str, str], settings: Settings, gateway: Gateway) -> str:
    if gateway.issuer is None:
        raise LookupError("this gateway has no key to sign with")
    now = gateway.clock.wall()
    thumbprint = gateway.issuer.x5t
    # WSO2 encodes the hexadecimal text of the thumbprint, where the RFC encodes its bytes.
    hexadecimal = base64.urlsafe_b64decode(thumbprint + "=" * (-len(thumbprint) % 4)).hex().encode()
    header: dict[str, Any] = {"x5t": base64.urlsafe_b64encode(hexadecimal).decode() or None}
    told: dict[str, Any] = {"iss": settings.issuer, "iat": int(now), "exp": int(now + settings.seconds), **claims}
    if settings.form == "jwt":
        return gateway.issuer.sign(told, header=header)
    del told["iat"]
    told["exp"] *= 1000
    return gateway.issuer.sign(told, header={**header, "kid": None}, encode=base64.b64encode)
