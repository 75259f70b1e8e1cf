"""The OpenAPI 3.1 document of the control plane, made from its views: it cannot say what is not so.  Pure.

``application.py`` serves it.  A test feeds a live application with what Schemathesis makes of it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from twgw import __version__
from twgw.ijson import LARGEST
from twgw.schema import schema
from twgw.settings import fields, written_name
from twgw.web.permissions import Permission
from twgw.web.view import NAME, View

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, in words."},
        "faults": {
            "type": "array",
            "description": "Of a 422: everything that is wrong, each with its path.",
            "items": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
                "required": ["path", "text"],
            },
        },
    },
    "required": ["type", "title", "status"],
}
_ERRORS = {
    400: "Not readable: no JSON, a parameter twice, or something that is not taken here.",
    401: "Nobody is logged in, or what was shown is not good any more.",
    403: "The caller may not.",
    404: "There is no such thing, or not for this caller.",
    409: "In conflict with what is there; the detail says with what.",
    412: "If-Match names another state than the one that is there.",
    413: "The body is larger than allowed.",
    415: "The body is not JSON.",
    422: "Understood and wrong; faults has each fault with its path.",
    428: "A replacement needs If-Match.",
    503: "The database is not there, or a change is not in force yet; Retry-After says when to try again.",
}


def document(views: Sequence[View], title: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for view in views:
        paths.setdefault(view.path, {})[view.method.lower()] = _operation(view)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(view.tag for view in views)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


def _operation(view: View) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": view.name,
        "summary": view.summary,
        "tags": [view.tag],
        "x-permission": view.permission.value,
        "parameters": list(_parameters(view)),
        "responses": _responses(view),
    }
    if view.text:
        found["description"] = view.text
    if view.permission is Permission.ANYONE:
        found["security"] = []
    if view.body:
        said = {"schema": _bounded(_patch(schema(view.body)) if view.patches else schema(view.body))}
        kinds = ("application/json", "application/merge-patch+json") if view.patches else ("application/json",)
        found["requestBody"] = {"required": True, "content": dict.fromkeys(kinds, said)}
    return found


def _patch(found: dict[str, Any]) -> dict[str, Any]:
    """The schema of a merge patch: every member may be left out, and null puts one at its default (RFC 7396)."""
    properties = {
        name: {"anyOf": [said, {"type": "null"}], "description": said.get("description", "")}
        if "default" in said else said
        for name, said in found["properties"].items()
    }  # fmt: skip
    return {**found, "properties": properties, "required": []}


def _parameters(view: View) -> Iterable[dict[str, Any]]:
    for name in view.parameters:
        pattern = f"^{NAME.pattern}$"
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}
    if view.query:
        found = _bounded(schema(view.query))
        for attribute in fields(view.query):
            name = written_name(attribute)
            said = found["properties"][name]
            yield {
                "name": name,
                "in": "query",
                "required": name in found["required"],
                "description": said.pop("description", ""),
                "schema": said,
            }
    if view.current:
        yield _header("If-Match", "The ETag of what is to be changed.", required=view.method == "PUT")
    if view.repeatable:
        text = "A text of your own: whoever repeats the request with it gets the first answer, for a day."
        yield _header("Idempotency-Key", text, pattern=r"^[!#-~]{1,100}$")
    if view.writes:
        text = "wait=SECONDS: how long the answer may be held until the change is in force; respond-async: not at all."
        yield _header("Prefer", text)


def _header(name: str, text: str, *, required: bool = False, pattern: str = "") -> dict[str, Any]:
    kind = {"type": "string", "pattern": pattern} if pattern else {"type": "string"}
    return {"name": name, "in": "header", "required": required, "description": text, "schema": kind}


def _responses(view: View) -> dict[str, Any]:
    statuses = {400, 503}
    if view.permission is not Permission.ANYONE:
        statuses |= {401}
    if view.permission not in (Permission.ANYONE, Permission.SELF):
        statuses |= {403}
    if view.parameters:
        statuses |= {404}
    if view.body:
        statuses |= {413, 415, 422}
    if view.query or view.writes:
        statuses |= {422}
    if view.writes:
        statuses |= {409}
    if view.current:
        statuses |= {412}
    if view.current and view.method == "PUT":
        statuses |= {428}
    words = {**{status: _ERRORS[status] for status in statuses}, **view.errors}
    found: dict[str, Any] = {}
    if view.answers is None:
        found["204"] = {"description": "Done."}
    else:
        content = {"application/json": {"schema": _answer(view)}}
        found[str(view.status)] = {"description": "Made." if view.status == 201 else "Done.", "content": content}
        if view.method == "GET":
            found["304"] = {"description": "What If-None-Match names is what is there."}
    if view.writes:
        found["202"] = {"description": "Kept, and not yet in force on every node."}
        if view.answers is not None:
            found["202"]["content"] = content
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, text in sorted(words.items()):
        found[str(status)] = {"description": text, "content": problem}
    return found


def _answer(view: View) -> dict[str, Any]:
    assert view.answers is not None
    one = schema(view.answers, whole=True)
    if not view.paged:
        return one
    following = {"type": ["string", "null"], "description": "cursor of the next page; null at the end."}
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": one}, "next": following},
        "required": ["items", "next"],
    }


def _bounded(found: Any) -> Any:
    """The same with the numbers that every JSON reader has exactly; see ``ijson.py``."""
    if isinstance(found, dict):
        if found.get("type") in ("integer", "number"):
            if not {"minimum", "exclusiveMinimum"} & found.keys():
                found = found | {"minimum": -LARGEST}
            if not {"maximum", "exclusiveMaximum"} & found.keys():
                found = found | {"maximum": LARGEST}
        return {name: _bounded(each) for name, each in found.items()}
    return [_bounded(each) for each in found] if isinstance(found, list) else found
