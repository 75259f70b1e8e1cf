"""What a gateway serves is compared with what the database has; whoever serves something else is told."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from tests.storage.conftest import NOW, an_api
from twgw.cluster.clocks import MachineClocks, Moment, Terms
from twgw.cluster.digests import Prints, digest, settings_prints
from twgw.cluster.drift import AGAIN, EVERY, Comparison
from twgw.cluster.grants import Grants
from twgw.cluster.messages import LeaseAsked, LeaseReturned
from twgw.cluster.reports import MOST_NACKS, Nack, Report, Reports, Standing
from twgw.memory_world import MemoryLog
from twgw.model import Lifecycle
from twgw.registry import Record
from twgw.storage import log
from twgw.storage.apis import create_api, publish
from twgw.storage.errors import Unavailable
from twgw.storage.schema import api as table
from twgw.storage.served import read_all


@pytest.fixture
def write(sqlite):
    """Do something in a transaction of its own."""
    return lambda function, *args, **more: sqlite.call(function, *args, write=True, now=NOW, **more)


def enter(write, *names):
    """Publish some APIs."""
    for name in names:
        write(create_api, an_api(name), owner="ann", state=Lifecycle.PUBLISHED)
        write(publish, f"{name}:1.0", 1)


def right(database, without=()):
    """The digest of a gateway that serves what the database has."""
    _, served = database.call(read_all)
    prints = {**Prints().of(served.apis), **settings_prints(served.policies, served.tiers)}
    return digest(prints, without)


class Cluster:
    """A key manager with one gateway g on the node gw."""

    def __init__(self, database, write):
        self.database, self.write = database, write
        self.away, self.told, self.log = False, [], MemoryLog()
        grants = Grants(MachineClocks, Terms())
        grants.renewed(Moment.now(MachineClocks), database.call(log.head))
        grants.give(LeaseAsked("g", 1, database.call(log.head)))
        self.member = SimpleNamespace(reports=Reports(), grants=grants)
        self.it = Comparison(self, self.member, self.told.append, self.log)

    def run(self, function):
        if self.away:
            return fail(Unavailable("away"))
        return succeed(self.database.call(function))

    def says(self, digest, applied=None, **more):
        """What the gateway reports."""
        head = applied or self.database.call(log.head)
        self.member.reports.said(Standing("g", "gw", ("gateway",), head, report=Report(digest, **more)))

    def compare(self):
        """Whether it has drifted, as far as is known afterwards."""
        done = []
        Deferred.fromCoroutine(self.it.compare()).addBoth(done.append)
        assert [None] == done
        return self.it.drifted()


@pytest.fixture
def cluster(sqlite, write):
    enter(write, "pets", "toys")
    return Cluster(sqlite, write)


def test_whoever_serves_the_same_is_left_alone(cluster):
    """Also when it cannot have something, and says so; or says nothing."""
    cluster.says(right(cluster.database))
    assert 0 == cluster.compare()
    cluster.says(right(cluster.database, {"pets:1.0"}), refused=(Nack("pets:1.0", 1, "no"),))
    assert 0 == cluster.compare()
    cluster.says("")
    assert 0 == cluster.compare()
    assert ([], []) == (cluster.told, cluster.log.lines)


def test_whoever_serves_something_else_reads_everything_anew(cluster):
    """It is told, and said, again after a while; until it serves the same."""
    cluster.says("0" * 64)
    for _ in range(AGAIN):
        assert 1 == cluster.compare()
    assert ["g"] == cluster.told
    assert "gw serves something else than the database has at position 2" in cluster.log.lines[0][1]
    assert [True] == [each.drifted for each in cluster.member.reports.standings({})]
    cluster.compare()
    assert ["g", "g"] == cluster.told

    cluster.says(right(cluster.database))
    assert 0 == cluster.compare()
    assert [False] == [each.drifted for each in cluster.member.reports.standings({})]
    assert 2 == len(cluster.log.lines)


def test_a_database_that_was_changed_by_hand_is_noticed(cluster, sqlite):
    """No record of the log says so."""
    cluster.says(right(cluster.database))
    assert 0 == cluster.compare()
    sqlite.call(lambda c: c.execute(table.update().where(table.c.id == "pets:1.0").values(live=None)), write=True)

    assert 1 == cluster.compare()
    cluster.says(right(cluster.database))
    assert 0 == cluster.compare()


def test_a_gateway_is_not_judged_by_what_came_later(cluster, write):
    """It may lag behind; what has nothing to do with APIs makes no difference once that was seen."""
    cluster.says(right(cluster.database))
    cluster.compare()
    enter(write, "cats")
    assert 0 == cluster.compare()

    cluster.says(right(cluster.database))
    cluster.compare()
    before = cluster.database.call(log.head)
    write(lambda c, *, now: log.append(c, [Record("token", "tok:1")], now))
    cluster.says("f" * 64, before)
    assert 1 == cluster.compare()


def test_a_report_that_is_full_says_too_little(cluster):
    """Nobody knows what else the gateway cannot have."""
    cluster.says("0" * 64, refused=tuple(Nack(str(number), 1, "no") for number in range(MOST_NACKS)))

    assert 0 == cluster.compare()


def test_a_gateway_that_is_gone_drifts_no_longer(cluster):
    """It stopped."""
    cluster.says("0" * 64)
    assert 1 == cluster.compare()
    cluster.member.grants.returned(LeaseReturned("g", 1))
    cluster.member.reports.left("g")

    assert 0 == cluster.compare()


def test_it_is_compared_every_few_seconds(cluster):
    """Not while the database is away, and not while it is being done; a fault of ours is said."""
    cluster.says("0" * 64)
    cluster.away = True
    for _ in range(EVERY):
        cluster.it.look()
    assert [] == cluster.told
    cluster.away = False
    for _ in range(EVERY):
        cluster.it.look()
    assert ["g"] == cluster.told

    cluster.run = lambda _function: fail(ZeroDivisionError())
    for _ in range(EVERY):
        cluster.it.look()
    assert "was not compared: " in cluster.log.lines[-1][1]
