"""Users: who may use the control plane, or calls with a name.

Called by the login, the admin REST and the key manager.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import User
from twgw.storage import log
from twgw.storage.errors import Missing
from twgw.storage.rows import change, free
from twgw.storage.schema import credential, login_session, token, user_group, user_role
from twgw.storage.schema import user as table

CHANGEABLE = frozenset(("title", "email", "store", "active"))


def create_user(connection: Connection, user: User, *, now: float) -> User:
    """Enter a user with roles, groups and the hash of a password.  Raises Conflict."""
    free(connection, table, {"name": user.name}, f"user {user.name}")
    connection.execute(
        insert(table).values(
            name=user.name, title=user.title, email=user.email, store=user.store, password_hash=user.password_hash,
            active=user.active, revoked_before_pos=0, created_at=now, updated_at=now, stamp=1,
        )
    )
    _insert(connection, user_role.c.role, user.name, user.roles)
    _insert(connection, user_group.c.group_name, user.name, user.groups)
    return require_user(connection, user.name)


def update_user(
    connection: Connection,
    name: str,
    changes: Mapping[str, Any],
    *,
    now: float,
    roles: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    stamp: int | None = None,
) -> int:
    """Change fields of a user by name, the roles and the groups, and return the position.

    Raises Missing and Conflict.
    """
    assert changes.keys() <= CHANGEABLE, changes.keys() - CHANGEABLE
    change(connection, table, {"name": name}, {**changes, "updated_at": now}, what=f"user {name}", stamp=stamp)
    for column, words in ((user_role.c.role, roles), (user_group.c.group_name, groups)):
        if words is not None:
            connection.execute(delete(column.table).where(column.table.c.user_name == name))
            _insert(connection, column, name, words)
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
    return _users(connection, [row])[0] if row else None


def require_user(connection: Connection, name: str) -> User:
    """The same.  Raises Missing."""
    user = find_user(connection, name)
    if user is None:
        raise Missing(f"there is no user {name}")
    return user


def list_users(connection: Connection, after: str = "", limit: int = 100) -> list[User]:
    """Users by name, those after one, at most so many."""
    rows = connection.execute(select(table).where(table.c.name > after).order_by(table.c.name).limit(limit)).all()
    return _users(connection, rows)


def count_users(connection: Connection, *, role: str | None = None) -> int:
    """How many users there are; with a role, how many active ones have it."""
    query = select(func.count()).select_from(table)
    if role is not None:
        query = query.join(user_role, user_role.c.user_name == table.c.name).where(
            user_role.c.role == role, table.c.active
        )
    return connection.execute(query).scalar_one()


def _users(connection: Connection, rows: Sequence[Any]) -> list[User]:
    names = [row.name for row in rows]
    roles, groups = _words(connection, user_role.c.role, names), _words(connection, user_group.c.group_name, names)
    return [_user(row, roles.get(row.name, ()), groups.get(row.name, ())) for row in rows]


def _user(row: Any, roles: Iterable[str], groups: Iterable[str]) -> User:
    return User(
        name=row.name,
        title=row.title,
        email=row.email,
        store=row.store,
        roles=tuple(roles),
        groups=tuple(groups),
        password_hash=row.password_hash,
        active=bool(row.active),
        revoked_before_pos=row.revoked_before_pos,
        created_at=row.created_at,
        updated_at=row.updated_at,
        stamp=row.stamp,
    )


def _insert(connection: Connection, column: Column[str], name: str, words: Iterable[str]) -> None:
    """Enter the roles, or the groups, of a user: ``column`` says which, and where."""
    if rows := [{"user_name": name, column.name: word} for word in sorted(set(words))]:
        connection.execute(insert(column.table), rows)


def _words(connection: Connection, column: Column[str], names: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    of = column.table.c.user_name
    for name, word in connection.execute(select(of, column).where(of.in_(names)).order_by(column)):
        found.setdefault(name, []).append(word)
    return found
