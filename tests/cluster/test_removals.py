"""Nodes that were taken out are refused, by whatever certificate they had; one that they were given since is good."""

from attrs import evolve

from twgw.cluster.authority import Identity
from twgw.cluster.removals import REPLACED, TAKEN_OUT, Removals
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


def test_who_shows_an_old_certificate_is_told_that_there_is_another():
    """It is for whoever let the node join anew, and did not start it anew."""
    found = Removals()
    found.saw(Head(1, 5), {"gw1": frozenset()})
    assert (TAKEN_OUT, TAKEN_OUT, False) == (found.why(OLD), found.why(NEW), found.is_back("gw1"))

    found.saw(Head(1, 6), {"gw1": frozenset({"b2"})})
    assert (REPLACED, "", True) == (found.why(OLD), found.why(NEW), found.is_back("gw1"))
    assert ("", "", False) == (found.why(None), found.why(evolve(OLD, node="gw2")), found.is_back("gw2"))


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
