"""Every history of a log that is pruned while it is followed: nothing that was changed is believed."""

import pytest

from tests.model.code import load
from tests.model.pruning import Explorer, World

PARTS = ("/cache", "storage/served")
_GAP = ("storage/served", " and records and records[0].pos == since.pos + 1", " and records")
_NEXT = ("/cache", "if position != self.applied + 1:", "if False:")
MUTANTS = {
    "a gap in the log is passed over, by both who would see it": (_GAP, _NEXT),
    "what was read before everything was read anew is kept": ("/cache", " or position < self.floor:", ":"),
    "what a record names is believed on": ("/cache", "if last.get(tag, 0) > position:", "if False:"),
    "records that are no longer remembered change nothing":
        ("/cache", "= max(self.floor, last.popitem(last=False)[1])\n",
         "= self.floor + 0 * last.popitem(last=False)[1]\n"),
    "what was read in an epoch before is good in the next, and is kept":
        (("/cache", "if fact.epoch != self.epoch or position < self.floor:", "if False:"),),
}  # fmt: skip
"""Each rule, what says it, and what stands there without it."""


def test_no_history_ends_in_trust_in_what_was_changed():
    """However much of the log is deleted, and whenever the gateway hears of it."""
    states, way = Explorer(load(None, PARTS, MUTANTS)).run()

    assert way is None
    assert states > 20_000, "or it would say little"


@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_there_is_such_a_history(name):
    """The same text without one of its rules goes wrong."""
    assert Explorer(load(name, PARTS, MUTANTS)).run()[1]


def test_whoever_reads_the_log_sees_a_gap():
    """Also when the gateway does not."""
    assert Explorer(load("", PARTS, {"": _NEXT}), World(changes=2)).run()[1] is None


def test_the_gateway_sees_a_gap_that_was_passed_over():
    """It takes no record that does not follow: it would rather break."""
    with pytest.raises(ValueError, match="does not follow"):
        Explorer(load("", PARTS, {"": _GAP}), World(changes=2)).run()
