"""Tests of twgw.readings."""

from twisted.internet.testing import MemoryReactorClock

from twgw.config import load
from twgw.tap import Node


def test_every_reading_of_a_node_can_be_taken(tmp_path):
    """No gauge is left out of a scrape, also once files are written."""
    made = Node(MemoryReactorClock(), load(None, {"TWGW_NODE_DATA_DIR": str(tmp_path / "data")}, {}))
    made.files.lines("access.log")

    readings = {sample.name: sample for family in made.metrics.collect() for sample in family.samples}

    assert [] == [name for name in readings if name.startswith("twgw_metrics_failed_reads")]
    assert {"path": str(tmp_path / "data" / "access.log")} == readings["twgw_log_lines_dropped"].labels
