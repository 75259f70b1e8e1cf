"""Keeping what is counted: a node that ends and begins again, on a real database, and one that has none."""

import pytest
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.cluster.test_protocol import outcome
from twgw.config import load
from twgw.keeping import EVERY, Store, keeping
from twgw.memory_world import EPOCH, FakeClock, MemoryLog
from twgw.metrics import Registry
from twgw.model import Algorithm, Charge, Limit
from twgw.storage.errors import Unavailable
from twgw.storage.reader import DatabaseReader
from twgw.throttle.kept import EVERY as SECONDS
from twgw.throttle.kept import Kept
from twgw.throttle.local import LocalLimiter


class Backing:
    """What stands behind a node: a database."""

    def __init__(self, database):
        self.reader, self.kept = DatabaseReader(database), Kept()


class Process:
    """A node that counts by itself."""

    def __init__(self, database, name="n1"):
        self.clock, self.turns, self.log, self.node = FakeClock(), Clock(), MemoryLog(), MultiService()
        self.backing, self.metrics = Backing(database), Registry()
        self.limiter = LocalLimiter(self.clock, kept=self.backing.kept)
        config = load(None, {"TWGW_NODE_NAME": name}, {})
        self.it = keeping(
            self.node, self.turns, self.backing, config, self.limiter, self.clock, self.log, self.metrics
        )  # fmt: skip

    def begin(self):
        self.node.privilegedStartService()
        self.node.startService()
        return self

    def pass_time(self, seconds):
        for _ in range(round(seconds / EVERY)):
            self.clock.advance(EVERY)
            self.turns.advance(EVERY)

    def take(self, limit, times=1):
        return sum(self.limiter.take_all([Charge("a", limit)])[0].allowed for _ in range(times))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_restart_forgets_nothing_of_a_long_window(sqlite, algorithm):
    """When the node stops, the last is written; a short window begins anew."""
    long, short = Limit(10, 86400, algorithm), Limit(10, 60, algorithm)
    first = Process(sqlite).begin()
    assert (4, 4) == (first.take(long, 4), first.take(short, 4))
    first.node.stopService()

    second = Process(sqlite).begin()
    assert (6, 10) == (second.take(long, 20), second.take(short, 20))


class Slow:
    """A key manager that takes its time: what it is sent counts when it has said so."""

    def __init__(self):
        self.owed, self.written = [], {}

    def keep_counted(self, _place, values, _now):
        done = Deferred().addCallback(lambda _: self.written.update({value.key: value.used for value in values}))
        self.owed.append(done)
        return done


def test_a_node_that_stops_waits_for_what_is_on_its_way(sqlite):
    """The connections end after that, and with them whatever nobody has said is written."""
    node, slow = Process(sqlite).begin(), Slow()
    node.it.store.reader = slow
    node.take(Limit(100, 86400), 40)
    node.pass_time(SECONDS + EVERY)
    assert 1 == len(slow.owed)
    node.take(Limit(100, 3600), 5)
    stopped = node.node.stopService()

    while slow.owed:  # whatever is said first
        assert not stopped.called
        slow.owed.pop().callback(None)
    assert stopped.called
    assert [5, 40] == sorted(slow.written.values())


def test_a_node_that_is_killed_forgets_what_was_not_written(sqlite):
    """At most that of some seconds; another node has its own counters."""
    long = Limit(100, 86400)
    first = Process(sqlite).begin()
    first.take(long, 40)
    first.pass_time(SECONDS + 2 * EVERY)
    first.take(long, 5)

    assert 60 == Process(sqlite).begin().take(long, 200)
    assert 100 == Process(sqlite, "n2").begin().take(long, 200)


def test_what_changed_is_looked_for_in_turn(sqlite):
    """A part of all counters each time, so that nobody waits for it."""
    node = Process(sqlite).begin()
    for number in range(400):
        node.limiter.take_all([Charge(str(number), Limit(9, 3600))])
    node.pass_time(EVERY)
    assert 0 < len(node.backing.kept) <= 20
    node.pass_time(SECONDS)
    values = {family.name: family.samples[0].value for family in node.metrics.collect() if family.samples}
    assert (400, 0) == (values["twgw_limit_kept"], values["twgw_limit_keeping_failures"])
    node.pass_time(2 * SECONDS)
    assert 400 == node.it.keeper.written
    assert 0 == len(node.backing.kept)


def test_counters_that_ended_are_looked_at_no_more(sqlite):
    """They are in the database until they are worth nothing."""
    node = Process(sqlite).begin()
    node.take(Limit(9, 61))
    assert 1 == len(node.limiter._watched)
    node.pass_time(61 + SECONDS + 1)
    assert 0 == len(node.limiter._watched)


def test_nothing_is_kept_where_no_database_is_the_state():
    """A file, that is."""
    backing = type("FromFile", (), {"kept": None})
    assert keeping(MultiService(), None, backing, None, None, None, None, None) is None


def test_until_it_is_known_what_was_counted_long_limits_refuse(sqlite):
    """A gateway whose key manager does not answer yet; short limits count."""
    node = Process(sqlite)
    assert (0, 3) == (node.take(Limit(3, 3600), 5), node.take(Limit(3, 60), 5))
    assert 0 == node.limiter.refused_full
    node.begin()
    assert 3 == node.take(Limit(3, 3600), 5)


class Away:
    """A database that does not answer."""

    up = False

    def keep_counted(self, *_args):
        return succeed(None) if self.up else fail(Unavailable("nobody answers"))

    def counted(self, *_args):
        return succeed([]) if self.up else fail(Unavailable("nobody answers"))


def test_an_outage_is_told_once():
    """When it begins, and when it is over."""
    reader, log = Away(), MemoryLog()
    store = Store(reader, "", lambda: EPOCH, log)
    run = lambda work: outcome(Deferred.fromCoroutine(work))
    assert (False, None) == (run(store.write([])), run(store.read()))
    reader.up = True
    assert (True, []) == (run(store.write([])), run(store.read()))
    assert ["warn", "info"] == [level for level, _ in log.lines]


def test_a_fault_of_ours_is_told_and_does_not_stay(sqlite):
    """The next look goes on."""
    node = Process(sqlite).begin()
    node.backing.reader.keep_counted = lambda *_: fail(ZeroDivisionError("ours"))
    node.take(Limit(9, 3600))
    node.pass_time(2 * SECONDS)
    assert "ours" in node.log.lines[0][1]
    del node.backing.reader.keep_counted
    node.take(Limit(9, 3600))
    node.pass_time(2 * SECONDS)
    assert 1 == node.it.keeper.written
