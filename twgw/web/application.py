"""The Flask application of one listener: the views of its roles behind one gate, a problem document for every error.

``tap.py`` makes one for the admin listener and one for the control listener.  A route without a permission stops the
start.  Beside views, a role may hand in a blueprint of its own (pages, OAuth2) whose functions ``permits`` has marked.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

import flask
from attrs import field, frozen
from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from twgw.faults import SettingsError
from twgw.policy.exchange import Problem
from twgw.web.asking import body_of, fingerprint, idempotency_key, is_lenient, patch_of, query_of, wait_of
from twgw.web.openapi import document
from twgw.web.permissions import Permission, reach
from twgw.web.refusals import Refusal, invalid, not_found, not_known, not_permitted, refuse
from twgw.web.transaction import Conditions, Done, Ledger, perform
from twgw.web.view import NAME, Call, Caller, View, Views

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

DOCUMENT = "openapi.json"
RETRY_AFTER = 5
"""Seconds after which a caller may ask again when the database is away."""
FIELDS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Set on every answer that does not set them itself."""


class Store(Protocol):
    """The database, as views use it: from a thread."""

    def call(self, function: Callable[..., T], *args: Any, write: bool = False) -> T:
        """Run a function of a connection in one transaction."""


class Log(Protocol):
    """Where an error of ours is told."""

    def error(self, text: str, **fields: Any) -> None:
        """Something broken."""


@frozen
class Ground:
    """What every application stands on."""

    store: Store
    ledger: Ledger
    authenticate: Callable[[flask.Request, float], Caller | None]
    """Who calls; None for nobody.  Raises a Refusal where something was shown that is not good."""
    wall: Callable[[], float]
    log: Log
    known: Mapping[type[Exception], int] = field(factory=dict)
    """Errors of the store that say themselves, in words, what to do; with the status of each."""
    lent: Any = None
    """What views are lent beside the database."""
    prepare: Callable[[Callable[[Any], Any], float], Any] | None = None
    """Runs a write of ``now``, given its function of a connection, after every node of the cluster has tried what it
    changes of what is served; None where there are no others."""
    seal: Callable[[str], str] = str
    """Makes of the fingerprint of a request one that may be stored: what it is of may hold a password."""


class UnguardedError(Exception):
    """A route says no permission; the text names it."""


def permits(permission: Permission) -> Callable[[F], F]:
    """Mark a function of a blueprint with the permission that it needs."""

    def mark(function: F) -> F:
        function.twgw_permission = permission  # type: ignore[attr-defined]
        return function

    return mark


def create(
    ground: Ground,
    roles: Iterable[Views],
    blueprints: Iterable[Blueprint] = (),
    *,
    titles: Mapping[str, str] | None = None,
) -> Flask:
    """Put views together.  Raises UnguardedError.

    Args:
        titles: of each prefix whose views have an OpenAPI document, which is ``PREFIX/openapi.json``.
    """
    app = Flask("twgw.web", static_folder=None)
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    views = [view for role in roles for view in role.views]
    for view in views:
        name = f"{view.prefix} {view.name}"
        _add(app, view.path, name, (view.method,), permits(view.permission)(_serving(ground, view)))
    for prefix, title in (titles or {}).items():
        text = json.dumps(document([view for view in views if view.prefix == prefix], title), indent=1)
        _add(app, f"{prefix}/{DOCUMENT}", f"{prefix} {DOCUMENT}", ("GET",), _telling(text))
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    unguarded = [rule.rule for rule in app.url_map.iter_rules() if _permission(app, rule.endpoint) is None]
    if unguarded:
        raise UnguardedError(f"{', '.join(unguarded)}: no permission is named; mark it with web.application.permits")
    app.before_request(lambda: _gate(app, ground))
    app.after_request(_finish)
    app.register_error_handler(Exception, lambda error: _refused(ground, error))
    return app


def _telling(text: str) -> Callable[[], Response]:
    return permits(Permission.ANYONE)(lambda: Response(text, content_type="application/json"))


def _add(app: Flask, path: str, name: str, methods: tuple[str, ...], function: Callable[..., Any]) -> None:
    rule = path.replace("{", "<").replace("}", ">")
    app.add_url_rule(rule, name, function, methods=methods, provide_automatic_options=False)


def _permission(app: Flask, endpoint: str) -> Permission | None:
    found: Permission | None = getattr(app.view_functions[endpoint], "twgw_permission", None)
    return found


def _gate(app: Flask, ground: Ground) -> None:
    """Who calls, and may they?  Asked before anything of the request is read."""
    if flask.request.routing_exception is not None or flask.request.endpoint is None:
        return  # it ends as 404 or 405
    permission = _permission(app, flask.request.endpoint)
    assert permission is not None  # create() has looked
    now = ground.wall()
    caller = None if permission is Permission.ANYONE else ground.authenticate(flask.request, now)
    if caller is None and permission is not Permission.ANYONE:
        raise not_known()
    granted = reach(caller.roles if caller else (), permission)
    if granted is None:
        raise not_permitted(permission.value)
    flask.g.caller, flask.g.reach, flask.g.now = caller, granted, now


def _serving(ground: Ground, view: View) -> Callable[..., Response]:
    """The function of Flask's for a view."""

    def serve(**arguments: str) -> Response:
        request = flask.request
        for name, value in arguments.items():
            if not NAME.fullmatch(value):
                raise not_found(f"{name} of that name")
        data = request.get_data()
        if view.body is None and data:
            raise refuse(400, "Not readable", "this request takes no body")
        query = request.args.items(multi=True)
        if view.query is None and any(query):
            raise refuse(400, "Not readable", "this request takes no query")
        conditions = Conditions(
            request.path,
            request.headers.get("If-Match"),
            idempotency_key(request.headers.get("Idempotency-Key")) if view.repeatable else None,
            ground.seal(fingerprint(view.method, request.full_path, data)),
        )
        call = Call(
            flask.g.caller,
            flask.g.reach,
            _body(view, data, request.content_type or ""),
            query_of(view.query, query) if view.query else None,
            flask.g.now,
            request.remote_addr or "",
            lent=ground.lent,
        )
        return _response(_done(ground, view, call, arguments, conditions))

    return serve


def _body(view: View, data: bytes, content_type: str) -> Any:
    if view.body is None:
        return None
    return patch_of(data, content_type) if view.patches else body_of(view.body, data, content_type)


def _done(ground: Ground, view: View, call: Call, arguments: Mapping[str, str], conditions: Conditions) -> Done:
    def transact(function: Callable[[Call, Any], Any]) -> Done:
        def run(connection: Any) -> Done:
            return perform(view, call, function, arguments, conditions, ground.ledger, connection)

        if ground.prepare is None or not view.writes or is_lenient(flask.request.headers.get("Prefer")):
            return ground.store.call(run, write=view.writes)
        prepared: Done = ground.prepare(run, call.now)
        return prepared

    if view.outside:
        done: Done = view.function(call, transact, **arguments)
        return done
    return transact(lambda call, connection: view.function(call, connection, **arguments))


def _response(done: Done) -> Response:
    response = Response(done.text, done.status, content_type="application/json" if done.text else None)
    response.headers.update(done.headers)
    if not done.text:
        del response.headers["Content-Type"]
    if done.position is not None:
        wait = wait_of(flask.request.headers.get("Prefer"))
        response.headers["Twgw-Position"] = f"{done.position};{done.unreached if wait else 202};{wait:g}"
    if flask.request.method == "GET" and "ETag" in done.headers:
        response.make_conditional(flask.request)
    return response


def _finish(response: Response) -> Response:
    for name, value in FIELDS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(ground: Ground, error: Exception) -> Response:
    """Every error as a problem document; one that nobody expected says nothing but that."""
    if isinstance(error, Refusal):
        return problem_response(error.problem)
    if isinstance(error, SettingsError):
        return problem_response(invalid(error.faults).problem)
    if (status := next((status for kind, status in ground.known.items() if isinstance(error, kind)), 0)) != 0:
        again = (("Retry-After", str(RETRY_AFTER)),) if status == 503 else ()
        if getattr(error, "changed", False):
            status = 412
        return problem_response(Problem(status, HTTPStatus(status).phrase, str(error), again))
    if isinstance(error, HTTPException) and error.code and error.code >= 400:
        kept = tuple((name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After"))
        return problem_response(Problem(error.code, HTTPStatus(error.code).phrase, headers=kept))
    if isinstance(error, HTTPException):
        return error.get_response()  # type: ignore[return-value]
    ground.log.error("{path} failed: {error!r}", path=flask.request.path, error=error)
    return problem_response(Problem(500, "Internal error", "the log of the node says what happened"))


def problem_response(problem: Problem) -> Response:
    """A Problem as a response (RFC 9457)."""
    told: dict[str, Any] = {"type": problem.type, "title": problem.title, "status": problem.status}
    if problem.detail:
        told["detail"] = problem.detail
    text = json.dumps({**told, **problem.members}, indent=2) + "\n"
    response = Response(text, problem.status, content_type="application/problem+json")
    response.headers.extend(problem.headers)
    return response
