"""Tests of twgw.storage.together: callers are threads, which wait for each other and never for time."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from twgw.storage.errors import Conflict, Unavailable
from twgw.storage.together import MOST, Together, Turn

WAIT = 30
WHO = ContextVar("WHO")


class Seen(deque):
    """A queue that tells when somebody joined it."""

    def __init__(self):
        super().__init__()
        self.joined = threading.Semaphore(0)

    def append(self, turn):
        super().append(turn)
        self.joined.release()


class Transactions:
    """What was done in which transaction; the first of them lasts until it is let go."""

    def __init__(self, patience=WAIT):
        self.done, self.fail = [], None
        self.begun, self.go = threading.Event(), threading.Event()
        self.together = Together(self.transact, patience)
        self.queue = self.together._waiting = Seen()
        self.threads = ThreadPoolExecutor(2 * MOST)

    def transact(self, function):
        self.begun.set()
        assert self.go.wait(WAIT)
        names = []
        result = function(names)
        if self.fail is not None and len(names) > 1:
            raise self.fail
        self.done.append(names)
        return result

    def call(self, name, raises=None):
        """A caller of that name, who waits in a thread."""

        def function(names):
            names.append(name)
            if raises is not None:
                raise raises
            return f"{name}'s"

        future = self.threads.submit(self.together.call, function)
        assert self.queue.joined.acquire(timeout=WAIT)
        return future

    def behind_another(self, **calls):
        """These callers, while another is in its transaction; what each got: a result or an exception."""
        first = self.call("first")
        assert self.begun.wait(WAIT)
        waiting = {name: self.call(name, raises) for name, raises in calls.items()}
        self.go.set()
        assert "first's" == first.result(WAIT)
        return {name: each.exception(WAIT) or each.result(WAIT) for name, each in waiting.items()}


@pytest.fixture
def transactions():
    """Those of a Together."""
    made = Transactions()
    yield made
    made.threads.shutdown()


def test_a_call_is_a_transaction(transactions):
    """Where nobody else writes."""
    transactions.go.set()

    assert ["a's", "b's"] == [transactions.call(name).result(WAIT) for name in ("a", "b")]
    assert [["a"], ["b"]] == transactions.done


def test_those_who_wait_share_one(transactions):
    """In the order in which they came; each gets what is its own."""
    got = transactions.behind_another(a=None, b=None, c=None)

    assert {"a": "a's", "b": "b's", "c": "c's"} == got
    assert [["first"], ["a", "b", "c"]] == transactions.done


def test_there_are_bounds(transactions):
    """Of how many share one."""
    transactions.behind_another(**{f"n{number}": None for number in range(MOST + 3)})

    assert [1, MOST, 3] == [len(names) for names in transactions.done]


def test_who_fails_fails_alone(transactions):
    """The others are done by themselves, and nobody twice."""
    wrong = Conflict("taken")

    got = transactions.behind_another(a=None, b=wrong, c=None)

    assert {"a": "a's", "b": wrong, "c": "c's"} == got
    assert [["first"], ["a"], ["c"]] == transactions.done


def test_what_is_of_one_kind_is_done_with_few_statements():
    """The work is told what all of them want; when that fails, each is done by itself."""
    seen = []

    def work(connection, wanted):
        seen.append([connection, *wanted])
        if len(wanted) > 1 and "bad" in wanted:
            raise Conflict("no")
        return [each.upper() for each in wanted]

    transactions = Transactions()
    transactions.together._work = work
    transactions.transact = transactions.together._transact = lambda function: function("c")
    turns = [Turn("a"), Turn("b")], [Turn("a"), Turn("bad")]
    for some in turns:
        transactions.together._do(some)

    assert [["A", "B"], ["A", "BAD"]] == [[turn.result for turn in some] for some in turns]
    assert [["c", "a", "b"], ["c", "a", "bad"], ["c", "a"], ["c", "bad"]] == seen
    assert "X" == transactions.together.share("x")
    transactions.threads.shutdown()


def test_when_the_database_is_away_everybody_is_told(transactions):
    """And nothing is tried again: nobody can say whether it was done."""
    transactions.fail = Unavailable("lost while committing", unknown=True)

    got = transactions.behind_another(a=None, b=None)

    assert {"a": transactions.fail, "b": transactions.fail} == got
    assert [["first"]] == transactions.done


def test_nobody_waits_for_ever():
    """Who is not come to in time is told so, and is not done later."""
    transactions = Transactions(patience=0.01)
    first = transactions.call("first")
    assert transactions.begun.wait(WAIT)

    with pytest.raises(TimeoutError):
        transactions.call("late").result(WAIT)

    transactions.go.set()
    assert "first's" == first.result(WAIT)
    assert [["first"]] == transactions.done
    transactions.threads.shutdown()


def test_a_call_keeps_its_context(transactions):
    """Whoever's thread it is run in."""

    def call(name):
        WHO.set(name)
        return transactions.together.call(lambda _: WHO.get())

    futures = [transactions.threads.submit(call, name) for name in ("a", "b", "c")]
    for _ in futures:
        assert transactions.queue.joined.acquire(timeout=WAIT)
    transactions.go.set()

    assert ["a", "b", "c"] == [each.result(WAIT) for each in futures]


def test_many_callers_all_come_to_an_end(transactions):
    """Whoever leads next, nobody is forgotten."""
    transactions.go.set()

    def call(number):
        return [transactions.together.call(lambda _, value=(number, step): value) for step in range(50)]

    results = list(transactions.threads.map(call, range(16)))

    assert [[(number, step) for step in range(50)] for number in range(16)] == results
