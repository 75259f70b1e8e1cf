"""What was counted against long limits, on each database."""

import threading

from tests.storage.conftest import NOW
from twgw.storage.counted import GONE, prune_counted, raise_counted, read_counted
from twgw.throttle.kept import Counted


def values(used, *keys, ends=NOW + 100):
    return [Counted(key, used, ends) for key in keys]


def kept(read, place=""):
    return {key: used for key, used, _ in read(read_counted, place, NOW)}


def test_values_only_grow(write, read):
    """The greatest is kept, whoever tells it, and in whatever order."""
    write(raise_counted, "", values(5, "a", "b"))
    write(raise_counted, "", values(3, "b", "c"))
    write(raise_counted, "", values(1 << 62, "a", ends=NOW + 500))

    assert {"a": 1 << 62, "b": 5, "c": 3} == kept(read)
    assert NOW + 500 == read(read_counted, "", NOW)[0].ends


def test_places_are_told_apart(write, read):
    """What a node counts by itself is not what all count together."""
    write(raise_counted, "", values(5, "a"))
    write(raise_counted, "n1", values(7, "a"))

    assert ({"a": 5}, {"a": 7}, {}) == (kept(read), kept(read, "n1"), kept(read, "n2"))


def test_what_has_ended_is_not_read_and_is_let_go_of(write, read):
    """With the next writing."""
    write(raise_counted, "", values(5, *(f"old{number}" for number in range(20)), ends=NOW - 1))
    write(raise_counted, "", values(1, "new"))

    assert {"new": 1} == kept(read)
    assert 0 == read(prune_counted, NOW, GONE)
    assert 0 == len(read(read_counted, "", 0.0)) - 1


def test_many_are_written_at_once(write, read):
    """More than a statement takes."""
    write(raise_counted, "", values(5, *(f"k{number:04}" for number in range(1700))))

    assert 1700 == len(kept(read))


def test_nodes_that_write_the_same_are_not_in_each_others_way(database, read):
    """Each with its own values for the same counters."""
    keys = [f"k{number:03}" for number in range(200)]

    def write(used):
        for more in range(5):
            database.call(raise_counted, "", values(used + more, *keys), NOW, write=True)

    threads = [threading.Thread(target=write, args=(used,)) for used in (10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {34} == set(kept(read).values())
    assert 200 == len(kept(read))
