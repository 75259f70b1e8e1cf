"""Authlib's server over our storage, for one request in one transaction.

Made by ``endpoints.py`` and ``pages.py`` for a request that ``form.py`` has read.  What Authlib answers, errors
included, is committed: a code or refresh token that is shown twice ends its family although the answer is no.
"""

import hmac
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen
from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidGrantError, InvalidScopeError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from twgw import jwt
from twgw.faults import SettingsError
from twgw.keymanager import scopes, tokens
from twgw.keymanager.client import ClientSettings
from twgw.keymanager.form import Shown
from twgw.keymanager.grants import AuthorizationCode, ClientCredentials, Password, Proof, RefreshToken
from twgw.keymanager.introspection import Introspection
from twgw.keymanager.jwks import Ring
from twgw.keymanager.parties import Party
from twgw.keymanager.revocation import Revocation
from twgw.registry import Approval, Block, Token, User
from twgw.settings import structure
from twgw.storage.apis import find_revision
from twgw.storage.blocks import find_block
from twgw.storage.clients import find_party
from twgw.storage.subscriptions import served_to
from twgw.storage.tokens import add_token, find_token, use_once
from twgw.storage.users import find_user

logging.getLogger("authlib").setLevel(logging.INFO)  # its lines of level DEBUG hold tokens
KNOWN_APIS = 5000
"""Revisions whose scopes are remembered."""


@frozen
class World:
    """What the key manager lives in; made by ``tap.py``."""

    issuer: str
    """``public_url`` of the control listener."""
    digest: Callable[[str], str]
    """What is stored of a new token or secret."""
    digests: Callable[[str], Sequence[str]]
    """What may be stored of one that is shown."""
    ring: Callable[[], Ring]
    access_seconds: float = 3600
    refresh_seconds: float = 86400
    password_grant: bool = False
    asked: "dict[tuple[str, int], scopes.Asked]" = field(factory=dict, repr=False)
    """The scopes of revisions, which never change."""


@frozen
class Reply:
    """An answer, for Flask to send."""

    status: int
    body: Any
    headers: Sequence[tuple[str, str]]


class Request(OAuth2Request):
    """A request as Authlib sees it.  Raises its InsecureTransportError for plain http from elsewhere."""

    def __init__(self, method: str, uri: str, form: Mapping[str, str], shown: Shown | None) -> None:
        super().__init__(method, uri)
        self.payload = BasicOAuth2Payload(dict(form))
        self.shown = shown

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters."""
        return self.payload.data  # type: ignore[no-any-return]


class Server(AuthorizationServer):
    """Authlib's server for one request in one transaction.

    ``user`` is who logged in, where that was found out before the transaction.
    """

    def __init__(self, world: World, connection: Any, now: float, user: User | None = None) -> None:
        super().__init__()
        self.world, self.connection, self.now, self.user = world, connection, now, user
        self.origin: Token | None = None
        """The code or refresh token that is being redeemed."""
        self.scopes: tuple[str, ...] = ()
        self.read_at: int | None = None
        """Position of the log before anything else was read: who revokes what is read here has a later one."""
        self.position: int | None = None
        """Of the log record that was written: the answer is held until gateways have applied it."""
        self.ended: Token | None = None
        """That is to be voided, when the transaction has ended."""
        self.known_client = ""
        """The client that has shown who it is."""
        self.register_grant(ClientCredentials)
        self.register_grant(AuthorizationCode, [Proof(required=True)])
        self.register_grant(RefreshToken)
        if world.password_grant:
            self.register_grant(Password)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

    # --- what Authlib wants of a framework ---

    def create_oauth2_request(self, request: Request) -> Request:
        """It is one already."""
        return request

    def handle_response(self, status: int, body: Any, headers: Iterable[tuple[str, str]]) -> Reply:
        """Let Flask send it; who is sent back to a client learns from whom (RFC 9207)."""
        issuer = {"iss": self.world.issuer}
        return Reply(
            status,
            body,
            tuple((name, add_params_to_uri(value, issuer) if name == "Location" else value) for name, value in headers),
        )

    def send_signal(self, *_: Any, **__: Any) -> None:
        """Nobody listens."""

    def save_token(self, token: Any, request: Request) -> None:
        """It was saved when it was made."""

    # --- who asks ---

    def query_client(self, client_id: str) -> Party | None:
        """A client that may be used, by its id."""
        found = find_party(self.connection, client_id)
        if found is None:
            return None
        client, state, block, head = found
        self.read_at = head.pos if self.read_at is None else self.read_at
        if client.revoked_pos is not None or state is not Approval.ACTIVE or self._holds(block):
            return None
        try:
            settings = structure(ClientSettings, client.settings)
        except SettingsError:
            return None  # written by a later version: nobody can say what it may do
        return Party(client, settings, self.granted)

    def is_blocked(self, kind: str, value: str) -> bool:
        """Whether somebody is blocked now."""
        return self._holds(find_block(self.connection, kind, value))

    def _holds(self, block: Block | None) -> bool:
        return block is not None and (block.expires_at is None or self.now < block.expires_at)

    def authenticate_client(self, request: Request, methods: Sequence[str], endpoint: str = "token") -> Party:
        """The client that shows who it is.  All failures look alike, and take the same work."""
        shown = request.shown
        if shown is not None and shown.method in methods:
            digests = self.world.digests(shown.secret)
            party = self.query_client(shown.id)
            stored = party.client.digest if party is not None else ""
            matches = [hmac.compare_digest(each, stored) for each in digests]
            public = party is not None and party.settings.public
            if party is not None and ((shown.method == "none" and public) or (not public and any(matches))):
                request.auth_method = shown.method
                self.known_client = shown.id
                return party
        raise InvalidClientError(
            status_code=401, description="The client is unknown, or did not show that it is the one."
        )

    # --- what is given ---

    def granted(self, party: Party, requested: str | None) -> tuple[str, ...] | None:
        """The scopes that a client, or its user, gets of those it asks for."""
        if not (requested or party.settings.default_scopes):
            return ()
        allowed = scopes.allowed(self._asked(party.client.application), self.user.roles if self.user else ())
        if party.settings.scopes is not None:
            allowed &= frozenset(party.settings.scopes)
        return tokens.granted(requested, allowed, party.settings.default_scopes)

    def _asked(self, application: str) -> "list[scopes.Asked]":
        return [self._asked_by(api, revision) for api, revision in served_to(self.connection, application)]

    def _asked_by(self, api: str, revision: int) -> scopes.Asked:
        remembered = self.world.asked
        if (api, revision) not in remembered:
            found = find_revision(self.connection, api, revision)
            if len(remembered) >= KNOWN_APIS:
                remembered.clear()
            remembered[api, revision] = scopes.asked_by(found.api) if found is not None else {}
        return remembered[api, revision]

    def generate_token(
        self, grant_type: str, client: Party, user: User | None = None, scope: str | None = None,
        expires_in: int | None = None, include_refresh_token: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        """Make an access token, perhaps with a refresh token, and keep their rows."""
        given = self.granted(client, scope) if scope else self.scopes
        if given is None:
            raise InvalidScopeError
        renewable = include_refresh_token and user is not None and client.check_grant_type("refresh_token")
        family = self.origin.family if self.origin else tokens.new_family() if renewable else ""
        whom = client.client
        grant = tokens.Grant(
            whom.id, whom.application, whom.environment, user.name if user else None, given, family
        )
        access, renewal = self._access(client.settings, grant), None
        add_token(self.connection, access.row, now=self.now, pos=self.read_at)
        if renewable:
            seconds = client.settings.refresh_seconds or self.world.refresh_seconds
            kept = grant if self.origin is None else tokens.grant_of(self.origin)
            renewal = tokens.refresh(kept, self.world.digest, seconds, self.now)
            add_token(self.connection, renewal.row, now=self.now, pos=self.read_at)
        return tokens.answer(access, renewal, self.now)

    def _access(self, settings: ClientSettings, grant: tokens.Grant) -> tokens.Issued:
        seconds = settings.access_seconds or self.world.access_seconds
        if settings.token_format == "opaque":
            return tokens.opaque(grant, self.world.digest, seconds, self.now)
        key = self.world.ring().signing
        return tokens.signed(grant, self.world.digest, seconds, self.now, issuer=self.world.issuer, key=key)

    def find(self, kind: str, secret: str) -> tuple[Token | None, str]:
        """A token that may be used, or was used already, and its digest."""
        digest = ""
        for digest in self.world.digests(secret):
            entry = find_token(self.connection, kind, digest).entry
            if isinstance(entry, Token):
                return entry, digest
        return None, digest

    def good(self, kind: str, digest: str) -> Token | None:
        """The token, while it may be used."""
        return tokens.good(find_token(self.connection, kind, digest), self.now)

    def use(self, kind: str, digest: str, client: str) -> Token | None:
        """Use up a code or refresh token; None when it was used before, which ends its family, in gateways too."""
        redeemed = use_once(self.connection, kind, digest, client=client, now=self.now)
        self.position = self.position if redeemed.ended is None else redeemed.ended
        return redeemed.token if redeemed.fresh else None

    def living_user(self, token: Token) -> User:
        """Whose token it is, while that may log in.  Raises InvalidGrantError."""
        user = find_user(self.connection, token.user) if token.user else None
        if user is None or not user.active or self.is_blocked("user", user.name):
            raise InvalidGrantError
        self.user = user
        return user

    def any_token(self, secret: str) -> tuple[Token | None, str]:
        """Whatever token that is, good or not: opaque, a refresh token, or a JWT of ours by its id; and its digest."""
        if jwt.looks_like(secret):
            expected = jwt.Expected(self.world.issuer, (self.world.issuer,), ("at+jwt",))
            try:
                claims = jwt.verify(secret, self.world.ring().published, expected, self.now)
            except jwt.Refused:
                return None, ""
            return self.find("jti", str(claims.get("jti")))
        for kind in ("access", "refresh"):
            token, digest = self.find(kind, secret)
            if token is not None:
                return token, digest
        return None, ""
