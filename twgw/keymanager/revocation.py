"""A token is void, a refresh token with its family (RFC 7009): Authlib's endpoint, over our storage."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from twgw.keymanager.form import METHODS
from twgw.keymanager.parties import Kept, Party
from twgw.storage.tokens import revoke_token


class Revocation(RevocationEndpoint):
    """Whoever shows a token of its own, and that it is its client, ends it."""

    CLIENT_AUTH_METHODS = METHODS

    def check_params(self, request: Any, client: Party) -> None:
        """A hint that is unknown does no harm."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Kept | None:
        """A token of any kind, good or not."""
        found, _ = self.server.any_token(token_string)
        return Kept(found) if found is not None else None

    def revoke_token(self, token: Kept, request: Any) -> None:
        """Void it, a refresh token with its family."""
        server = self.server
        server.position = revoke_token(server.connection, token.token.kind, token.token.digest, now=server.now)
