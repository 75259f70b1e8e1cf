"""Nodes that were taken out are refused, by whatever certificate they had; one that they were given since is good."""

from attrs import evolve

from twgw.cluster.authority import Identity
from twgw.cluster.removals import Removals
from twgw.registry import Head

OLD = Identity("c1", "gw1", frozenset({"gateway"}), "a1")
NEW = evolve(OLD, serial="b2")


def test_nobody_is_refused_at_first():
    """And who has shown nothing yet, is nobody that was taken out."""
    found = Removals()

    assert not found.refuses(OLD)
    assert not found.refuses(None)
    assert not found.is_out("gw1")


def test_what_a_node_had_is_refused_and_what_it_was_given_since_is_not():
    """Others are let alone."""
    found = Removals()
    found.saw(Head(1, 5), {"gw1": frozenset()})
    assert (True, True, True) == (found.refuses(OLD), found.refuses(NEW), found.is_out("gw1"))
    assert not found.refuses(evolve(OLD, node="gw2"))

    found.saw(Head(1, 6), {"gw1": frozenset({"b2"})})
    assert (True, False, False) == (found.refuses(OLD), found.refuses(NEW), found.is_out("gw1"))


def test_what_was_read_before_does_not_replace_what_is_known():
    """As when a transaction that began earlier ends later."""
    found = Removals()
    found.saw(Head(1, 6), {"gw1": frozenset()})
    found.saw(Head(1, 5), {})
    assert found.refuses(OLD)

    found.reached(Head(1, 9))
    found.reached(Head(1, 7))
    assert Head(1, 9) == found.as_of
    found.saw(Head(1, 9), {})
    assert not found.refuses(OLD), "a backup was brought back"
