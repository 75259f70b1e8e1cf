"""Whose turn it is: what one node may have under way, and of a second."""

import pytest

from twgw.cluster.refusals import Refusals
from twgw.cluster.turns import MOST_RUNNING, SHARE, Turns
from twgw.memory_world import FakeClock, MemoryLog
from twgw.metrics import Registry


class Peer:
    """A connection of a node; when it is read from again, it asks ``more``."""

    def __init__(self, turns, name="gw1", link="bulk", more=()):
        self.who, self.paused = (name, link), False
        self._turns, self._more = turns, list(more)

    def pauseProducing(self):  # noqa: N802 - Twisted's name
        self.paused = True

    def go_on(self):
        self.paused = False
        while self._more and not self.paused:
            self._more.pop()(self)
            self._turns.heed(self)


@pytest.fixture
def log():
    return MemoryLog()


@pytest.fixture
def turns(log):
    return Turns(Refusals(Registry().counter("refused", "Refused.", ("reason",)), log, FakeClock().now))


def begin(turns, peer, count):
    for _ in range(count):
        turns.begin(peer.who)
        turns.heed(peer)


def test_the_connections_of_a_node_count_together(turns):
    """And those of another node for themselves, as those for what is urgent."""
    first, second, other, urgent = Peer(turns), Peer(turns), Peer(turns, "gw2"), Peer(turns, link="control")
    begin(turns, first, MOST_RUNNING - 1)
    assert not first.paused
    begin(turns, second, 1)
    turns.heed(first)
    begin(turns, other, 1)
    begin(turns, urgent, 1)
    assert (True, True, False, False) == (first.paused, second.paused, other.paused, urgent.paused)

    turns.end(("gw2", "bulk"))
    assert first.paused
    turns.end(("gw1", "bulk"))
    assert not first.paused
    assert not second.paused


def test_who_is_read_again_may_have_had_its_turn_at_once(turns):
    """Then the next one waits on; and what is answered at once, for however many, is no depth of calls."""

    def asks(peer):
        turns.begin(peer.who)

    def answered(peer):
        turns.begin(peer.who)
        turns.end(peer.who)

    full = Peer(turns)
    waiting = [Peer(turns, more=[answered] * 5) for _ in range(2000)]
    begin(turns, full, MOST_RUNNING)
    for peer in (*waiting, last := Peer(turns, more=[asks]), late := Peer(turns)):
        turns.heed(peer)
    turns.end(("gw1", "bulk"))

    assert {False} == {peer.paused for peer in waiting}
    assert (True, True) == (last.paused, late.paused)


def test_a_node_has_its_share_of_each_second(turns, log):
    """What comes beyond is read in the next one; that is said, and nobody else waits."""
    peer, other = Peer(turns), Peer(turns, "gw2")
    for seconds in (SHARE / 2, SHARE / 2):
        assert not peer.paused
        turns.used("gw1", seconds)
        turns.heed(peer)
    turns.used("gw2", SHARE / 2)
    turns.heed(other)
    assert (True, False) == (peer.paused, other.paused)
    assert ["refused gw1: it sends more than is read in 0.5 s of a second"] == [line for _, line in log.lines]

    turns.begin(("gw1", "bulk"))
    turns.end(("gw1", "bulk"))
    assert peer.paused
    turns.look()
    assert not peer.paused


def test_workers_have_all_of_it(turns, log):
    """Their parent does nothing else."""
    turns.share = None
    peer = Peer(turns)
    turns.used("gw1", 9)
    turns.heed(peer)

    assert not peer.paused
    assert [] == log.lines
