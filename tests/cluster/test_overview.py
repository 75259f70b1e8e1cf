"""How the nodes of a cluster stand, each in a row."""

from attrs import evolve

from twgw.cluster.overview import Row, absent, rows
from twgw.cluster.reports import Nack, Report, Standing
from twgw.registry import Head


def gateway(name, node="a", applied=7, **more):
    """One process of a node."""
    return Standing(name, node, ("gateway",), Head(1, applied), **more)


def roll(*standings):
    """Everybody, by some name."""
    return {each.gateway or f"session-{each.node}": each for each in standings}


def test_a_node_is_one_row():
    """With the roles of its session and its gateway, and what the gateway says."""
    nack = Nack("pets:1.0", 7, "pets:1.0: no policy 'geo'")
    report = Report("0123456789abcdef", (nack,), (nack,), "shared")
    found = rows(roll(Standing("", "a", ("admin", "keymanager"), Head(1, 9)), gateway("g", report=report)), 9)

    assert [
        Row("a", ("admin", "gateway", "keymanager"), 7, 2, "held", "0123456789ab", False, "shared", 1,
            ({"node": "a", "api": "pets:1.0", "reason": "pets:1.0: no policy 'geo'"},))
    ] == found  # fmt: skip


def test_nodes_stand_by_their_names():
    """A key manager without a gateway has no lease, and may be alone."""
    found = rows(roll(Standing("", "k", ("keymanager",), Head(1, 9)), gateway("g", "b"), gateway("h", "a", 9)), 9)

    assert [("a", 0, "held"), ("b", 2, "held"), ("k", 0, "")] == [(each.node, each.lag, each.lease) for each in found]
    assert [] == rows({}, 9)


def test_the_slowest_process_is_how_far_a_node_is():
    """And each thing that one of them says is said."""
    one, two = gateway("g", report=Report("aa", counters="m1 is down")), gateway("h", applied=5, report=Report("bb"))
    (found,) = rows(roll(one, evolve(two, drifted=True)), 9)

    assert (5, "held", "aa, bb", True, "m1 is down", 2) == (
        found.position, found.lease, found.digest, found.drifted, found.counters, found.gateways,
    )  # fmt: skip


def test_whoever_went_without_a_word_is_shown_until_it_is_there_again():
    """A process that was started anew counts once."""
    gone = gateway("g", applied=3, holds=False)

    assert ["ended"] == [each.lease for each in rows(roll(gone), 9)]
    (back,) = rows(roll(gone, gateway("h")), 9)
    assert ("held", 7, 1) == (back.lease, back.position, back.gateways)


def test_whoever_is_not_there_is_a_row_all_the_same():
    """Of what it had in force nothing is said; what it is, where that is known still."""
    there = rows(roll(gateway("g", "b"), gateway("h", "a", holds=False)), 9)
    a, b, c = absent(there, {"a": 100.0, "c": None})

    assert Row("a", ("gateway",), 0, 0, there=False, seen_at=100.0) == a
    assert (True, "held") == (b.there, b.lease)
    assert Row("c", (), 0, 0, there=False) == c
