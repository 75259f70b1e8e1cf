"""Tests of twgw.storage.keys."""

from concurrent.futures import ThreadPoolExecutor

from tests.storage.conftest import NOW
from twgw.registry import SecretKey
from twgw.storage import log
from twgw.storage.keys import ensure_key, keys_of, prune_keys, rotate_key


def test_the_first_key_is_made_once(write, read):
    """Whoever comes later gets the same, and nobody sees it in a log line."""
    first = write(ensure_key, "mac", lambda: "secret")
    assert [SecretKey("mac", 1, "secret", NOW, None)] == first
    assert first == write(ensure_key, "mac", lambda: "another")
    assert "secret" not in repr(first)
    assert [] == read(keys_of, "pepper", now=NOW)


def test_nodes_that_begin_at_once_share_a_key(database):
    """Each of them would make one; only one does."""

    def begin(number):
        return database.call(ensure_key, "mac", lambda: f"secret {number}", now=NOW, write=True)[0].material

    with ThreadPoolExecutor(8) as threads:
        assert 1 == len(set(threads.map(begin, range(16))))


def test_an_old_key_is_good_for_a_while(write, read, database):
    """The new one comes first; the old one goes after the overlap, and a second rotation does not keep it longer."""
    write(ensure_key, "signing", lambda: "old")

    pos = write(rotate_key, "signing", lambda _: "new", overlap=60)
    database.call(rotate_key, "signing", lambda _: "newest", overlap=60, now=NOW + 30, write=True)

    assert pos == 2
    assert {"key"} == {record.tag for record in read(log.since, 0)}

    def materials(now):
        return [key.material for key in read(keys_of, "signing", now=now)]

    assert ["newest", "new", "old"] == materials(NOW + 59)
    assert ["newest", "new"] == materials(NOW + 60)
    assert ["newest"] == materials(NOW + 90)
    assert 0 == database.call(prune_keys, NOW + 86_000, write=True), "the clock of a node may be wrong"
    assert 2 == database.call(prune_keys, NOW + 86_490, write=True)
    assert ["newest"] == materials(NOW)


def test_a_rotation_makes_the_first_key_too(write, read):
    """Without one before, the new one is version 1."""
    write(rotate_key, "signing", lambda _: "first", overlap=60)

    assert [1] == [key.version for key in read(keys_of, "signing", now=NOW)]


def test_an_old_key_may_be_good_for_ever(write, read):
    """One that was to end still does; the new one knows its number."""
    write(ensure_key, "pepper", lambda: "1")
    write(rotate_key, "pepper", str, overlap=60)
    write(rotate_key, "pepper", str, overlap=None)

    assert [("3", None), ("2", None), ("1", NOW + 60)] == [
        (key.material, key.retire_at) for key in read(keys_of, "pepper", now=NOW)
    ]
