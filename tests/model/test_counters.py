"""Every history of a small limit on a server that loses its data: never is more let pass; each rule is needed."""

import pytest

from tests.model.code import load
from tests.model.counters import Explorer, World

PARTS = ("throttle/reservation", "throttle/numbers", "throttle/fixed_account", "throttle/servers")
MUTANTS = {
    "a mark has no time ahead": ("throttle/servers", "MARGIN = 0.25", "MARGIN = 0.0"),
    "a mark does not say since when":
        ("throttle/servers", "self._new_mark(now) if self._mark else", "self._new_mark(now) if False else"),
    "nobody heeds a mark": ("throttle/servers", "if since > self.lost_at:", "if False:"),
    "a window that began before the mark goes on":
        ("throttle/fixed_account", "if closed or (lost_at and self.begun < lost_at and self.kept is None):",
         "if closed:"),
    "more is granted than the limit":
        ("throttle/reservation", "asked if count <= limit else max(limit - (count - asked), 0)", "asked"),
}  # fmt: skip
"""Each rule, what says it, and what stands there without it."""
WORLD = World(batches=(2, 1))
FAR = World(batches=(2, 2), skews=(0.875, 0.0), times=(0.0,), farthest=0.25, objects=False)
"""The mark of one is from the future for the other one, who has replaced one before."""
PASSED_OVER = {
    "a mark that is left says nothing":
        ("throttle/servers", "self.lost_at = max(self.lost_at, now + 1 / EIGHTHS)", "pass"),
    "what began just now goes on":
        ("throttle/servers", "max(self.lost_at, now + 1 / EIGHTHS)", "max(self.lost_at, now)"),
}  # fmt: skip
"""The same of clocks that are so far apart."""


def test_no_history_lets_pass_more_than_the_limit():
    """Whatever is late, lost, and done although nobody waits; a node comes when it likes."""
    states, way = Explorer(load(None, PARTS, MUTANTS), WORLD).run()

    assert way is None
    assert states > 20_000, "or it would say little"


@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_there_is_such_a_history(name):
    """The same text without one of its rules goes wrong."""
    assert Explorer(load(name, PARTS, MUTANTS), WORLD).run()[1]


def test_nor_does_any_of_clocks_that_are_too_far_apart_for_a_mark():
    """Whoever leaves it lets pass nothing."""
    states, way = Explorer(load(None, PARTS, PASSED_OVER), FAR).run()

    assert way is None
    assert states > 20_000, "or it would say little"


@pytest.mark.parametrize("name", PASSED_OVER)
def test_without_what_it_does_then_there_is_such_a_history(name):
    """The same text without it goes wrong."""
    assert Explorer(load(name, PARTS, PASSED_OVER), FAR).run()[1]


def test_what_is_not_promised_when_old_data_come_back():
    """Who comes for the first time before the mark of whoever saw it is written: the documents say so."""
    world = World(batches=(3, 1), skews=(0.0, 0.0), times=(0.0,), losses=0, returns=1)

    assert Explorer(load(None, PARTS, MUTANTS), world).run()[1]
