"""The OAuth2 endpoints: what machines ask, as JSON; the pages for people are in ``pages.py``.

A blueprint for ``web/application.py``.  A request is read by ``form.py``, held to its rate, and answered by Authlib in
one transaction (``server.py``).  A revocation is answered once the gateway has applied it: ``web/resource.py`` holds
it by the field ``Twgw-Position``, and answers 503 when that takes too long, as we do when it was not kept.  Which nodes
have it in force is nothing for clients to know.
"""

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import flask
from attrs import define, field
from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response

from twgw.jwt import write_jwks
from twgw.keymanager import form
from twgw.keymanager.form import Malformed, Shown
from twgw.keymanager.jwks import CACHE_SECONDS
from twgw.keymanager.metadata import metadata
from twgw.keymanager.revocation import Ending
from twgw.keymanager.server import Reply, Request, Server, World
from twgw.registry import User
from twgw.storage.errors import Unavailable
from twgw.web.application import permits
from twgw.web.permissions import Permission
from twgw.web.rate import Rate

NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
RETRY_AFTER = 5
"""Seconds after which a client may ask again when the database is away."""
WAIT = 20
"""Seconds for which the answer to a revocation is held."""


class Store(Protocol):
    """The database, from a thread."""

    def call(self, function: Callable[..., Any], *args: Any, write: bool = False, **kwargs: Any) -> Any:
        """Run a function of a connection in one transaction."""


@define(eq=False)
class KeyManager:
    """The key manager of one process."""

    world: World
    store: Store
    wall: Callable[[], float]
    rate: Rate
    login: Callable[[str, str, str, float], User | None]
    """Who that is: name, password, address, time.  Raises a Refusal for too many attempts."""
    warn: Callable[..., None] = field(default=lambda *_, **__: None)
    _end: Ending = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._end = Ending(partial(self.store.call, write=True))

    def blueprint(self) -> Blueprint:
        """The endpoints."""
        made = Blueprint("oauth2", __name__)
        for path in ("/oauth2/token", "/token"):
            made.add_url_rule(path, f"token{path}", open_to_all(self.token), methods=["POST"])
        for path in ("/oauth2/revoke", "/revoke"):
            made.add_url_rule(path, f"revoke{path}", open_to_all(self.revoke), methods=["POST"])
        made.add_url_rule("/oauth2/introspect", "introspect", open_to_all(self.introspect), methods=["POST"])
        made.add_url_rule("/oauth2/jwks", "jwks", open_to_all(self.jwks))
        made.add_url_rule("/.well-known/oauth-authorization-server", "metadata", open_to_all(self.metadata))
        return made

    def token(self) -> Response:
        """Tokens (RFC 6749, 3.2)."""
        return self._asked(self._token)

    def _token(self, request: Request, now: float) -> Reply:
        user = None
        if request.form.get("grant_type") == "password" and self.world.password_grant:
            if not self.store.call(lambda connection: self._may_log_in(connection, request, now)):
                raise Malformed("this client may not use passwords")
            name, password = request.form.get("username", ""), request.form.get("password", "")
            user = self.login(name, password, flask.request.remote_addr or "", now)
        return self._transacted(now, lambda server: server.create_token_response(request), user)

    def _may_log_in(self, connection: Any, request: Request, now: float) -> bool:
        server = Server(self.world, connection, now)
        return bool(server.authenticate_client(request, form.METHODS).check_grant_type("password"))

    def revoke(self) -> Response:
        """A token is void (RFC 7009)."""
        return self._asked(self._revoke)

    def _revoke(self, request: Request, now: float) -> Reply:
        asked = self._transacted
        return asked(now, lambda server: server.create_endpoint_response("revocation", request), write=False)

    def introspect(self) -> Response:
        """What a token says (RFC 7662)."""
        return self._asked(self._introspect)

    def _introspect(self, request: Request, now: float) -> Reply:
        asked = self._transacted
        return asked(now, lambda server: server.create_endpoint_response("introspection", request), write=False)

    def _transacted(
        self, now: float, answer: Callable[[Server], Reply], user: User | None = None, *, write: bool = True
    ) -> Reply:
        def run(connection: Any) -> tuple[Reply, Server]:
            server = Server(self.world, connection, now, user)
            return answer(server), server

        reply: Reply
        reply, server = self.store.call(run, write=write, snapshot=write)
        if server.known_client:
            self.rate.known(server.known_client, now)
        if server.ended is not None:
            server.position = self._end(server.ended, now)
        if server.position is not None:
            held = (("Twgw-Position", f"{server.position};503;{WAIT}"), ("Twgw-Untold", "1"))
            return Reply(reply.status, reply.body, (*reply.headers, *held))
        return reply

    def _asked(self, answer: Callable[[Request, float], Reply]) -> Response:
        """Read a request, hold it to its rate, answer it."""
        now, address = self.wall(), flask.request.remote_addr or ""
        client = ""
        try:
            request = read(flask.request)
            client = request.shown.id[:100] if request.shown is not None else ""
            if wait := self.rate.wait(client, address, now):
                return said(429, "temporarily_unavailable", "too many requests", retry_after=math.ceil(wait))
            reply = answer(request, now)
        except Malformed as error:
            return said(400, "invalid_request", str(error))
        except OAuth2Error as error:
            reply = Reply(*error())
        except Unavailable as error:
            self.warn("{path}: {error}", path=flask.request.path, error=error)
            return said(503, "temporarily_unavailable", "it is not sure to be done; try again", RETRY_AFTER)
        if reply.status >= 400:
            self.rate.failed(client, address, now)
        return respond(reply)

    def jwks(self) -> Response:
        """The keys that verify JWTs (RFC 7517)."""
        return public(write_jwks(self.world.ring().published))

    def metadata(self) -> Response:
        """What there is, for machines (RFC 8414)."""
        return public(metadata(self.world.issuer, password_grant=self.world.password_grant))


def open_to_all(function: Callable[[], Any]) -> Callable[[], Any]:
    """Nobody logs in to the control plane here: clients show who they are to the OAuth2 rules."""

    def call() -> Any:
        return function()

    return permits(Permission.ANYONE)(call)


def read(request: flask.Request) -> Request:
    """A POST, as Authlib sees it.  Raises Malformed, and OAuth2Error for plain http."""
    found = form.body(request.get_data(), request.content_type or "", request.query_string.decode("latin-1"))
    fields = request.headers.getlist("Authorization")
    if len(fields) > 1:
        raise Malformed("more than one Authorization field")
    shown: Shown | None = form.shown(fields[0] if fields else None, found)
    return Request(request.method, f"{request.scheme}://{request.host}{request.path}", found, shown)


def respond(reply: Reply) -> Response:
    """Send an answer of Authlib's."""
    body = json.dumps(reply.body) if isinstance(reply.body, dict) else reply.body
    response = Response(body, reply.status)
    for name, value in (*reply.headers, *NO_STORE):
        response.headers[name] = value
    if reply.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="twgw", charset="UTF-8"'
    return response


def said(status: int, error: str, why: str, retry_after: int = 0) -> Response:
    """An error in the form of RFC 6749, 5.2."""
    headers = (("Content-Type", "application/json"), *((("Retry-After", str(retry_after)),) if retry_after else ()))
    return respond(Reply(status, {"error": error, "error_description": why}, headers))


def public(document: dict[str, Any]) -> Response:
    """A document that everybody may have, and keep for a while."""
    response = Response(json.dumps(document), content_type="application/json")
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
