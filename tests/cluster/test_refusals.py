"""What is refused is counted, and said without filling the log."""

from twgw.cluster.refusals import Refusals
from twgw.memory_world import FakeClock, MemoryLog
from twgw.metrics import Registry


def test_each_is_counted_and_a_flood_is_one_line_a_second():
    """For each reason; the next line says how many were not said."""
    clock, log, counter = FakeClock(), MemoryLog(), Registry().counter("refused", "Refused.", ("reason",))
    refusals = Refusals(counter, log, clock.now)
    for number in range(5):
        refusals.add("tls", f"peer{number}", "why")
    refusals.add("box", "peer", "too large")
    clock.advance(1)
    refusals.add("tls", "peer9", "why")

    assert {("tls",): 6, ("box",): 1} == counter._values
    assert [
        "refused peer0: why", "refused peer: too large", "refused peer9: why (4 more like it before)",
    ] == [line for _, line in log.lines]  # fmt: skip
