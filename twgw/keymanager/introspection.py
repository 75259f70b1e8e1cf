"""What a token says (RFC 7662): Authlib's endpoint, over our storage.  Read from the database each time."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from twgw.keymanager import tokens
from twgw.keymanager.form import METHODS
from twgw.keymanager.parties import Kept, Party


class Introspection(IntrospectionEndpoint):
    """Whoever shows that it is a client that may know is told."""

    CLIENT_AUTH_METHODS = METHODS[:2]

    def check_params(self, request: Any, client: Party) -> None:
        """A hint that is unknown does no harm."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Kept | None:
        """A token that is good."""
        server = self.server
        found, digest = server.any_token(token_string)
        good = server.good(found.kind, digest) if found is not None and found.used_at is None else None
        if good is None or (good.user is not None and server.is_blocked("user", good.user)):
            return None
        return None if server.is_blocked("application", good.application) else Kept(good)

    def check_permission(self, token: Kept, client: Party, request: Any) -> bool:
        """A client may ask about its own tokens, and about others where that was allowed."""
        return client.settings.introspect or token.check_client(client)

    def introspect_token(self, token: Kept) -> dict[str, Any]:
        """What it says."""
        return tokens.told(token.token, self.server.world.issuer)
