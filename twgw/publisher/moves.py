"""The life of an API over REST: its moves, and its history.  Part of ``rest.py``."""

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.model import Lifecycle
from twgw.publisher.apis import ShownApi, show_api, shown
from twgw.publisher.lifecycle import Wish
from twgw.publisher.serving import move, the_api
from twgw.settings import fields, setting
from twgw.storage import apis as stored
from twgw.web.asking import after, limit_of
from twgw.web.names import text
from twgw.web.permissions import Permission
from twgw.web.view import Answer, Call, Page, Views

views = Views("life of APIs")


@frozen
class Moved:
    """A move in the life of an API."""

    move: str = setting("publish, prototype, demote, block, republish, deprecate or retire; or WSO2's name of it.")
    deprecate_old_versions: bool = setting("For publish: whether older versions become deprecated.", default=False)
    require_resubscription: bool = setting(
        "For publish: whether the subscribers of the version before have to subscribe anew.", default=False
    )
    sunset: float | None = setting("For deprecate: UNIX time at which it will stop to answer.", default=None)
    successor: str = text("For deprecate: address, or path, of what takes its place.", 500)
    documentation: str = text("For deprecate: address of a page that says what to do.", 500)


@frozen
class ShownStep:
    """A step in the life of an API."""

    before: Lifecycle | None = setting("The state before; null: there was no API.")
    after: Lifecycle = setting("The state since.")
    actor: str = setting("Who moved it.")
    at: float = setting("UNIX time.")


@views.view(
    "POST", "/apis/{api}/moves", permission=Permission.API_READ, body=Moved, answers=ShownApi, current=show_api
)
def move_api(call: Call, connection: Connection, api: str) -> Answer:
    """Move an API on in its life.

    Publishing serves the newest revision.  Which roles may make a move is part of the move.
    """
    entry = the_api(connection, api)
    wish = Wish(**{each.name: getattr(call.body, each.name) for each in fields(Moved)})
    position, ends_calls = move(call, connection, entry, wish)
    return Answer(
        shown(stored.require_api(connection, entry.id)), position=position, unreached=503 if ends_calls else 202
    )


@views.view("GET", "/apis/{api}/history", permission=Permission.API_READ, answers=ShownStep, paged=True)
def list_history(call: Call, connection: Connection, api: str) -> Page:
    """List the steps in the life of an API, the oldest first; all of them on one page."""
    entry = the_api(connection, api)
    limit_of(call.query)
    steps = [] if after(call.query) else stored.list_state_changes(connection, entry.id)
    return Page([ShownStep(before=step.before, after=step.after, actor=step.actor, at=step.at) for step in steps])
