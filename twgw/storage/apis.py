"""APIs: entries, their revisions that never change, and their life.

An API is edited by saving a new revision; what is served is the revision marked live.  Called by the publisher, by
``declared.py``, and by the gateway's follower for what is to be compiled.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from twgw.model import Api, Deprecation, Lifecycle
from twgw.registry import ApiEntry, Revision, StateChange
from twgw.settings import structure
from twgw.storage import log
from twgw.storage.errors import Conflict, Missing
from twgw.storage.rows import batches, change, free, from_text, require, to_text
from twgw.storage.schema import api as table
from twgw.storage.schema import api_revision, api_state_change, subscription

VERSIONS = 1000
"""Versions of an API that are looked at where a name stands alone."""
HIDDEN = (Lifecycle.CREATED, Lifecycle.RETIRED)
"""States in which an API is not there for clients, whatever revision is live."""

LISTED = (
    "name", "version", "base_path", "hosts", "state", "default_version", "tiers", "title", "description", "tags",
    "visible_to",
)  # fmt: skip
"""What a store shows of an API, or goes by."""


def create_api(
    connection: Connection,
    api: Api,
    *,
    owner: str,
    now: float,
    state: Lifecycle = Lifecycle.CREATED,
    source: str | None = None,
    tag: str = "",
) -> ApiEntry:
    """Enter an API with its first revision.  Nothing of it is served before ``publish``.  Raises Conflict."""
    free(connection, table, {"id": api.id}, f"API {api.id}")
    connection.execute(
        insert(table).values(
            id=api.id, name=api.name, version=api.version, state=state.value, latest=1, live=None,
            default_version=api.default_version, owner=owner, tag=tag, created_at=now, updated_at=now, stamp=1,
        )
    )
    _insert_revision(connection, api, 1, source=source, note="", author=owner, now=now)
    note_state(connection, api.id, None, state, owner, now)
    return require_api(connection, api.id)


def save_revision(
    connection: Connection,
    api: Api,
    *,
    author: str,
    now: float,
    source: str | None = None,
    note: str = "",
    stamp: int | None = None,
) -> int:
    """Save another revision and return its number.  What is served stays as it is.  Raises Missing and Conflict."""
    change(
        connection, table, {"id": api.id}, {"latest": table.c.latest + 1, "updated_at": now},
        what=f"API {api.id}", stamp=stamp,
    )  # fmt: skip
    number: int = connection.execute(select(table.c.latest).where(table.c.id == api.id)).scalar_one()
    _insert_revision(connection, api, number, source=source, note=note, author=author, now=now)
    return number


def publish(
    connection: Connection, api: str, revision: int | None, *, now: float, stamp: int | None = None
) -> int:
    """Mark the revision that is served, None for none; returns the position.  Raises Missing and Conflict."""
    if revision is not None:
        require(connection, api_revision, {"api": api, "revision": revision}, f"revision {revision} of API {api}")
    change(connection, table, {"id": api}, {"live": revision, "updated_at": now}, what=f"API {api}", stamp=stamp)
    return log.append(connection, [log.api_record(api)], now)


def set_state(
    connection: Connection, api: str, state: Lifecycle, *, actor: str, now: float, stamp: int | None = None
) -> int:
    """Move an API on in its life, note it in its history, and return the position.

    Which moves are allowed is for the caller to know.  Raises Missing and Conflict.
    """
    change(connection, table, {"id": api}, {"updated_at": now}, what=f"API {api}", stamp=stamp)  # locks the row
    before = require_api(connection, api).state
    connection.execute(update(table).where(table.c.id == api).values(state=state.value))
    note_state(connection, api, before, state, actor, now)
    return log.append(connection, [log.api_record(api)], now)


def set_dates(
    connection: Connection,
    api: str,
    *,
    deprecated_at: float | None,
    sunset_at: float | None,
    successor: str = "",
    documentation: str = "",
    now: float,
    stamp: int | None = None,
) -> int:
    """Say since when an API is deprecated and when it ends, what comes after it and where that is told.

    Returns the position.  Raises Missing and Conflict.
    """
    values = {
        "deprecated_at": deprecated_at, "sunset_at": sunset_at, "successor": successor, "documentation": documentation,
        "updated_at": now,
    }  # fmt: skip
    change(connection, table, {"id": api}, values, what=f"API {api}", stamp=stamp)
    return log.append(connection, [log.api_record(api)], now)


def set_default_version(connection: Connection, api: str, *, now: float, stamp: int | None = None) -> int:
    """Make a version the one that is meant when none is named, and return the position.  Raises Missing, Conflict."""
    what = f"API {api}"
    name = require(connection, table, {"id": api}, what).name
    others = (table.c.name == name) & table.c.default_version & (table.c.id != api)
    before = connection.execute(select(table.c.id).where(others)).scalars().all()
    for other in before:
        change(connection, table, {"id": other}, {"default_version": False, "updated_at": now}, what=f"API {other}")
    change(connection, table, {"id": api}, {"default_version": True, "updated_at": now}, what=what, stamp=stamp)
    return log.append(connection, [log.api_record(each) for each in (*before, api)], now)


def set_owner(connection: Connection, api: str, owner: str, *, now: float, stamp: int | None = None) -> None:
    """Give an API to another user.  Raises Missing and Conflict."""
    change(connection, table, {"id": api}, {"owner": owner, "updated_at": now}, what=f"API {api}", stamp=stamp)


def delete_api(
    connection: Connection, api: str, *, now: float, stamp: int | None = None, with_subscriptions: bool = False
) -> int:
    """Delete an API with its revisions and history, and return the position.

    Raises Missing, and Conflict when applications are subscribed to it and their subscriptions are not to go with it.
    """
    change(connection, table, {"id": api}, {"updated_at": now}, what=f"API {api}", stamp=stamp)  # locks the row
    subscribed = select(subscription.c.application).where(subscription.c.api == api)
    applications = connection.execute(subscribed).scalars().all()
    if applications and not with_subscriptions:
        raise Conflict(f"API {api} has subscribers ({len(applications)}); retire it, or unsubscribe them first")
    connection.execute(delete(subscription).where(subscription.c.api == api))
    connection.execute(delete(table).where(table.c.id == api))
    records = [log.subscription_record(application, api) for application in applications]
    return log.append(connection, [*records, log.api_record(api)], now)


# --- reading ---


def find_api(connection: Connection, api: str) -> ApiEntry | None:
    """An API by ``name:version``, with its latest revision."""
    row = connection.execute(_entries().where(table.c.id == api)).one_or_none()
    return _entry(row) if row else None


def require_api(connection: Connection, api: str) -> ApiEntry:
    """The same.  Raises Missing."""
    entry = find_api(connection, api)
    if entry is None:
        raise Missing(f"there is no API {api}")
    return entry


def named_api(connection: Connection, text: str) -> ApiEntry | None:
    """The API of ``name:version``, or of a name alone: its default version, or the only one there is."""
    if ":" in text:
        return find_api(connection, text)
    versions = list_apis(connection, name=text, limit=VERSIONS)
    default = [entry for entry in versions if entry.default_version] or versions
    return default[0] if len(default) == 1 else None


def list_apis(
    connection: Connection,
    after: str = "",
    limit: int = 100,
    *,
    name: str | None = None,
    owner: str | None = None,
    state: Lifecycle | None = None,
) -> list[ApiEntry]:
    """APIs by their ids, those after one, at most so many."""
    query = _entries().where(table.c.id > after).order_by(table.c.id).limit(limit)
    for column, value in ((table.c.name, name), (table.c.owner, owner), (table.c.state, state and state.value)):
        if value is not None:
            query = query.where(column == value)
    return [_entry(row) for row in connection.execute(query)]


def count_apis(connection: Connection) -> int:
    """How many APIs there are."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def live_apis(connection: Connection) -> list[Api]:
    """Every API that clients are to find, in its live revision and its state."""
    return [_stated(row) for row in connection.execute(_found())]


def list_live(connection: Connection) -> Iterator[Api]:
    """The same, of each what a store shows and nothing else, for a fraction of the time."""
    for row in connection.execute(_found()):
        document = json.loads(row.document)
        shown = {name: document[name] for name in LISTED if name in document}
        yield structure(Api, shown | {"state": row.state, "default_version": bool(row.default_version)})


def live_at(connection: Connection, paths: Iterable[str]) -> list[Api]:
    """Those of them that may be found below one of these paths, or at it: their documents say so, or they have two."""
    texts = [to_text({"base_path": path}).removeprefix("{").removesuffix('"}') for path in paths]
    said = [api_revision.c.document.contains(text, autoescape=True) for text in texts]
    return [_stated(row) for row in connection.execute(_found().where(or_(table.c.default_version, *said)))]


def live_marks(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """Of every API that clients are to find what is another when the API is: without its document."""
    columns = (table.c.id, table.c.live, table.c.stamp, table.c.created_at, table.c.updated_at)
    query = select(*columns).where(*_is_found())
    return {row.id: tuple(row)[1:] for row in connection.execute(query)}


def find_live(connection: Connection, api: str) -> Api | None:
    """One API as clients are to find it; None when they are not."""
    row = connection.execute(_live().where(table.c.id == api)).one_or_none()
    return None if row is None or Lifecycle(row.state) in HIDDEN else _stated(row)


def find_lives(connection: Connection, apis: Sequence[str]) -> dict[str, Api | None]:
    """The same of many."""
    found: dict[str, Api | None] = dict.fromkeys(apis)
    for some in batches(apis):
        found |= {row.id: _stated(row) for row in connection.execute(_found().where(table.c.id.in_(some)))}
    return found


def live_states(connection: Connection) -> dict[str, Lifecycle]:
    """The state of every API that clients are to find, without its document."""
    return {row.id: Lifecycle(row.state) for row in connection.execute(_states())}


def find_states(connection: Connection, apis: Sequence[str]) -> dict[str, Lifecycle]:
    """The same of some."""
    found: dict[str, Lifecycle] = {}
    for some in batches(apis):
        rows = connection.execute(_states().where(table.c.id.in_(some)))
        found |= {row.id: Lifecycle(row.state) for row in rows}
    return found


def find_revision(connection: Connection, api: str, number: int) -> Revision | None:
    """A revision by its number."""
    query = select(api_revision).where(api_revision.c.api == api, api_revision.c.revision == number)
    row = connection.execute(query).one_or_none()
    return _revision(row) if row else None


def list_revisions(connection: Connection, api: str, before: int | None = None, limit: int = 100) -> list[Revision]:
    """The revisions of an API, the newest first, those before one."""
    query = select(api_revision).where(api_revision.c.api == api).order_by(api_revision.c.revision.desc()).limit(limit)
    if before is not None:
        query = query.where(api_revision.c.revision < before)
    return [_revision(row) for row in connection.execute(query)]


def list_state_changes(connection: Connection, api: str) -> list[StateChange]:
    """The life of an API, the oldest step first."""
    steps = select(api_state_change).where(api_state_change.c.api == api).order_by(api_state_change.c.seq)
    return [
        StateChange(
            row.api, Lifecycle(row.before_state) if row.before_state else None, Lifecycle(row.after_state),
            row.actor, row.at,
        )
        for row in connection.execute(steps)
    ]


# --- rows ---


def document_of(api: Api) -> str:
    """An API as its revision keeps it: the state stands beside it."""
    return to_text(attrs.evolve(api, state=Lifecycle.PUBLISHED))


def _entries() -> Any:
    return select(table, api_revision.c.document).join(
        api_revision, (api_revision.c.api == table.c.id) & (api_revision.c.revision == table.c.latest)
    )


def _live() -> Any:
    return select(table, api_revision.c.document).join(
        api_revision, (api_revision.c.api == table.c.id) & (api_revision.c.revision == table.c.live)
    )


def _found() -> Any:
    return _live().where(table.c.state.not_in([state.value for state in HIDDEN])).order_by(table.c.id)


def _states() -> Any:
    return select(table.c.id, table.c.state).where(*_is_found()).order_by(table.c.id)


def _is_found() -> tuple[Any, ...]:
    return table.c.state.not_in([state.value for state in HIDDEN]), table.c.live.is_not(None)


def _stated(row: Any) -> Api:
    api = from_text(Api, row.document)
    told = api.deprecation
    if row.deprecated_at is not None:
        told = Deprecation(row.deprecated_at, row.sunset_at, row.successor or "", row.documentation or "")
    return attrs.evolve(
        api, state=Lifecycle(row.state), default_version=bool(row.default_version), deprecation=told
    )


def _entry(row: Any) -> ApiEntry:
    return ApiEntry(
        api=_stated(row),
        latest=row.latest,
        live=row.live,
        default_version=row.default_version,
        owner=row.owner,
        deprecated_at=row.deprecated_at,
        sunset_at=row.sunset_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        stamp=row.stamp,
        tag=row.tag,
    )


def _revision(row: Any) -> Revision:
    return Revision(from_text(Api, row.document), row.revision, row.source, row.note, row.author, row.at)


def _insert_revision(
    connection: Connection, api: Api, number: int, *, source: str | None, note: str, author: str, now: float
) -> None:
    connection.execute(
        insert(api_revision).values(
            api=api.id, revision=number, document=document_of(api), source=source, note=note, author=author, at=now
        )
    )


def note_state(
    connection: Connection, api: str, before: Lifecycle | None, after: Lifecycle, actor: str, now: float
) -> None:
    """Note a step in the life of an API.  For ``set_state`` and ``writing.py``, which take it."""
    seq = select(func.count() + 1).select_from(api_state_change).where(api_state_change.c.api == api)
    connection.execute(
        insert(api_state_change).values(
            api=api, seq=connection.execute(seq).scalar_one(), before_state=before.value if before else None,
            after_state=after.value, actor=actor, at=now,
        )
    )
