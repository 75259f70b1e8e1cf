"""Tests of twgw.storage.joins."""

from concurrent.futures import ThreadPoolExecutor

from tests.storage.conftest import NOW
from twgw.storage import joins
from twgw.storage.joins import add_join, find_join, use_join
from twgw.storage.keys import KEPT, prune_keys


def test_a_token_is_known_until_it_ends(write, read):
    """With the roles that it gives; another is not."""
    write(add_join, "d1", ["keymanager", "gateway"], seconds=60)
    write(add_join, "d2", ["gateway"], seconds=60)

    assert frozenset({"gateway", "keymanager"}) == read(find_join, "d1", now=NOW + 59)
    assert None is read(find_join, "d1", now=NOW + 60)
    assert None is read(find_join, "d3", now=NOW)


def test_it_is_used_once(database, write, read):
    """Also by many at once, and other tokens stay."""
    for digest in ("d1", "d2"):
        write(add_join, digest, ["gateway"], seconds=60)

    def use(_number):
        return database.call(use_join, "d1", now=NOW, write=True)

    with ThreadPoolExecutor(8) as threads:
        assert [True] == [used for used in threads.map(use, range(16)) if used]
    assert None is read(find_join, "d1", now=NOW)
    assert frozenset({"gateway"}) == read(find_join, "d2", now=NOW)


def test_what_was_seen_before_others_used_it_is_no_later_token(write, read, monkeypatch):
    """Its number may be given anew between the two statements of a transaction."""
    write(add_join, "d1", ["gateway"], seconds=60)
    seen = read(lambda connection: list(joins._found(connection, "d1", NOW)))
    assert True is write(use_join, "d1")
    write(add_join, "d2", ["gateway"], seconds=60)
    monkeypatch.setattr(joins, "_found", lambda *_: seen)
    assert False is write(use_join, "d1")
    monkeypatch.undo()

    assert frozenset({"gateway"}) == read(find_join, "d2", now=NOW)


def test_old_ones_are_pruned_with_the_other_secrets(database, write):
    """Nothing is left of them."""
    write(add_join, "d1", ["gateway"], seconds=60)

    assert 1 == database.call(prune_keys, NOW + 60 + KEPT, write=True)
    assert False is write(use_join, "d1")
