"""The catalogue over REST: the APIs and tiers that a developer may have.  Part of ``rest.py``.

It shows what is served, not what is being edited; what somebody may not see is not there.
"""

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.faults import Fault
from twgw.model import Api, Lifecycle, Tier
from twgw.settings import fields, setting
from twgw.storage.apis import find_live, named_api
from twgw.storage.tiers import list_tiers
from twgw.store.catalog import Viewer, is_for, may_see, newest, search
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid, not_found
from twgw.web.view import MOST, Call, Page, Views

views = Views("catalogue")


@frozen
class Offer:
    """An API as the store shows it: not its servers, nor what guards it."""

    id: str = setting("name:version.")
    name: str = setting("Its name.")
    version: str = setting("Its version.")
    title: str = setting("Name that people are shown.")
    description: str = setting("What it is for.")
    tags: tuple[str, ...] = setting("Words under which it is found.")
    base_path: str = setting("The path below which it is found.")
    hosts: tuple[str, ...] = setting("Host names by which it is called. Empty: any.")
    state: Lifecycle = setting("Where it stands in its life.")
    tiers: tuple[str, ...] = setting("Tiers that a subscription may have. Empty: any.")


@frozen
class Search:
    """What is looked for."""

    q: str = setting("Words; tag:, name:, version:, path: and state: say where one is looked for.", default="")
    versions: bool = setting("true: all versions; else one of each API.", default=False)
    limit: int = setting("How many entries at most, 1 to 100.", default=MOST)
    cursor: str = setting("Where to go on: next of the page before. Empty: from the beginning.", default="")


def _viewer(call: Call) -> Viewer:
    return Viewer(call.actor, call.roles, call.groups)


def _offer(api: Api) -> Offer:
    told = {each.name: getattr(api, each.name) for each in fields(Offer)}
    return Offer(**(told | {"title": api.title or api.name}))


@views.view("GET", "/catalog", permission=Permission.SELF, query=Search, answers=Offer, paged=True)
def search_catalog(call: Call, connection: Connection) -> Page:
    """Search the APIs that the caller may see, the best first."""
    query, limit, start = call.query, limit_of(call.query), after(call.query) or "0"
    if not (start.isascii() and start.isdigit() and len(start) < 10):
        raise invalid([Fault("cursor", "must be next of a page before")])
    viewer, first = _viewer(call), int(start)
    there = [api for api in call.lent.live_apis(connection) if may_see(viewer, api)]
    found = search(there if query.versions else newest(there), query.q, viewer)
    last = str(first + limit) if len(found) > first + limit else None
    return Page([_offer(api) for api in found[first : first + limit]], last)


@views.view("GET", "/catalog/{api}", permission=Permission.SELF, answers=Offer)
def show_offer(call: Call, connection: Connection, api: str) -> Offer:
    """Show an API that the caller may see."""
    entry = named_api(connection, api)
    served = find_live(connection, entry.id) if entry else None
    if served is None or not may_see(_viewer(call), served):
        raise not_found(f"API {api}")
    return _offer(served)


@views.view("GET", "/offered-tiers", permission=Permission.TIER_READ, answers=Tier, paged=True)
def list_offered_tiers(call: Call, connection: Connection) -> Page:
    """List the tiers that the caller may ask for, by name."""
    limit, start, viewer = limit_of(call.query), after(call.query) or "", _viewer(call)
    tiers = [entry.tier for entry in list_tiers(connection)]
    found = [tier for tier in tiers if is_for(viewer.groups, tier.groups) and tier.name > start]
    return Page(found[:limit], found[limit - 1].name if len(found) > limit else None)
