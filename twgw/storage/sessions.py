"""Sessions: logins to the control plane, by the digest of their secret.  Called by the login."""

from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import Session, User
from twgw.storage.rows import mapping, to_text
from twgw.storage.schema import login_session as table
from twgw.storage.users import find_user

KEPT = 86_400.0
"""Seconds for which one that has ended is kept: a node whose clock is ahead deletes none that is good."""


def add_session(connection: Connection, session: Session) -> None:
    """Enter a session."""
    connection.execute(
        insert(table).values(
            digest=session.digest, user_name=session.user, data=to_text(session.data), created_at=session.created_at,
            seen_at=session.seen_at, expires_at=session.expires_at,
        )
    )


def find_session(connection: Connection, digest: str, *, idle: float, now: float) -> tuple[Session, User] | None:
    """A session that has not ended, been idle for ``idle`` seconds, or lost its user; and that user."""
    row = connection.execute(select(table).where(table.c.digest == digest)).one_or_none()
    if row is None or row.expires_at <= now or row.seen_at + idle <= now:
        return None
    user = find_user(connection, row.user_name)
    return (_session(row), user) if user and user.active else None


def see_session(connection: Connection, digest: str, *, now: float) -> None:
    """Note that a session was used."""
    connection.execute(update(table).where(table.c.digest == digest, table.c.seen_at < now).values(seen_at=now))


def end_session(connection: Connection, digest: str) -> bool:
    """End a session; whether there was one."""
    return connection.execute(delete(table).where(table.c.digest == digest)).rowcount > 0


def end_sessions_of(connection: Connection, user: str) -> int:
    """End every session of a user, and return how many."""
    return connection.execute(delete(table).where(table.c.user_name == user)).rowcount


def prune_sessions(connection: Connection, now: float) -> int:
    """Delete sessions that have ended ``KEPT`` seconds ago, and return how many."""
    return connection.execute(delete(table).where(table.c.expires_at <= now - KEPT)).rowcount


def _session(row: Any) -> Session:
    return Session(row.digest, row.user_name, row.created_at, row.seen_at, row.expires_at, mapping(row.data))
