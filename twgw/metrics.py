"""Count on the hot path, be read at a scrape.

Counters and histograms are plain numbers in dictionaries, changed only on the reactor's thread; ``collect`` turns them
into what prometheus_client writes out, so a Registry can be given to ``generate_latest`` or registered as a collector.
Made by ``tap.py``, lent to policies as ``gateway.metrics``, read by the ``/metrics`` page.
The one file that imports prometheus_client.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

OTHER = "_other"
"""The value of every label of the series that takes what exceeds ``max_series``."""
OVERFLOWED = "twgw_metrics_overflowed"
FAILED = "twgw_metrics_failed_reads"
SUM, SINCE, LEAST, MOST, OWN = "sum", "since", "least", "most", "own"
"""How the readings of several processes are one: their sum, that with those that are gone, the least, the greatest, or
that of the process which is asked."""
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Labels = tuple[str, ...]
Reading = float | Mapping[Labels, float]
"""What a gauge reads: a number when it has no labels, else the number of each series."""


class Counter:
    """A number that only grows, for each combination of label values."""

    __slots__ = ("_series", "_values")

    def __init__(self, series: "Series") -> None:
        self._series = series
        self._values: dict[Labels, float] = {}
        if not series.labels:
            self._values[()] = 0

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Count.  Raises ValueError for a negative amount, and for more or fewer labels than were declared."""
        if not amount >= 0:
            raise ValueError(f"metric {self._series.name} only grows, not by {amount}")
        try:
            self._values[labels] += amount
        except KeyError:
            labels = self._series.admitted(labels, len(self._values))
            self._values[labels] = self._values.get(labels, 0) + amount

    def collect(self) -> Metric:
        """The counter as a scrape sees it."""
        family = CounterMetricFamily(self._series.name, self._series.help, labels=self._series.labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


class Histogram:
    """How many observations were at most each bound, and their sum, for each combination of label values."""

    __slots__ = ("_bounds", "_cells", "_series")

    def __init__(self, series: "Series", bounds: tuple[float, ...]) -> None:
        self._series = series
        self._bounds = bounds
        self._cells: dict[Labels, list[float]] = {}
        """One count for each bound, one for what is above, then the sum."""

    def observe(self, labels: Labels, value: float) -> None:
        """Note one value.  Raises ValueError for a negative one, and for more or fewer labels than were declared."""
        if not value >= 0:
            raise ValueError(f"metric {self._series.name} takes no negative value: {value}")  # its sum must not fall
        try:
            cells = self._cells[labels]
        except KeyError:
            labels = self._series.admitted(labels, len(self._cells))
            cells = self._cells.setdefault(labels, [0] * (len(self._bounds) + 2))
        cells[bisect_left(self._bounds, value)] += 1
        cells[-1] += value

    def collect(self) -> Metric:
        """The histogram as a scrape sees it."""
        family = HistogramMetricFamily(self._series.name, self._series.help, labels=self._series.labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, cells in self._cells.items():
            family.add_metric(labels, list(zip(bounds, accumulate(cells[:-1]), strict=True)), cells[-1])
        return family


class Gauge:
    """Numbers that are read when a scrape asks for them."""

    __slots__ = ("_read", "_series", "of_all")

    def __init__(self, series: "Series", read: Callable[[], Reading], of_all: str) -> None:
        self._series = series
        self._read = read
        self.of_all = of_all

    def collect(self) -> Metric:
        """The gauge as a scrape sees it.  Raises what ``read`` raises."""
        family = GaugeMetricFamily(self._series.name, self._series.help, labels=self._series.labels)
        reading = self._read()
        readings = reading if isinstance(reading, Mapping) else {(): reading}
        for labels, value in readings.items():
            family.add_metric(self._series.checked(labels), value)
        return family


class Series:
    """What a metric is, and which series it may have.  Asked only when a series is new."""

    __slots__ = ("_max_series", "_overflowed", "help", "labels", "name")

    def __init__(self, name: str, help: str, labels: Labels, max_series: int, overflowed: Counter | None) -> None:
        """Raises ValueError for a name or label that Prometheus does not take."""
        for text in (name, *labels):
            if not _NAME.fullmatch(text):
                raise ValueError(f"metric {name}: {text!r} must be letters, digits and '_', a letter first")
        self.name = name
        self.help = help
        self.labels = labels
        self._max_series = max_series
        self._overflowed = overflowed

    def checked(self, labels: Labels) -> Labels:
        """The same labels.  Raises ValueError when they are not as many as were declared."""
        if len(labels) != len(self.labels):
            raise ValueError(f"metric {self.name} has the labels {self.labels}, not {len(labels)} values")
        return labels

    def admitted(self, labels: Labels, there: int) -> Labels:
        """The series that takes what belongs to a new one, when so many are there already."""
        self.checked(labels)
        if there < self._max_series or self._overflowed is None:
            return labels
        self._overflowed.add((self.name,))
        return (OTHER,) * len(labels)


class Registry:
    """All metrics of a node.

    A metric keeps at most ``max_series`` combinations of label values, and one more with the value ``_other`` for
    what came later; ``twgw_metrics_overflowed_total`` says how often that was.
    """

    def __init__(self, max_series: int = 2000) -> None:
        self._max_series = max_series
        self._overflowed = Counter(
            Series(OVERFLOWED, "Values counted under '_other': their metric had too many series", ("metric",), 0, None)
        )
        self._failed = Counter(
            Series(FAILED, "Gauges left out of a scrape, as they could not be read", ("metric",), 0, None)
        )
        self._counters: dict[str, tuple[Labels, Counter]] = {}
        self._histograms: dict[str, tuple[Labels, tuple[float, ...], Histogram]] = {}
        self._gauges: dict[str, Gauge] = {}

    def counter(self, name: str, help: str, labels: Labels = ()) -> Counter:
        """The counter of that name, made at the first call.  ``_total`` is added to its name where it is missing.

        Raises ValueError when the name stands for another metric or is not one.
        """
        name = name.removesuffix("_total")
        if name not in self._counters:
            self._counters[name] = (labels, Counter(self._series(name, help, labels)))
        known, counter = self._counters[name]
        if known != labels:
            raise ValueError(f"metric {name} was made with the labels {known}, not {labels}")
        return counter

    def histogram(self, name: str, help: str, labels: Labels, bounds: tuple[float, ...]) -> Histogram:
        """The histogram of that name, made at the first call.  ``bounds`` are the upper ends of its buckets.

        Raises ValueError when the name stands for another metric or is not one, or the bounds do not grow.
        """
        if name not in self._histograms:
            if not bounds or list(bounds) != sorted(set(bounds)):
                raise ValueError(f"metric {name}: bounds must grow and there must be one: {bounds}")
            if "le" in labels:
                raise ValueError(f"metric {name}: a histogram has its own label 'le'")
            self._histograms[name] = (labels, bounds, Histogram(self._series(name, help, labels), bounds))
        *known, histogram = self._histograms[name]
        if known != [labels, bounds]:
            raise ValueError(f"metric {name} was made with the labels and bounds {known}, not {[labels, bounds]}")
        return histogram

    def gauge(self, name: str, help: str, labels: Labels, read: Callable[[], Reading], of_all: str = SUM) -> None:
        """Have ``read`` asked at each scrape; a gauge of that name that was there before is replaced.

        ``of_all`` says what is told of a node with several processes: SUM, SINCE, LEAST, MOST or OWN.
        Raises ValueError when the name stands for another metric or is not one.
        """
        self._gauges.pop(name, None)
        self._gauges[name] = Gauge(self._series(name, help, labels), read, of_all)

    def of_all(self, name: str) -> str:
        """How the readings of a gauge in several processes are one."""
        return self._gauges[name].of_all if name in self._gauges else SUM

    def _series(self, name: str, help: str, labels: Labels) -> Series:
        taken = {OVERFLOWED, FAILED, *self._counters, *self._histograms, *self._gauges}
        if name in taken:
            raise ValueError(f"metric {name} is there already, as something else")
        return Series(name, help, labels, self._max_series, self._overflowed)

    def collect(self) -> Iterator[Metric]:
        """Every metric, in the order of names.  A gauge that cannot be read is left out and counted."""
        metrics: dict[str, Counter | Histogram | Gauge] = {
            **{name: counter for name, (_, counter) in self._counters.items()},
            **{name: histogram for name, (*_, histogram) in self._histograms.items()},
            **self._gauges,
        }
        for name in sorted(metrics):
            try:
                family = metrics[name].collect()
            except Exception:  # noqa: BLE001 - one reading that fails must not hide all others
                self._failed.add((name,))
                continue
            yield family
        yield self._overflowed.collect()
        yield self._failed.collect()
