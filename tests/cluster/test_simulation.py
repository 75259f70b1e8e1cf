"""Clusters in memory on which nearly everything goes wrong: what was revoked is trusted nowhere once that returned.

``TWGW_TEST_SEED`` begins with another seed, ``TWGW_TEST_SEEDS`` takes more of them; ``make chaos`` tens of thousands.
"""

import os
from types import SimpleNamespace

import pytest

from tests.cluster.simulation import World
from tests.model import code
from twgw import cache
from twgw.registry import Head

FIRST, SEEDS = int(os.environ.get("TWGW_TEST_SEED", "0")), int(os.environ.get("TWGW_TEST_SEEDS", "1000"))
PARTS = (*code.PARTS, "membership")
MUTANTS = {
    **code.MUTANTS,
    # Two rules keep it within what was read; the explorer takes out the one by itself.
    "a key manager is done with more than it knows":
        ("membership", "return min(self.grants.done, self.removals.as_of)",
         "return min([Head(9, 9), *self.grants.holders.values()])"),
    # Without the epoch no revocation would be done at all.
    "a renewal does not say how far the log is":
        ("grants", "self.learn(head)\n", "self.learn(Head(head.epoch, 0))\n"),
    "a wait that began counts as over":
        ("membership", "self.completion.has_passed(wait.committed)", "not self._renewing"),
}  # fmt: skip
OF_THE_CACHE = {
    "what was read before a record is kept after it": ("        if not self.holds(fact):\n", "        if False:\n"),
    "what a record names is believed on": ("if last.get(tag, 0) > position:", "if False:"),
    "what was forgotten counts as never named": ("or position < self.floor", ""),
}  # fmt: skip
TOLD = 1000
"""Schedules after which it is said how far it is."""
ENOUGH = 400
"""Schedules in which a missing rule has to show."""


def loaded(name=None):
    """The code of nodes, or that without one rule."""
    made = code.load(name, PARTS, MUTANTS)
    made.cache = cache
    return made


def without(rule):
    """The code of nodes, with a cache without one of its rules."""
    made, (before, after) = loaded(), OF_THE_CACHE[rule]
    source = (code.FOLDER / "cache.py").read_text()
    assert 1 == source.count(before), rule
    made.cache = SimpleNamespace(__name__="twgw.cache")
    exec(compile(source.replace(before, after), "cache.py", "exec"), made.cache.__dict__)  # noqa: S102 - our own text
    return made


def forgetting(seed, made, *, again=False):
    """A schedule in whose middle a backup of the database is brought back, and perhaps as much appended ``again``."""
    world = World(seed, made)
    world.at(6 + world.random.random(), world.database.save)
    world.at(9 + world.random.random(), lambda: world.forget(again=again))
    world.at(9, world.restart_some)
    return world


def seeds(count):
    """So many, and how far it is, now and then, for whoever waits for tens of thousands."""
    for number in range(count):
        if count > TOLD and number % TOLD == 0:
            print(f"{number:,} of {count:,} schedules kept the promise, from seed {FIRST}", flush=True)
        yield FIRST + number


def test_nothing_is_trusted_that_was_revoked():
    """In any schedule; and mostly keys are served, and revocations return."""
    made, served, revoked = loaded(), 0, 0
    for seed in seeds(SEEDS):
        world = World(seed, made).run()
        assert [] == world.wrong, f"seed {seed}"
        served, revoked = served + world.served, revoked + len(world.revoked)
    assert served > 10 * SEEDS
    assert revoked > 4 * SEEDS


@pytest.mark.parametrize("again", [False, True])
def test_what_is_promised_after_the_database_forgot_holds(again):
    """A backup is brought back in the middle: nothing that was read before is believed then.

    It is noticed although as much was appended again before anybody looked.
    """
    made, renewed = loaded(), 0
    for seed in seeds(SEEDS // 10):
        world = forgetting(seed, made, again=again).run()
        assert [] == world.wrong, f"seed {seed}"
        renewed += world.promised > Head(2, 0)
    assert renewed > SEEDS // 40, "or a new epoch was hardly ever begun"


def test_a_seed_plays_the_same_again():
    """To the last event."""
    one, same, other = (World(seed, loaded()).run() for seed in (7, 7, 8))

    assert (one.time, one.served, one.refused, one.revoked) == (same.time, same.served, same.refused, same.revoked)
    assert one.revoked != other.revoked


@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_something_is_trusted(name):
    """The same text without one of its rules goes wrong."""
    made = loaded(name)

    assert any(World(seed, made).run().wrong for seed in range(ENOUGH))


@pytest.mark.parametrize("name", OF_THE_CACHE)
def test_without_a_rule_of_the_cache_something_is_served(name):
    """It is the last that stands between a revocation and a request."""
    made = without(name)

    assert any(World(seed, made).run().wrong for seed in range(ENOUGH))


def test_clocks_that_are_wrong_by_a_fifth_are_noticed():
    """A3 is a condition: the checker sees when it does not hold."""
    assert any(World(seed, loaded(), rate_error=0.2).run().wrong for seed in range(ENOUGH))
