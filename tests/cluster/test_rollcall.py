"""Who had a position in force, and for the end of whose lease it was waited."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.cluster.completion import Session
from twgw.cluster.reports import Nack, Report, Standing, Told, write
from twgw.cluster.rollcall import call, reached, shown
from twgw.registry import Head

WANTED = Head(1, 7)
LEASE = 4.0


def one(node, applied=7, **more):
    """A gateway of a node that is called as that."""
    return Standing(f"g-{node}", node, applied=Head(1, applied), **more)


def session(node, done=7, *gateways):
    """That of another key manager."""
    return Session(f"s-{node}", node, 1, Head(1, done), report=write(Told((), gateways)))


def outcome(before, after, seconds=0.012):
    """What became of a wait for position 7; both are lists of gateways."""
    return reached(call((), (), "", before), call((), (), "", after), WANTED, seconds, LEASE)


def test_who_said_so_has_it_in_force():
    """Each node once, by its name, however many gateways it has."""
    second = evolve(one("a"), gateway="h-a")
    found = outcome([one("a", 6), one("b", 6)], [one("b"), one("a"), second])

    assert (("a", "b"), ()) == (found.in_force, found.ended)
    assert {"position": 7, "milliseconds": 12.0, "in_force": ["a", "b"], "lease_ended": [], "refused": []} == (
        found.document()
    )


def test_whoever_said_nothing_was_waited_for():
    """Until its lease had ended: it is known still, or is gone."""
    for after in ([one("a"), one("b", 6, holds=False)], [one("a")]):
        found = outcome([one("a", 6), one("b", 6)], after, seconds=4.2)

        assert (("a",), ("b",)) == (found.in_force, found.ended)


def test_whoever_gave_its_lease_back_was_not_waited_for():
    """It is gone sooner than a lease can end."""
    found = outcome([one("a", 6), one("b", 6)], [one("a")])

    assert (("a",), ()) == (found.in_force, found.ended)


def test_a_node_with_one_gateway_that_is_late_is_not_among_those_that_have_it():
    """Half a node is none."""
    second = evolve(one("a", 6), gateway="h-a")
    found = outcome([one("a", 6), second], [one("a"), evolve(second, holds=False)], seconds=4.2)

    assert ((), ("a",)) == (found.in_force, found.ended)


def test_gateways_of_other_key_managers_are_counted():
    """By what stands in their sessions; a session of one's own is known better here."""
    before = call([session("b", 6, one("b", 6), one("g", 6)), session("a", 1, one("a", 1))], (), "s-a", [one("a", 6)])
    after = call([session("b", 7, one("b"), one("g")), session("a", 1, one("a", 1))], (), "s-a", [one("a")])
    found = reached(before, after, WANTED, 0.05, LEASE)

    assert (("a", "b", "g"), ()) == (found.in_force, found.ended)


def test_a_key_manager_that_is_silent_was_waited_for():
    """With the gateways that had leases of it, unless they have it in force by another."""
    sessions = [session("b", 6, one("b", 6), one("g", 6))]
    before = call(sessions, (), "s-a", [one("a", 6), one("g", 6)])
    for after, seconds in ((call((), (), "s-a", [one("a"), one("g")]), 15.5), (
        call(sessions, sessions, "s-a", [one("a"), one("g")]), 0.5,  # it was silent before already
    )):  # fmt: skip
        found = reached(before, after, WANTED, seconds, LEASE)

        assert (("a", "g"), ("b",)) == (found.in_force, found.ended)


def test_a_key_manager_without_a_gateway_serves_nothing():
    """So nothing is in force on it; it may be waited for."""
    roll = call([session("k")], (), "s-a", [one("a")])
    late = call([session("k", 6)], (), "s-a", [one("a")])

    assert ("a",) == reached(roll, roll, WANTED, 0, LEASE).in_force
    assert ("k",) == reached(late, call((), (), "s-a", [one("a")]), WANTED, 15.5, LEASE).ended


def test_what_cannot_be_had_is_named():
    """What was asked for at the position or later, and what was to be prepared at it: not what was wrong before."""
    old, new, later = (Nack("pets:1.0", position, f"at {position}") for position in (6, 7, 8))
    found = outcome([one("a")], [one("a", report=Report("", (old, new, later), (old, new, later)))])

    assert ({"a": (new, later)}, {"a": (new,)}) == (found.nacks, found.unprepared)
    assert [shown("a", new), shown("a", later)] == found.document()["refused"]
    assert {"node": "a", "api": "pets:1.0", "reason": "at 7"} == shown("a", new)


NODES = st.sampled_from("abc")
GATEWAYS = st.lists(
    st.builds(
        lambda node, number, applied, holds: evolve(one(node, applied, holds=holds), gateway=f"{node}{number}"),
        NODES, st.integers(0, 1), st.integers(5, 8), st.booleans(),
    )
)  # fmt: skip


@given(GATEWAYS, GATEWAYS, st.sampled_from([0.01, 5.0]))
def test_no_node_is_both(before, after, seconds):
    """And whoever has it in force has said so."""
    found = outcome(before, after, seconds)

    assert not {*found.in_force} & {*found.ended}
    assert {*found.in_force} <= {each.node for each in after if each.applied >= WANTED}
    assert {*found.ended} <= {each.node for each in before if each.applied < WANTED}
