"""Blocks: whoever and whatever is refused at once.  Called by the admin REST; gateways read all of them."""

from typing import Any

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.engine import Connection

from twgw.registry import Block
from twgw.storage import log
from twgw.storage.errors import Missing
from twgw.storage.schema import block as table


def add_block(connection: Connection, block: Block, *, now: float) -> int:
    """Block somebody or something, in place of an earlier block of the same, and return the position."""
    connection.execute(delete(table).where(table.c.kind == block.kind, table.c.value == block.value))
    connection.execute(
        insert(table).values(
            kind=block.kind, value=block.value, reason=block.reason, actor=block.actor, at=now,
            expires_at=block.expires_at,
        )
    )
    return log.append(connection, [log.BLOCKS], now)


def remove_block(connection: Connection, kind: str, value: str, *, now: float) -> int:
    """Let in again, and return the position.  Raises Missing."""
    done = connection.execute(delete(table).where(table.c.kind == kind, table.c.value == value))
    if not done.rowcount:
        raise Missing(f"there is no block of {kind} {value}")
    return log.append(connection, [log.BLOCKS], now)


def find_block(connection: Connection, kind: str, value: str) -> Block | None:
    """A block by what it blocks, also one that has ended."""
    row = connection.execute(select(table).where(table.c.kind == kind, table.c.value == value)).one_or_none()
    return _block(row) if row else None


def list_blocks(connection: Connection, *, now: float) -> list[Block]:
    """Every block that has not ended."""
    lasting = or_(table.c.expires_at.is_(None), table.c.expires_at > now)
    return [_block(row) for row in connection.execute(select(table).where(lasting).order_by(*table.primary_key))]


def prune_blocks(connection: Connection, now: float) -> int:
    """Delete blocks that have ended, and return how many; they block nobody, so it is no record."""
    return connection.execute(delete(table).where(table.c.expires_at <= now)).rowcount


def _block(row: Any) -> Block:
    return Block(row.kind, row.value, row.reason, row.actor, row.at, row.expires_at)
