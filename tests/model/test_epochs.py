"""Every history of small clusters whose database is brought back from a backup; what holds then needs each rule."""

import pytest

from tests.model.code import OF_EPOCHS, PARTS, load
from tests.model.epochs import TAKEN_EARLY, Epochs
from tests.model.explorer import World

WORLDS = (
    World(predecessors=1, session=2, slow_looks=True),
    World(predecessors=1, session=1, gateways=2, quick=True),
    World(session=1, quick=True),
)
SMALL = World(predecessors=1, session=1, quick=True), World(session=1, quick=True)
MOST = 400_000
"""States in which a missing rule has to show."""


def loaded(name=None):
    """What nodes are made of, or that without one rule."""
    return load(name, (*PARTS, "storage/cluster"), OF_EPOCHS)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_in_a_new_epoch_no_history_ends_in_trust_in_what_was_revoked(world):
    """Whatever was lost with the old one, and whoever knows of it or not."""
    states, way = Epochs(loaded(), world).run()

    assert way is None
    assert states > 20_000, "or it would say little"


@pytest.mark.parametrize("name", OF_EPOCHS)
def test_without_a_rule_there_is_such_a_history(name):
    """The same text without one of its rules goes wrong."""
    assert any(Epochs(loaded(name), world).run(MOST)[1] for world in SMALL)


def test_who_takes_away_what_was_not_waited_for_breaks_it():
    """Of the row that stands for sessions that nobody sees."""
    assert Epochs(loaded(), World(predecessors=1, session=1, quick=True, broken=TAKEN_EARLY)).run(MOST)[1]
