"""APIs over REST, for operators: enter, list, show, move on in life, delete.  Part of ``rest.py``."""

from collections.abc import Iterator

from attrs import evolve, frozen
from sqlalchemy.engine import Connection

from twgw.faults import Fault
from twgw.model import Api, Lifecycle, State, Transition
from twgw.publisher.lifecycle import MoveForbidden, MoveRefused, Wish, plan
from twgw.registry import ApiEntry
from twgw.settings import fields, setting
from twgw.state import check
from twgw.storage import apis as stored
from twgw.storage import subscriptions
from twgw.storage.errors import Conflict
from twgw.storage.settings import find_policies
from twgw.storage.tiers import list_tiers
from twgw.web.asking import after, limit_of
from twgw.web.names import optional_name
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found, refuse
from twgw.web.view import MOST, Answer, Call, Page, Views

views = Views("apis", "/admin/v1")


@frozen
class NewApi:
    """An API to be entered."""

    api: Api = setting("The API, as it would stand in apis.yaml, without its state.")
    publish: bool = setting("Whether it is served at once; else it is CREATED, and nobody finds it.", default=False)
    owner: str | None = optional_name("The user whose it is. Without it: whoever enters it.")


@frozen
class Moved:
    """A move in the life of an API."""

    move: str = setting("publish, prototype, demote, block, republish, deprecate or retire; or WSO2's name of it.")
    deprecate_old_versions: bool = setting("For publish: whether older versions become deprecated.", default=False)
    require_resubscription: bool = setting(
        "For publish: whether the subscribers of the version before have to subscribe anew.", default=False
    )
    sunset: float | None = setting("For deprecate: UNIX time at which it will stop to answer.", default=None)
    successor: str = setting("For deprecate: address, or path, of what takes its place.", default="")
    documentation: str = setting("For deprecate: address of a page that says what to do.", default="")


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


def _shown(entry: ApiEntry) -> ShownApi:
    return ShownApi(
        id=entry.id, api=evolve(entry.api, default_version=entry.default_version), latest=entry.latest,
        live=entry.live, owner=entry.owner, deprecated_at=entry.deprecated_at, sunset_at=entry.sunset_at,
        created_at=entry.created_at, updated_at=entry.updated_at, stamp=entry.stamp,
    )  # fmt: skip


def named_api(connection: Connection, text: str) -> ApiEntry | None:
    """The API of ``name:version``, or of a name alone: its default version, or the only one there is."""
    if ":" in text:
        return stored.find_api(connection, text)
    versions = stored.list_apis(connection, name=text, limit=MOST)
    default = [entry for entry in versions if entry.default_version] or versions
    return default[0] if len(default) == 1 else None


@views.view("GET", "/apis", permission=Permission.API_READ, query=Query, answers=ListedApi, paged=True)
def list_apis(call: Call, connection: Connection) -> Page:
    """List APIs, by name and version."""
    query, limit = call.query, limit_of(call.query)
    found = stored.list_apis(connection, after(query) or "", limit + 1, name=query.name, state=query.state)
    return Page([_listed(entry) for entry in found[:limit]], found[limit - 1].id if len(found) > limit else None)


@views.view("GET", "/apis/{api}", permission=Permission.API_READ, answers=ShownApi)
def show_api(_call: Call, connection: Connection, api: str) -> ShownApi:
    """Show an API: its newest revision, and what the registry knows of it."""
    entry = named_api(connection, api)
    if entry is None:
        raise not_found(f"API {api}")
    return _shown(entry)


@views.view("POST", "/apis", permission=Permission.API_PUBLISH, body=NewApi, answers=ShownApi, status=201)
def add_api(call: Call, connection: Connection) -> Answer:
    """Enter an API, and publish it if so asked.

    What a gateway would not take is refused, with the path of every fault.
    """
    wish: NewApi = call.body
    api = wish.api
    if faults := list(_faults(call, connection, api)):
        raise invalid(fault.under("api") for fault in faults)
    entry = stored.create_api(connection, api, owner=wish.owner or call.actor, now=call.now)
    position = None
    if wish.publish:
        _check_address(connection, api)
        stored.publish(connection, api.id, 1, now=call.now)
        position = stored.set_state(connection, api.id, Lifecycle.PUBLISHED, actor=call.actor, now=call.now)
        entry = stored.require_api(connection, api.id)
    return Answer(_shown(entry), location=f"/admin/v1/apis/{api.id}", position=position)


def _faults(call: Call, connection: Connection, api: Api) -> Iterator[Fault]:
    """What is wrong with an API, seen by itself."""
    if api.state is not Lifecycle.PUBLISHED:
        yield Fault("state", "must be left out; an API is CREATED, and is moved on by its moves")
    policies, _ = find_policies(connection)
    tiers = tuple(entry.tier for entry in list_tiers(connection))
    found = [Fault(fault.path.removeprefix("apis[0]").removeprefix("."), fault.text) for fault in
             check(State(policies=policies, tiers=tiers, apis=(api,)))]  # fmt: skip
    yield from found
    if not found:
        yield from call.lent.check(policies, api)


def _check_address(connection: Connection, api: Api) -> None:
    """Two APIs cannot be found at the same place.  Raises Conflict."""
    for other in stored.live_apis(connection):
        if other.id != api.id and other.base_path.rstrip("/") == api.base_path.rstrip("/"):
            shared = sorted(set(other.hosts or [""]).intersection(api.hosts or [""]))
            if shared:
                raise Conflict(f"{other.id} is served at {other.base_path} on {shared[0] or 'any host'} already")


@views.view(
    "POST", "/apis/{api}/moves", permission=Permission.API_READ, body=Moved, answers=ShownApi,
    current=show_api,
)  # fmt: skip
def move_api(call: Call, connection: Connection, api: str) -> Answer:
    """Move an API on in its life.

    Publishing serves the newest revision.  Which roles may make a move is part of the move.
    """
    shown: ShownApi = call.before
    name, wish = shown.api.name, Wish(**{field.name: getattr(call.body, field.name) for field in fields(Moved)})
    versions = [entry.api for entry in stored.list_apis(connection, name=name, limit=MOST)]
    assert call.caller is not None  # the permission is not for anyone
    try:
        planned = plan(
            shown.api, wish, versions=versions, actor=call.actor,
            roles=[role.value for role in call.caller.roles], now=call.now,
        )  # fmt: skip
    except MoveForbidden as error:
        raise refuse(403, "Not permitted", str(error)) from error
    except MoveRefused as error:
        raise refuse(409, "Not a move of this API", str(error)) from error
    position, takes = None, False
    for step in planned.steps:
        position = _made(call, connection, step.api, step.transition)
        takes = takes or step.api.state in (Lifecycle.BLOCKED, Lifecycle.RETIRED, Lifecycle.CREATED)
    if planned.subscriptions_from is not None:
        _subscribe_all(call, connection, planned.subscriptions_from, shown.id)
    entry = stored.require_api(connection, shown.id)
    return Answer(_shown(entry), position=position, unreached=503 if takes else 202)


def _made(call: Call, connection: Connection, api: Api, transition: Transition) -> int:
    """Do one step of a move and return the position."""
    if transition.move in ("publish", "prototype"):
        _check_address(connection, api)
        stored.publish(connection, api.id, stored.require_api(connection, api.id).latest, now=call.now)
    told = api.deprecation
    if told is not None:
        stored.set_dates(connection, api.id, deprecated_at=told.since, sunset_at=told.sunset, now=call.now)
    return stored.set_state(connection, api.id, api.state, actor=call.actor, now=call.now)


def _subscribe_all(call: Call, connection: Connection, source: str, target: str) -> None:
    """Give the subscribers of one version the same right to another."""
    last = ""
    while found := subscriptions.subscribers_of(connection, source, last, MOST):
        for each in found:
            if subscriptions.find_subscription(connection, each.application, target) is None:
                subscriptions.subscribe(
                    connection, each.application, target, tier=each.tier, state=each.state, now=call.now
                )
        last = found[-1].application


@views.view("DELETE", "/apis/{api}", permission=Permission.API_PUBLISH, current=show_api)
def delete_api(call: Call, connection: Connection, api: str) -> Answer:
    """Delete an API with its revisions and its history.  It is refused while applications are subscribed to it."""
    shown: ShownApi = call.before
    return Answer(position=stored.delete_api(connection, shown.id, now=call.now, stamp=shown.stamp), unreached=503)
