"""The grants on offer: Authlib's, over our storage.  ``server.py`` registers them for each request."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError, grants
from authlib.oauth2.rfc7636 import CodeChallenge

from twgw.keymanager import tokens
from twgw.keymanager.form import METHODS
from twgw.keymanager.parties import Kept, Party
from twgw.registry import User
from twgw.storage.tokens import add_token


class Proof(CodeChallenge):
    """PKCE with S256, for everybody (RFC 7636; RFC 9700, 2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a login without a challenge, or with one that is no S256."""
        data = grant.request.payload.data
        if not data.get("code_challenge"):
            raise InvalidRequestError("code_challenge is missing: use PKCE with S256.")
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method must be S256.")
        super().validate_code_challenge(grant, redirect_uri)


class ClientCredentials(grants.ClientCredentialsGrant):
    """A client for itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS[:2]

    def validate_requested_scope(self) -> None:
        """Find out what it gets."""
        _validate_scope(self)


class Password(grants.ResourceOwnerPasswordCredentialsGrant):
    """For clients of long ago, where it is switched on.  The password was looked at before the transaction."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_user(self, username: str, password: str) -> User:
        """Who that was."""
        user: User | None = self.server.user
        if user is None or self.server.is_blocked("user", user.name):
            raise InvalidGrantError("The name or the password is wrong.")
        return user

    def validate_requested_scope(self) -> None:
        """Find out what the user gets."""
        _validate_scope(self)


class AuthorizationCode(grants.AuthorizationCodeGrant):
    """A person lets a client act for them."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def generate_authorization_code(self) -> str:
        """The code, with all that it is bound to."""
        client, server, data = self.request.client.client, self.server, self.request.payload.data
        grant = tokens.Grant(
            client.id, client.application, client.environment, self.request.user.name,
            tuple(self.request.scope.split()), tokens.new_family(),
        )  # fmt: skip
        self.issued = tokens.code(
            grant, server.world.digest, server.now,
            redirect_uri=data.get("redirect_uri"), challenge=data["code_challenge"],
        )  # fmt: skip
        return self.issued.secret

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Keep its row."""
        add_token(self.server.connection, self.issued.row, now=self.server.now, pos=self.server.read_at)

    def query_authorization_code(self, code: str, client: Party) -> Kept | None:
        """Use the code up: of any number who show it at once, one gets it back."""
        server = self.server
        for digest in server.world.digests(code):
            token = server.use("code", digest, client.client.id)
            if token is not None:
                server.origin = token
                return Kept(token)
        return None

    def authenticate_user(self, authorization_code: Kept) -> User:
        """Who logged in, if they may still."""
        user: User = self.server.living_user(authorization_code.token)
        return user

    def delete_authorization_code(self, authorization_code: Kept) -> None:
        """It stays, used, so that a second use is seen."""


class RefreshToken(grants.RefreshTokenGrant):
    """The next link of a family: the old refresh token is used up, a second use ends the family."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Kept | None:
        """Find it.  Used up it is not yet: the request may be wrong in another way."""
        server, client = self.server, self.request.client
        token, digest = server.find("refresh", refresh_token)
        if token is None or token.client != client.client.id:
            return None
        if token.used_at is not None:
            server.use("refresh", digest, token.client)  # ends the family
            return None
        return Kept(token) if server.good("refresh", digest) else None

    def authenticate_user(self, refresh_token: Kept) -> User:
        """Who logged in, if they may still."""
        user: User = self.server.living_user(refresh_token.token)
        return user

    def issue_token(self, user: User, refresh_token: Kept) -> Any:
        """Use the old one up, and make the next."""
        server, token = self.server, refresh_token.token
        if server.use("refresh", token.digest, token.client) is None:
            raise InvalidGrantError
        server.origin = token
        return super().issue_token(user, refresh_token)

    def revoke_old_credential(self, refresh_token: Kept) -> None:
        """It is used up already."""


def _validate_scope(grant: Any) -> None:
    given = grant.server.granted(grant.request.client, grant.request.payload.scope)
    if given is None:
        raise InvalidScopeError
    grant.server.scopes = given
