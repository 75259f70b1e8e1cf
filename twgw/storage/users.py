"""Users: who may use the control plane, or calls with a name.

Called by the login, the admin REST and the key manager.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import User
from twgw.storage import log
from twgw.storage.errors import Missing
from twgw.storage.rows import change, free
from twgw.storage.schema import credential, login_session, token, user_role
from twgw.storage.schema import user as table

CHANGEABLE = frozenset(("title", "email", "store", "active"))


def create_user(connection: Connection, user: User, *, now: float) -> User:
    """Enter a user with roles and the hash of a password.  Raises Conflict."""
    free(connection, table, {"name": user.name}, f"user {user.name}")
    connection.execute(
        insert(table).values(
            name=user.name, title=user.title, email=user.email, store=user.store, password_hash=user.password_hash,
            active=user.active, revoked_before_pos=0, created_at=now, updated_at=now, stamp=1,
        )
    )
    _insert_roles(connection, user.name, user.roles)
    return require_user(connection, user.name)


def update_user(
    connection: Connection,
    name: str,
    changes: Mapping[str, Any],
    *,
    now: float,
    roles: Iterable[str] | None = None,
    stamp: int | None = None,
) -> int:
    """Change fields of a user by name, and the roles, and return the position.  Raises Missing and Conflict."""
    assert changes.keys() <= CHANGEABLE, changes.keys() - CHANGEABLE
    change(connection, table, {"name": name}, {**changes, "updated_at": now}, what=f"user {name}", stamp=stamp)
    if roles is not None:
        connection.execute(delete(user_role).where(user_role.c.user_name == name))
        _insert_roles(connection, name, roles)
    return log.append(connection, [log.user_record(name)], now)


def set_password(connection: Connection, name: str, password_hash: str | None, *, now: float) -> int:
    """Keep another hash, None for no password; end every session, and return the position.  Raises Missing."""
    values = {"password_hash": password_hash, "updated_at": now}
    change(connection, table, {"name": name}, values, what=f"user {name}")
    connection.execute(delete(login_session).where(login_session.c.user_name == name))
    return log.append(connection, [log.user_record(name)], now)


def revoke_user(connection: Connection, name: str, *, now: float) -> int:
    """Void every credential and token of a user, end every session, and return the position.  Raises Missing."""
    change(connection, table, {"name": name}, {"updated_at": now}, what=f"user {name}")  # locks the row
    connection.execute(delete(login_session).where(login_session.c.user_name == name))
    pos = log.append(connection, [log.user_record(name)], now)
    connection.execute(update(table).where(table.c.name == name).values(revoked_before_pos=pos))
    return pos


def delete_user(connection: Connection, name: str, *, now: float, stamp: int | None = None) -> int:
    """Delete a user with sessions, tokens and credentials, and return the position.  Raises Missing and Conflict."""
    change(connection, table, {"name": name}, {"updated_at": now}, what=f"user {name}", stamp=stamp)
    for owned in (token, credential):  # else they would be good again for a later user of the name
        connection.execute(delete(owned).where(owned.c.user_name == name))
    connection.execute(delete(table).where(table.c.name == name))
    return log.append(connection, [log.user_record(name)], now)


def find_user(connection: Connection, name: str) -> User | None:
    """A user by name."""
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    return user_of(row, _roles(connection, [name]).get(name, ())) if row else None


def require_user(connection: Connection, name: str) -> User:
    """The same.  Raises Missing."""
    user = find_user(connection, name)
    if user is None:
        raise Missing(f"there is no user {name}")
    return user


def list_users(connection: Connection, after: str = "", limit: int = 100) -> list[User]:
    """Users by name, those after one, at most so many."""
    rows = connection.execute(select(table).where(table.c.name > after).order_by(table.c.name).limit(limit)).all()
    roles = _roles(connection, [row.name for row in rows])
    return [user_of(row, roles.get(row.name, ())) for row in rows]


def count_users(connection: Connection, *, role: str | None = None) -> int:
    """How many users there are; with a role, how many active ones have it."""
    query = select(func.count()).select_from(table)
    if role is not None:
        query = query.join(user_role, user_role.c.user_name == table.c.name).where(
            user_role.c.role == role, table.c.active
        )
    return connection.execute(query).scalar_one()


def user_of(row: Any, roles: Iterable[str]) -> User:
    """The user of a row."""
    return User(
        name=row.name,
        title=row.title,
        email=row.email,
        store=row.store,
        roles=tuple(roles),
        password_hash=row.password_hash,
        active=bool(row.active),
        revoked_before_pos=row.revoked_before_pos,
        created_at=row.created_at,
        updated_at=row.updated_at,
        stamp=row.stamp,
    )


def _insert_roles(connection: Connection, name: str, roles: Iterable[str]) -> None:
    if rows := [{"user_name": name, "role": role} for role in sorted(set(roles))]:
        connection.execute(insert(user_role), rows)


def _roles(connection: Connection, names: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    query = select(user_role).where(user_role.c.user_name.in_(names)).order_by(user_role.c.role)
    for row in connection.execute(query):
        found.setdefault(row.user_name, []).append(row.role)
    return found
