"""What a developer sees of the APIs, and how one is found among them.  Pure.  Called by the store's endpoints."""

from collections.abc import Iterable

from attrs import frozen

from twgw.model import Api
from twgw.publisher.lifecycle import EFFECTS
from twgw.publisher.versions import in_order

STAFF = frozenset({"admin", "publisher", "creator"})
"""Roles that see every API, whatever its state and groups."""

FILTERS = ("name", "version", "tag", "path", "state")
"""What a word of a search may begin with: ``tag:weather``."""


@frozen
class Viewer:
    """Who looks: a user, or somebody without a name."""

    name: str = ""
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


def may_see(viewer: Viewer, api: Api) -> bool:
    """Whether the store shows an API to somebody."""
    if viewer.roles & STAFF:
        return True
    return EFFECTS[api.state].visible and is_for(viewer.groups, api.visible_to)


def is_for(groups: frozenset[str], wanted: tuple[str, ...]) -> bool:
    """Whether something is for somebody of these groups; what names none is for everybody."""
    return not wanted or not groups.isdisjoint(wanted)


def newest(apis: Iterable[Api]) -> list[Api]:
    """One version of each API: the default one, else the newest."""
    by_name: dict[str, list[Api]] = {}
    for api in apis:
        by_name.setdefault(api.name, []).append(api)
    return [
        next((api for api in versions if api.default_version), in_order(versions)[-1]) for versions in by_name.values()
    ]


def search(apis: Iterable[Api], query: str, viewer: Viewer) -> list[Api]:
    """The APIs that somebody may see and that have every word of a query, best first.

    A word is looked for in names, titles, tags and descriptions, in any case; ``tag:``, ``name:``, ``version:``,
    ``path:`` and ``state:`` before it say where alone.  Without a word: all of them, by name and version.
    """
    words = query.lower().split()
    found = []
    for api in in_order(apis):
        if may_see(viewer, api):
            ranks = [_rank(api, word) for word in words]
            if all(rank is not None for rank in ranks):
                found.append((sum(rank or 0 for rank in ranks), api))
    found.sort(key=lambda entry: (entry[0], entry[1].name))  # stable: versions stay in their order
    return [api for _, api in found]


def _rank(api: Api, word: str) -> int | None:
    """How well an API has a word, 0 best; None when it does not."""
    where, colon, what = word.partition(":")
    if colon and where in FILTERS:
        return 0 if _has(api, where, what) else None
    name, title = api.name.lower(), api.title.lower()
    if word in (name, title):
        return 0
    if name.startswith(word) or word in title.split():
        return 1
    if any(word == tag.lower() for tag in api.tags):
        return 2
    if word in name or word in title or any(word in tag.lower() for tag in api.tags):
        return 3
    return 4 if word in api.description.lower() else None


def _has(api: Api, where: str, what: str) -> bool:
    match where:
        case "tag":
            return any(what == tag.lower() for tag in api.tags)
        case "state":
            return what == api.state.value.lower()
        case "version":
            return what == api.version.lower()
        case "path":
            return api.base_path.lower().startswith(what)
        case _:
            return what in api.name.lower()
