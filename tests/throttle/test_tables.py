"""Counters by limit and key.  How limiters use them stands in test_local.py and test_shared.py."""

from math import inf

from twgw.model import Limit
from twgw.throttle.tables import KNOWN_OBJECTS, Tables


class Thing:
    def __init__(self, until):
        self.until = until

    def expires(self):
        return self.until


def test_a_counter_is_found_by_what_its_limit_says():
    """Equal limits are one, whichever object says it; another key is another counter."""
    tables = Tables(10)
    thing = Thing(5)
    tables.keep(Limit(1, 60), "a", thing)

    assert thing is tables.find(Limit(1, 60), "a")
    assert tables.find(Limit(1, 60), "b") is None
    assert tables.find(Limit(2, 60), "a") is None
    assert 1 == len(tables)


def test_what_is_due_is_let_go_and_what_is_not_waits():
    """A few at a time; what lives longer than it said is looked at again."""
    tables = Tables(10)
    things = [Thing(1.5), Thing(1.7), Thing(8)]
    for number, thing in enumerate(things):
        tables.keep(Limit(1, 60), str(number), thing)
    assert 2 == tables.next_due
    things[0].until = 20

    assert 0 == tables.prune(1.9, 10)
    assert 1 == tables.prune(2, 10)
    assert (2, 8) == (len(tables), tables.next_due)
    assert 2 == tables.prune(30, 10)
    assert inf == tables.next_due
    assert tables.find(Limit(1, 60), "0") is None


def test_there_is_room_for_so_many():
    """And no more are asked for by who keeps to it."""
    tables = Tables(2)
    tables.keep(Limit(1, 60), "a", Thing(1))

    assert [True, False] == [tables.room(1), tables.room(2)]


def test_many_limit_objects_cost_no_memory():
    """Objects that say the same are remembered up to a number."""
    tables = Tables(10)
    tables.keep(Limit(1, 60), "a", Thing(1))
    for _ in range(2 * KNOWN_OBJECTS):
        tables.find(Limit(1, 60), "a")

    assert len(tables.known) <= KNOWN_OBJECTS
