"""A whole declarative state, out of a database and into it.  Called by ``twgw config dump|diff|sync`` and at import.

Without a tag a state is all there is: what is not in it is removed.  With a tag it is the part of that tag: only what
carries the tag is compared and removed, and what is made carries it.  What belongs to another tag, or to none, is not
touched but said to be in the way.

A credential is compared by its digest.  A revoked one is not part of a state, and a state that still has it is refused,
so that an old file brings no stolen key back.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
from attrs import frozen
from sqlalchemy import Table, func, select
from sqlalchemy.engine import Connection

from twgw.difference import Difference, differences
from twgw.model import (
    Api,
    Application,
    Credential,
    Lifecycle,
    State,
    Subscription,
    SubscriptionState,
    Tier,
)
from twgw.storage import log
from twgw.storage.credentials import Digests, credential_of
from twgw.storage.errors import Conflict
from twgw.storage.rows import batches, from_text
from twgw.storage.schema import api, api_revision, application, credential, subscription, tier
from twgw.storage.settings import find_policies, find_setting, set_setting
from twgw.storage.writing import Progress, Writer, write

SETTING = "declared"
"""Name of the setting that says what was synced last; its row lets one sync through at a time."""


@frozen
class Plan:
    """What a sync would do, or has done, and the position as of which that is so."""

    differences: tuple[Difference, ...]
    position: int


def read_state(connection: Connection, tag: str = "") -> State:
    """All there is, or the part of a tag: what ``twgw config dump`` shows.  Keys are digests."""
    policies, _ = find_policies(connection)
    subscriptions, credentials = defaultdict(list), defaultdict(list)
    for row in _rows(connection, subscription, tag, subscription.c.application, subscription.c.api):
        state = SubscriptionState(row.state)
        subscriptions[row.application].append(Subscription(row.api, row.tier, state))
    for row in _rows(connection, credential, tag, credential.c.application, credential.c.kind, credential.c.id):
        if row.revoked_pos is None:
            credentials[row.application].append(credential_of(row))
    return State(
        policies=State().policies if tag else policies,
        tiers=tuple(from_text(Tier, row.document) for row in _owned(connection, tier, tag, tier.c.name)),
        apis=tuple(_apis(connection, tag)),
        applications=tuple(
            Application(row.name, tuple(subscriptions[row.name]), tuple(credentials[row.name]), row.tier)
            for row in _owned(connection, application, tag, application.c.name)
        ),
    )


def plan(connection: Connection, wanted: State, digests: Digests, tag: str = "") -> Plan:
    """What ``sync`` would do, without doing it.  Raises Conflict for what it would refuse."""
    position = log.head(connection).pos
    found = read_state(connection, tag)
    goal = _as_stored(wanted, found, digests)
    steps = differences(found, goal)
    _refuse_others(connection, steps, tag)
    _refuse_revoked(connection, steps)
    if tag and wanted.policies != State().policies:
        raise Conflict("the global policies belong to no tag; leave policies out, or sync without a tag")
    return Plan(tuple(steps), position)


def sync(
    connection: Connection,
    wanted: State,
    digests: Digests,
    *,
    actor: str,
    now: float,
    tag: str = "",
    position: int | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Make the database what a state says, and return what was done, with the position at which it is in force.

    ``position``: refuse when anything was changed since the plan that somebody looked at.  Raises Conflict.
    """
    set_setting(connection, SETTING, {"tag": tag, "actor": actor, "at": now}, now=now)  # one sync at a time
    steps = plan(connection, wanted, digests, tag)
    if position is not None and steps.position != position:
        text = f"the database is at position {steps.position}, not {position}: look at the difference again"
        raise Conflict(text, changed=True)
    records = write(Writer(connection, actor, now, tag, digests), steps.differences, progress)
    return attrs.evolve(steps, position=log.append(connection, records, now))


def last_sync(connection: Connection) -> Any:
    """Who synced last, when, and which tag; None when nobody did."""
    found = find_setting(connection, SETTING)
    return found[0] if found else None


# --- reading ---


def _owned(connection: Connection, table: Table, tag: str, *order: Any) -> Iterable[Any]:
    query = select(table).order_by(*order)
    return connection.execute(query.where(table.c.tag == tag) if tag else query)


def _rows(connection: Connection, table: Table, tag: str, *order: Any) -> Iterable[Any]:
    """What applications hold."""
    query = select(table).order_by(*order)
    if tag:
        query = query.join(application, application.c.name == table.c.application).where(application.c.tag == tag)
    return connection.execute(query)


def _apis(connection: Connection, tag: str) -> Iterator[Api]:
    """Each API as it is served; one that never was, as it was saved last."""
    revision = func.coalesce(api.c.live, api.c.latest)
    query = (
        select(api.c.state, api.c.default_version, api_revision.c.document)
        .join(api_revision, (api_revision.c.api == api.c.id) & (api_revision.c.revision == revision))
        .order_by(api.c.id)
    )
    for row in connection.execute(query.where(api.c.tag == tag) if tag else query):
        found = from_text(Api, row.document)
        yield attrs.evolve(found, state=Lifecycle(row.state), default_version=bool(row.default_version))


# --- what is wanted, in the form that is stored ---


def _as_stored(wanted: State, found: State, digests: Digests) -> State:
    """A state with digests in place of keys: those that are there already, where they are of the same key."""
    there = {(one.kind, one.id): one.digest for owner in found.applications for one in owner.credentials}

    def stored(one: Credential) -> Credential:
        if one.value is None:
            return one
        possible = digests(one.value)
        now = there.get((one.kind, one.id))
        return attrs.evolve(one, value=None, digest=now if now in possible else possible[0])

    return attrs.evolve(
        wanted,
        applications=tuple(
            attrs.evolve(owner, credentials=tuple(map(stored, owner.credentials))) for owner in wanted.applications
        ),
    )


def _refuse_others(connection: Connection, steps: Iterable[Difference], tag: str) -> None:
    """What would be made must not be there: it is somebody else's."""
    if not tag:
        return
    keys = {"tier": (tier, tier.c.name), "api": (api, api.c.id), "application": (application, application.c.name)}
    for noun, (table, key) in keys.items():
        names = [step.name for step in steps if step.noun == noun and step.action == "added"]
        for some in batches(names):
            row = connection.execute(select(key.label("name"), table.c.tag).where(key.in_(some)).order_by(key)).first()
            if row:
                owner = f"the tag {row.tag}" if row.tag else "no tag"
                raise Conflict(f"{noun} {row.name} belongs to {owner}, not to {tag}; sync with its tag, or rename it")


def _refuse_revoked(connection: Connection, steps: Iterable[Difference]) -> None:
    """A revoked key does not come back, nor may its id be another's."""
    added = [step.after for step in steps if step.noun == "credential" and step.action in {"added", "changed"}]
    revoked = select(credential).where(credential.c.revoked_pos.is_not(None)).order_by(credential.c.id)
    for column in (credential.c.digest, credential.c.id):
        for some in batches([getattr(each, column.name) for each in added]):
            row = connection.execute(revoked.where(column.in_(some))).first()
            if row:
                raise Conflict(f"credential {row.id} of {row.application} was revoked; take it out of the state")
