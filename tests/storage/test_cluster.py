"""Sessions in the database, on each database."""

import threading

import pytest

from tests.storage.conftest import NOW
from twgw.cluster.completion import Session, View
from twgw.registry import Head, Record
from twgw.storage import cluster, log
from twgw.storage.remembered import Remembered
from twgw.storage.schema import cluster_head, cluster_log

START = Head(1, 0)


@pytest.fixture
def write(database):
    """Do something in a transaction of its own."""
    return lambda function, *args, **kwargs: database.call(function, *args, write=True, **kwargs)


def register(write, name="a", known=START):
    return write(cluster.register, name, f"node-{name}", known, {}, now=NOW)


def append(write, count=1, at=NOW):
    return write(log.append, [Record("token", f"tok:{number}") for number in range(count)], at)


def forget(write, position):
    """What a database does that a standby takes over which was behind."""

    def forget(connection):
        connection.execute(cluster_log.delete().where(cluster_log.c.pos > position))
        connection.execute(cluster_head.update().values(pos=position))

    write(forget)


def test_a_session_begins_with_the_log_as_it_is(write):
    """It has granted nothing, so it is done with all of it."""
    append(write, 3)

    assert register(write) == View(Head(1, 3), (Session("a", "node-a", 1, Head(1, 3), {}),))


def test_a_renewal_tells_and_says_all_that_others_wait_for(write):
    """How far the log is, who has a session, and with what each is done."""
    register(write)
    register(write, "b")
    append(write, 2)

    assert write(cluster.renew, "b", Head(1, 1), START, {}) == View(
        Head(1, 2), (Session("a", "node-a", 1, START, {}), Session("b", "node-b", 2, Head(1, 1), {}))
    )


def test_a_session_says_how_its_gateways_stand(write):
    """In the transaction that says with what it is done."""
    write(cluster.register, "a", "node-a", START, {}, "first", now=NOW)
    assert ["first"] == [each.report for each in register(write, "b").sessions if each.id == "a"]
    found = write(cluster.renew, "a", Head(1, 1), START, {}, "x" * 100_000)

    assert [(Head(1, 1), "x" * 100_000)] == [(each.done, each.report) for each in found.sessions if each.id == "a"]


def test_a_session_that_was_ended_is_not_renewed(write):
    """Who had it has to begin another."""
    register(write)
    write(cluster.end, "a")

    assert write(cluster.renew, "a", START, START, {}) is None
    assert register(write, "c").sessions == (Session("c", "node-c", 1, START, {}),)


def test_a_silent_session_is_removed_unless_it_was_renewed(write):
    """Just before."""
    old = (*register(write).sessions, *register(write, "b").sessions[1:])
    write(cluster.renew, "b", START, START, {})

    assert 1 == write(cluster.remove, old)
    assert [each.id for each in write(cluster.renew, "b", START, START, {}).sessions] == ["b"]


@pytest.mark.parametrize("known", [Head(1, 7), Head(2, 1)])
def test_a_database_that_lost_what_was_known_begins_a_new_epoch(write, known):
    """Far beyond all that was given away: nobody takes a new position for an old one."""
    append(write, 3)
    register(write)
    new = Head(known.epoch + 1, max(3, known.pos) + cluster.APART)

    assert write(cluster.renew, "a", START, known, {}).head == new
    assert write(log.head) == new
    assert append(write) == new.pos + 1
    assert register(write, "b", known).head == Head(new.epoch, new.pos + 1), "it is begun once"


@pytest.mark.parametrize("more", [-1, 0, 1, 9])
def test_a_database_that_lost_a_record_begins_a_new_epoch_whatever_was_appended_since(write, more):
    """Less, as much or more: another record stands where this one stood that somebody remembers."""
    known = Remembered()
    register(write)
    append(write, 3)
    last = append(write, at=NOW + 0.001)
    known.note(Head(1, last), NOW + 0.001)
    found = write(cluster.renew, "a", START, Head(1, last), {}, remembered=known)
    assert (found.head, found.times) == (Head(1, last), {Head(1, last): NOW + 0.001})

    forget(write, 2)
    append(write, 2 + more, at=NOW + 0.002)
    new = Head(2, max(last, last + more) + cluster.APART)
    found = write(cluster.renew, "a", START, Head(1, last), {}, remembered=known)
    assert (found.head, found.times) == (new, {new: None})

    known.found(found.times)
    assert write(cluster.renew, "a", START, new, {}, remembered=known).head == new, "it is begun once"


def test_any_record_that_is_remembered_may_show_a_loss(write):
    """Also when a later one is remembered that was appended after it."""
    known = Remembered()
    register(write)
    for at in (NOW + 1, NOW + 2):
        known.note(Head(1, append(write, at=at)), at)
    forget(write, 1)
    append(write, 2, at=NOW + 3)
    known.note(Head(1, append(write, at=NOW + 4)), NOW + 4)

    assert write(cluster.renew, "a", START, START, {}, remembered=known).head.epoch == 2


def test_a_record_that_was_appended_after_all_that_is_left_shows_a_loss(write):
    """Though nobody has looked since it was appended, and so no more than those before it is known of the log."""
    known = Remembered()
    register(write)
    known.note(Head(1, append(write, 3)), NOW)
    forget(write, 2)

    assert write(cluster.renew, "a", START, START, {}, remembered=known).head == Head(2, 3 + cluster.APART)


def test_what_is_remembered_goes_on_from_renewal_to_renewal(write):
    """While nothing is lost: positions with a record, the beginning without one, and those that were pruned."""
    known = Remembered()
    register(write)
    for second in range(5):
        known.found(write(cluster.renew, "a", START, START, {}, remembered=known).times)
        append(write, 2, at=NOW + second)
    assert known.times == {Head(1, 8): NOW + 3}

    assert 9 == write(log.prune, NOW + 5, 0, 1)
    found = write(cluster.renew, "a", START, Head(1, 8), {}, remembered=known)
    assert (found.head, found.times) == (Head(1, 10), {Head(1, 8): None, Head(1, 10): NOW + 4})


def test_a_new_epoch_has_a_session_for_those_that_were_lost(write):
    """Done with nothing, and renewed by nobody; beats that were brought back count none that was seen before."""
    register(write)
    (own, lost) = register(write, "b", Head(1, 7)).sessions[::2]

    assert Session("a", "node-a", 1 + cluster.APART, START, {}) == own
    assert Session("lost-2", cluster.LOST, 0, Head(0, 0)) == lost
    assert 1 == write(cluster.remove, [lost])
    assert ["a", "b"] == [each.id for each in register(write, "b2", Head(1, 7)).sessions][:2]


def test_nothing_is_appended_between_what_a_renewal_reads_and_its_end(database, write):
    """Whoever appends waits, so that what it waits for afterwards has that renewal in it."""
    register(write)
    inside, appended = threading.Event(), threading.Event()
    seen = []

    def slow(connection):
        found = cluster.renew(connection, "a", START, START, {})
        inside.set()
        seen.append(appended.wait(0.5))
        seen.append(log.head(connection).pos)
        return found

    def late():
        inside.wait(10)
        append(write)
        appended.set()

    other = threading.Thread(target=late)
    other.start()
    found = write(slow)
    other.join()

    assert found.head == START
    assert seen == [False, 0]
    assert write(log.head) == Head(1, 1)


def test_sessions_are_renewed_side_by_side(database):
    """And beside what is appended: none of them ends in the way of another."""
    names = [f"s{number}" for number in range(4)]
    for name in names:
        database.call(cluster.register, name, name, START, {}, now=NOW, write=True)

    def renew(name):
        for _ in range(10):
            database.call(cluster.renew, name, START, START, {}, write=True)

    def write_log():
        for _ in range(10):
            database.call(log.append, [Record("token", "tok:1")], NOW, write=True)

    threads = [threading.Thread(target=renew, args=(name,)) for name in names]
    threads += [threading.Thread(target=write_log) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = database.call(cluster.renew, "s0", START, START, {}, write=True)

    assert found.head == Head(1, 20)
    assert [each.beats for each in found.sessions] == [12, 11, 11, 11]
