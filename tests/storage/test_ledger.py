"""Tests of twgw.storage.ledger."""

import pytest

from tests.storage.conftest import NOW
from twgw.storage import audit, ledger
from twgw.storage.errors import Conflict
from twgw.web.transaction import Done, Kept

KEPT = Kept("f" * 64, Done(201, '{"name": "ä"}', {"Location": "/x"}, 7, 503))


def test_a_write_is_audited(database):
    """What was there before and after is an entry of the chain."""
    database.call(ledger.audit, NOW, "ann", "tier.create", "tier gold", None, {"name": "gold"}, write=True)

    [entry] = database.call(audit.list_audit)
    assert ("ann", "tier.create", "tier gold", None, {"name": "gold"}) == (
        entry.actor, entry.action, entry.subject, entry.before, entry.after,
    )  # fmt: skip


def test_an_answer_is_remembered_for_a_day(database):
    """The same key of the same actor finds it, others do not; after a day it may be used anew."""
    database.call(ledger.remember, "ann", "key", KEPT, NOW, write=True)

    def recalled(actor, key, now):
        return database.call(ledger.recall, actor, key, now)

    assert KEPT == recalled("ann", "key", NOW + 86_399)
    assert [None, None, None] == [
        recalled("bob", "key", NOW), recalled("ann", "other", NOW), recalled("ann", "key", NOW + 86_400),
    ]  # fmt: skip
    database.call(ledger.remember, "ann", "key", KEPT, NOW + 86_400, write=True)
    assert 1 == database.call(ledger.prune_remembered, NOW + 2 * 86_400, write=True)


def test_a_key_at_work_elsewhere_is_a_conflict(database):
    """Of two requests with one key, the second one is undone."""
    database.call(ledger.remember, "ann", "key", KEPT, NOW, write=True)

    with pytest.raises(Conflict):
        database.call(ledger.remember, "ann", "key", KEPT, NOW, write=True)
