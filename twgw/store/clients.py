"""OAuth2 clients of applications, over REST: made, changed, given another secret, taken back.  Part of ``rest.py``.

A client is how an application is known to the key manager, once for each environment or each program that it runs.
"""

from urllib.parse import quote

import attrs
from attrs import evolve, frozen
from sqlalchemy.engine import Connection

from twgw.credentials import key_id, mint
from twgw.faults import Fault
from twgw.keymanager.client import ClientSettings
from twgw.model import Environment
from twgw.registry import Client
from twgw.schema import as_written
from twgw.settings import fields, setting, structure
from twgw.storage import clients as stored
from twgw.storage.applications import find_application
from twgw.storage.errors import Conflict
from twgw.store.applications import show_application
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found, refuse
from twgw.web.view import Answer, Call, Page, Views

views = Views("clients")
READ, WRITE = Permission.APPLICATION_READ, Permission.APPLICATION_WRITE
GIVEN = ("access_seconds", "refresh_seconds", "introspect")
"""What an admin gives: a subscriber has these at their defaults, or as they were given."""


@frozen
class NewClient:
    """An OAuth2 client to be made."""

    environment: Environment = setting("Which servers of an API its tokens are for.", default=Environment.PRODUCTION)
    settings: ClientSettings = setting("What it may do.", factory=ClientSettings)


@frozen
class ChangedClient:
    """What may be changed of a client."""

    settings: ClientSettings = setting("What it may do.", factory=ClientSettings)


@frozen
class ShownClient:
    """A client, as it stands in the registry: without its secret."""

    id: str = setting("Its client_id.")
    application: str = setting("Whose it is.")
    environment: Environment = setting("Which servers of an API its tokens are for.")
    settings: ClientSettings = setting("What it may do.")
    revoked: bool = setting("Whether it was taken back.")
    created_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


@frozen
class MadeClient:
    """A client, this once with its secret."""

    id: str = setting("Its client_id.")
    application: str = setting("Whose it is.")
    environment: Environment = setting("Which servers of an API its tokens are for.")
    settings: ClientSettings = setting("What it may do.")
    created_at: float = setting("UNIX time.")
    secret: str | None = setting(
        "Its client_secret. It is stored nowhere; null for a client that is public.", default=None, secret=True
    )


def _shown(client: Client) -> ShownClient:
    return ShownClient(
        id=client.id, application=client.application, environment=Environment(client.environment),
        settings=structure(ClientSettings, client.settings), revoked=client.revoked_pos is not None,
        created_at=client.created_at, stamp=client.stamp,
    )  # fmt: skip


def _made(client: Client, secret: str | None, position: int | None = None) -> Answer:
    shown = _shown(client)
    told = {field.name: getattr(shown, field.name) for field in fields(MadeClient) if field.name != "secret"}
    return Answer(MadeClient(**told, secret=secret), location=f"/clients/{quote(client.id)}", position=position)


@views.view("GET", "/applications/{application}/clients", permission=READ, answers=ShownClient, paged=True)
def list_clients(call: Call, connection: Connection, application: str) -> Page:
    """List the OAuth2 clients of an application, by id, also those that were taken back."""
    show_application(call, connection, application)
    start, limit = after(call.query) or "", limit_of(call.query)
    found = [client for client in stored.clients_of(connection, application) if client.id > start]
    return Page([_shown(client) for client in found[:limit]], found[limit - 1].id if len(found) > limit else None)


@views.view("GET", "/clients/{client}", permission=READ, answers=ShownClient)
def show_client(call: Call, connection: Connection, client: str) -> ShownClient:
    """Show an OAuth2 client, by its id."""
    found = stored.find_client(connection, client)
    owner = find_application(connection, found.application) if found else None
    if found is None or owner is None or call.owner not in (None, owner.owner):
        raise not_found(f"client {client}")
    return _shown(found)


@views.view(
    "POST", "/applications/{application}/clients", permission=WRITE, body=NewClient, answers=MadeClient, status=201
)
def add_client(call: Call, connection: Connection, application: str) -> Answer:
    """Make an OAuth2 client.  The answer has its secret, this once; a public client has none."""
    show_application(call, connection, application)
    wish: NewClient = call.body
    _check_given(call, wish.settings, ClientSettings())
    secret = None if wish.settings.public else mint("cs")
    client = Client(
        id=_new_id(), application=application, environment=wish.environment.value,
        digest=call.lent.digest(secret) if secret else "", settings=as_written(wish.settings),
    )  # fmt: skip
    return _made(stored.add_client(connection, client, now=call.now), secret)


def _new_id() -> str:
    """An id that nobody has: those of keys are random, too."""
    return f"{key_id(mint())}{key_id(mint())}"


@views.view(
    "PATCH", "/clients/{client}", permission=WRITE, body=ChangedClient, answers=ShownClient, current=show_client
)
def change_client(call: Call, connection: Connection, client: str) -> Answer:
    """Change what an OAuth2 client may do.  It holds for the tokens that it gets from then on."""
    wish, before = call.body.settings, call.before
    _check_good(before)
    _check_given(call, wish, before.settings)
    if wish.public != before.settings.public:
        raise invalid([Fault("settings.public", "never changes: a public client has no secret; make another client")])
    position = stored.update_client(
        connection, client, settings=as_written(wish), now=call.now, stamp=before.stamp
    )
    return Answer(show_client(call, connection, client), position=position)


@views.view(
    "POST", "/clients/{client}/secret", permission=WRITE, answers=MadeClient, status=201, current=show_client
)
def replace_secret(call: Call, connection: Connection, client: str) -> Answer:
    """Give an OAuth2 client another secret.  The old one is void at once; tokens that it got stay good."""
    _check_good(call.before)
    if call.before.settings.public:
        raise Conflict(f"client {client} is public: it has no secret")
    secret = mint("cs")
    position = stored.update_client(
        connection, client, digest=call.lent.digest(secret), now=call.now, stamp=call.before.stamp
    )
    return evolve(_made(stored.require_client(connection, client), secret, position), unreached=503)


@views.view("DELETE", "/clients/{client}", permission=WRITE, current=show_client)
def delete_client(call: Call, connection: Connection, client: str) -> Answer:
    """Take an OAuth2 client back for ever, with every token that it got.  It stays in the list."""
    return Answer(position=stored.revoke_client(connection, client, now=call.now), unreached=503)


def _check_good(before: ShownClient) -> None:
    if before.revoked:
        raise Conflict(f"client {before.id} was taken back; make another")


def _check_given(call: Call, wish: ClientSettings, before: ClientSettings) -> None:
    """How long tokens last, and who may ask about those of others, is not for the owner of an application."""
    if call.owner is None:
        return
    asked = [each.name for each in attrs.fields(ClientSettings)
             if each.name in GIVEN and getattr(wish, each.name) != getattr(before, each.name)]  # fmt: skip
    if asked:
        raise refuse(403, "Not permitted", f"{', '.join(asked)}: given by an admin; leave it as it is")
