"""Real processes while everything goes wrong: what their clients saw is judged by what is promised.

``make chaos`` does the same for long, with a report.  ``TWGW_TEST_SEED`` draws the same faults again.
"""

import os
import random
from itertools import product
from time import monotonic, time_ns

import pytest

from tests.chaos.faults import resume
from tests.chaos.load import Load
from tests.chaos.namespaces import Namespaces, missing
from tests.chaos.report import judged
from tests.chaos.run import Chaos
from tests.chaos.schedule import KINDS, Fault, draw
from tests.chaos.world import NETWORKS, World
from tests.databases import SERVERS

SEED = os.environ.get("TWGW_TEST_SEED") or str(time_ns() % 10**6)
DATABASE, NETWORK = random.Random(SEED).choice(list(product(sorted(SERVERS), sorted(NETWORKS))))
"""Both are drawn, too; there are links where there may be no namespaces."""
SECONDS = 40
LONGEST = 300
"""Seconds after which a slow machine has had time enough to see what has to be seen."""
KINDS_HERE = tuple(kind for kind in KINDS if kind not in {"clock", "failover"})
"""Other clocks need a library that a newcomer may not have, and a standby takes its time: they are for the long run."""
PROMISES = ("stale accepts", "old revisions", "over-admissions", "lost acknowledged writes")


@pytest.fixture
def chaos(tmp_path):
    """Starts a cluster and its load, lets faults happen, and gives both when all is well again."""
    started = []

    def chaos(faults, enough, seconds=None, **options):
        world = World(tmp_path, lease=3, session=4, **options)
        started.append(world)
        world.start()
        made, began = Chaos(world, Load(world, SEED).start(), faults, quiet=2), monotonic()
        while not enough(made) and monotonic() < began + LONGEST:
            made.run(None if seconds is None else monotonic() + seconds)
        made.end()
        made.errors = world.errors()
        return made

    yield chaos
    for world in started:
        resume(world)
        world.end()


def drawn():
    """The network that was drawn, if there may be one, and what that is, for whoever wants to see it again."""
    why = missing() if NETWORK == "namespaces" else ""
    print(f"seed {SEED}, {DATABASE}, {NETWORK if not why else f'links ({why})'}")
    return "links" if why else NETWORK


def faults_seen(made):
    """How many had an effect."""
    return sum(seen for *_, seen in made.happened)


def revoked(made):
    """How many tokens were revoked."""
    return sum(each.kind == "revoke" and each.ok for each in made.load.changes)


def broken(made):
    """Which promises were."""
    found = judged(made.load, made.healthy)
    return {name: found[name][:5] for name in PROMISES if found[name]}


def test_the_promises_are_kept_whatever_goes_wrong(chaos):
    """Nodes, database and memcached are stopped, killed, cut off, slowed down and made to forget, for a while."""
    network = drawn()
    kinds = [kind for kind in KINDS_HERE if kind not in NETWORKS[network].lacks]
    enough = lambda made: faults_seen(made) >= 5 and revoked(made) >= 20
    made = chaos(draw(SEED, kinds, longest=5), enough, SECONDS, database=DATABASE, network=network)

    print(", ".join(str(fault) for *_, fault, seen in made.happened if seen))
    assert {} == broken(made)
    assert [] == made.load.broken
    assert not made.errors, "\n".join(made.errors)
    assert faults_seen(made) >= 5
    assert revoked(made) >= 20


@pytest.mark.parametrize(("mutant", "wrong", "faults"), [
    ("no lease", {"stale accepts", "old revisions"}, [Fault("cut", "g", 9)]),
    ("no wait", {"stale accepts", "old revisions"}, [Fault("delay", "g-a", 1)]),
    ("counts alone", {"over-admissions"}, []),
])  # fmt: skip
def test_without_one_of_the_rules_a_promise_is_broken_and_that_is_seen(chaos, mutant, wrong, faults):
    """Or the test above would say little."""
    network = "links" if faults and faults[0].kind in Namespaces.lacks else drawn()
    made = chaos(faults, lambda made: broken(made).keys() & wrong, mutant=mutant, network=network)

    assert broken(made).keys() & wrong
