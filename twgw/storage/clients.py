"""OAuth2 clients: how an application is known to the key manager.  Called by it and by the store."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import Approval, Block, Client, Head
from twgw.storage import log
from twgw.storage.errors import Missing
from twgw.storage.rows import change, free, mapping, require, to_text
from twgw.storage.schema import application as application_table
from twgw.storage.schema import block as block_table
from twgw.storage.schema import client as table
from twgw.storage.schema import cluster_head


def add_client(connection: Connection, client: Client, *, now: float) -> Client:
    """Enter a client; it adds trust, and no record.  Raises Missing and Conflict."""
    name = client.application
    require(connection, application_table, {"name": name}, f"application {name}")
    free(connection, table, {"id": client.id}, f"client {client.id}")
    connection.execute(
        insert(table).values(
            id=client.id, application=name, environment=client.environment, digest=client.digest,
            settings=to_text(client.settings), issued_pos=log.head(connection).pos, created_at=now, stamp=1,
        )
    )
    return require_client(connection, client.id)


def update_client(
    connection: Connection,
    id: str,
    *,
    now: float,
    digest: str | None = None,
    settings: Mapping[str, Any] | None = None,
    stamp: int | None = None,
) -> int:
    """Give a client another secret or other settings, and return the position.  Raises Missing and Conflict."""
    values: dict[str, Any] = {}
    if digest is not None:
        values["digest"] = digest
    if settings is not None:
        values["settings"] = to_text(settings)
    change(connection, table, {"id": id}, values, what=f"client {id}", stamp=stamp)
    return log.append(connection, [log.application_record(require_client(connection, id).application)], now)


def revoke_client(connection: Connection, id: str, *, now: float) -> int:
    """Void a client and every token that it got, for ever, and return the position.  Raises Missing."""
    change(connection, table, {"id": id}, {}, what=f"client {id}")  # locks the row
    client = require_client(connection, id)
    if client.revoked_pos is not None:
        return client.revoked_pos
    pos = log.append(connection, [log.application_record(client.application)], now)
    connection.execute(update(table).where(table.c.id == id).values(revoked_pos=pos))
    return pos


def find_client(connection: Connection, id: str) -> Client | None:
    """A client by its id, revoked or not."""
    row = connection.execute(select(table).where(table.c.id == id)).one_or_none()
    return _client(row) if row else None


def find_party(connection: Connection, id: str) -> tuple[Client, Approval, Block | None, Head] | None:
    """A client, the state of its application, what blocks that, and the head of the log, in one statement."""
    row = connection.execute(_PARTY, {"id": id}).one_or_none()
    if row is None:
        return None
    block = Block("application", row.application, at=row.blocked_at, expires_at=row.blocked_until)
    blocked = None if row.blocked_at is None else block
    return _client(row), Approval(row.application_state), blocked, Head(row.epoch, row.pos)


def require_client(connection: Connection, id: str) -> Client:
    """The same.  Raises Missing."""
    client = find_client(connection, id)
    if client is None:
        raise Missing(f"there is no client {id}")
    return client


def list_client_settings(connection: Connection) -> list[Mapping[str, Any]]:
    """What the clients that are not revoked may do, each once."""
    query = select(table.c.settings).where(table.c.revoked_pos.is_(None)).distinct()
    return [mapping(text) for text in connection.execute(query).scalars()]


def clients_of(connection: Connection, application: str) -> list[Client]:
    """The clients of an application."""
    query = select(table).where(table.c.application == application).order_by(table.c.id)
    return [_client(row) for row in connection.execute(query)]


_PARTY = (
    select(
        cluster_head.c.epoch,
        cluster_head.c.pos,
        table,
        application_table.c.state.label("application_state"),
        block_table.c.at.label("blocked_at"),
        block_table.c.expires_at.label("blocked_until"),
    )
    .select_from(cluster_head)
    .join(table, table.c.id == bindparam("id"))
    .join(application_table, application_table.c.name == table.c.application)
    .outerjoin(block_table, and_(block_table.c.kind == "application", block_table.c.value == table.c.application))
)


def _client(row: Any) -> Client:
    return Client(
        id=row.id,
        application=row.application,
        environment=row.environment,
        digest=row.digest,
        settings=mapping(row.settings),
        issued_pos=row.issued_pos,
        revoked_pos=row.revoked_pos,
        created_at=row.created_at,
        stamp=row.stamp,
    )
