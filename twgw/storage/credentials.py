"""Credentials: keys by their digests.  Called by the store, the admin REST and, for one look, the gateway's lookup.

The key itself is never here.  A password is looked up by the name before it: its row has the digest of the name, and
what is stored of the password stands in ``data``, beside whatever else only some credentials have.  A revoked
credential stays, so that nobody enters it again; ``declared.py`` deletes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from twgw.model import Credential, Environment
from twgw.registry import Approval, CredentialEntry, Head, Known
from twgw.storage import log
from twgw.storage.errors import Missing
from twgw.storage.rows import free, mapping, require, to_text, words
from twgw.storage.schema import application as application_table
from twgw.storage.schema import cluster_head, user
from twgw.storage.schema import credential as table

PASSWORD = "basic"
"""The kind of those with a name and a password."""
Digests = Callable[[str], Sequence[str]]
"""A key, or the name before a password, to its digests under every pepper that is in use, that for new ones first."""
BESIDE = ("owner", "user", "groups")
"""What only some credentials have."""


def add_credential(
    connection: Connection,
    credential: Credential,
    *,
    now: float,
    title: str = "",
    user: str | None = None,
    found_by: str = "",
) -> CredentialEntry:
    """Enter a credential by its digest; it adds trust, and no record.  Raises Missing and Conflict.

    ``user``: one of the registry, without whom it is void.  ``found_by``: of a password, the digest of its name.
    """
    assert credential.digest is not None
    assert found_by or credential.kind != PASSWORD
    name = credential.application
    digest = found_by or credential.digest
    require(connection, application_table, {"name": name}, f"application {name}")
    free(connection, table, {"digest": digest}, "credential with this key")
    free(connection, table, {"kind": credential.kind, "id": credential.id}, f"credential {credential.id}")
    pos = log.head(connection).pos
    connection.execute(
        insert(table).values(
            kind=credential.kind, id=credential.id, user_name=user, title=title, issued_pos=pos, created_at=now,
            **changeable(credential, digest),
        )
    )
    return CredentialEntry(credential, title, user, pos, None, now, None, digest)


def rotate(
    connection: Connection, kind: str, id: str, successor: Credential, *, overlap: float, now: float
) -> CredentialEntry:
    """Enter the successor of a credential, which ends after ``overlap`` seconds.  Raises Missing and Conflict."""
    old = require_credential(connection, kind, id, lock=True)
    entry = add_credential(
        connection, successor, now=now, title=old.title, user=old.user
    )
    end = now + overlap
    if old.credential.expires_at is None or old.credential.expires_at > end:
        set_expiry(connection, kind, id, end, now=now)
    return entry


def set_expiry(connection: Connection, kind: str, id: str, expires_at: float | None, *, now: float) -> int:
    """Let a credential end earlier or later, and return the position.  Raises Missing."""
    entry = require_credential(connection, kind, id, lock=True)
    connection.execute(update(table).where(_named(kind, id)).values(expires_at=expires_at))
    return log.append(connection, [log.token_record(entry.found_by)], now)


def revoke_credential(connection: Connection, kind: str, id: str, *, now: float) -> int:
    """Void a credential for ever, and return the position at which that was done, now or before.  Raises Missing."""
    entry = require_credential(connection, kind, id, lock=True)
    if entry.revoked_pos is not None:
        return entry.revoked_pos
    pos = log.append(connection, [log.token_record(entry.found_by)], now)
    connection.execute(update(table).where(_named(kind, id)).values(revoked_pos=pos))
    return pos


def find_by_digest(connection: Connection, kind: str, digest: str) -> Known:
    """Everything that a gateway has to know of a key before it lets it in, in one statement."""
    row = connection.execute(_KNOWN, {"kind": kind, "digest": digest}).one()
    head = Head(row.epoch, row.pos)
    if row.id is None:
        return Known(head, None)
    valid = (
        row.revoked_pos is None
        and row.issued_pos >= row.application_revoked
        and row.application_state == Approval.ACTIVE.value
        and (row.user_name is None or (bool(row.user_active) and row.issued_pos >= row.user_revoked))
    )
    return Known(head, _entry(row, row.application_tier, row.application_owner), valid)


def find_credential(connection: Connection, kind: str, id: str, *, lock: bool = False) -> CredentialEntry | None:
    """A credential by its id; with ``lock``, nobody else changes it before the end of the transaction."""
    query = select(table).where(_named(kind, id))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return _entry(row) if row else None


def require_credential(connection: Connection, kind: str, id: str, *, lock: bool = False) -> CredentialEntry:
    """The same.  Raises Missing."""
    entry = find_credential(connection, kind, id, lock=lock)
    if entry is None:
        raise Missing(f"there is no credential {id}")
    return entry


def credentials_of(
    connection: Connection, application: str, after: str = "", limit: int = 100
) -> list[CredentialEntry]:
    """The credentials of an application by their ids, those after one, at most so many."""
    query = select(table).where(table.c.application == application, table.c.id > after)
    return [_entry(row) for row in connection.execute(query.order_by(table.c.id, table.c.kind).limit(limit))]


def count_credentials(connection: Connection) -> int:
    """How many credentials there are."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def note_uses(connection: Connection, uses: Mapping[str, float]) -> None:
    """Note when credentials were used last, by digest; for telling the unused ones, not for deciding anything."""
    if uses:
        at = or_(table.c.last_used_at.is_(None), table.c.last_used_at < bindparam("at"))
        statement = update(table).where(table.c.digest == bindparam("of"), at).values(last_used_at=bindparam("at"))
        connection.execute(statement, [{"of": digest, "at": at} for digest, at in sorted(uses.items())])


_KNOWN = (
    select(
        cluster_head.c.epoch,
        cluster_head.c.pos,
        table,
        application_table.c.tier.label("application_tier"),
        application_table.c.owner.label("application_owner"),
        application_table.c.state.label("application_state"),
        application_table.c.revoked_before_pos.label("application_revoked"),
        user.c.active.label("user_active"),
        user.c.revoked_before_pos.label("user_revoked"),
    )
    .select_from(cluster_head)
    .outerjoin(table, and_(table.c.digest == bindparam("digest"), table.c.kind == bindparam("kind")))
    .outerjoin(application_table, application_table.c.name == table.c.application)
    .outerjoin(user, user.c.name == table.c.user_name)
)


def _named(kind: str, id: str) -> Any:
    return and_(table.c.kind == kind, table.c.id == id)


def changeable(credential: Credential, found_by: str) -> dict[str, Any]:
    """The columns of a credential that may become others."""
    data = {name: value for name in BESIDE if (value := getattr(credential, name))}
    if found_by != credential.digest:
        data["password"] = credential.digest
    return {
        "application": credential.application,
        "digest": found_by,
        "scopes": " ".join(credential.scopes),
        "environment": credential.environment.value,
        "expires_at": credential.expires_at,
        "data": to_text(data) if data else None,
    }


def credential_of(row: Any, tier: str | None = None, owner: str | None = None) -> Credential:
    """The credential of a row; ``tier`` and ``owner`` are those of its application."""
    data = mapping(row.data) if row.data else {}
    return Credential(
        kind=row.kind,
        id=row.id,
        application=row.application,
        digest=data.get("password", row.digest),
        scopes=words(row.scopes),
        environment=Environment(row.environment),
        tier=tier,
        owner=data.get("owner", owner),
        user=data.get("user"),
        groups=tuple(data.get("groups", ())),
        expires_at=row.expires_at,
    )


def _entry(row: Any, tier: str | None = None, owner: str | None = None) -> CredentialEntry:
    return CredentialEntry(
        credential_of(row, tier, owner),
        row.title,
        row.user_name,
        row.issued_pos,
        row.revoked_pos,
        row.created_at,
        row.last_used_at,
        row.digest,
    )
