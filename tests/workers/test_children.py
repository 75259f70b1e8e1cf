"""Workers as processes: started again when they die, told to stop.  As real ones in tests/wire/test_workers.py."""

import pytest
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twgw.memory_world import MemoryLog
from twgw.workers import lines
from twgw.workers.children import FIRST, LEEWAY, LIVES, LONGEST_PAUSE, PROGRAM, RELOAD, SHORTEST_PAUSE, Children


class Process:
    """One that was started."""

    def __init__(self, protocol, arguments, descriptors):
        self.protocol, self.arguments, self.descriptors = protocol, arguments, descriptors
        self.written, self.closed, self.signals, self.gone = [], False, [], False

    def writeToChild(self, descriptor, data):  # noqa: N802 - Twisted's name
        assert 0 == descriptor
        self.written.append(data)

    def closeStdin(self):  # noqa: N802 - Twisted's name
        self.closed = True

    def signalProcess(self, name):  # noqa: N802 - Twisted's name
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(name)

    def end(self, reason=None):
        self.protocol.processEnded(Failure(reason or ProcessDone(0)))


class Reactor(Clock):
    """Starts processes that do nothing."""

    def __init__(self):
        super().__init__()
        self.started = []

    def spawnProcess(self, protocol, executable, arguments, env, childFDs):  # noqa: N802 - Twisted's
        assert arguments[0] == executable
        assert "PATH" in env
        protocol.transport = Process(protocol, arguments, childFDs)
        self.started.append(protocol.transport)


class Hand:
    """What a worker is handed, in short."""

    def __init__(self, number, descriptors):
        self.text = f"{number} {descriptors}".encode()

    def written(self):
        return self.text


@pytest.fixture
def reactor():
    return Reactor()


@pytest.fixture
def log():
    return MemoryLog()


@pytest.fixture
def left():
    return []


@pytest.fixture
def children(reactor, log, left):
    """Two of them, that run."""
    made = Children(reactor, log, reactor.seconds, 2, lambda: [70, 80], Hand, left.append, 30.0)
    made.startService()
    return made


def test_workers_inherit_listeners_and_are_told_by_a_pipe_which_they_are(children, reactor):
    """Nothing of that stands in the command line."""
    first, second = reactor.started

    assert PROGRAM == first.arguments == second.arguments
    assert {0: "w", 1: 1, 2: "r", FIRST: 70, FIRST + 1: 80} == first.descriptors
    assert [[b"1 (3, 4)"], [b"2 (3, 4)"]] == [first.written, second.written]
    assert {1, 2} == set(children.alive)


def test_what_workers_log_is_in_the_log_of_the_node(children, reactor, log):
    """With its level, also in pieces; what is no event is worth a look, also when its line has no end."""
    protocol = reactor.started[1].protocol
    whole = lines.written("error", "bad").encode()
    protocol.childDataReceived(2, whole[:5])
    protocol.childDataReceived(2, whole[5:] + lines.written("info", "good").encode() + b"\nTraceback\nfor")
    reactor.started[1].end()

    assert [("error", "worker 2: bad"), ("info", "worker 2: good"), ("warn", "worker 2: Traceback"),
            ("warn", "worker 2: for")] == log.lines[:4]  # fmt: skip


def test_a_worker_that_dies_is_started_again(children, reactor, log, left):
    """Soon, later each time that it does not live, and soon again once it did."""
    pauses = []
    for _ in range(8):
        reactor.started[-1].end(ProcessTerminated(signal=9))
        (call,) = reactor.getDelayedCalls()
        pauses.append(call.getTime() - reactor.seconds())
        reactor.advance(pauses[-1])
    reactor.advance(LIVES)
    reactor.started[-1].end(ProcessTerminated(1))
    reactor.advance(SHORTEST_PAUSE)

    assert pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE, LONGEST_PAUSE]) == pauses
    assert 11 == len(reactor.started)
    assert (9, [2] * 9) == (children.restarts, left)
    assert {b"2 (3, 4)"} == {each.written[0] for each in reactor.started[2:]}
    assert ("error", "worker 2 ended (killed by signal 9); another one begins in 0.1 s") == log.lines[0]
    assert "exit status 1" in log.lines[-1][1]
    assert {1, 2} == set(children.alive)


def test_workers_are_told_to_read_their_state_again(children, reactor):
    """All that live."""
    reactor.started[0].end()
    children.reload()

    assert RELOAD == reactor.started[1].written[-1]
    assert RELOAD not in reactor.started[0].written


def test_workers_are_told_to_end_and_waited_for(children, reactor, log, left):
    """None is started again then, and none that was to be."""
    first, second = reactor.started
    first.end()
    stopped, done = children.stopService(), []
    stopped.addCallback(done.append)

    assert (False, True) == (first.closed, second.closed)
    assert [] == done

    second.end()
    reactor.advance(1000)

    assert 1 == len(done)
    assert ([1, 2], 2) == (left, len(reactor.started))
    assert 1 == len(log.lines)
    assert [] == reactor.getDelayedCalls()


def test_a_worker_that_does_not_end_is_killed(children, reactor, log):
    """After the time in which it should have drained; one that is gone by then is not."""
    first, second = reactor.started
    done = []
    children.stopService().addCallback(done.append)
    first.gone = True
    reactor.advance(30 + LEEWAY)

    assert [[], ["KILL"]] == [first.signals, second.signals]
    assert "worker 2 has not ended in time and is killed" in log.lines[-1][1]
    for each in (first, second):
        each.end(ProcessTerminated(signal=9))
    assert 1 == len(done)
