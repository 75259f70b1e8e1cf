"""The revisions of an API over REST: every text that it had, and the way back to one.  Part of ``rest.py``."""

from attrs import evolve, frozen
from sqlalchemy.engine import Connection

from twgw.faults import Fault
from twgw.model import Api
from twgw.publisher.apis import ShownApi, saved, show_api
from twgw.publisher.lifecycle import EFFECTS
from twgw.publisher.serving import check_api, the_api
from twgw.registry import Revision
from twgw.settings import setting
from twgw.storage import apis as stored
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found
from twgw.web.view import Answer, Call, Page, Views

views = Views("revisions of APIs")


@frozen
class ShownRevision:
    """One text of an API; it never changes."""

    number: int = setting("Its number, from 1.")
    api: Api = setting("The API as it was saved.")
    note: str = setting("What was changed.")
    author: str = setting("Who saved it.")
    at: float = setting("UNIX time.")
    imported: bool = setting("Whether it came from a document.")


@frozen
class Rollback:
    """The revision to go back to."""

    revision: int = setting("Its number.")


def _shown(each: Revision) -> ShownRevision:
    return ShownRevision(
        number=each.number, api=each.api, note=each.note, author=each.author, at=each.at,
        imported=each.source is not None,
    )  # fmt: skip


@views.view("GET", "/apis/{api}/revisions", permission=Permission.API_READ, answers=ShownRevision, paged=True)
def list_revisions(call: Call, connection: Connection, api: str) -> Page:
    """List the revisions of an API, the newest first."""
    entry, limit, start = the_api(connection, api), limit_of(call.query), after(call.query)
    if start is not None and not _is_number(start):
        raise invalid([Fault("cursor", "must be next of a page before")])
    found = stored.list_revisions(connection, entry.id, int(start) if start else None, limit + 1)
    return Page([_shown(each) for each in found[:limit]], str(found[limit - 1].number) if len(found) > limit else None)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


@views.view("GET", "/apis/{api}/revisions/{revision}", permission=Permission.API_READ, answers=ShownRevision)
def show_revision(_call: Call, connection: Connection, api: str, revision: str) -> ShownRevision:
    """Show a revision of an API."""
    return _shown(_revision(connection, the_api(connection, api).id, int(revision) if _is_number(revision) else 0))


def _revision(connection: Connection, api: str, number: int) -> Revision:
    found = stored.find_revision(connection, api, number)
    if found is None:
        raise not_found(f"revision {number} of {api}")
    return found


@views.view(
    "POST", "/apis/{api}/rollback", permission=Permission.API_PUBLISH, body=Rollback, answers=ShownApi,
    current=show_api,
)  # fmt: skip
def roll_back(call: Call, connection: Connection, api: str) -> Answer:
    """Go back to an older revision: it is saved anew as the newest one, and served at once where the API is.

    What was in between stays in the list.
    """
    entry, number = the_api(connection, api), call.body.revision
    old = _revision(connection, entry.id, number if 0 < number < 10**9 else 0)
    wanted = evolve(old.api, default_version=entry.default_version)
    check_api(call, connection, wanted)
    return saved(
        call, connection, wanted, note=f"back to revision {number}", publish=EFFECTS[entry.state].found
    )
