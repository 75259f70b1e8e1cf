"""Tokens, refresh tokens and authorization codes, by their digests.  Called by the key manager and gateways' lookup.

All that came of one login is a *family*: a code or refresh token that is used twice takes all of it with it.
"""

from collections.abc import Sequence
from typing import Any

import attrs
from sqlalchemy import and_, bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection

from twgw.registry import Approval, Head, Known, Redeemed, Token
from twgw.storage import log
from twgw.storage.rows import mapping, to_text, words
from twgw.storage.schema import application as application_table
from twgw.storage.schema import client as client_table
from twgw.storage.schema import cluster_head, user
from twgw.storage.schema import token as table

SHOWN = ("access", "jti")
"""Kinds that gateways are shown, and may remember; the others are shown to the key manager alone."""
KEPT = 3600.0
"""Seconds for which one that has expired is kept: a node whose clock is ahead deletes none that is good."""
MANY = 1000
"""Tokens of one family past which their application is the shorter thing to name."""


def add_token(connection: Connection, token: Token, *, now: float, pos: int | None = None) -> Token:
    """Enter a token; it adds trust, and no record.

    ``pos`` is the position that was read, in this transaction, before or with all that allows the token; a revocation
    of any of it that came later takes the token with it.  Without it, it is read now.
    """
    issued = attrs.evolve(token, issued_at=now, issued_pos=log.head(connection).pos if pos is None else pos)
    row = {
        "digest": issued.digest, "kind": issued.kind, "application": issued.application, "client": issued.client,
        "user_name": issued.user, "environment": issued.environment, "scopes": " ".join(issued.scopes),
        "family": issued.family, "data": to_text(issued.data), "issued_at": now, "expires_at": issued.expires_at,
        "issued_pos": issued.issued_pos,
    }  # fmt: skip
    connection.execute(_INSERT, row)
    return issued


def find_token(connection: Connection, kind: str, digest: str) -> Known:
    """Everything that has to be known of a token before it is accepted, in one statement.  See ``Known``."""
    row = connection.execute(_KNOWN, {"kind": kind, "digest": digest}).one()
    head = Head(row.epoch, row.pos)
    if row.digest is None:
        return Known(head, None)
    valid = (
        row.revoked_pos is None
        and row.issued_pos >= row.application_revoked
        and row.application_state == Approval.ACTIVE.value
        and (not row.client or (row.client_id is not None and row.client_revoked is None))
        and (row.user_name is None or (bool(row.user_active) and row.issued_pos >= row.user_revoked))
    )
    return Known(head, _token(row), valid)


def use_once(connection: Connection, kind: str, digest: str, *, client: str, now: float) -> Redeemed:
    """Use up a code or refresh token.  Of any number who try at once, one succeeds.

    A second use by its own client revokes the family; that is done, so this returns and does not raise.
    """
    unused = and_(table.c.used_at.is_(None), table.c.revoked_pos.is_(None), table.c.expires_at > now)
    shown = and_(table.c.digest == digest, table.c.kind == kind, table.c.client == client)
    used = connection.execute(update(table).where(shown, unused).values(used_at=now))
    known = find_token(connection, kind, digest)
    token = known.entry
    if not isinstance(token, Token) or token.client != client:
        return Redeemed(None, fresh=False)
    if used.rowcount:
        return Redeemed(token, fresh=known.valid)
    ended = revoke_family(connection, token.family, now=now) if token.used_at is not None else None
    return Redeemed(token, fresh=False, ended=ended)


def revoke_token(connection: Connection, kind: str, digest: str, *, now: float) -> int | None:
    """Void a token, a refresh token or code with its family; the position at which that was done, None if unknown."""
    query = select(table).where(table.c.digest == digest, table.c.kind == kind).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if kind not in SHOWN and row.family:
        return revoke_family(connection, row.family, now=now)
    if row.revoked_pos is not None:
        return int(row.revoked_pos)
    pos = log.append(connection, [log.token_record(digest)], now)
    connection.execute(update(table).where(table.c.digest == digest).values(revoked_pos=pos))
    return pos


def revoke_shown(connection: Connection, digests: Sequence[str], *, now: float) -> list[int | None]:
    """Void tokens that gateways are shown, all with the same statements: the position at which each was, as above."""
    wanted = and_(table.c.digest.in_(sorted(set(digests))), table.c.kind.in_(SHOWN))
    query = select(table.c.digest, table.c.revoked_pos).where(wanted).order_by(table.c.digest)
    found: dict[str, int | None] = {row.digest: row.revoked_pos for row in connection.execute(query.with_for_update())}
    if fresh := [digest for digest, pos in found.items() if pos is None]:
        last = log.append(connection, map(log.token_record, fresh), now)
        connection.execute(update(table).where(table.c.digest.in_(fresh)).values(revoked_pos=last))
        found |= dict.fromkeys(fresh, last)
    return [found.get(digest) for digest in digests]


def revoke_family(connection: Connection, family: str, *, now: float) -> int:
    """Void everything that came of one login, and return the position at which all of it was."""
    query = select(table).where(table.c.family == family).order_by(table.c.digest).with_for_update()
    rows = connection.execute(query).all()
    while len(rows) != len(more := connection.execute(query).all()):  # one was just being refreshed: its successors
        rows = more
    if voided := [row.revoked_pos for row in rows if row.revoked_pos is not None]:
        done = max(voided)
        if len(voided) == len(rows):
            return int(done)
    records = [log.token_record(row.digest) for row in rows if row.kind in SHOWN and row.revoked_pos is None]
    if len(records) > MANY:
        records = [log.application_record(name) for name in sorted({row.application for row in rows})]
    pos = log.append(connection, records, now)
    open_ones = and_(table.c.family == family, table.c.revoked_pos.is_(None))
    connection.execute(update(table).where(open_ones).values(revoked_pos=pos))
    return pos


def tokens_of(connection: Connection, application: str, after: str = "", limit: int = 100) -> list[Token]:
    """The tokens of an application by digest, those after one, at most so many."""
    query = select(table).where(table.c.application == application, table.c.digest > after)
    return [_token(row) for row in connection.execute(query.order_by(table.c.digest).limit(limit))]


def prune_tokens(connection: Connection, now: float, limit: int = 10_000) -> int:
    """Delete tokens that have expired ``KEPT`` seconds ago, at most so many at a time, and return how many."""
    expired = select(table.c.digest).where(table.c.expires_at <= now - KEPT).order_by(table.c.expires_at).limit(limit)
    digests = connection.execute(expired).scalars().all()
    return connection.execute(delete(table).where(table.c.digest.in_(digests))).rowcount if digests else 0


_INSERT = insert(table)
"""Made once: building it costs as much as running it."""
_KNOWN = (
    select(
        cluster_head.c.epoch,
        cluster_head.c.pos,
        table,
        application_table.c.state.label("application_state"),
        application_table.c.revoked_before_pos.label("application_revoked"),
        client_table.c.id.label("client_id"),
        client_table.c.revoked_pos.label("client_revoked"),
        user.c.active.label("user_active"),
        user.c.revoked_before_pos.label("user_revoked"),
    )
    .select_from(cluster_head)
    .outerjoin(table, and_(table.c.digest == bindparam("digest"), table.c.kind == bindparam("kind")))
    .outerjoin(application_table, application_table.c.name == table.c.application)
    .outerjoin(client_table, client_table.c.id == table.c.client)
    .outerjoin(user, user.c.name == table.c.user_name)
)


def _token(row: Any) -> Token:
    return Token(
        kind=row.kind,
        digest=row.digest,
        application=row.application,
        expires_at=row.expires_at,
        client=row.client,
        user=row.user_name,
        scopes=words(row.scopes),
        family=row.family,
        environment=row.environment,
        issued_at=row.issued_at,
        issued_pos=row.issued_pos,
        used_at=row.used_at,
        revoked_pos=row.revoked_pos,
        data=mapping(row.data),
    )
