"""APIs over REST: enter, list, show, edit, copy, delete.  Part of ``rest.py``.

What is edited is a new revision; what is served stays as it is until that is put in force.
"""

from attrs import evolve, frozen
from sqlalchemy.engine import Connection

from twgw.faults import Fault
from twgw.model import Api, Lifecycle
from twgw.publisher.lifecycle import EFFECTS
from twgw.publisher.serving import check_api, check_place, faults_of, put_in_force, the_api, versions_of
from twgw.publisher.versions import copy, make_default
from twgw.registry import ApiEntry
from twgw.settings import setting
from twgw.storage import apis as stored
from twgw.storage.errors import Conflict
from twgw.web.asking import after, limit_of
from twgw.web.names import name, optional_name, text
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_permitted
from twgw.web.view import MOST, Answer, Call, Page, Views

views = Views("apis")
READ, WRITE, PUBLISH = Permission.API_READ, Permission.API_WRITE, Permission.API_PUBLISH


@frozen
class NewApi:
    """An API to be entered."""

    api: Api = setting("The API, as it would stand in apis.yaml, without its state.")
    publish: bool = setting("Whether it is served at once; else it is CREATED, and nobody finds it.", default=False)
    owner: str | None = optional_name("The user whose it is. Without it: whoever enters it.")


@frozen
class ApiSettings:
    """What may be changed of an API beside its revisions."""

    owner: str = name("The user whose it is.")


@frozen
class Copied:
    """Another version of an API."""

    version: str = setting("The new version.")
    base_path: str = setting("Where it is found. Empty: where the old one is, with the new version.", default="")


@frozen
class Saving:
    """What becomes of a new revision."""

    publish: bool = setting("true: it is served at once; else when the API is published again.", default=False)
    note: str = text("What was changed, for people.", 500)


@frozen
class ListedApi:
    """An API in a list."""

    id: str = setting("name:version.")
    name: str = setting("Its name.")
    version: str = setting("Its version.")
    base_path: str = setting("The path below which it is found.")
    hosts: tuple[str, ...] = setting("Host names by which it is called.")
    state: Lifecycle = setting("Where it stands in its life.")
    default_version: bool = setting("Whether it is meant where a name stands without a version.")
    tiers: tuple[str, ...] = setting("Tiers that a subscription may have.")
    latest: int = setting("Number of the newest revision.")
    live: int | None = setting("Number of the revision that is served.")
    owner: str = setting("The user whose it is.")
    created_at: float = setting("UNIX time.")
    updated_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


@frozen
class ShownApi:
    """An API, whole."""

    id: str = setting("name:version.")
    api: Api = setting("Its newest revision, in its state.")
    latest: int = setting("Number of the newest revision.")
    live: int | None = setting("Number of the revision that is served.")
    owner: str = setting("The user whose it is.")
    deprecated_at: float | None = setting("UNIX time since which it is deprecated.")
    sunset_at: float | None = setting("UNIX time at which it will stop to answer.")
    created_at: float = setting("UNIX time.")
    updated_at: float = setting("UNIX time.")
    stamp: int = setting("Counts its changes.")


@frozen
class Query:
    """Which APIs."""

    name: str | None = setting("Only versions of this name.", default=None)
    state: Lifecycle | None = setting("Only those in this state.", default=None)
    limit: int = setting("How many entries at most, 1 to 100.", default=MOST)
    cursor: str = setting("Where to go on: next of the page before. Empty: from the beginning.", default="")


def _listed(entry: ApiEntry) -> ListedApi:
    api = entry.api
    return ListedApi(
        id=entry.id, name=api.name, version=api.version, base_path=api.base_path, hosts=api.hosts, state=entry.state,
        default_version=entry.default_version, tiers=api.tiers, latest=entry.latest, live=entry.live,
        owner=entry.owner, created_at=entry.created_at, updated_at=entry.updated_at, stamp=entry.stamp,
    )  # fmt: skip


def shown(entry: ApiEntry) -> ShownApi:
    """An API, as it is answered."""
    return ShownApi(
        id=entry.id, api=entry.api, latest=entry.latest, live=entry.live, owner=entry.owner,
        deprecated_at=entry.deprecated_at, sunset_at=entry.sunset_at, created_at=entry.created_at,
        updated_at=entry.updated_at, stamp=entry.stamp,
    )  # fmt: skip


@views.view("GET", "/apis", permission=READ, query=Query, answers=ListedApi, paged=True)
def list_apis(call: Call, connection: Connection) -> Page:
    """List APIs, by name and version."""
    query, limit = call.query, limit_of(call.query)
    found = stored.list_apis(connection, after(query) or "", limit + 1, name=query.name, state=query.state)
    return Page([_listed(entry) for entry in found[:limit]], found[limit - 1].id if len(found) > limit else None)


@views.view("GET", "/apis/{api}", permission=READ, answers=ShownApi)
def show_api(_call: Call, connection: Connection, api: str) -> ShownApi:
    """Show an API: its newest revision, and what the registry knows of it."""
    return shown(the_api(connection, api))


@views.view("POST", "/apis", permission=WRITE, body=NewApi, answers=ShownApi, status=201)
def add_api(call: Call, connection: Connection) -> Answer:
    """Enter an API, and publish it if so asked.

    What a gateway would not take is refused, with the path of every fault.
    """
    wish: NewApi = call.body
    faults = []
    if wish.api.state is not Lifecycle.PUBLISHED:
        faults.append(Fault("api.state", "must be left out; an API is CREATED, and is moved on by its moves"))
    if wish.api.default_version and not wish.publish:
        faults.append(Fault("api.default_version", "must be left out, or publish be true: it is for what is served"))
    if call.owner is not None and wish.owner not in (None, call.owner):
        faults.append(Fault("owner", "must be left out: it is yours"))
    faults += [fault.under("api") for fault in faults_of(call, connection, wish.api)]
    if faults:
        raise invalid(faults)
    made = added(call, connection, wish.api, owner=wish.owner)
    if not wish.publish:
        return made
    position = put_in_force(call, connection, wish.api.id)
    if wish.api.default_version:
        position = _made_default(call, connection, stored.require_api(connection, wish.api.id))
    return evolve(made, body=shown(stored.require_api(connection, wish.api.id)), position=position)


def added(
    call: Call,
    connection: Connection,
    api: Api,
    *,
    owner: str | None = None,
    source: str | None = None,
) -> Answer:
    """Enter an API that was checked as CREATED, if the caller may have its name."""
    others = [entry.owner for entry in versions_of(connection, api.name)]
    if call.owner is not None and others and call.owner not in others:
        raise not_permitted(f"{WRITE.value} for the APIs of {others[0]}: {api.name} is theirs")
    new = evolve(api, state=Lifecycle.PUBLISHED, default_version=False)
    entry = stored.create_api(connection, new, owner=owner or call.actor, now=call.now, source=source)
    return Answer(shown(entry), location=f"/apis/{api.id}")


@views.view(
    "PUT", "/apis/{api}", permission=WRITE, query=Saving, body=Api, answers=ShownApi, current=show_api
)
def save_api(call: Call, connection: Connection, api: str) -> Answer:
    """Save an API as a new revision.

    The body is what GET shows as api, changed.  State, default version and deprecation are no part of a revision: they
    stay as they are.
    """
    before: ShownApi = call.before
    _check_owner(call)
    if call.body.id != before.id:
        raise invalid([Fault("name", f"name and version must be those of {before.id}; copy it for another version")])
    if call.body.state not in (before.api.state, Lifecycle.PUBLISHED):
        raise invalid([Fault("state", f"must be left out, or {before.api.state.value}; it is changed by moves")])
    if call.body.default_version and not before.api.default_version:
        raise invalid([Fault("default_version", f"must be left out; POST /apis/{before.id}/default makes it that")])
    check_api(call, connection, call.body)
    wanted = evolve(
        call.body, default_version=before.api.default_version,
        deprecation=None if before.deprecated_at is not None else call.body.deprecation,
    )  # fmt: skip
    return saved(call, connection, wanted, note=call.query.note, publish=call.query.publish)


def saved(call: Call, connection: Connection, api: Api, *, note: str, publish: bool) -> Answer:
    """Save another revision of an API, and put it in force if so asked."""
    stored.save_revision(connection, api, author=call.actor, now=call.now, note=note, stamp=call.before.stamp)
    position = put_in_force(call, connection, api.id) if publish else None
    return Answer(shown(stored.require_api(connection, api.id)), position=position)


@views.view(
    "PATCH", "/apis/{api}", permission=PUBLISH, body=ApiSettings, answers=ShownApi, current=show_api
)
def give_api(call: Call, connection: Connection, api: str) -> ShownApi:
    """Give an API to another user.  What is served stays as it is."""
    before: ShownApi = call.before
    stored.set_owner(connection, before.id, call.body.owner, now=call.now, stamp=before.stamp)
    return shown(stored.require_api(connection, before.id))


def _check_owner(call: Call) -> None:
    if call.owner not in (None, call.before.owner):
        raise not_permitted(f"{WRITE.value} for the APIs of {call.before.owner}")


@views.view("DELETE", "/apis/{api}", permission=PUBLISH, current=show_api)
def delete_api(call: Call, connection: Connection, api: str) -> Answer:
    """Delete an API with its revisions and its history.  It is refused while applications are subscribed to it."""
    before: ShownApi = call.before
    return Answer(position=stored.delete_api(connection, before.id, now=call.now, stamp=before.stamp), unreached=503)


@views.view("POST", "/apis/{api}/copies", permission=WRITE, body=Copied, answers=ShownApi, status=201)
def copy_api(call: Call, connection: Connection, api: str) -> Answer:
    """Make a new version of an API, as a copy.  It is CREATED."""
    made = copy(the_api(connection, api).api, call.body.version, call.body.base_path)
    check_api(call, connection, made)
    return added(call, connection, made)


@views.view("POST", "/apis/{api}/default", permission=PUBLISH, answers=ShownApi, current=show_api)
def set_default(call: Call, connection: Connection, api: str) -> Answer:
    """Make a version the one that is also found without its version, in place of the one that was."""
    entry = the_api(connection, api)
    position = _made_default(call, connection, entry)
    return Answer(shown(stored.require_api(connection, entry.id)), position=position)


def _made_default(call: Call, connection: Connection, entry: ApiEntry) -> int:
    if not EFFECTS[entry.state].found:
        raise Conflict(f"{entry.id} is {entry.state.value}; the default version is one that is served: publish it")
    changed, *_ = make_default(entry.api, [each.api for each in versions_of(connection, entry.api.name)])
    check_place(connection, changed)
    return stored.set_default_version(connection, entry.id, now=call.now, stamp=entry.stamp)
