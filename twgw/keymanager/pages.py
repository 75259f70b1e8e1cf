"""The pages on which a person lets an application act for them: log in, allow or deny.  Without JavaScript.

A blueprint for ``web/application.py``.  A request for a login is checked before anybody is asked anything; where it
does not name a place that its client has registered, nobody is sent anywhere (RFC 9700, 4.1, 4.11).  What a page posts
is bound to the session and to the request that it showed, so that nobody can press its buttons from elsewhere.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import flask
from attrs import define, field
from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response

from twgw.keymanager import form
from twgw.keymanager.endpoints import RETRY_AFTER, KeyManager, open_to_all
from twgw.keymanager.form import Malformed
from twgw.keymanager.server import Reply, Request, Server
from twgw.registry import Session, User
from twgw.storage.errors import Unavailable
from twgw.storage.sessions import add_session, end_session, find_session
from twgw.web.refusals import Refusal

LASTS = 3600.0
"""Seconds after which a person has to log in again."""
SAFE = ("same-origin", "none")
WHY = {
    "invalid_client": "The application that sent you here is not known.",
    "invalid_request": "The way back to the application is not the one that it registered.",
    "unauthorized_client": "The application may not ask people to log in.",
    "insecure_transport": "This page is for https alone.",
}
"""What a person is told where nobody can be told by a redirect; nothing of the request is echoed."""

Shown = tuple[User, str]
"""Who is logged in, and the secret of the session."""


@define(eq=False)
class Pages:
    """The pages of one key manager."""

    manager: KeyManager
    root: str = field(init=False)
    """The path of the issuer, when a proxy has put it below one."""
    prefix: str = field(init=False)
    """Of the names of cookies: with it a browser takes them over TLS alone, for this host alone."""

    def __attrs_post_init__(self) -> None:
        url = urlsplit(self.manager.world.issuer)
        self.root = url.path.rstrip("/")
        self.prefix = "__Host-" if url.scheme == "https" else ""

    def blueprint(self) -> Blueprint:
        """The pages."""
        made = Blueprint("pages", __name__, template_folder="templates")
        made.add_url_rule("/oauth2/authorize", "authorize", self._guarded(self.authorize))
        made.add_url_rule("/oauth2/authorize", "answer", self._guarded(self.answer), methods=["POST"])
        made.add_url_rule("/oauth2/login", "login", self._guarded(self.login), methods=["POST"])
        made.add_url_rule("/oauth2/style.css", "style", open_to_all(style))
        return made

    def _guarded(self, function: Callable[[float], Response]) -> Callable[[], Response]:
        """What goes wrong, as a page."""

        def call() -> Response:
            try:
                return function(self.manager.wall())
            except Malformed as error:
                return self._fault(f"{error}.".capitalize())
            except OAuth2Error as error:
                return self._fault(WHY.get(str(error.error), "The application asked for something that there is not."))
            except Refusal as error:
                response = self._fault(error.problem.detail or error.problem.title, error.problem.status)
                response.headers.extend(error.problem.headers)
                return response
            except Unavailable as error:
                self.manager.warn("{path}: {error}", path=flask.request.path, error=error)
                response = self._fault("Nobody can log in just now. Try again in a moment.", 503)
                response.headers["Retry-After"] = str(RETRY_AFTER)
                return response

        return open_to_all(call)

    def authorize(self, now: float) -> Response:
        """A client asks for a login (RFC 6749, 4.1.1)."""
        return self._ask(flask.request.query_string.decode("latin-1"), now)

    def _ask(self, query: str, now: float, failed: str = "") -> Response:
        """Whatever has to be asked next."""
        request = self._request(query)
        shown = self._session(now)

        def look(connection: Any) -> Any:
            server = Server(self.manager.world, connection, now, shown[0] if shown else None)
            try:
                grant = server.get_consent_grant(request)
            except OAuth2Error as error:
                if error.redirect_uri:
                    return server.handle_error_response(request, error)
                raise
            return grant.redirect_uri, request.client.client.application, request.scope

        found = self.manager.store.call(look)
        if isinstance(found, Reply):
            return self._sent_back(found)
        target, application, scope = found
        if shown is None:
            return self._login_page(query, application, failed)
        user, secret = shown
        response = self._page(
            "consent", allow=origin(target), application=application, user=user.name, scopes=(scope or "").split(),
            target=target, query=query, form=bound(secret, query),
        )  # fmt: skip
        response.headers["X-Frame-Options"] = "DENY"
        return response

    def answer(self, now: float) -> Response:
        """A person has decided."""
        sent = self._posted()
        query = sent.get("request", "")
        shown = self._session(now)
        if shown is None:
            return self._again(query)
        user, secret = shown
        if not hmac.compare_digest(bound(secret, query), sent.get("form", "")):
            raise Malformed("this page is not the one that was shown; go back to the application")
        if sent.get("answer") == "leave":
            self.manager.store.call(lambda connection: end_session(connection, self._digest(secret)), write=True)
            return self._again(query)
        request = self._request(query)

        def decide(connection: Any) -> Reply:
            server = Server(self.manager.world, connection, now, user)
            try:
                grant = server.get_consent_grant(request, user)
            except OAuth2Error as error:
                if error.redirect_uri:
                    return server.handle_error_response(request, error)  # type: ignore[no-any-return]
                raise
            if server.is_blocked("user", user.name):
                raise Malformed("you are blocked")
            allowed = user if sent.get("answer") == "allow" else None
            return server.create_authorization_response(request, allowed, grant=grant)  # type: ignore[no-any-return]

        return self._sent_back(self.manager.store.call(decide, write=True))

    def login(self, now: float) -> Response:
        """A person says who they are."""
        sent = self._posted()
        query, key = sent.get("request", ""), flask.request.cookies.get(self.prefix + "twgw_form", "")
        if not key or not hmac.compare_digest(bound(key, query), sent.get("form", "")):
            raise Malformed("this page is not the one that was shown; go back to the application, and allow cookies")
        self._request(query)
        name, password = sent.get("username", ""), sent.get("password", "")
        user = self.manager.login(name, password, flask.request.remote_addr or "", now)
        if user is None:
            response = self._ask(query, now, "The name or the password is wrong.")
            response.status_code = 401 if response.status_code == 200 else response.status_code
            return response
        secret = secrets.token_urlsafe(32)
        session = Session(self._digest(secret), user.name, now, now, now + LASTS, {"via": "oauth2"})
        self.manager.store.call(add_session, session, write=True)
        response = self._again(query)
        self._set_cookie(response, "twgw_session", secret)
        return response

    # --- what pages are made of ---

    def _request(self, query: str) -> Request:
        return Request("GET", flask.request.base_url, form.parameters(query), None)

    def _posted(self) -> dict[str, str]:
        """What a page of ours posted.  Raises Malformed for what came from elsewhere."""
        request = flask.request
        from_where, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if (from_where is not None and from_where != origin(self.manager.world.issuer)) or (site or "none") not in SAFE:
            raise Malformed("this page was posted from elsewhere; go back to the application")
        return form.body(request.get_data(), request.content_type or "", request.query_string.decode("latin-1"))

    def _session(self, now: float) -> Shown | None:
        secret = flask.request.cookies.get(self.prefix + "twgw_session", "")
        if not secret:
            return None
        for digest in self.manager.world.digests(f"page:{secret}"):
            found = self.manager.store.call(find_session, digest, idle=LASTS, now=now)
            if found is not None:
                return found[1], secret
        return None

    def _digest(self, secret: str) -> str:
        """What is stored of a session: never what the same secret would be as another kind of login."""
        return self.manager.world.digest(f"page:{secret}")

    def _login_page(self, query: str, application: str, failed: str) -> Response:
        key = flask.request.cookies.get(self.prefix + "twgw_form", "") or secrets.token_urlsafe(32)
        response = self._page("login", application=application, query=query, form=bound(key, query), failed=failed)
        self._set_cookie(response, "twgw_form", key)
        return response

    def _fault(self, why: str, status: int = 400) -> Response:
        response = self._page("fault", why=why)
        response.status_code = status
        return response

    def _page(self, name: str, allow: str = "", **said: Any) -> Response:
        response = flask.make_response(flask.render_template(f"oauth2/{name}.html", root=self.root, **said))
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {allow}"
        ).strip()
        return response

    def _again(self, query: str) -> Response:
        return self._moved(f"{self.root}/oauth2/authorize?{query}")

    def _sent_back(self, reply: Reply) -> Response:
        return self._moved(dict(reply.headers)["Location"])

    def _moved(self, where: str) -> Response:
        """303: a browser asks with GET, and posts nothing again (RFC 9700, 4.12)."""
        response = Response(status=303)
        response.headers["Location"] = where
        response.headers["Cache-Control"] = "no-store"
        response.autocorrect_location_header = False
        return response

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            self.prefix + name, value, secure=bool(self.prefix), httponly=True, samesite="Lax", path="/"
        )


def bound(secret: str, query: str) -> str:
    """What a page posts to show that it is the one that was made for this session and this request."""
    return hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()


def origin(url: str) -> str:
    """The origin of a URL; of one that has none, its scheme, as a Content-Security-Policy names it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def style() -> Response:
    """The one style sheet."""
    response = Response(flask.render_template("oauth2/style.css"), content_type="text/css; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
