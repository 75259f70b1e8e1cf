"""What a real Prometheus parser reads of what was counted."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from twgw.metrics import Registry
from twgw.policy.interfaces import Metrics

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Once:
    """A scrape that is written twice."""

    def __init__(self, families: list[Metric]) -> None:
        self.families = families

    def collect(self) -> list[Metric]:
        return self.families


def scrape(registry: Registry) -> Samples:
    """All samples, read from both formats, which must agree."""
    collectors = CollectorRegistry()
    collectors.register(Once(list(registry.collect())))
    texts = [
        parse(generate_latest(collectors).decode()),
        parse_openmetrics(generate_openmetrics(collectors).decode()),  # type: ignore[no-untyped-call]
    ]
    classic, openmetrics = (
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }
        for families in texts
    )
    assert classic == openmetrics
    return classic


def test_counters_are_read_as_they_were_counted() -> None:
    """With labels and without; a counter without labels is there from the start."""
    registry = Registry()
    metrics: Metrics = registry
    requests = metrics.counter("requests_total", "Requests", ("api", "status"))
    metrics.counter("starts", "Starts")
    requests.add(("orders:1.0", "200"))
    requests.add(("orders:1.0", "200"), 2)
    requests.add(('a "b"\\\n', "429"), 0.5)
    samples = scrape(registry)
    assert samples["requests_total", (("api", "orders:1.0"), ("status", "200"))] == 3
    assert samples["requests_total", (("api", 'a "b"\\\n'), ("status", "429"))] == 0.5
    assert samples["starts_total", ()] == 0


@given(st.lists(st.integers(0, 800).map(lambda n: n / 8), max_size=40))
def test_a_histogram_counts_what_is_at_most_each_bound(values: list[float]) -> None:
    """Cumulative buckets with ``+Inf``, count and sum, as Prometheus defines them."""
    bounds = (0.5, 1, 2.5, 50)
    registry = Registry()
    histogram = registry.histogram("seconds", "Time", ("api",), bounds)
    for value in values:
        histogram.observe(("a",), value)
    samples = scrape(registry)
    expected = {str(float(bound)): sum(value <= bound for value in values) for bound in bounds}
    expected["+Inf"] = len(values)
    for bound, count in expected.items():
        assert samples.get(("seconds_bucket", (("api", "a"), ("le", bound))), 0) == count
    assert samples.get(("seconds_count", (("api", "a"),)), 0) == len(values)
    assert samples.get(("seconds_sum", (("api", "a"),)), 0) == sum(values)


def test_gauges_are_read_at_the_scrape() -> None:
    """A number, or one for each series; what was read before does not stay."""
    registry = Registry()
    waiting: dict[tuple[str, ...], float] = {("a",): 1.0, ("b",): 2.0}
    registry.gauge("connections", "Open connections", (), lambda: len(waiting))
    registry.gauge("waiting", "Waiting by target", ("target",), lambda: waiting)
    samples = scrape(registry)
    assert (samples["connections", ()], samples["waiting", (("target", "b"),)]) == (2, 2)
    del waiting["b",]
    samples = scrape(registry)
    assert samples["connections", ()] == 1
    assert ("waiting", (("target", "b"),)) not in samples


def test_a_gauge_that_cannot_be_read_does_not_spoil_the_scrape() -> None:
    """It is left out and counted, whether it raises or answers with labels of another number."""
    registry = Registry()
    registry.counter("starts", "Starts").add()
    registry.gauge("broken", "Always raises", (), lambda: 1 / 0)
    registry.gauge("confused", "Label missing", ("target",), lambda: 3)
    scrape(registry)
    samples = scrape(registry)
    assert samples["starts_total", ()] == 1
    assert ("broken", ()) not in samples
    failed = {labels[0][1]: value for (name, labels), value in samples.items() if "failed_reads" in name}
    assert failed == {"broken": 2, "confused": 2}


def test_too_many_series_go_to_one_that_says_so() -> None:
    """The first ones are counted on, the rest together, and how often is counted too."""
    registry = Registry(max_series=2)
    counter = registry.counter("requests", "Requests", ("api", "status"))
    histogram = registry.histogram("seconds", "Time", ("api",), (1,))
    for _ in range(3):
        for api in "abcd":
            counter.add((api, "200"))
            histogram.observe((api,), 0.5)
    samples = scrape(registry)
    assert samples["requests_total", (("api", "a"), ("status", "200"))] == 3
    assert samples["requests_total", (("api", "b"), ("status", "200"))] == 3
    assert samples["requests_total", (("api", "_other"), ("status", "_other"))] == 6
    assert ("requests_total", (("api", "c"), ("status", "200"))) not in samples
    assert samples["seconds_count", (("api", "_other"),)] == 6
    assert samples["twgw_metrics_overflowed_total", (("metric", "requests"),)] == 6
    assert samples["twgw_metrics_overflowed_total", (("metric", "seconds"),)] == 6


def test_the_same_metric_is_handed_out_again() -> None:
    """Two policies that ask for one name count together."""
    registry = Registry()
    assert registry.counter("a_total", "A", ("x",)) is registry.counter("a", "A", ("x",))
    assert registry.histogram("b", "B", (), (1, 2)) is registry.histogram("b", "B", (), (1, 2))
    registry.gauge("c", "C", (), lambda: 1)
    registry.gauge("c", "C", (), lambda: 2)
    assert scrape(registry)["c", ()] == 2


def test_one_name_is_one_metric() -> None:
    """Another kind, other labels or other bounds under a known name are refused."""
    registry = Registry()
    registry.counter("a", "A", ("x",))
    registry.histogram("b", "B", (), (1, 2))
    registry.gauge("c", "C", (), lambda: 1)
    wrong = [
        partial(registry.counter, "a", "A", ("y",)),
        partial(registry.histogram, "a", "A", ("x",), (1,)),
        partial(registry.gauge, "a", "A", (), lambda: 1),
        partial(registry.histogram, "b", "B", (), (1, 3)),
        partial(registry.counter, "c", "C"),
        partial(registry.counter, "twgw_metrics_overflowed_total", "X"),
    ]
    for make in wrong:
        with pytest.raises(ValueError, match="metric "):
            make()  # type: ignore[operator]


@pytest.mark.parametrize("name", ["", "9a", "a-b", "a b", "a\n", "é"])
def test_names_that_prometheus_does_not_take_are_refused(name: str) -> None:
    """At once, not at the first scrape."""
    with pytest.raises(ValueError, match="must be letters"):
        Registry().counter(name, "X")
    with pytest.raises(ValueError, match="must be letters"):
        Registry().counter("a", "X", (name,))


@pytest.mark.parametrize("bounds", [(), (2, 1), (1, 1)])
def test_bounds_must_grow(bounds: tuple[float, ...]) -> None:
    """Or no bucket could be found for a value."""
    with pytest.raises(ValueError, match="bounds must grow"):
        Registry().histogram("a", "A", (), bounds)
    with pytest.raises(ValueError, match="its own label 'le'"):
        Registry().histogram("a", "A", ("le",), (1,))


def test_labels_must_be_as_many_as_declared() -> None:
    """A wrong call fails where it stands."""
    registry = Registry()
    with pytest.raises(ValueError, match="metric a has the labels"):
        registry.counter("a", "A", ("x",)).add(())
    with pytest.raises(ValueError, match="metric b has the labels"):
        registry.histogram("b", "B", (), (1,)).observe(("x",), 1)


@pytest.mark.parametrize("value", [-1, -0.001, float("nan"), float("-inf")])
def test_a_number_that_would_fall_is_refused(value: float) -> None:
    """A parser refuses a whole scrape for one counter that is negative or not a number."""
    registry = Registry()
    with pytest.raises(ValueError, match="only grows"):
        registry.counter("a", "A").add((), value)
    with pytest.raises(ValueError, match="no negative value"):
        registry.histogram("b", "B", (), (1,)).observe((), value)
    assert scrape(registry)["a_total", ()] == 0
