"""Every query function of storage: does it take trust away or change what is served, and does it then say so?

A new function that writes has to be entered here, in one of the two tables; nothing else lets this test pass.
"""

import importlib
import inspect
from pathlib import Path

import pytest

from tests.storage.conftest import NOW, a_credential, an_api
from twgw import storage
from twgw.model import Lifecycle, State, SubscriptionState, Tier
from twgw.registry import Approval, Block, Client, Record, Token, User
from twgw.storage import (
    apis,
    applications,
    blocks,
    clients,
    credentials,
    declared,
    keys,
    log,
    nodes,
    settings,
    subscriptions,
    tiers,
    tokens,
    users,
)

READS = (
    "count_", "find_", "first", "head", "last_", "list_", "live_", "named_", "plan", "read_", "recall", "require_",
    "served_", "since", "verify", "written",
)  # fmt: skip
"""How the names of functions begin that only read; a reading transaction lets them do nothing else."""

SILENT = {
    "apis.create_api": "nothing of it is served before publish",
    "apis.save_revision": "what is served stays as it is",
    "apis.set_owner": "gateways know no owners",
    "apis.note_state": "history, for those who change the state",
    "applications.create_application": "nobody can have used it",
    "audit.append": "about changes, none itself",
    "blocks.prune_blocks": "what has ended blocks nobody",
    "clients.add_client": "adds trust",
    "cluster.end": "sessions of key managers, which these read themselves",
    "cluster.register": "the same",
    "cluster.remove": "the same",
    "cluster.renew": "the same",
    "counted.prune_counted": "what was counted, which gateways ask for themselves",
    "counted.raise_counted": "the same",
    "credentials.add_credential": "adds trust",
    "credentials.note_uses": "decides nothing",
    "joins.add_join": "tokens for new nodes, which only key managers look at, each time",
    "joins.use_join": "the same",
    "keys.ensure_key": "the first key of a kind; it appends a record all the same, for its lock",
    "keys.prune_keys": "what is retired is used by nobody",
    "ledger.audit": "about changes, none itself",
    "ledger.prune_remembered": "answers to repeated requests",
    "ledger.remember": "answers to repeated requests",
    "log.prune": "the log itself",
    "nodes.give_certificate": "adds trust; it appends a record all the same for a node that was taken out before",
    "sessions.add_session": "adds trust",
    "sessions.end_session": "sessions are looked up each time, and never by gateways",
    "sessions.end_sessions_of": "the same",
    "sessions.prune_sessions": "the same",
    "sessions.see_session": "the same",
    "settings.set_setting": "gateways read no settings but the policies, which have a function of their own",
    "subscriptions.subscribe": "adds trust",
    "tokens.add_token": "adds trust",
    "tokens.prune_tokens": "what has expired is trusted by nobody",
    "users.create_user": "nobody can have used it",
}
"""Functions that write, and why no gateway has to be told."""

D = f"v1:{'t' * 64}"
TOLD = {
    "apis.publish": (lambda c: apis.publish(c, "pets:1.0", 1, now=NOW), "api:pets:1.0"),
    "apis.set_state": (
        lambda c: apis.set_state(c, "pets:1.0", Lifecycle.BLOCKED, actor="ann", now=NOW), "api:pets:1.0",
    ),
    "apis.set_dates": (
        lambda c: apis.set_dates(c, "pets:1.0", deprecated_at=NOW, sunset_at=None, now=NOW), "api:pets:1.0",
    ),
    "apis.set_default_version": (lambda c: apis.set_default_version(c, "pets:1.0", now=NOW), "api:pets:1.0"),
    "apis.delete_api": (lambda c: apis.delete_api(c, "pets:1.0", now=NOW, with_subscriptions=True), "api:pets:1.0"),
    "applications.update_application": (
        lambda c: applications.update_application(c, "batch", {"state": Approval.PAUSED}, now=NOW), "app:batch",
    ),
    "applications.revoke_application": (lambda c: applications.revoke_application(c, "batch", now=NOW), "app:batch"),
    "applications.delete_application": (lambda c: applications.delete_application(c, "batch", now=NOW), "app:batch"),
    "blocks.add_block": (lambda c: blocks.add_block(c, Block("user", "eve"), now=NOW), "block"),
    "blocks.remove_block": (lambda c: blocks.remove_block(c, "user", "ann", now=NOW), "block"),
    "clients.update_client": (lambda c: clients.update_client(c, "c1", digest="v1:x", now=NOW), "app:batch"),
    "clients.revoke_client": (lambda c: clients.revoke_client(c, "c1", now=NOW), "app:batch"),
    "credentials.revoke_credential": (
        lambda c: credentials.revoke_credential(c, "api-key", "AbCdEfGh", now=NOW), f"tok:{'a' * 32}",
    ),
    "credentials.set_expiry": (
        lambda c: credentials.set_expiry(c, "api-key", "AbCdEfGh", NOW, now=NOW), f"tok:{'a' * 32}",
    ),
    "credentials.rotate": (
        lambda c: credentials.rotate(c, "api-key", "AbCdEfGh", a_credential(id="n", mark="n"), overlap=5, now=NOW),
        f"tok:{'a' * 32}",
    ),
    "declared.sync": (lambda c: declared.sync(c, State(), lambda value: (), actor="ann", now=NOW), "app:batch"),
    "keys.rotate_key": (lambda c: keys.rotate_key(c, "signing", str, overlap=5, now=NOW), "key"),
    "log.append": (lambda c: log.append(c, [Record("x", "x")], NOW), "x"),
    "nodes.remove_node": (lambda c: nodes.remove_node(c, "gw1", now=NOW), "node:gw1"),
    "settings.set_policies": (lambda c: settings.set_policies(c, (), now=NOW), "policies"),
    "subscriptions.set_subscription": (
        lambda c: subscriptions.set_subscription(
            c, "batch", "pets:1.0", tier=None, state=SubscriptionState.PAUSED, now=NOW
        ),
        "sub:batch/pets:1.0",
    ),
    "subscriptions.unsubscribe": (
        lambda c: subscriptions.unsubscribe(c, "batch", "pets:1.0", now=NOW), "sub:batch/pets:1.0",
    ),
    "tiers.create_tier": (lambda c: tiers.create_tier(c, Tier("new"), now=NOW), "tier:new"),
    "tiers.update_tier": (lambda c: tiers.update_tier(c, Tier("gold"), now=NOW), "tier:gold"),
    "tiers.delete_tier": (lambda c: tiers.delete_tier(c, "iron", now=NOW), "tier:iron"),
    "tokens.revoke_token": (lambda c: tokens.revoke_token(c, "access", D, now=NOW), f"tok:{'t' * 32}"),
    "tokens.revoke_family": (lambda c: tokens.revoke_family(c, "f1", now=NOW), f"tok:{'t' * 32}"),
    "tokens.revoke_shown": (lambda c: tokens.revoke_shown(c, [D], now=NOW), f"tok:{'t' * 32}"),
    "tokens.use_once": (
        lambda c: tokens.use_once(c, "code", f"v1:{'u' * 64}", client="c1", now=NOW), f"tok:{'t' * 32}",
    ),
    "users.update_user": (lambda c: users.update_user(c, "ann", {"active": False}, now=NOW), "user:ann"),
    "users.set_password": (lambda c: users.set_password(c, "ann", None, now=NOW), "user:ann"),
    "users.revoke_user": (lambda c: users.revoke_user(c, "ann", now=NOW), "user:ann"),
    "users.delete_user": (lambda c: users.delete_user(c, "ann", now=NOW), "user:ann"),
}  # fmt: skip
"""Functions that take trust away or change what is served, each with a use of it and a tag that has to be told."""


def writers():
    """Every public query function that is not named as one that reads."""
    for path in sorted(Path(storage.__file__).parent.glob("*.py")):
        module = importlib.import_module(f"twgw.storage.{path.stem}" if path.stem != "__init__" else "twgw.storage")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            reads = name.startswith(READS) or (name.endswith("_of") and not name.startswith("end_"))
            if own and next(iter(inspect.signature(function).parameters), "") == "connection" and not reads:
                yield f"{path.stem}.{name}"


ELSEWHERE = {"nodes.hold", "rows.change", "rows.free", "rows.require", "rows.batches", "vendors.lock_schema"}
"""Parts of query functions, a lock, and the schema."""


def test_every_function_that_writes_is_known_here():
    """Whoever adds one decides whether gateways have to be told, and says why not."""
    assert set() == SILENT.keys() & TOLD.keys()
    assert sorted({*SILENT, *TOLD}) == sorted(set(writers()) - ELSEWHERE)


@pytest.fixture
def world(sqlite):
    """One of everything that can be taken away."""

    def fill(c):
        tiers.create_tier(c, Tier("gold"), now=NOW)
        tiers.create_tier(c, Tier("iron"), now=NOW)
        apis.create_api(c, an_api(), owner="ann", now=NOW)
        users.create_user(c, User("ann"), now=NOW)
        applications.create_application(c, "batch", owner="ann", now=NOW)
        subscriptions.subscribe(c, "batch", "pets:1.0", tier="gold", now=NOW)
        credentials.add_credential(c, a_credential(), now=NOW)
        clients.add_client(c, Client("c1", "batch", "production", "v1:0"), now=NOW)
        blocks.add_block(c, Block("user", "ann"), now=NOW)
        for kind, mark in (("access", "t"), ("code", "u")):
            token = Token(kind, f"v1:{mark * 64}", "batch", NOW + 60, client="c1", family="f1")
            tokens.add_token(c, token, now=NOW)
        tokens.use_once(c, "code", f"v1:{'u' * 64}", client="c1", now=NOW)
        return log.head(c).pos

    return sqlite.call(fill, write=True)


@pytest.mark.parametrize("name", TOLD)
def test_what_takes_trust_away_is_told_in_its_own_transaction(world, sqlite, name):
    """Its record is there when it returns, and it says the position of it where it says a number."""
    use, tag = TOLD[name]

    returned = sqlite.call(use, write=True)

    records = sqlite.call(log.since, world)
    assert tag in [record.tag for record in records]
    if isinstance(returned, int):
        assert records[-1].pos == returned


@pytest.mark.parametrize("name", TOLD)
def test_what_is_undone_is_not_told(world, sqlite, name):
    """When the transaction fails, neither the change nor its record is there."""

    def fail(c):
        TOLD[name][0](c)
        raise KeyError

    with pytest.raises(KeyError):
        sqlite.call(fail, write=True)

    assert [] == sqlite.call(log.since, world)


def test_a_credential_of_the_state_is_told_when_it_goes(world, sqlite):
    """A sync that takes a key away names that key, too."""
    sqlite.call(TOLD["declared.sync"][0], write=True)

    assert f"tok:{'a' * 32}" in [record.tag for record in sqlite.call(log.since, world)]
