"""The steps from one declarative state to the next, in as few statements as may be.  Called by ``declared.py``.

What may not be done was refused there, but for what only shows here: somebody outside the state needs what is removed.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, delete, insert, literal, select, tuple_, update
from sqlalchemy.engine import Connection

from twgw.difference import Difference
from twgw.model import Credential
from twgw.registry import Approval, Record
from twgw.schema import as_written
from twgw.storage import log
from twgw.storage.apis import document_of, note_state, save_revision
from twgw.storage.credentials import PASSWORD, Digests, changeable
from twgw.storage.errors import Conflict
from twgw.storage.rows import batches, to_text
from twgw.storage.schema import api, api_revision, api_state_change, application, credential, subscription, tier
from twgw.storage.settings import POLICIES, set_setting

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""
Steps = Sequence[Difference]


@frozen
class Writer:
    """Who makes a state that of the database, and when; what is made carries the tag."""

    connection: Connection
    actor: str
    now: float
    tag: str
    digests: Digests

    def found_by(self, it: Credential) -> str:
        """The digest that a credential is looked up by: of the key, or of the name before the password."""
        return self.digests(it.user or "")[0] if it.kind == PASSWORD else it.digest or ""

    @property
    def entry(self) -> Mapping[str, Any]:
        """Columns that every new entry has."""
        return {"tag": self.tag, "created_at": self.now, "updated_at": self.now, "stamp": 1}


def write(writer: Writer, steps: Steps, progress: Progress | None = None) -> list[Record]:
    """Do the steps, in their order, and return the records that say so."""
    records: list[Record] = []
    done = 0
    for (noun, action), group in groupby(steps, lambda step: (step.noun, step.action)):
        for some in batches(list(group)):
            records += _WAYS[noun, action](writer, some)
            done += len(some)
            if progress is not None:
                progress(done, len(steps))
    return records


# --- removing, from the callers to what they call ---


def _remove_credentials(writer: Writer, steps: Steps) -> list[Record]:
    digests = list(_digests(writer, steps).values())
    writer.connection.execute(delete(credential).where(credential.c.digest.in_(digests)))
    return [log.token_record(digest) for digest in digests]


def _digests(writer: Writer, steps: Steps) -> dict[tuple[str, str], str]:
    """What the credentials of some steps are looked up by until now."""
    names = [(step.before.kind, step.before.id) for step in steps]
    query = select(credential.c.kind, credential.c.id, credential.c.digest)
    rows = writer.connection.execute(query.where(tuple_(credential.c.kind, credential.c.id).in_(names)))
    return {(row.kind, row.id): row.digest for row in rows}


def _remove_subscriptions(writer: Writer, steps: Steps) -> list[Record]:
    keys = [(step.before.application, step.before.subscription.api) for step in steps]
    writer.connection.execute(
        delete(subscription).where(tuple_(subscription.c.application, subscription.c.api).in_(keys))
    )
    return [log.subscription_record(*key) for key in keys]


def _remove_applications(writer: Writer, steps: Steps) -> list[Record]:
    names = [step.name for step in steps]
    writer.connection.execute(delete(application).where(application.c.name.in_(names)))
    return [log.application_record(name) for name in names]


def _remove_apis(writer: Writer, steps: Steps) -> list[Record]:
    names = [step.name for step in steps]
    _refuse_used(writer, "API", subscription.c.api, "subscription", names)
    writer.connection.execute(delete(api).where(api.c.id.in_(names)))
    return [log.api_record(name) for name in names]


def _remove_tiers(writer: Writer, steps: Steps) -> list[Record]:
    names = [step.name for step in steps]
    if writer.tag:  # else every use is part of the state, and is written later
        _refuse_used(writer, "tier", subscription.c.tier, "subscription", names)
        _refuse_used(writer, "tier", application.c.tier, "application", names)
    writer.connection.execute(delete(tier).where(tier.c.name.in_(names)))
    return [log.tier_record(name) for name in names]


def _refuse_used(writer: Writer, what: str, column: ColumnElement[Any], user: str, names: Sequence[str]) -> None:
    """Uses of a tier by what is of this tag do not count: that is written later, and has another one by then."""
    mine = application.c.name if user == "application" else subscription.c.application
    query = select(column).where(column.in_(names))
    if what == "tier":
        query = query.where(mine.not_in(select(application.c.name).where(application.c.tag == writer.tag)))
    if (used := writer.connection.execute(query.limit(1)).scalar()) is not None:
        raise Conflict(f"{what} {used} is not in the state, but a {user} that is not part of it needs it")


# --- adding ---


def _add_tiers(writer: Writer, steps: Steps) -> list[Record]:
    rows = [{"name": step.name, "document": to_text(step.after), **writer.entry} for step in steps]
    writer.connection.execute(insert(tier), rows)
    return [log.tier_record(step.name) for step in steps]  # gateways keep all of them at hand


def _add_apis(writer: Writer, steps: Steps) -> list[Record]:
    apis = [step.after for step in steps]
    writer.connection.execute(insert(api), [
        {"id": it.id, "name": it.name, "version": it.version, "state": it.state.value, "latest": 1, "live": 1,
         "default_version": it.default_version, "owner": writer.actor, **writer.entry}
        for it in apis
    ])  # fmt: skip
    writer.connection.execute(insert(api_revision), [
        {"api": it.id, "revision": 1, "document": document_of(it), "note": "", "author": writer.actor, "at": writer.now}
        for it in apis
    ])  # fmt: skip
    writer.connection.execute(insert(api_state_change), [
        {"api": it.id, "seq": 1, "after_state": it.state.value, "actor": writer.actor, "at": writer.now} for it in apis
    ])  # fmt: skip
    return [log.api_record(it.id) for it in apis]


def _add_applications(writer: Writer, steps: Steps) -> list[Record]:
    fixed = {"title": "", "description": "", "owner": writer.actor, "state": Approval.ACTIVE.value, "attributes": "{}"}
    writer.connection.execute(insert(application), [
        {"name": step.name, "tier": step.after.tier, "revoked_before_pos": 0, **fixed, **writer.entry}
        for step in steps
    ])  # fmt: skip
    return []


def _add_subscriptions(writer: Writer, steps: Steps) -> list[Record]:
    writer.connection.execute(insert(subscription), [
        {"application": it.application, "api": it.subscription.api, "tier": it.subscription.tier,
         "state": it.subscription.state.value, "created_at": writer.now, "updated_at": writer.now, "stamp": 1}
        for it in (step.after for step in steps)
    ])  # fmt: skip
    return []


def _add_credentials(writer: Writer, steps: Steps) -> list[Record]:
    position = log.head(writer.connection).pos
    writer.connection.execute(insert(credential), [
        {"kind": it.kind, "id": it.id, "title": "", "created_at": writer.now,
         "issued_pos": position, **changeable(it, writer.found_by(it))}
        for it in (step.after for step in steps)
    ])  # fmt: skip
    return []


# --- changing ---


def _change_policies(writer: Writer, steps: Steps) -> list[Record]:
    set_setting(writer.connection, POLICIES, as_written(steps[0].after), now=writer.now)
    return [log.POLICIES]


def _change_tiers(writer: Writer, steps: Steps) -> list[Record]:
    for step in steps:
        _update(writer, tier, tier.c.name == step.name, document=to_text(step.after))
    return [log.tier_record(step.name) for step in steps]


def _change_apis(writer: Writer, steps: Steps) -> list[Record]:
    for step in steps:
        before, after = step.before, step.after
        if document_of(before) != document_of(after):
            number = save_revision(writer.connection, after, author=writer.actor, now=writer.now)
            _update(writer, api, api.c.id == step.name, live=number, default_version=after.default_version)
        if before.state != after.state:
            note_state(writer.connection, step.name, before.state, after.state, writer.actor, writer.now)
            _update(writer, api, api.c.id == step.name, state=after.state.value)
    return [log.api_record(step.name) for step in steps]


def _change_applications(writer: Writer, steps: Steps) -> list[Record]:
    for step in steps:
        _update(writer, application, application.c.name == step.name, tier=step.after.tier)
    return [log.application_record(step.name) for step in steps]


def _change_subscriptions(writer: Writer, steps: Steps) -> list[Record]:
    for it in (step.after for step in steps):
        key = (subscription.c.application == it.application) & (subscription.c.api == it.subscription.api)
        values = {"tier": it.subscription.tier, "state": it.subscription.state.value}
        _update(writer, subscription, key, **values)
    return [log.subscription_record(step.after.application, step.after.subscription.api) for step in steps]


def _change_credentials(writer: Writer, steps: Steps) -> list[Record]:
    position, old = log.head(writer.connection).pos, _digests(writer, steps)
    records = []
    for step in steps:
        before, after = old[step.before.kind, step.before.id], writer.found_by(step.after)
        values = changeable(step.after, after)
        if step.before.digest != step.after.digest:
            values["issued_pos"] = position
        writer.connection.execute(update(credential).where(credential.c.digest == before).values(**values))
        records += [log.token_record(digest) for digest in sorted({before, after})]
    return records


def _update(writer: Writer, table: Any, key: ColumnElement[bool], **values: Any) -> None:
    done = writer.connection.execute(
        update(table).where(key).values(**values, updated_at=literal(writer.now), stamp=table.c.stamp + 1)
    )
    if not done.rowcount:
        raise Conflict(f"a {table.name} was removed by somebody else; look at the difference again", changed=True)


_WAYS: Mapping[tuple[str, str], Callable[[Writer, Steps], list[Record]]] = {
    ("credential", "removed"): _remove_credentials,
    ("subscription", "removed"): _remove_subscriptions,
    ("application", "removed"): _remove_applications,
    ("api", "removed"): _remove_apis,
    ("tier", "removed"): _remove_tiers,
    ("tier", "added"): _add_tiers,
    ("tier", "changed"): _change_tiers,
    ("api", "added"): _add_apis,
    ("api", "changed"): _change_apis,
    ("application", "added"): _add_applications,
    ("application", "changed"): _change_applications,
    ("subscription", "added"): _add_subscriptions,
    ("subscription", "changed"): _change_subscriptions,
    ("credential", "added"): _add_credentials,
    ("credential", "changed"): _change_credentials,
    ("policies", "changed"): _change_policies,
}
