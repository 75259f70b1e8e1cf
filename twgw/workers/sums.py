"""The metrics of a node that has workers: sums of what its processes count, for one scrape.

A worker tells its numbers when it is asked; its parent adds them up, with its own.  What grows and was counted by a
worker that is gone still counts, so that no sum goes back.  Of a gauge ``metrics.py`` says how it is put together.
Pure.  Asked by ``startup_workers.py``.
"""

import json
from collections.abc import Callable, Iterable, Iterator

from attrs import frozen
from prometheus_client.core import Metric

from twgw.metrics import LEAST, MOST, OWN, SINCE

GROWING = ("counter", "histogram")
OfAll = Callable[[str], str]
"""How the readings of a gauge are put together, by its name."""


@frozen
class Told:
    """A metric as one process tells it."""

    metric: Metric
    of_all: str

    @property
    def stays(self) -> bool:
        """Whether it counts on when the process is gone."""
        return self.of_all == SINCE or self.metric.type in GROWING


class Sums:
    """The numbers of all processes.  ``own`` are those of the parent, ``of_all`` how it puts its gauges together."""

    def __init__(self, own: Callable[[], Iterable[Metric]], of_all: OfAll) -> None:
        self._own = own
        self._of_all = of_all
        self._told: dict[int, list[Told]] = {}
        """What each worker told last."""
        self._gone: dict[str, Told] = {}
        """What those counted that are gone."""

    def told(self, number: int, report: bytes) -> None:
        """A worker tells its numbers."""
        self._told[number] = read(report)

    def left(self, number: int) -> None:
        """A worker is gone: what it counted stays, what it held does not."""
        for each in self._told.pop(number, []):
            if each.stays:
                before = self._gone.get(each.metric.name)
                self._gone[each.metric.name] = _together([before, each] if before else [each])

    def collect(self) -> Iterator[Metric]:
        """Every metric, once."""
        found: dict[str, list[Told]] = {}
        own = [Told(metric, self._of_all(metric.name)) for metric in self._own()]
        for each in (*own, *(it for told in self._told.values() for it in told), *self._gone.values()):
            found.setdefault(each.metric.name, []).append(each)
        for name in sorted(found):
            yield _together(found[name]).metric


def _together(told: list[Told]) -> Told:
    """One metric of several of the same name."""
    first = told[0]
    if first.of_all == OWN or len(told) == 1:
        return first
    put = {LEAST: min, MOST: max}.get(first.of_all, lambda one, other: one + other)
    numbers: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for each in told:
        for sample in each.metric.samples:
            key = sample.name, tuple(sample.labels.items())
            numbers[key] = put(numbers[key], sample.value) if key in numbers else sample.value
    made = Metric(first.metric.name, first.metric.documentation, first.metric.type)
    for (name, labels), value in numbers.items():
        made.add_sample(name, dict(labels), value)
    return Told(made, first.of_all)


def written(metrics: Iterable[Metric], of_all: OfAll) -> bytes:
    """What a worker tells."""
    found = [
        [it.name, it.documentation, it.type, of_all(it.name), [[one.name, one.labels, one.value] for one in it.samples]]
        for it in metrics
    ]
    return json.dumps(found, separators=(",", ":")).encode()


def read(report: bytes) -> list[Told]:
    """The same again."""
    found = []
    for name, documentation, kind, of_all, samples in json.loads(report):
        metric = Metric(name, documentation, kind)
        for sample, labels, value in samples:
            metric.add_sample(sample, labels, float(value))
        found.append(Told(metric, of_all))
    return found
