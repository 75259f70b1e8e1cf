"""Facts of keys, tokens and subscriptions, as the database has them, with the position that they were read at.

Called for ``gateway/registry.py``, in a node with the database, and by a key manager for gateways without one.
"""

from collections.abc import Sequence
from math import inf

import attrs
from sqlalchemy.engine import Connection

from twgw.cache import Fact
from twgw.model import Credential, Environment, Subscription
from twgw.reader import Found, Key, Right
from twgw.registry import CredentialEntry, Head, SubscriptionEntry, Token
from twgw.storage import log
from twgw.storage.credentials import find_by_digest
from twgw.storage.subscriptions import find_subscription, rights_of
from twgw.storage.tokens import find_token

RIGHTS = 32
"""Subscriptions that are read with a key; an application that has more is asked for each."""
TOKENS = {"token": "access", "jti": "jti"}
"""Kinds that policies ask for, as the key manager calls them; nothing else that it keeps opens an API."""


def read_facts(connection: Connection, wanted: Sequence[Key | Right], now: float) -> list[Found]:
    """What the database says of each thing, and of the rights that come with a key.

    In a transaction that sees one moment; the position is read first, so that nothing is older than it.
    """
    head = log.head(connection)
    return [
        (_right(head, one, find_subscription(connection, *one)), {})
        if isinstance(one, Right) else _key(connection, head, one, now)
        for one in wanted
    ]  # fmt: skip


def _key(connection: Connection, head: Head, key: Key, now: float) -> Found:
    tags = tuple(map(log.token_tag, key.digests))
    for digest in key.digests:
        known = find_token(connection, TOKENS[key.kind], digest) if key.kind in TOKENS else find_by_digest(
            connection, key.kind, digest
        )  # fmt: skip
        if known.entry is None or not known.valid:
            continue
        credential = _credential(known.entry, key.kind)
        ends = inf if credential.expires_at is None else credential.expires_at
        if ends <= now:
            continue
        application, user = credential.application, credential.user
        tags += (f"app:{application}", *((f"user:{user}",) if user else ()))
        tier, entries = rights_of(connection, application, RIGHTS)
        rights = {right: _right(head, right, one) for one in entries for right in [Right(application, one.api)]}
        return Fact(head.pos, head.epoch, ends, tags, attrs.evolve(credential, tier=tier)), rights
    return Fact(head.pos, head.epoch, inf, tags, None), {}


def _credential(entry: CredentialEntry | Token, kind: str) -> Credential:
    if isinstance(entry, CredentialEntry):
        return attrs.evolve(entry.credential, user=entry.user)
    return Credential(
        kind=kind,
        id=entry.digest.partition(":")[2][:16],
        application=entry.application,
        scopes=entry.scopes,
        environment=Environment(entry.environment or Environment.PRODUCTION),
        user=entry.user,
        expires_at=entry.expires_at,
    )


def _right(head: Head, right: Right, entry: SubscriptionEntry | None) -> Fact:
    tags = (f"sub:{right.application}/{right.api}", f"app:{right.application}")
    return Fact(head.pos, head.epoch, inf, tags, Subscription(entry.api, entry.tier, entry.state) if entry else None)
