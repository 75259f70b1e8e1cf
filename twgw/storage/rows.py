"""Rows: nouns to text and back, and changing a row that somebody else may have changed.

Used by the query functions beside it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Table, and_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from twgw.schema import as_written
from twgw.settings import structure
from twgw.storage.errors import Conflict, Missing

T = TypeVar("T")


def to_text(value: Any) -> str:
    """A noun, or what JSON has, as the text of a document."""
    return json.dumps(as_written(value), ensure_ascii=False, separators=(",", ":"))


def from_text(cls: type[T], text: str) -> T:
    """A noun of its document.  Raises SettingsError when a later version wrote it."""
    return structure(cls, json.loads(text))


def mapping(text: str) -> Mapping[str, Any]:
    """A mapping of its document."""
    return json.loads(text)  # type: ignore[no-any-return]


def words(text: str) -> tuple[str, ...]:
    """Scopes as they stand in a column: with blanks between them, as in OAuth2."""
    return tuple(text.split())


def batches(values: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Pieces that a database takes in one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def where(table: Table, key: Mapping[str, Any]) -> ColumnElement[bool]:
    """The condition for one row."""
    return and_(*(table.c[name] == value for name, value in key.items()))


def require(connection: Connection, table: Table, key: Mapping[str, Any], what: str) -> Any:
    """A row that must be there.  Raises Missing."""
    row = connection.execute(select(table).where(where(table, key))).one_or_none()
    if row is None:
        raise Missing(f"there is no {what}")
    return row


def free(connection: Connection, table: Table, key: Mapping[str, Any], what: str) -> None:
    """Make sure that a name is not taken, to say so in words.  Raises Conflict."""
    if connection.execute(select(1).select_from(table).where(where(table, key))).first():
        raise Conflict(f"{what} exists already")


def change(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    what: str,
    stamp: int | None = None,
) -> None:
    """Change a row and count that.  With ``stamp``, only the row that the caller has seen.

    Raises Missing, and Conflict (``changed``) when somebody was quicker.
    """
    condition = where(table, key)
    seen = condition if stamp is None else and_(condition, table.c.stamp == stamp)
    done = connection.execute(update(table).where(seen).values(**values, stamp=table.c.stamp + 1))
    if done.rowcount:
        return
    now = require(connection, table, key, what)
    raise Conflict(f"{what} was changed by somebody else: it is at {now.stamp}, not {stamp}", changed=True)
