"""Calls in threads, with a reactor whose turns the test gives."""

import queue
import threading

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.wire.processes import PATIENCE
from twgw.threads import Threads


class Reactor(Clock):
    """Time that stands still, and a queue of what threads want done."""

    def __init__(self):
        super().__init__()
        self.wanted = queue.Queue()

    def callFromThread(self, call, *arguments):  # noqa: N802 - Twisted's name
        self.wanted.put((call, arguments))

    def turn(self):
        """Wait for the next call of a thread, and make it."""
        call, arguments = self.wanted.get(timeout=PATIENCE)
        call(*arguments)


@pytest.fixture
def reactor():
    return Reactor()


@pytest.fixture
def threads(reactor):
    made = Threads(reactor, "test", 1, 1)
    yield made
    made.stop()


class Held:
    """A call that ends when it is told to."""

    def __init__(self):
        self.begun, self.end = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.end.wait(PATIENCE)
        return "done"


def start(threads, call, timeout=5, late=None):
    outcome = []
    running = Deferred.fromCoroutine(threads.run(call, timeout, late))
    running.addBoth(outcome.append)
    return running, outcome


def test_a_result_comes_back(reactor, threads):
    """On the reactor's thread; the call was on another."""
    _, outcome = start(threads, threading.get_ident)
    assert [] == outcome
    reactor.turn()

    assert threading.get_ident() not in outcome
    assert 1 == len(outcome)
    assert 0 == threads.calls
    assert [] == reactor.getDelayedCalls()


def test_what_a_call_raises_comes_back(reactor, threads):
    """As it is."""
    _, outcome = start(threads, lambda: 1 // 0)
    reactor.turn()

    assert outcome[0].check(ZeroDivisionError)


def test_too_many_calls_are_refused_at_once(reactor, threads):
    """One runs, one waits, and there is no room for a third."""
    first, second = Held(), Held()
    second.end.set()
    outcomes = [start(threads, call)[1] for call in (first, second, Held())]

    assert outcomes[2][0].check(BlockingIOError)
    first.end.set()
    reactor.turn()
    reactor.turn()
    assert [["done"], ["done"]] == outcomes[:2]


def test_a_late_call_is_told_to_end_and_keeps_its_place(reactor, threads):
    """Who waits hears of it in time; the thread is free again only when the call has ended."""
    call, told = Held(), []
    _, outcome = start(threads, call, 5, lambda: told.append("late"))
    reactor.advance(4.9)
    assert [] == outcome
    reactor.advance(0.1)

    assert outcome[0].check(TimeoutError)
    assert ["late"] == told
    assert 1 == threads.calls
    call.end.set()
    reactor.turn()
    assert 0 == threads.calls
    assert 1 == len(outcome)


def test_nobody_waits_any_more(reactor, threads):
    """A client that leaves ends the call too, and its timer."""
    call, told = Held(), []
    running, outcome = start(threads, call, 5, lambda: told.append("late"))
    running.cancel()

    assert outcome[0].check(CancelledError)
    assert ["late"] == told
    assert [] == reactor.getDelayedCalls()
    call.end.set()
    reactor.turn()
    assert 0 == threads.calls


def test_stopping_without_a_call_is_nothing(reactor):
    """Threads are made for the first call only."""
    Threads(reactor, "test", 1, 1).stop()

    assert [] == [thread for thread in threading.enumerate() if thread.name.startswith("test")]
