"""A member of the cluster, on a real database: its session, its lease, and who waits."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.cluster.conftest import EXACT, HandClocks
from tests.storage.conftest import NOW
from twgw.cluster import membership as module
from twgw.cluster import reports
from twgw.cluster.authority import Identity
from twgw.cluster.commands import Refused
from twgw.cluster.membership import HASTE, LATEST, Lost, Membership
from twgw.cluster.messages import Ack, LeaseAsked, LeaseGiven, LeaseReturned, News, Relay, RelayDone
from twgw.cluster.removals import TAKEN_OUT
from twgw.cluster.reports import Nack, Report
from twgw.cluster.rounds import EVERY
from twgw.memory_world import MemoryLog
from twgw.registry import Head, Record
from twgw.storage import cluster, log
from twgw.storage.errors import Unavailable
from twgw.storage.nodes import list_removed, remove_node
from twgw.storage.remembered import Remembered
from twgw.storage.schema import cluster_head, cluster_log
from twgw.throttle.others import CountsOn, Others


class Member:
    """A node: the membership, time, and a gateway that follows the log when it is told to."""

    def __init__(self, database, name, clocks, clock):
        self.database, self.clocks, self.clock = database, clocks, clock
        self.remembered = Remembered()
        self.away = self.slow = False
        self.held = []
        self.follows = True
        self.told = []
        self.log = MemoryLog()
        self.it = Membership(self, clock, clocks, EXACT, name, lambda: NOW, self.log)
        self.it.behind = self.follow
        self.it.tell = self.told.append
        self.it.begin()
        self.follow()

    def call(self, *args, **kwargs):
        return self.database.call(*args, **kwargs)

    def run(self, *args, **kwargs):
        if self.away:
            return Deferred().addErrback(lambda _: None) if self.slow else failed()
        try:
            return succeed(self.database.call(*args, **kwargs))
        except Unavailable:
            return failed()

    def follow(self):
        if self.follows:
            head = self.database.call(log.head)
            self.it.removals.saw(head, self.database.call(list_removed))  # as startup.py reads it with the secrets
            self.it.advanced(head)

    def go(self, seconds):
        """Let time pass, and do what is due."""
        for _ in range(round(seconds / HASTE)):
            self.clocks.go(HASTE)
            self.clock.advance(HASTE)


def failed():
    failure = Deferred()
    failure.errback(Failure(Unavailable("nobody answers")))
    return failure


@pytest.fixture
def member(sqlite):
    """Makes members of one cluster, each with its own time."""
    return lambda name="a": Member(sqlite, name, HandClocks(), Clock())


def append(member, at=NOW):
    position = member.database.call(log.append, [Record("token", "tok:1")], at, write=True)
    member.remembered.note(member.database.call(log.head), at)
    return position


def lose(member, position):
    """The database goes back to a position: a standby was behind that took it over."""

    def forget(connection):
        connection.execute(cluster_log.delete().where(cluster_log.c.pos > position))
        connection.execute(cluster_head.update().values(pos=position))

    member.database.call(forget, write=True)


def sessions(member):
    return [each.node for each in member.database.call(cluster._sessions)]


def result(done):
    """What a wait came to; None while it goes on."""
    seen = []
    done.addCallbacks(lambda _: seen.append("done"), lambda failure: seen.append(failure.type))
    return seen[0] if seen else None


def test_a_node_by_itself_waits_for_nobody(member):
    """Its own gateway has it in force."""
    a = member()

    assert a.it.lease.valid()
    assert "done" == result(a.it.reached(append(a)))
    assert ["a"] == sessions(a)


def test_a_lease_goes_on_as_long_as_the_database_answers(member):
    """And until the session ends when it does not."""
    a = member()
    for _ in range(20):
        a.go(EVERY)
        a.it.look()
    assert a.it.lease.valid()
    assert a.it.outage == "" == a.it.cut_off

    a.away = True
    for _ in range(14):
        a.go(EVERY)
        a.it.look()
        assert a.it.lease.valid()
    a.go(1.1)
    a.it.look()

    assert not a.it.lease.valid()
    assert a.it.outage == "nobody answers" == a.it.cut_off

    a.away = False
    a.it.look()

    assert a.it.lease.valid()


def test_with_its_first_session_a_node_is_not_told_to_read(member):
    """It reads everything then anyway, and what came since is found by the next look."""
    a, reads = member("a"), []
    append(a)
    b = Membership(a, a.clock, a.clocks, EXACT, "b", lambda: NOW, MemoryLog())
    b.behind = lambda: reads.append(1)
    b.begin()
    assert [] == reads

    b.look()
    assert [1] == reads


def test_another_node_is_waited_for_until_it_says_that_it_is_done(member):
    """In the database; it renews its session at once when it has something to say."""
    a, b = member("a"), member("b")
    done = a.it.reached(append(a))
    a.go(0.5)

    assert result(done) is None

    b.it.look()
    assert b.it.lease.applied == Head(1, 1)
    b.go(HASTE)
    a.go(HASTE)

    assert "done" == result(done)


def test_of_many_who_wait_at_once_others_are_told_once(member):
    """Of all that is known by then; a gateway that has read further need not be told to read."""
    a = member("a")
    member("b")
    first, *_, last = [append(a) for _ in range(5)]
    a.told.clear()
    for position in range(first, last + 1):
        a.it.reached(position)

    assert [News(Head(1, first)), Relay(Head(1, first)), News(Head(1, last)), Relay(Head(1, last))] == [
        each for each in a.told if isinstance(each, News | Relay)
    ]  # fmt: skip


def test_another_node_may_say_so_itself(member):
    """When there is a connection; messages are what it sends."""
    a, b = member("a"), member("b")
    a.it.look()
    for each in (a, b):
        each.told.clear()  # how far the log was when they began
    done = a.it.reached(append(a))

    assert a.told[:2] == [News(Head(1, 1)), Relay(Head(1, 1))]

    for message in a.told:
        b.it.heard(message)
    news, said = b.told
    assert (news, said) == (News(Head(1, 1)), RelayDone(b.it.session, Head(1, 1), said.report))
    a.it.heard(said)

    assert "done" == result(done)


def test_who_has_it_in_force_comes_with_such_a_message(member):
    """So whoever waited is told the names, without the database."""
    a, b = member("a"), member("b")
    a.it.look()
    b.told.clear()
    done = a.it.reached(append(a))
    b.it.heard(Relay(Head(1, 1)))
    a.it.heard(b.told[-1])
    found = []
    done.addCallback(found.append)

    assert [(("a", "b"), ())] == [(each.in_force, each.ended) for each in found]


def test_a_report_that_is_too_long_for_a_message_is_left_to_the_database(member, monkeypatch):
    """It is not told without: then nobody could say who has it in force."""
    b = member("b")
    b.told.clear()
    monkeypatch.setattr(module, "LARGEST_AT_ONCE", 10)
    append(b)
    b.it.heard(Relay(Head(1, 1)))

    assert [News(Head(1, 1))] == b.told


def test_a_gateway_elsewhere_is_waited_for(member):
    """Until it says so, gives its leases back, or they have ended."""
    a = member()
    for ends in (lambda: a.it.heard(Ack("g", Head(1, 1))), lambda: a.it.heard(LeaseReturned("g", 9)), lambda: a.go(4)):
        given = a.it.heard(LeaseAsked("g", 1, a.it.grants.known))
        assert given == LeaseGiven("g", 1, 4.0, a.it.grants.known, Others(2, share=False))
        done = a.it.reached(append(a))
        a.go(HASTE)
        assert result(done) is None
        ends()
        a.go(HASTE)
        assert "done" == result(done)


def test_a_gateway_that_does_not_follow_delays_by_a_lease_and_not_for_ever(member):
    """Though it asks for another each second; after a while it is given none, and nobody waits for it."""
    a, waited = member(), []
    for number in range(50):
        a.it.heard(LeaseAsked("g", number, Head(1, 0)), "gw")
        if number % 8 == 0:
            done, began = a.it.reached(append(a)), number
            done.addCallback(lambda _: waited.append(number - began))  # noqa: B023 - of now
        a.it.look()
        a.go(EVERY)

    assert [4, 4, 4, 4, 3, 0, 0] == waited
    assert a.it.heard(LeaseAsked("g", 99, a.it.grants.known), "gw") is not None


def test_nodes_are_told_how_many_count_limits(member):
    """A node that comes has a share of its own when no lease is good any more that does not count it."""
    a, b = member("a"), member("b")
    c = LeaseAsked("c", 1, Head(1, 0), CountsOn("c", "elsewhere"))
    for _ in range(17):
        for each in (a, b):
            each.go(EVERY)
            each.it.look()
    assert Others(2) == a.it.company.others() == b.it.company.others()

    assert Others(3, share=False, apart=("",)) == a.it.heard(c).others
    for each in (a, b):
        each.go(EVERY)
        each.it.look()
    assert Others(3, apart=("c",)) == a.it.company.others() == b.it.company.others()

    a.clock.advance(0)
    b.it.heard(LeaseReturned(b.it.lease.gateway, 99), "b")
    b.it.lends = False
    stop(b)
    a.it.heard(LeaseReturned("c", 1))
    for _ in range(6):
        a.go(EVERY)
        a.it.look()
    assert Others(1) == a.it.company.others()


def stop(member):
    """The node stops as it should."""
    Deferred.fromCoroutine(member.it.stop())


def test_a_silent_node_is_waited_for_as_long_as_its_session_may_last(member):
    """Then its row is taken away, and nobody waits for it again."""
    a, b = member("a"), member("b")
    a.it.look()
    done = a.it.reached(append(a))
    a.go(14.9)
    assert result(done) is None
    a.go(0.2)

    assert "done" == result(done)
    assert ["a"] == sessions(a)
    assert "done" == result(a.it.reached(append(a)))

    b.clocks.go(15.1)
    assert not b.it.lease.valid()
    b.it.look()

    assert ["a", "b"] == sorted(sessions(a))
    assert b.it.lease.valid()


def test_without_the_database_time_alone_ends_a_wait(member):
    """As it was committed before."""
    a, _ = member("a"), member("b")
    position = append(a)
    a.away = True
    done = a.it.reached(position)
    a.go(14.9)
    assert result(done) is None
    a.go(0.2)

    assert "done" == result(done)


def test_a_node_that_stops_takes_its_session_away(member):
    """Unless somebody else may hold a lease of it, or the database does not answer; it grants nothing any more."""
    a, b, c, d = (member(name) for name in "abcd")
    b.it.heard(LeaseAsked("g", 1, Head(1, 0)))
    c.away = True
    for each in (a, b, c):
        Deferred.fromCoroutine(each.it.stop())
        assert not each.it.lease.valid()
        each.it.look()
        assert each.it.heard(LeaseAsked("g", 2, Head(1, 0))) is None

    assert ["b", "c", "d"] == sorted(sessions(d))


def away(*_arguments, **_more):
    raise Unavailable("it does not answer")


def test_whoever_cannot_start_is_not_waited_for(member):
    """Its session ends at once, unless the database is away, or somebody else may hold a lease of it."""
    a, b, c, d = (member(name) for name in "abcd")
    b.it.heard(LeaseAsked("g", 1, Head(1, 0)))
    c.it._database = SimpleNamespace(call=away)
    for each in (a, b, c):
        each.it.abandon()
        assert not each.it.lease.valid()

    assert ["b", "c", "d"] == sorted(sessions(d))


def test_a_database_that_lost_what_it_had_committed_is_noticed(member):
    """A new epoch begins; whoever waits is told that nobody knows, and the log says what to do."""
    a, _ = member("a"), member("b")
    for _ in range(3):
        append(a)
    a.it.look()
    a.follows = False
    done = a.it.reached(append(a))
    lose(a, 1)
    a.go(HASTE)

    assert Lost is result(done)
    assert a.it.grants.known == Head(2, 4 + cluster.APART)
    assert "revoke it once more" in a.log.lines[-1][1]


def test_what_was_committed_before_the_database_lost_it_is_no_success(member):
    """Its answer comes when the loss was noticed already: its position is none of the new epoch's."""
    a, _ = member("a"), member("b")
    lost = append(a)
    a.it.look()
    lose(a, 0)
    a.it.look()

    assert Lost is result(a.it.reached(lost))
    kept = a.it.reached(append(a))
    a.go(20)
    assert result(kept)


def test_what_the_database_has_kept_is_asked_for_once_more_after_a_loss(member):
    """A key that was revoked before: nobody knows at first, then it is in force wherever the new epoch is."""
    a = member()
    kept = append(a)
    append(a)
    a.it.look()
    lose(a, kept)
    a.it.look()
    assert Lost is result(a.it.reached(kept))

    a.go(LATEST + 1)
    a.it.look()
    assert "done" == result(a.it.reached(kept))


@pytest.mark.parametrize("more", [0, 1, 5])
def test_a_loss_is_noticed_behind_which_as_much_was_appended_again(member, more):
    """By whoever had appended what is lost, and by whoever had seen it: the records at those positions are others."""
    for noticed in ("a", "b"):
        a, b, c = (member(name) for name in "abc")
        before = a.database.call(log.head)
        for second in range(3):
            append(a, NOW + second)
        b.it.look()
        lose(a, before.pos + 1)
        for second in range(2 + more):
            append(c, NOW + 60 + second)
        c.it.look()
        assert c.it.grants.known == Head(before.epoch, before.pos + 3 + more), "who began later knows of no loss"

        {"a": a, "b": b}[noticed].it.look()
        assert a.database.call(log.head).epoch == before.epoch + 1
        c.it.look()
        assert "revoke it once more" in c.log.lines[-1][1]


def test_what_is_appended_where_something_was_lost_is_no_success(member):
    """Before anybody has noticed: the last look saw that position, and another record there."""
    a, _ = member("a"), member("b")
    for second in range(3):
        append(a, NOW + second)
    a.it.look()
    a.go(20)
    lose(a, 1)
    done = a.it.reached(append(a, NOW + 60))

    assert Lost is result(done)
    assert "revoke it once more" in a.log.lines[-1][1]


def test_what_was_done_before_is_answered_at_once(member):
    """A key is revoked once more: it was in force everywhere long ago."""
    a = member()
    position = append(a)
    a.it.look()
    a.away = True

    assert "done" == result(a.it.reached(position))


def test_a_wait_may_be_given_up(member):
    """Whoever asked does not wait any longer."""
    a, _ = member("a"), member("b")
    done = a.it.reached(append(a))
    done.addErrback(lambda _: None)
    done.cancel()
    a.go(20)

    assert a.it._waits == []


def test_a_node_without_a_gateway_lends_itself_nothing(member):
    """Nobody waits for it."""
    a, b = member("a"), member("b")
    b.it.lends = b.follows = False
    b.go(5)
    done = a.it.reached(append(a))
    b.it.look()
    b.go(HASTE)
    a.go(HASTE)

    assert "done" == result(done)


def test_a_fault_of_ours_is_told_and_does_not_stay(member):
    """The next renewal is another."""
    a = member()
    a.run = lambda *_, **__: 1 / 0
    a.it.look()

    assert "ZeroDivisionError" in a.log.lines[-1][1]

    del a.run
    a.clocks.go(14)
    a.it.look()

    assert a.it.grants.left() == 15


# --- who has it in force, and who cannot ---


def outcome(done):
    """What a wait came to, whole."""
    seen = []
    done.addBoth(lambda found: seen.append(found) or found)
    return seen[0] if seen else None


def test_who_has_it_in_force_is_said(member):
    """On this node, on others and at gateways elsewhere, and after how long."""
    a, b = member("a"), member("b")
    for asked in range(2):
        b.it.heard(LeaseAsked("g", asked, b.it.grants.known), "gw", ("gateway",))
    b.it.look()
    a.it.look()
    done = a.it.reached(append(a))
    a.go(0.5)
    b.it.look()
    b.it.heard(Ack("g", Head(1, 1)), "gw", ("gateway",))
    b.go(HASTE)
    a.go(HASTE)
    found = outcome(done)

    assert (("a", "b", "gw"), ()) == (found.in_force, found.ended)
    assert found.seconds == pytest.approx(0.5 + HASTE)


def test_whose_lease_had_to_end_is_said(member):
    """A gateway that says nothing, and a node whose session ends without a word."""
    a = member()
    a.it.heard(LeaseAsked("g", 1, Head(1, 0)), "gw", ("gateway",))
    done = a.it.reached(append(a))
    a.go(4 + HASTE)

    assert (("a",), ("gw",)) == (outcome(done).in_force, outcome(done).ended)

    member("b")
    a.it.look()
    done = a.it.reached(append(a))
    a.go(15.1)

    assert (("a",), ("b",)) == (outcome(done).in_force, outcome(done).ended)


NACK = Nack("pets:1.0", 1, "no policy 'x' is installed")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_nack_is_known_wherever_the_position_is(member, elsewhere):
    """It stands in the session since the same transaction, for gateways with a database and for those without."""
    a, b = member("a"), member("b")
    b.it.heard(LeaseAsked("g", 1, b.it.grants.known), "gw", ("gateway",))
    b.follows = False
    a.it.look()
    done = a.it.tried(append(a))
    b.it.look()
    said, clean = Report("d", (), (NACK,)), Report("d")
    b.it.advanced(Head(1, 1), clean if elsewhere else said)
    b.it.heard(Ack("g", Head(1, 1), said if elsewhere else clean), "gw", ("gateway",))
    assert outcome(done) is None
    b.go(HASTE)
    a.go(HASTE)

    assert {"gw" if elsewhere else "b": (NACK,)} == outcome(done).unprepared
    assert b.it.lease.valid(), "what it cannot have costs it nothing"


def test_nobody_is_waited_for_longer_than_a_lease_while_they_try(member):
    """Not even a node whose session has not ended yet; what is waited for as ever is that the change is in force."""
    a, _ = member("a"), member("b")
    a.it.look()
    position = append(a)
    tried, in_force = a.it.tried(position), a.it.reached(position)
    a.go(4)
    assert outcome(tried) is None
    a.go(2 * HASTE)

    assert ("a",) == outcome(tried).in_force
    assert {} == outcome(tried).unprepared
    assert outcome(in_force) is None
    a.go(11)
    assert ("b",) == outcome(in_force).ended


def test_a_gateway_in_the_name_of_another_is_refused(member):
    """It holds nothing up and lets nothing through."""
    a = member()
    a.it.heard(LeaseAsked("g", 1, Head(1, 0)), "gw", ("gateway",))
    done = a.it.reached(append(a))
    for message in (
        Ack("g", Head(1, 1)), Ack(a.it.lease.gateway, Head(1, 9)), LeaseAsked("g", 2, Head(1, 1)),
        LeaseReturned("g", 9), LeaseReturned(a.it.lease.gateway, 99),
    ):  # fmt: skip
        with pytest.raises(Refused, match="in the name of another node"):
            a.it.heard(message, "evil", ("gateway",))
    a.go(HASTE)

    assert outcome(done) is None


def test_a_node_has_so_many_gateways(member, monkeypatch):
    """Invented ones hold up no more than its own, push out nobody's, and find room when those before have ended."""
    monkeypatch.setattr(reports, "MOST_OF_NODE", 3)
    a = member()
    for name in "xyz":
        assert a.it.heard(LeaseAsked(name, 1, Head(1, 0)), "evil", ("gateway",)) is not None
    for message in (LeaseAsked("w", 1, Head(1, 0)), Ack("w", Head(1, 0))):
        with pytest.raises(Refused, match="of too many"):
            a.it.heard(message, "evil", ("gateway",))
    assert a.it.heard(LeaseAsked("x", 2, Head(1, 0)), "evil", ("gateway",)) is not None
    assert a.it.heard(LeaseAsked("g", 1, Head(1, 0)), "gw", ("gateway",)) is not None

    a.go(5)
    assert a.it.heard(LeaseAsked("w", 1, Head(1, 0)), "evil", ("gateway",)) is not None
    assert {"g", "w", "y", "z"} == {each.gateway for each in a.it.reports.standings({})} - {a.it.lease.gateway}


@pytest.mark.parametrize(
    "said", [{"gateway": "x" * 65}, {"counts": CountsOn("x" * 256)}, {"counts": CountsOn("a\x1b[2J", "s")}]
)
def test_no_gateway_calls_itself_what_fills_a_session_or_moves_a_terminal(said):
    """What it says is no message."""
    with pytest.raises(ValueError, match=r"<= 64|no name of a node"):
        LeaseAsked(**{"gateway": "g", "number": 1, "applied": Head(1, 0), **said})


def test_old_messages_that_come_again_change_nothing(member):
    """A revocation waits for the gateway that may hold a lease, whatever it, or somebody, says once more."""
    a = member()
    hear = lambda message: a.it.heard(message, "gw", ("gateway",))
    old = [LeaseAsked("g", 1, Head(1, 0)), Ack("g", Head(1, 0)), LeaseReturned("g", 1)]
    for message in old:
        hear(message)
    hear(LeaseAsked("g", 2, Head(1, 0)))
    done = a.it.reached(append(a))
    for message in (*old, *reversed(old), *old):
        hear(message)
    a.go(HASTE)
    assert not done.called, "the gateway has not said that it has it"

    hear(Ack("g", Head(1, 1)))
    a.go(2 * HASTE)
    assert ("a", "gw") == outcome(done).in_force


def test_a_session_says_who_is_there(member):
    """With roles, for whoever asks how the cluster is."""
    a, b = member("a"), member("b")
    b.it.heard(LeaseAsked("g", 1, b.it.grants.known), "gw", ("gateway",))
    b.it.look()
    a.it.look()

    assert {"a", "b", "gw"} == {each.node for each in a.it.roll().values()}
    assert ("gateway",) == a.it.roll()["g"].roles


# --- who was taken out ---


def take_out(member, node="gw1"):
    return member.database.call(remove_node, node, now=NOW, write=True)


def test_a_position_is_waited_for_until_the_key_manager_knows_who_was_taken_out(member):
    """Its gateways have it in force by messages; what it refuses itself, it has read in the database."""
    a, b = member("a"), member("b")
    b.it.lends = b.follows = False
    b.away = True
    waits = a.it.reached(take_out(a))
    a.it.heard(RelayDone(b.it.session, b.it.done))
    b.it.heard(Relay(a.it.grants.known))
    b.it.grants.returned(b.it.lease.give_back())
    assert b.it.grants.done == a.it.grants.known, "what gateways have is no reason to wait"
    a.it.heard(RelayDone(b.it.session, b.it.done))
    assert (False, None) == (b.it.removals.is_out("gw1"), result(waits))

    b.away = False
    b.it.renew()
    assert (True, b.it.grants.known) == (b.it.removals.is_out("gw1"), b.it.done)
    a.it.heard(RelayDone(b.it.session, b.it.done))
    assert "done" == result(waits)


def test_a_key_manager_without_a_gateway_reads_at_once_who_was_taken_out(member):
    """When another one says that the log went on."""
    a, b = member("a"), member("b")
    b.it.lends = b.follows = False
    take_out(a)
    b.it.heard(Relay(a.database.call(log.head)))

    assert b.it.removals.is_out("gw1")


def test_a_node_that_was_taken_out_is_not_shown(member):
    """Unless it lives on: whoever has the database can."""
    a, b = member("a"), member("b")
    a.it.heard(LeaseAsked("g1", 1, Head(1, 0)), "gw1", ("gateway",))
    take_out(a)
    take_out(a, "b")
    a.it.renew()
    assert {"a", "b", "gw1"} == {each.node for each in a.it.nodes().values()}

    a.go(5)
    assert {"a", "b"} == {each.node for each in a.it.nodes().values()}
    assert b.it.session


def test_a_key_manager_that_was_taken_out_is_done_when_its_leases_have_ended(member):
    """Not before, though its gateways have the position in force: they serve until then, and the command waits."""
    a, b = member("a"), member("b")
    for each in (a, b):
        each.go(1)
    b.it.taken_out = lambda: b.it.removals.why(Identity("c1", "b"))
    position = take_out(a, "b")
    waits = a.it.reached(position)
    b.it.heard(Relay(Head(1, position)))
    b.it.renew()
    b.it.look()
    a.it.heard(RelayDone(b.it.session, b.it.done))
    assert b.it.lease.valid()
    assert (b.it.lease.applied.pos, None) == (position, result(waits))
    assert b.it.heard(LeaseAsked("g1", 1, Head(1, position)), "gw1") is None

    b.go(4.5)
    b.it.look()
    a.it.heard(RelayDone(b.it.session, b.it.done))
    assert (False, "done") == (b.it.lease.valid(), result(waits))
    assert ["error"] == [level for level, line in b.log.lines if f"this node serves nothing: {TAKEN_OUT}" == line]
