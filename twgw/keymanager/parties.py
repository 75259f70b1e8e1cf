"""A client and a token, as Authlib asks them: what it calls ClientMixin and TokenMixin.  Pure.

Made by ``server.py`` of what the registry has.
"""

from collections.abc import Callable

from attrs import define

from twgw.keymanager.client import ClientSettings, redirects_to
from twgw.registry import Client, Token


@define(eq=False)
class Party:
    """A client, as Authlib asks it (its ClientMixin)."""

    client: Client
    settings: ClientSettings
    granted: "Callable[[Party, str | None], tuple[str, ...] | None]"
    """What it, or its user, gets of the scopes it asks for."""

    @property
    def client_id(self) -> str:
        """Its id."""
        return self.client.id

    def get_client_id(self) -> str:
        """Its id."""
        return self.client.id

    def get_default_redirect_uri(self) -> str | None:
        """Where its users go when the request does not say; only where there is no choice."""
        return self.settings.redirect_uris[0] if len(self.settings.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What it gets of the scopes it asks for."""
        given = self.granted(self, scope)
        return None if given is None else " ".join(given)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether its users may be sent there."""
        return any(redirects_to(registered, redirect_uri) for registered in self.settings.redirect_uris)

    def check_response_type(self, response_type: str) -> bool:
        """Whether it may begin a login."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may get tokens so."""
        return grant_type in self.settings.grants


@define(eq=False)
class Kept:
    """A code or refresh token, as Authlib asks it."""

    token: Token

    def get_redirect_uri(self) -> str | None:
        """What the request for the code said; None when it left that to us."""
        return self.token.data.get("redirect_uri")

    def get_scope(self) -> str:
        """Its scopes."""
        return " ".join(self.token.scopes)

    def check_client(self, client: Party) -> bool:
        """Whether it was given to this client."""
        return self.token.client == client.client.id

    @property
    def code_challenge(self) -> str:
        """Whose proof the redeemer must have."""
        return self.token.data.get("challenge", "")  # type: ignore[no-any-return]

    @property
    def code_challenge_method(self) -> str:
        """The one that there is."""
        return "S256"

    def is_expired(self) -> bool:
        """Never: it was found good."""
        return False

    def is_revoked(self) -> bool:
        """Never: it was found good."""
        return False
