"""Schedules of faults: a seed draws the same again, and in the end everything is done to everything."""

from itertools import islice

from tests.chaos.schedule import GATEWAYS, KINDS, LASTS, LINKS, Fault, draw, touched


def test_a_seed_draws_the_same_again():
    """And another one something else."""
    one, same, other = (list(islice(draw(seed), 50)) for seed in (1, 1, 2))

    assert one == same != other


def test_everything_is_done_to_everything():
    """Every kind to each of its targets, for moments and for long."""
    drawn = list(islice(draw(0), 2000))

    assert {(kind, target) for kind, (_, targets) in KINDS.items() for target in targets} == {
        (each.kind, each.target) for each in drawn
    }
    seconds = [each.seconds for each in drawn if each.kind in LASTS]
    assert min(seconds) < 0.2
    assert max(seconds) > 20
    assert {0.0} == {each.seconds for each in drawn if each.kind not in LASTS}


def test_what_is_cut_at_once_is_all_that_leads_there():
    """So that nobody heals a link that another one cut."""
    assert {"a-database", "b-database"} == touched(Fault("cut", "database"))
    assert {"g-a", "g-b", "g-memcached"} == touched(Fault("cut", "g"))
    assert {"database"} == touched(Fault("pause", "database"))
    assert {each for each in LINKS if each.startswith("g")} == touched(Fault("cut", "g"))
    assert {"database", "a-database", "b-database"} == touched(Fault("failover", "database"))
    assert {"a"} == touched(Fault("kill", GATEWAYS[0]))
