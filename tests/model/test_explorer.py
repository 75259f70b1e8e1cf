"""Every history of small clusters: nothing is trusted after its revocation was done; each rule is needed for that."""

import pytest

from tests.model.code import MUTANTS, load
from tests.model.explorer import BROKEN, Explorer, World

ONE, LONGER = World(), World(lease=2, session=3, quick=True)
"""In the second, leases end one after the other."""
WORLDS = (
    ONE,
    LONGER,
    World(session=1, slow_looks=True),
    World(session=1, gateways=2, quick=True),
    World(session=1, managers=2, predecessors=1, quick=True),
    World(session=1, managers=2, quick=True),
)
MOST = 50_000
"""States in which a missing rule has to show."""


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_no_history_ends_in_trust_in_what_was_revoked(world):
    """However messages are lost, doubled and overtaken, and whoever pauses or dies, for as long as it likes."""
    states, way = Explorer(load(), world).run()

    assert way is None
    assert states > 20_000, "or it would say little"


@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_of_ours_there_is_such_a_history(name):
    """The same text without one of its rules goes wrong."""
    assert any(Explorer(load(name), world).run(MOST)[1] for world in (ONE, LONGER))


@pytest.mark.parametrize("name", BROKEN)
def test_without_a_rule_of_the_database_or_the_machine_there_is_such_a_history(name):
    """What we ask of them is not too much."""
    assert Explorer(load(), World(broken=name)).run(MOST)[1]
