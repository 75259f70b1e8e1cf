"""Know callers by a JSON Web Token: one of this gateway's, or of an issuer whose keys are known.

    - name: jwt-auth
      settings:
        issuers:
          - issuer: https://login.example.com
            audiences: [https://api.example.com]
            jwks_url: https://login.example.com/jwks

The signature is checked here; of a token of this gateway its id is looked up too, so that a revoked one is refused.
Another issuer's token is good until it expires.  Its keys stand under ``keys``, or are fetched from ``jwks_url``: again
when they are old or when a token names an unknown one, but not more often than every ten seconds.
Policies after this one find the claims in ``exchange.attributes["jwt-auth"]``.
"""

import hashlib
import math
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from attrs import define, field, frozen, validators

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.jwt import (
    MOST_SKEW,
    Expected,
    Key,
    KeyFault,
    Refused,
    UnknownKey,
    from_pem,
    from_secret,
    looks_like,
    read_jwks,
    unverified_issuer,
    verify,
)
from twgw.policy import Answer, Credential, Exchange, Gateway, Problem, setting
from twgw.policy.bearer import REALM, bearer_token, challenge, hide, invalid_token, unavailable

REMEMBERED = 10_000
"""Verified tokens that are kept; past that the table begins anew."""
REFETCH_SECONDS = 10.0
"""An unknown key lets the keys of its issuer be fetched no sooner than so long after the last try."""
DOWN_SECONDS = 1.0
"""Without any keys, nobody tries to fetch some sooner than so long after a failure."""
POLL_SECONDS = 0.02
LARGEST_SET = 262_144

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
    "HS256", "HS384", "HS512",
]  # fmt: skip


@frozen
class LocalKey:
    """A key that was handed over."""

    key: str = setting("A public key or certificate as PEM text; for HS256 and its like the secret.", secret=True)
    algorithm: Algorithm = setting("The one algorithm it is for.", default="RS256")
    id: str = setting("The kid of its tokens. Empty: they have none.", default="")


@define(eq=False)
class Keys:
    """The keys of an issuer as they are known just now."""

    known: tuple[Key, ...]
    """Another tuple whenever they change."""
    fetched_at: float = -math.inf
    tried_at: float = -math.inf
    fetching: bool = False


@frozen
class Issuer:
    """Another issuer."""

    issuer: str = setting("What iss of its tokens must be, letter for letter.", validator=validators.min_len(1))
    audiences: tuple[str, ...] = setting(
        "Of these, one must stand in aud. An empty list takes every token of the issuer, whomever it is for."
    )
    jwks_url: str = setting("Address of its keys (RFC 7517).", default="")
    keys: tuple[LocalKey, ...] = setting("Its keys, in place of an address.", default=())
    algorithm: Algorithm | None = setting("Of keys at that address that do not say theirs.", default=None)
    types: tuple[str, ...] = setting(
        "What typ may be; empty text stands for a token without.", default=("at+jwt", "JWT")
    )
    application: str = setting("Application of every caller, in place of what the token says.", default="")
    application_claims: tuple[str, ...] = setting(
        "Claims that name the application; the first that is there counts.", default=("client_id", "azp")
    )
    scope_claims: tuple[str, ...] = setting(
        "Claims with the scopes, as text with blanks or as a list; the first that is there counts.",
        default=("scope", "scp"),
    )
    refresh_seconds: float = setting("How old its keys may be before they are fetched anew.", default=300.0,
                                     validator=validators.gt(0))  # fmt: skip
    stale_seconds: float = setting("How old they may be when that fails.", default=3600.0, validator=validators.gt(0))
    state: Keys = field(init=False, repr=False, eq=False)
    expected: Expected = field(init=False, repr=False, eq=False)

    @state.default
    def _state(self) -> Keys:
        faults, found = [], []
        for number, one in enumerate(self.keys):
            make = from_secret if one.algorithm.startswith("HS") else from_pem
            try:
                found.append(make(one.key, one.algorithm, one.id))
            except KeyFault as error:
                faults.append(Fault(f"keys[{number}].key", str(error)))
        if self.jwks_url and not self.jwks_url.startswith(("https://", "http://")):
            faults.append(Fault("jwks_url", "must start with https:// or http://"))
        if bool(self.jwks_url) == bool(self.keys):
            faults.append(Fault("jwks_url", "give either this or keys"))
        if faults:
            raise SettingsError(faults)
        return Keys(tuple(found))

    @expected.default
    def _expected(self) -> Expected:
        return Expected(self.issuer, self.audiences, tuple(each.lower() for each in self.types))


@frozen
class Verified:
    """A token that was good under some keys."""

    keys: tuple[Key, ...]
    claims: Mapping[str, Any]
    until: float
    """UNIX seconds."""
    credential: Credential | None
    """None for a token of this gateway, which is looked up each time."""


@frozen
class Settings:
    """Whose tokens are taken."""

    issuers: tuple[Issuer, ...] = setting("Other issuers.", default=())
    own: bool = setting("Whether tokens of this gateway are taken.", default=True)
    realm: str = setting(
        "Name of what is protected, shown to a client without a token.",
        default="twgw",
        validator=validators.matches_re(REALM),
    )
    hide_credentials: bool = setting("Take the token away before the request goes to the upstream.", default=True)
    by_name: dict[str, Issuer] = field(init=False, repr=False, eq=False)
    verified: dict[bytes, Verified] = field(init=False, repr=False, eq=False, factory=dict)
    memory_key: bytes = field(init=False, repr=False, eq=False, factory=lambda: secrets.token_bytes(32))

    @by_name.default
    def _by_name(self) -> dict[str, Issuer]:
        found: dict[str, Issuer] = {}
        for number, issuer in enumerate(self.issuers):
            if issuer.issuer in found:
                raise SettingsError([Fault(f"issuers[{number}].issuer", "stands twice")])
            found[issuer.issuer] = issuer
        return found

    def __attrs_post_init__(self) -> None:
        if not (self.issuers or self.own):
            raise SettingsError([Fault("issuers", "name an issuer, or leave own at true")])

    @property
    def challenge(self) -> str:
        """What a client without a token is told to bring."""
        return challenge(self.realm)


@hookimpl
async def twgw_authenticate(exchange: Exchange, settings: Settings, gateway: Gateway) -> Credential | Answer | None:
    """Check what has the form of a JWT, and say whose it is."""
    token = bearer_token(exchange.request, settings.realm)
    if token is None or isinstance(token, Problem):
        return token
    if not looks_like(token):
        return None
    try:
        found = await _verified(token, settings, gateway)
    except Refused as refusal:
        return invalid_token(settings.realm, str(refusal))
    if isinstance(found, Problem):
        return found
    credential = found.credential
    if credential is None:
        owner: Any = gateway.credentials.find("jti", found.claims["jti"])
        if not (owner is None or isinstance(owner, Credential)):
            owner = await owner
        credential = owner
    if credential is None:
        return invalid_token(settings.realm)
    exchange.attributes["jwt-auth"] = found.claims
    return credential


@hookimpl(trylast=True, specname="twgw_authenticate")
def last(exchange: Exchange, settings: Settings) -> Problem | None:
    """Refuse a bearer token that is no JWT, when no other policy took it."""
    token = bearer_token(exchange.request, settings.realm)
    return invalid_token(settings.realm, "not a JWT") if isinstance(token, str) else token


@hookimpl(tryfirst=True)
def twgw_transform(exchange: Exchange, settings: Settings) -> None:
    """Hide the token from the upstream."""
    if settings.hide_credentials:
        hide(exchange.request)


async def _verified(token: str, settings: Settings, gateway: Gateway) -> Verified | Problem:
    """What a token says, if it is good.  Raises Refused."""
    now = gateway.clock.wall()
    name = hashlib.blake2b(token.encode(), key=settings.memory_key, digest_size=16).digest()
    seen = settings.verified.get(name)
    own, issuer_name = gateway.issuer, (unverified_issuer(token) or "") if seen is None else seen.claims["iss"]
    if settings.own and own is not None and issuer_name == own.name:
        if seen is not None and seen.keys is own.keys and now < seen.until:
            return seen
        found = _of_own(token, own.keys, own.name, now)
    else:
        issuer = settings.by_name.get(issuer_name)
        if issuer is None:
            raise Refused("its issuer is not known here")
        missing = await _refresh(issuer, gateway)
        if missing is not None:
            return missing
        if seen is not None and seen.keys is issuer.state.known and now < seen.until:
            return seen
        found = await _of_other(token, issuer, gateway, now)
    if len(settings.verified) >= REMEMBERED:
        settings.verified.clear()
    settings.verified[name] = found
    return found


def _of_own(token: str, keys: tuple[Key, ...], name: str, now: float) -> Verified:
    claims = verify(token, keys, Expected(name, (name,), ("at+jwt",)), now)
    if not isinstance(claims.get("jti"), str):
        raise Refused("it has no jti")
    return Verified(keys, MappingProxyType(claims), claims["exp"] + MOST_SKEW, None)


async def _of_other(token: str, issuer: Issuer, gateway: Gateway, now: float) -> Verified:
    try:
        claims = verify(token, issuer.state.known, issuer.expected, now)
    except UnknownKey:
        early = gateway.clock.now() < issuer.state.tried_at + REFETCH_SECONDS
        if not issuer.jwks_url or (early and not issuer.state.fetching):
            raise
        await _fetch(issuer, gateway)
        claims = verify(token, issuer.state.known, issuer.expected, now)
    application = issuer.application or _first(claims, issuer.application_claims) or ""
    subject = claims.get("sub") or application
    if not isinstance(application, str) or not isinstance(subject, str):
        raise Refused("its names are not text")
    scopes = _first(claims, issuer.scope_claims) or ()
    credential = Credential(
        kind="jwt",
        id=subject[:100],
        application=application,
        scopes=tuple(scopes.split() if isinstance(scopes, str) else map(str, scopes)),
        expires_at=claims["exp"],
    )
    return Verified(issuer.state.known, MappingProxyType(claims), claims["exp"] + MOST_SKEW, credential)


def _first(claims: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((claims[name] for name in names if claims.get(name)), None)


async def _refresh(issuer: Issuer, gateway: Gateway) -> Problem | None:
    """See to it that keys are there and not too old; a Problem when that cannot be had."""
    if not issuer.jwks_url:
        return None
    state, now = issuer.state, gateway.clock.now()
    age = now - state.fetched_at
    if age < issuer.refresh_seconds:
        return None
    usable = age < issuer.stale_seconds
    due = state.tried_at + (REFETCH_SECONDS if usable else DOWN_SECONDS)
    if not usable if state.fetching else now >= due:
        await _fetch(issuer, gateway)
    if gateway.clock.now() - state.fetched_at < issuer.stale_seconds:
        return None
    return unavailable("the keys of its issuer cannot be fetched")


async def _fetch(issuer: Issuer, gateway: Gateway) -> None:
    """Fetch the keys of an issuer, or wait for who does already.  What fails is logged and changes nothing."""
    state, clock = issuer.state, gateway.clock
    asked_at = clock.now()
    while state.fetching:
        await clock.sleep(POLL_SECONDS)
    if state.tried_at >= asked_at:
        return
    state.fetching, state.tried_at = True, clock.now()
    try:
        answer = await gateway.http.request(
            "GET", issuer.jwks_url, headers={"Accept": "application/json"}, limit=LARGEST_SET
        )
        if answer.status != 200:
            raise OSError(f"answered {answer.status}")  # noqa: TRY301 - as the call itself does when nothing comes
        found = read_jwks(answer.body, issuer.algorithm or "")
        state.known, state.fetched_at = found, clock.now()
    except (OSError, KeyFault) as error:
        gateway.log.warn("{url}: no keys: {error}", url=issuer.jwks_url, error=error)  # noqa: G010 - not logging's
    finally:
        state.fetching = False
