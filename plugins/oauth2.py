"""Know callers by an opaque bearer token (RFC 6750): one of this gateway's, or one that another server knows.

    - {name: oauth2}
    - name: oauth2
      settings:
        introspection_url: https://login.example.com/oauth2/introspect
        client_id: twgw
        client_secret: change-me

Without ``introspection_url`` the token is one that this gateway issued.  With it that server is asked (RFC 7662), and
what it said is kept for ``cache_seconds``: a token that is revoked there is let in for at most so long.
Beside jwt-auth it leaves to that policy what has the form of a JWT.
"""

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import quote_plus, urlencode

from attrs import define, field, frozen, validators

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.jwt import looks_like
from twgw.policy import Answer, Credential, Exchange, Gateway, Problem, setting
from twgw.policy.bearer import REALM, bearer_token, challenge, hide, invalid_token, unavailable

REMEMBERED = 10_000
"""Answers of the other server that are kept; past that the table begins anew."""
NEGATIVE_SECONDS = 1.0
"""How long the answer "not active" is kept."""
DOWN_SECONDS = 1.0
"""How long nobody is asked after a call that failed."""
LARGEST_ANSWER = 65536
EARLY = 0.8
"""The part of its life after which an answer that is in use is asked for anew, while the others use it on."""


@define(eq=False)
class Remembered:
    """What the other server said of one token."""

    credential: Credential | None
    until: float
    """Monotonic seconds."""
    renew_at: float


@define(eq=False)
class Memory:
    """What the other server said, by a digest of the token under a key of this process."""

    good: dict[bytes, Remembered] = field(factory=dict)
    bad: dict[bytes, Remembered] = field(factory=dict)
    """Apart, so that who guesses does not drive out what is in use."""
    down_until: float = 0.0
    key: bytes = field(factory=lambda: secrets.token_bytes(32), repr=False)

    def name(self, token: str) -> bytes:
        """Under which a token is kept: never itself."""
        return hashlib.blake2b(token.encode(), key=self.key, digest_size=16).digest()

    def note(self, name: bytes, answer: Remembered) -> None:
        """Keep an answer."""
        table, other = (self.bad, self.good) if answer.credential is None else (self.good, self.bad)
        other.pop(name, None)
        if len(table) >= REMEMBERED:
            table.clear()
        table[name] = answer


@frozen
class Settings:
    """Whose tokens they are."""

    realm: str = setting(
        "Name of what is protected, shown to a client without a token.",
        default="twgw",
        validator=validators.matches_re(REALM),
    )
    hide_credentials: bool = setting("Take the token away before the request goes to the upstream.", default=True)
    introspection_url: str = setting(
        "Address of another server that knows its tokens (RFC 7662). Empty: the tokens are this gateway's.", default=""
    )
    client_id: str = setting("Name by which that server knows us.", default="")
    client_secret: str = setting("Our secret there.", default="", secret=True)
    cache_seconds: float = setting(
        "How long an answer of that server is used.", default=5.0, validator=[validators.ge(0), validators.le(300)]
    )
    timeout: float = setting("Seconds for its answer.", default=2.0, validator=validators.gt(0))
    issuer: str = setting("What iss in its answers must be. Empty: it is not looked at.", default="")
    audiences: tuple[str, ...] = setting(
        "Of these, one must stand in aud of its answers. Empty: aud is not looked at.", default=()
    )
    application: str = setting("Application of every caller, in place of what the answer says.", default="")
    application_claim: str = setting("Member of its answers that names the application.", default="client_id")
    memory: Memory = field(init=False, repr=False, eq=False, factory=Memory)

    def __attrs_post_init__(self) -> None:
        faults = []
        if self.introspection_url and not self.introspection_url.startswith(("https://", "http://")):
            faults.append(Fault("introspection_url", "must start with https:// or http://"))
        if not self.introspection_url:
            names = ("client_id", "client_secret", "issuer", "audiences", "application")
            faults += [Fault(name, "needs introspection_url") for name in names if getattr(self, name)]
        elif not self.client_id:
            faults.append(Fault("client_id", "missing; the other server asks who we are (RFC 7662, 2.1)"))
        if faults:
            raise SettingsError(faults)

    @property
    def challenge(self) -> str:
        """What a client without a token is told to bring."""
        return challenge(self.realm)


@hookimpl
async def twgw_authenticate(exchange: Exchange, settings: Settings, gateway: Gateway) -> Credential | Answer | None:
    """Find out whose token it is, unless it has the form of a JWT."""
    token = bearer_token(exchange.request, settings.realm)
    if token is None or isinstance(token, Problem):
        return token
    if looks_like(token):
        return None
    return await _owner(token, settings, gateway)


@hookimpl(trylast=True, specname="twgw_authenticate")
async def last(exchange: Exchange, settings: Settings, gateway: Gateway) -> Credential | Answer | None:
    """Find out whose JWT it is, when no other policy took it."""
    token = bearer_token(exchange.request, settings.realm)
    return await _owner(token, settings, gateway) if isinstance(token, str) else token


@hookimpl(tryfirst=True)
def twgw_transform(exchange: Exchange, settings: Settings) -> None:
    """Hide the token from the upstream."""
    if settings.hide_credentials:
        hide(exchange.request)


async def _owner(token: str, settings: Settings, gateway: Gateway) -> Credential | Problem:
    if settings.introspection_url:
        found: Any = await _introspected(token, settings, gateway)
    else:
        found = gateway.credentials.find("token", token)
        if not (found is None or isinstance(found, Credential)):
            found = await found
    return invalid_token(settings.realm) if found is None else found


async def _introspected(token: str, settings: Settings, gateway: Gateway) -> Credential | Problem | None:
    """What the other server says of a token, or said a moment ago."""
    memory, now = settings.memory, gateway.clock.now()
    name = memory.name(token)
    known = memory.good.get(name) or memory.bad.get(name)
    fresh = known is not None and now < known.until
    if known is not None and fresh:
        if now < known.renew_at:
            return known.credential
        known.renew_at = known.until  # one asks anew, the others go on with what is known
    said = await _ask(token, settings, gateway) if now >= memory.down_until else None
    if said is None:
        return known.credential if known is not None and fresh else unavailable("its issuer does not answer")
    credential = _credential(said, settings, gateway.clock.wall())
    seconds = settings.cache_seconds if credential is not None else min(settings.cache_seconds, NEGATIVE_SECONDS)
    if credential is not None and credential.expires_at is not None:
        seconds = min(seconds, credential.expires_at - gateway.clock.wall())
    memory.note(name, Remembered(credential, now + seconds, now + seconds * EARLY))
    return credential


async def _ask(token: str, settings: Settings, gateway: Gateway) -> dict[str, Any] | None:
    """Call the other server; None when what came is no answer to the question, and nobody asks for a moment."""
    user = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
    headers = {
        "Authorization": "Basic " + base64.b64encode(user.encode()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
    url = settings.introspection_url
    try:
        answer = await gateway.http.request(
            "POST", url, headers=headers, body=body, timeout=settings.timeout, limit=LARGEST_ANSWER
        )
        said = json.loads(answer.body) if answer.status == 200 else answer.status
        if isinstance(said, dict) and isinstance(said.get("active"), bool):
            return said
        why = f"status {answer.status}" if answer.status != 200 else "its answer is not one of RFC 7662"
    except (OSError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, OSError) else "its answer is no JSON"
    settings.memory.down_until = gateway.clock.now() + DOWN_SECONDS
    gateway.log.warn("{url} did not say whether a token is good: {why}", url=url, why=why)  # noqa: G010 - not logging's
    return None


def _credential(said: dict[str, Any], settings: Settings, now: float) -> Credential | None:
    """Who calls, from an answer of RFC 7662; None when the token is not good here."""
    expires_at, not_before, scope = said.get("exp"), said.get("nbf", 0), said.get("scope", "")
    if said["active"] is not True or not isinstance(scope, str):
        return None
    if not (expires_at is None or (type(expires_at) in (int, float) and now < expires_at)):
        return None
    if type(not_before) not in (int, float) or now + 60 < not_before:
        return None
    if str(said.get("token_type", "Bearer")).lower() not in {"bearer", "access_token"}:
        return None
    if settings.issuer and said.get("iss") != settings.issuer:
        return None
    named = said.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if settings.audiences and not any(each in settings.audiences for each in audiences):
        return None
    application = settings.application or said.get(settings.application_claim, "")
    if not isinstance(application, str):
        return None
    subject = said.get("sub") or said.get("username") or application
    return Credential(
        kind="token", id=str(subject)[:100], application=application, scopes=tuple(scope.split()), expires_at=expires_at
    )
