"""A token is void, a refresh token with its family (RFC 7009): Authlib's endpoint, over our storage.

Who asks and what is shown are read first; then it is voided, by ``Ending``.  A token that gateways are shown is voided
together with those that others show at that moment: the log takes one writer at a time, and each commit waits for the
disk.  A refresh token or code, which takes its family with it, is voided by itself.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from twgw.keymanager.form import METHODS
from twgw.keymanager.parties import Kept, Party
from twgw.registry import Token
from twgw.storage.errors import Unavailable
from twgw.storage.together import Together
from twgw.storage.tokens import SHOWN, revoke_shown, revoke_token

PATIENCE = 15
"""Seconds after which a revocation that was not begun is given up."""


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
        """It is to be void, a refresh token with its family."""
        self.server.ended = token.token


class Ending:
    """Voids what was shown.  ``transact`` runs a function of a connection as one writing transaction."""

    def __init__(self, transact: Callable[[Callable[[Any], Any]], Any]) -> None:
        self._transact = transact
        self._together = Together(transact, PATIENCE, _void)

    def __call__(self, token: Token, now: float) -> int | None:
        """Void a token; the position at which that was done, None if there is none.  Raises Unavailable."""
        if token.kind not in SHOWN:
            position: int | None = self._transact(partial(revoke_token, kind=token.kind, digest=token.digest, now=now))
            return position
        try:
            position = self._together.share((token.digest, now))
        except TimeoutError as error:
            raise Unavailable("others are still writing; nothing was done, try again later") from error
        return position


def _void(connection: Any, wanted: Sequence[tuple[str, float]]) -> Sequence[int | None]:
    return revoke_shown(connection, [digest for digest, _ in wanted], now=max(now for _, now in wanted))
