"""What a key manager may promise, and when it is done with a position."""

import pytest

from tests.cluster.conftest import EXACT
from twgw.cluster import grants as module
from twgw.cluster.clocks import Moment, Terms
from twgw.cluster.grants import Grants
from twgw.cluster.messages import Ack, LeaseAsked, LeaseGiven, LeaseReturned
from twgw.registry import Head


@pytest.fixture
def grants(clocks):
    return Grants(clocks, EXACT)


def renewed(grants, clocks, position=0):
    """A session that begins now."""
    grants.renewed(Moment.now(clocks), Head(1, position))


def ask(grants, gateway="g", number=1, applied=0):
    """A question of a gateway."""
    return grants.give(LeaseAsked(gateway, number, Head(1, applied)))


def test_nothing_is_promised_without_a_session(grants, clocks):
    """Not at the start, not after its end, not when it is lost."""
    assert ask(grants) is None

    renewed(grants, clocks)
    grants.lost()

    assert ask(grants) is None

    renewed(grants, clocks)
    clocks.go(15)

    assert ask(grants) is None
    assert grants.left() == 0


def test_a_lease_demands_all_that_is_known(grants, clocks):
    """From the renewal, or from another key manager."""
    renewed(grants, clocks, 7)

    assert ask(grants) == LeaseGiven("g", 1, 4, Head(1, 7))

    grants.learn(Head(1, 9))

    assert ask(grants, number=2) == LeaseGiven("g", 2, 4, Head(1, 9))


def test_what_is_known_is_not_forgotten(grants, clocks):
    """When an older answer of the database comes later."""
    renewed(grants, clocks, 7)
    renewed(grants, clocks, 5)
    grants.learn(Head(1, 6))

    assert grants.known == Head(1, 7)


@pytest.mark.parametrize(("passed", "seconds"), [(10, 4), (12, 3), (14.5, 0.5)])
def test_no_lease_outlasts_the_session(grants, clocks, passed, seconds):
    """Which began before the transaction that renewed it."""
    renewed(grants, clocks)
    clocks.go(passed)

    assert ask(grants).seconds == seconds


def test_the_clock_that_went_further_ends_the_session(grants, clocks):
    """As the key manager is the holder of that."""
    renewed(grants, clocks)
    clocks.go(1, 13)

    assert ask(grants).seconds == 2


def test_it_is_done_when_every_gateway_that_may_hold_a_lease_says_so(grants, clocks):
    """With less than is known until then."""
    renewed(grants, clocks, 5)
    ask(grants, "g")
    ask(grants, "h")
    grants.learn(Head(1, 8))
    grants.acked(Ack("g", Head(1, 8)))

    assert grants.done == Head(1, 5)

    grants.acked(Ack("h", Head(1, 7)))

    assert grants.done == Head(1, 7)
    assert grants.holders == {"g": Head(1, 8), "h": Head(1, 7)}

    ask(grants, "h", applied=9)

    assert grants.done == Head(1, 8), "it is not done with what it does not know"


def test_what_was_said_before_is_not_forgotten(grants, clocks):
    """When messages overtake each other."""
    renewed(grants, clocks)
    ask(grants)
    grants.learn(Head(1, 8))
    grants.acked(Ack("g", Head(1, 8)))
    grants.acked(Ack("g", Head(1, 7)))
    ask(grants, applied=6)

    assert grants.done == Head(1, 8)


def test_nobody_waits_for_a_gateway_whose_leases_have_ended(clocks):
    """By the slowest of clocks."""
    grants = Grants(clocks, Terms(lease=4, rate_error=0.01, margin=0.05))
    renewed(grants, clocks)
    ask(grants)
    grants.learn(Head(1, 1))
    clocks.go(4.16, 9)

    assert grants.done == Head(1, 0)

    clocks.go(0.02)

    assert grants.done == Head(1, 1)
    assert grants.holders == {}


def test_a_hold_does_not_end_sooner_for_another_lease(clocks):
    """One that is shorter, as the session ends soon; both clocks count."""
    grants = Grants(clocks, EXACT)
    renewed(grants, clocks)
    clocks.go(10)
    ask(grants)
    clocks.go(4.5, -2)  # no clock goes back: only to see that each is looked at
    ask(grants)
    grants.learn(Head(1, 1))
    clocks.go(0, 6)

    assert grants.done == Head(1, 0)


def test_a_gateway_that_says_nothing_holds_up_what_it_was_given_before(grants, clocks):
    """And not what leases demand that it is given later, however often it asks."""
    renewed(grants, clocks)
    for second in range(12):
        ask(grants, number=second)
        grants.learn(Head(1, second + 1))
        clocks.go(1)

        assert grants.done == Head(1, max(0, second - 2)), "all that was known a lease ago"


def test_a_gateway_that_has_one_in_force_is_waited_for_with_the_next(grants, clocks):
    """As its leases from before count still."""
    renewed(grants, clocks)
    ask(grants)
    clocks.go(1)
    grants.learn(Head(1, 2))
    ask(grants, number=2)
    grants.acked(Ack("g", Head(1, 1)))

    assert grants.done == Head(1, 1)

    clocks.go(3)

    assert grants.done == Head(1, 2)


def test_whoever_has_not_followed_for_long_is_given_nothing(grants, clocks):
    """And so delays nobody any more, under whatever name it asks; once it has caught up it is given leases again."""
    renewed(grants, clocks)
    waited = []
    for second in range(50):
        renewed(grants, clocks, second)
        ask(grants, "follows", second, applied=second - 1)
        grants.acked(Ack("follows", Head(1, second)))
        waited.append((ask(grants, "does not") is not None, grants.done == grants.known))
        if second > 45:
            assert ask(grants, f"new {second}") is None
        clocks.go(1)

    assert waited == [(True, True)] + 29 * [(True, False)] + 3 * [(False, False)] + 17 * [(False, True)]
    assert ask(grants, "does not", 50, applied=49) == LeaseGiven("does not", 50, 4, Head(1, 49))


def test_no_more_leases_of_a_gateway_than_one_that_is_honest_asks_for(grants, clocks, monkeypatch):
    """That demand what it does not have in force; once it has, or they are over, it is given others."""
    monkeypatch.setattr(module, "MOST_LEASES", 3)
    renewed(grants, clocks)
    given = []
    for number in range(1, 6):
        grants.learn(Head(1, number))
        given.append(ask(grants, number=number) is not None)

    assert given == [True, True, True, False, False]

    grants.acked(Ack("g", Head(1, 2)))
    assert ask(grants, number=7) is not None
    clocks.go(4)
    grants.learn(Head(1, 9))
    assert ask(grants, number=8) is not None


def test_a_newcomer_holds_up_nothing_that_is_known(grants, clocks):
    """What it is given demands that much before it counts."""
    renewed(grants, clocks, 5)
    ask(grants, "g", applied=0)

    assert grants.done == Head(1, 5)


def test_whoever_gives_its_leases_back_is_not_waited_for(grants, clocks):
    """Unless it has asked again since."""
    renewed(grants, clocks)
    ask(grants, "g", number=4)
    ask(grants, "h", number=4)
    ask(grants, "h", number=6)
    grants.learn(Head(1, 1))
    for gateway in ("g", "h", "nobody"):
        grants.returned(LeaseReturned(gateway, 5))

    assert grants.holders == {"h": Head(1, 0)}


def test_no_more_gateways_than_any_cluster_has(grants, clocks, monkeypatch):
    """So that a process that goes mad fills no memory; those that are known stay."""
    monkeypatch.setattr(module, "MOST_HOLDERS", 2)
    renewed(grants, clocks)

    assert [True, True, False, True] == [ask(grants, name) is not None for name in ("f", "g", "h", "g")]

    clocks.go(5)

    assert ask(grants, "h") is not None
    assert ask(grants, "nobody", 2) is not None


def test_an_ack_of_nobody_is_let_be(grants, clocks):
    """As of one whose lease ended."""
    renewed(grants, clocks)
    grants.acked(Ack("g", Head(1, 9)))

    assert grants.done == Head(1, 0)
