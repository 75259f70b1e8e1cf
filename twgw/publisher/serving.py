"""What every change of an API goes through: is it right, is its place free, may it be put in force, what moves with it.

Called by the views beside this file, in their transactions.
"""

from collections.abc import Iterator

from attrs import evolve
from sqlalchemy.engine import Connection

from twgw.faults import Fault
from twgw.model import Api, Lifecycle, State
from twgw.publisher.lifecycle import EFFECTS, Step, Wish, plan
from twgw.registry import ApiEntry
from twgw.state import check
from twgw.storage import apis as stored
from twgw.storage import subscriptions
from twgw.storage.errors import Conflict
from twgw.storage.settings import find_policies
from twgw.storage.tiers import list_tiers
from twgw.web.permissions import Permission, reach
from twgw.web.refusals import invalid, not_found, not_permitted
from twgw.web.view import MOST, Call

VERSIONS = 1000
"""Versions of an API that are looked at."""


def the_api(connection: Connection, text: str) -> ApiEntry:
    """The API of ``name:version``, or of a name alone; refused when there is none."""
    entry = stored.named_api(connection, text)
    if entry is None:
        raise not_found(f"API {text}")
    return entry


def versions_of(connection: Connection, name: str) -> list[ApiEntry]:
    """The versions of an API."""
    return stored.list_apis(connection, name=name, limit=VERSIONS)


def check_api(call: Call, connection: Connection, api: Api) -> None:
    """Refuse an API that is wrong by itself, or that a gateway could not compile."""
    if faults := list(faults_of(call, connection, api)):
        raise invalid(faults)


def faults_of(call: Call, connection: Connection, api: Api) -> Iterator[Fault]:
    """What is wrong with an API, by itself and as a gateway compiles it."""
    policies, _ = find_policies(connection)
    tiers = tuple(entry.tier for entry in list_tiers(connection))
    api = evolve(api, state=Lifecycle.PUBLISHED)
    found = [Fault(fault.path.removeprefix("apis[0]").removeprefix("."), fault.text) for fault in
             check(State(policies=policies, tiers=tiers, apis=(api,)))]  # fmt: skip
    yield from found
    if not found:
        yield from call.lent.check(policies, api)


def check_place(connection: Connection, api: Api) -> None:
    """Two APIs cannot be found at the same place.  Raises Conflict."""
    for other in stored.live_at(connection, _places(api)):
        hosts = set(other.hosts or [""]).intersection(api.hosts or [""])
        gives_way = api.default_version and other.name == api.name  # there is one default version
        places = _places(evolve(other, default_version=False) if gives_way else other) & _places(api)
        if other.id != api.id and hosts and places:
            raise Conflict(f"{other.id} is served at {min(places) or '/'} on {min(hosts) or 'any host'} already")


def _places(api: Api) -> set[str]:
    paths = (api.base_path, api.unversioned_path) if api.default_version else (api.base_path,)
    return {path.rstrip("/") for path in paths}


def put_in_force(call: Call, connection: Connection, id: str) -> int:
    """Serve the newest revision of an API and return the position; one that nobody finds is published for it.

    Raises MoveForbidden, MoveRefused and Conflict.
    """
    entry = stored.require_api(connection, id)
    if not EFFECTS[entry.state].found:
        return move(call, connection, entry, Wish("publish"))[0]
    if call.caller is None or reach(call.caller.roles, Permission.API_PUBLISH) is None:
        raise not_permitted(Permission.API_PUBLISH.value)
    check_api(call, connection, entry.api)
    check_place(connection, entry.api)
    return stored.publish(connection, id, entry.latest, now=call.now)


def move(call: Call, connection: Connection, entry: ApiEntry, wish: Wish) -> tuple[int, bool]:
    """Move an API on in its life: the position, and whether the move ends calls.

    Raises MoveForbidden, MoveRefused and Conflict.
    """
    versions = [each.api for each in versions_of(connection, entry.api.name)]
    made = plan(entry.api, wish, versions=versions, actor=call.actor, roles=call.roles, now=call.now)
    position = [_taken(call, connection, step) for step in made.steps][-1]
    if made.subscriptions_from is not None:
        _subscribe_all(call, connection, made.subscriptions_from, entry.id)
    return position, any(not EFFECTS[step.api.state].found or EFFECTS[step.api.state].refused for step in made.steps)


def _taken(call: Call, connection: Connection, step: Step) -> int:
    """Take one step of a move and return the position."""
    api, told = step.api, step.api.deprecation
    if step.transition.move in ("publish", "prototype"):
        check_api(call, connection, api)
        check_place(connection, api)
        stored.publish(connection, api.id, stored.require_api(connection, api.id).latest, now=call.now)
    if step.transition.move == "deprecate" and told is not None:
        stored.set_dates(
            connection, api.id, deprecated_at=told.since, sunset_at=told.sunset, successor=told.successor,
            documentation=told.documentation, now=call.now,
        )  # fmt: skip
    return stored.set_state(connection, api.id, api.state, actor=call.actor, now=call.now)


def _subscribe_all(call: Call, connection: Connection, source: str, target: str) -> None:
    """Give the subscribers of one version the same right to another."""
    last = ""
    while found := subscriptions.subscribers_of(connection, source, last, MOST):
        for each in found:
            last = each.application
            if subscriptions.find_subscription(connection, last, target) is None:
                subscriptions.subscribe(connection, last, target, tier=each.tier, state=each.state, now=call.now)
