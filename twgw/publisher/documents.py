"""APIs as OpenAPI documents, over REST: imported and exported.  Part of ``rest.py``."""

import json
from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen
from sqlalchemy.engine import Connection

from twgw.document import read_document
from twgw.faults import Fault
from twgw.model import Policy, Upstream
from twgw.publisher.apis import ShownApi, added
from twgw.publisher.openapi import Wanted, api_of, document_of
from twgw.publisher.openapi_document import InvalidDocument, read_openapi
from twgw.publisher.serving import check_api, the_api
from twgw.settings import fields, setting
from twgw.storage import apis as stored
from twgw.web.asking import tag_of, text_of
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid
from twgw.web.view import Answer, Call, Views

views = Views("documents of APIs")


@frozen
class Document:
    """A document to be made an API, and what is said in place of it."""

    text: str = setting("The document: OpenAPI 3.0 or 3.1, or Swagger 2.0, as YAML or JSON.")
    name: str = setting("Name of the API. Empty: made of the title.", default="")
    version: str = setting("Its version. Empty: that of the document.", default="")
    base_path: str = setting("Where it is found. Empty: /name/version, or x-wso2-basePath.", default="")
    upstream: Upstream | None = setting("Its servers. Without it: those of the document.", default=None)
    policies: tuple[Policy, ...] | None = setting(
        "What guards it. Without it: what the security of the document asks for.", default=None
    )


@frozen
class MadeApi:
    """An API that was made of a document."""

    made: ShownApi = setting("The API. It is CREATED.")
    notes: tuple[str, ...] = setting("What was understood in another way than it was written.")


@frozen
class Server:
    """Where the gateway is."""

    server: str = setting("Address of the gateway for callers, such as https://api.example.com.")


@frozen
class Exported:
    """An API as a document."""

    text: str = setting("The document, in JSON. Imported, it gives the same API again.")


@views.view(
    "POST", "/imports", permission=Permission.API_WRITE, body=Document, answers=MadeApi, status=201, outside=True
)
def import_api(call: Call, transact: Callable[..., Any]) -> Any:
    """Make an API of an OpenAPI document.  The answer says how the document was understood."""
    wish: Document = call.body
    wanted = Wanted(**{each.name: getattr(wish, each.name) for each in fields(Document) if each.name != "text"})
    try:
        found = api_of(read_openapi(wish.text, "document"), wanted)
    except InvalidDocument as error:
        raise invalid(
            Fault("text", f"line {fault.line}: {fault.pointer or '(the whole)'}: {fault.text}")
            for fault in error.faults
        ) from error

    def enter(call: Call, connection: Connection) -> Answer:
        check_api(call, connection, found.api)
        made = added(call, connection, found.api, source=wish.text)
        tag = ("ETag", tag_of(text_of(made.body)))  # that of the API, for what is changed next
        return evolve(made, body=MadeApi(made=made.body, notes=found.notes), headers=(tag,))

    return transact(enter)


@views.view("GET", "/apis/{api}/openapi", permission=Permission.API_READ, query=Server, answers=Exported)
def export_api(call: Call, connection: Connection, api: str) -> Exported:
    """Show the newest revision of an API as an OpenAPI document, whole: importing that gives the same API again."""
    entry = the_api(connection, api)
    if not call.query.server.startswith(("http://", "https://")):
        raise invalid([Fault("server", "must begin with http:// or https://")])
    text = next((each.source for each in stored.list_revisions(connection, entry.id) if each.source), None)
    source = None if text is None else _read(text)
    return Exported(text=json.dumps(document_of(entry.api, call.query.server, source, whole=True), indent=2))


def _read(text: str) -> dict[str, object] | None:
    value = json.loads(text) if text.lstrip()[:1] == "{" else read_document(text, "document")[0]
    return value if isinstance(value, dict) else None
