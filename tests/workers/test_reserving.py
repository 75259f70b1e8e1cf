"""How a worker reserves numbers with its parent, over a real connection in memory."""

import pytest
from twisted.internet.task import Clock

from tests.cluster.wires import Node, Wire
from twgw.cluster.commands import Refused, Reserve
from twgw.throttle.numbers import Numbers
from twgw.throttle.reservation import Add, Answer, Put
from twgw.workers.reserving import (
    TOGETHER,
    Parent,
    answering,
    read_replies,
    read_wanted,
    write_replies,
    write_wanted,
)

NOW = 1_800_000_000.0
NAME = "t" + "x" * 16
"""As long as names of counters are."""


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wire(clock):
    """A worker, connected with its parent."""
    numbers = Numbers()
    parent = Node.make(clock, "parent", "keymanager", answers={Reserve: answering(numbers, lambda: NOW)})
    return Wire(clock, parent, Node.make(clock, "worker1", "gateway"))


def test_a_worker_reserves_with_its_parent(clock, wire):
    """In order, and as many at once as the limits of a turn have."""
    door, told = Parent(lambda: [wire.client], clock), []
    commands = [Add(f"{NAME}{n % 10}", 1 << 63, 1 << 44, 2_000_000_000) for n in range(2 * TOGETHER + 50)]
    door.send(commands, told.append)
    wire.pump()

    (replies,) = told
    assert len(commands) == len(replies)
    assert [(1 << 63) + n * (1 << 44) for n in range(3)] == [it.value for it in replies[:30:10]]
    assert "" == door.fault


def test_nobody_knows_what_was_done_when_the_connection_ends(clock, wire):
    """Nor when there is none; that is said in another turn, and why."""
    door, told = Parent(lambda: [wire.client], clock), []
    door.send([Add("a", 1, 1, 60)], told.append)
    wire.client.abort(ConnectionError("gone"))
    wire.pump()

    assert [None] == told
    assert door.fault

    nowhere = Parent(list, clock)
    nowhere.send([Add("a", 1, 1, 60)], told.append)
    assert [None] == told
    clock.advance(0)
    assert [None, None] == told
    assert "there is no connection to it" == nowhere.fault
    nowhere.stop()


def test_commands_and_replies_arrive():
    """As they were."""
    commands = [Add("a", 1, 2, 3), Put("b", 1 << 63, 5, 6)]
    replies = [Answer(1 << 63, 9), "EX", Answer()]

    assert commands == read_wanted(write_wanted(commands))
    assert replies == read_replies(write_replies(replies))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'[["x", "a", 1, 1, 1]]', b'[["a", 1, 1, 1, 1]]', b'[["a", "k", 1.5, 1, 1]]',
             b'[["a", "k", true, 1, 1]]', b'[["a", "k"]]', b"[" * 100_000]
)  # fmt: skip
def test_what_is_no_command_is_refused(data):
    """And does nothing."""
    if data == b"{}":
        assert [] == read_wanted(data)
        return
    with pytest.raises(Refused):
        read_wanted(data)
