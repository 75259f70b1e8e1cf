"""Facts of keys, tokens and subscriptions, as the database has them, with the position that they were read at.

Called for ``gateway/registry.py``, in a node with the database, and by a key manager for gateways without one.
"""

from collections.abc import Container, Sequence
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


def read_facts(
    connection: Connection, wanted: Sequence[Key | Right], now: float, familiar: Container[str] = ()
) -> list[Found]:
    """What the database says of each thing, and of the rights that come with a key, unless its application is familiar.

    The position of each comes with its rows, or was read before them: nothing is older than it.
    """
    head = log.head(connection) if any(isinstance(one, Right) for one in wanted) else Head(0, 0)
    return [
        (_right(head, one, find_subscription(connection, *one)), {})
        if isinstance(one, Right) else _key(connection, one, now, familiar)
        for one in wanted
    ]  # fmt: skip


def _key(connection: Connection, key: Key, now: float, familiar: Container[str]) -> Found:
    tags = tuple(map(log.token_tag, key.digests))
    head = Head(0, 0)
    for digest in key.digests:
        known = find_token(connection, TOKENS[key.kind], digest) if key.kind in TOKENS else find_by_digest(
            connection, key.kind, digest
        )  # fmt: skip
        head = known.head
        if known.entry is None or not known.valid:
            continue
        credential = _credential(known.entry, key.kind)
        ends = inf if credential.expires_at is None else credential.expires_at
        if ends <= now:
            continue
        application, user = credential.application, credential.user
        tags += (f"app:{application}", *((f"user:{user}",) if user else ()))
        if application in familiar and isinstance(known.entry, CredentialEntry):
            return Fact(head.pos, head.epoch, ends, tags, credential), {}
        tier, owner, entries = rights_of(connection, application, RIGHTS)
        rights = {right: _right(head, right, one) for one in entries for right in [Right(application, one.api)]}
        known_as = attrs.evolve(credential, tier=tier, owner=credential.owner or owner)
        return Fact(head.pos, head.epoch, ends, tags, known_as), rights
    return Fact(head.pos, head.epoch, inf, tags, None), {}


def _credential(entry: CredentialEntry | Token, kind: str) -> Credential:
    if isinstance(entry, CredentialEntry):
        return attrs.evolve(entry.credential, user=entry.user) if entry.user else entry.credential
    return Credential(
        kind=kind,
        id=entry.digest.partition(":")[2][:16],
        application=entry.application,
        digest=entry.digest,
        scopes=entry.scopes,
        environment=Environment(entry.environment or Environment.PRODUCTION),
        user=entry.user,
        expires_at=entry.expires_at,
    )


def _right(head: Head, right: Right, entry: SubscriptionEntry | None) -> Fact:
    tags = (f"sub:{right.application}/{right.api}", f"app:{right.application}")
    return Fact(head.pos, head.epoch, inf, tags, Subscription(entry.api, entry.tier, entry.state) if entry else None)
