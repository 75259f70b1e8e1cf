"""Fingerprints of what a database has are those of what gateways read of it."""

import attrs

from tests.storage.conftest import an_api
from twgw.cluster.digests import Prints, digest, settings_prints
from twgw.model import Lifecycle, Limit, Policy, Tier
from twgw.storage import log
from twgw.storage import prints as module
from twgw.storage.apis import create_api, delete_api, publish, save_revision, set_state
from twgw.storage.prints import StoredPrints
from twgw.storage.served import read_all
from twgw.storage.settings import set_policies
from twgw.storage.tiers import create_tier


def right(read):
    """The digest of a gateway that serves what the database has."""
    _, served = read(read_all)
    return digest({**Prints().of(served.apis), **settings_prints(served.policies, served.tiers)})


def enter(write, *names):
    """Publish some APIs."""
    for name in names:
        write(create_api, an_api(name), owner="ann", state=Lifecycle.PUBLISHED)
        write(publish, f"{name}:1.0", 1)


def test_the_registry_has_what_gateways_read_of_it(read, write, monkeypatch):
    """After every change, whether few APIs were changed or many."""
    monkeypatch.setattr(module, "MANY", 2)
    registry = StoredPrints()

    def same():
        head, prints = read(registry.read)
        return (head, digest(prints)) == (read(log.head), right(read))

    assert same()
    enter(write, "a", "b", "c", "d")
    assert same()
    for change in (
        lambda: write(create_tier, Tier("Gold", (Limit(1),))),
        lambda: write(set_policies, (Policy("cors"),)),
        lambda: write(set_state, "a:1.0", Lifecycle.DEPRECATED, actor="ann"),
        lambda: write(set_state, "b:1.0", Lifecycle.CREATED, actor="ann"),
        lambda: write(publish, "c:1.0", write(save_revision, attrs.evolve(an_api("c"), title="C"), author="ann")),
        lambda: write(delete_api, "d:1.0"),
    ):
        before = right(read)
        change()
        assert before != right(read)
        assert same()


def test_documents_that_have_not_changed_are_not_read_again(read, write, monkeypatch):
    """There may be thousands."""
    enter(write, "a", "b")
    registry, seen = StoredPrints(), []
    monkeypatch.setattr(module, "print_of", lambda name, api: seen.append(name) or 7)
    for _ in range(2):
        read(registry.read)
    write(set_state, "a:1.0", Lifecycle.DEPRECATED, actor="ann")
    read(registry.read)

    assert ["a:1.0", "b:1.0", "a:1.0"] == seen
