"""The numbers of several processes as those of one node."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from twgw.metrics import LEAST, MOST, OWN, SINCE, Registry
from twgw.workers.sums import Sums, written


class Process:
    """One process with some numbers."""

    def __init__(self):
        self.metrics, self.read = Registry(), {}
        self.counter = self.metrics.counter("asked", "Asked.", ("api",))
        self.histogram = self.metrics.histogram("took", "Took.", (), (1.0, 2.0))
        for name, how in (("open", "sum"), ("lost", SINCE), ("at", LEAST), ("bad", MOST), ("mine", OWN)):
            self.metrics.gauge(name, "Read.", (), lambda name=name: self.read[name], how)

    def set(self, **read):
        self.read = read
        return self

    def report(self):
        return written(self.metrics.collect(), self.metrics.of_all)


@pytest.fixture
def parent():
    return Process().set(open=0, lost=0, at=7, bad=0, mine=3)


@pytest.fixture
def total(parent):
    return Sums(parent.metrics.collect, parent.metrics.of_all)


def numbers(total):
    """What a scrape shows."""
    registry = CollectorRegistry()
    registry.register(total)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_what_workers_count_is_added_up(total):
    """And gauges are put together as each of them wants it."""
    for number, (asked, read) in enumerate([(2, {"open": 5, "at": 9, "bad": 1}), (3, {"open": 6, "at": 8, "bad": 0})]):
        worker = Process().set(lost=1, mine=9, **read)
        worker.counter.add(("pets",), asked)
        worker.histogram.observe((), asked)
        total.told(number, worker.report())
    found = numbers(total)

    assert 5 == found['asked_total{api="pets"}']
    assert (1, 2, 5) == (found['took_bucket{le="2.0"}'], found["took_count"], found["took_sum"])
    wanted = {"open": 11, "lost": 2, "at": 7, "bad": 1, "mine": 3}
    assert wanted == {name: found[name] for name in wanted}


def test_no_number_goes_back_when_a_worker_is_gone(total):
    """What it counted stays, also of several that are gone; what it held does not."""
    for asked in (2, 3):
        worker = Process().set(open=5, lost=1, at=1, bad=1, mine=0)
        worker.counter.add(("pets",), asked)
        total.told(1, worker.report())
        total.left(1)
    total.left(1)
    found = numbers(total)

    assert (5, 2) == (found['asked_total{api="pets"}'], found["lost"])
    assert (0, 7, 0) == (found["open"], found["at"], found["bad"])


def test_what_a_worker_told_last_counts(total):
    """Not what it told before."""
    worker = Process().set(open=5, lost=1, at=1, bad=1, mine=0)
    for _ in range(3):
        worker.counter.add(("pets",))
        total.told(1, worker.report())

    assert 3 == numbers(total)['asked_total{api="pets"}']


def test_a_metric_that_only_workers_have_is_shown(parent, total):
    """By the rule that they know."""
    for number in (1, 2):
        worker = Process().set(open=0, lost=0, at=7, bad=0, mine=0)
        worker.metrics.gauge("further", "Read.", (), lambda number=number: number, LEAST)
        total.told(number, worker.report())

    assert 1 == numbers(total)["further"]
    assert "sum" == parent.metrics.of_all("further")
