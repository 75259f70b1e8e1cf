"""What can be put in force of what is to be."""

import gc

import attrs
import pytest

from twgw.cluster.reports import Nack
from twgw.gateway.compiling import compiled, gone, let_go, made, nacks, state_of
from twgw.model import Lifecycle, Policy
from twgw.registry import Record

WRONG = (Policy("cores"),)


@pytest.fixture
def world(gateway):
    """What is compiled with."""
    one = gateway.follower
    return one._plugins, one._gateway, one._make_call


@pytest.fixture
def changed(gateway):
    """What is to be in force when the API has changed."""

    def changed(**fields):
        served = gateway.follower._served
        return attrs.evolve(served, apis={"pets:1.0": attrs.evolve(served.apis["pets:1.0"], **fields)})

    return changed


def test_what_comes_later_stays_as_it_was(gateway, world, changed):
    """The very same, and the global policies with it."""
    before = gateway.deployment
    wanted = attrs.evolve(changed(base_path="/animals"), policies=(Policy("mock-response", {"status": 418}),))
    ready = compiled(wanted, *world, before, later=frozenset({"pets:1.0"}))

    assert before.compiled["pets:1.0"] is ready.deployment.compiled["pets:1.0"]
    assert ({"pets:1.0"}, {}) == (ready.later, ready.faults)
    assert before.state.policies == ready.deployment.state.policies


def test_what_comes_later_and_was_never_right_is_refused_still(gateway, world, changed):
    """And what was never there is not there yet."""
    before = compiled(changed(policies=WRONG), *world, attrs.evolve(gateway.deployment, compiled={})).deployment
    assert not before.compiled["pets:1.0"].whole
    ready = compiled(changed(), *world, before, later=frozenset({"pets:1.0"}))
    assert not ready.deployment.compiled["pets:1.0"].whole

    ready = compiled(changed(), *world, attrs.evolve(before, compiled={}), later=frozenset({"pets:1.0"}))
    assert {} == ready.deployment.compiled


def test_what_is_known_to_be_wrong_is_not_tried_again(gateway, world, changed):
    """It is told, and treated, as when it was tried; of what comes later that is for later."""
    wanted, nothing = changed(policies=WRONG, state=Lifecycle.BLOCKED), attrs.evolve(gateway.deployment, compiled={})
    for before in (gateway.deployment, nothing):
        tried = compiled(wanted, *world, before)
        known = compiled(wanted, *world, before, wrong={"pets:1.0": ("it is",)})
        assert ({"pets:1.0": ("it is",)}, tried.faults.keys()) == (known.faults, known.faults.keys())
        one, other = tried.deployment.compiled["pets:1.0"], known.deployment.compiled["pets:1.0"]
        assert (one.api, one.whole) == (other.api, other.whole)

    assert {} == compiled(wanted, *world, nothing, later=frozenset({"pets:1.0"}), wrong={"pets:1.0": ("it is",)}).faults


def test_what_is_wrong_with_global_policies_is_no_fault_of_an_api(gateway, world):
    """It is tried again with others."""
    served = attrs.evolve(gateway.follower._served, policies=WRONG)
    found = made(state_of(served), served.apis.values(), *world, lambda _found: None, lambda _seconds: None)
    gc.unfreeze()

    assert ({}, {"pets:1.0": ()}) == found


def test_some_are_made_without_those_that_are_wrong(gateway, world, changed):
    """Each as if it stood alone."""
    right, wrong = gateway.follower._served, changed(policies=WRONG)
    apis = [*right.apis.values(), *(attrs.evolve(api, name="wrong") for api in wrong.apis.values())]
    before = gc.get_freeze_count()
    try:
        finished, rests = [], []
        found, faults = made(state_of(right), apis, *world, finished.append, rests.append)
        assert before < gc.get_freeze_count()  # they stay
    finally:
        gc.unfreeze()

    assert ["pets:1.0"] == list(found)
    assert {"wrong:1.0": ("wrong:1.0: policies[0].name: no policy 'cores' is installed; did you mean cors?",)} == faults
    assert [found] == finished
    assert [True, True] == [seconds > 0 for seconds in rests]  # after each of them
    plugins = gateway.deployment.compiled["pets:1.0"].plugins
    assert found["pets:1.0"].is_of(right.apis["pets:1.0"], right.policies, plugins)


def test_what_is_in_force_no_longer_is_let_go_one_after_the_other(gateway, world, changed):
    """And what is still in force is not."""
    before, kept = gateway.deployment, []
    served = changed(base_path="/animals")
    more = attrs.evolve(served, apis={**served.apis, "cats:1.0": attrs.evolve(served.apis["pets:1.0"], name="cats")})
    now = compiled(more, *world, before).deployment
    assert [before.compiled["pets:1.0"]] == gone(before, now)
    assert ([], []) == (gone(now, now), gone(None, now))

    old = gone(now, before)
    let_go(old, lambda seconds: kept.append((len(old), seconds >= 0)))
    assert [(1, True), (0, True)] == kept


def test_a_nack_has_the_position_of_the_last_record_that_asked_for_it():
    """One that was told before keeps its own."""
    records = [Record("api", "api:one:1", pos=7), Record("api", "api:one:1", pos=8), Record("user", "user:x", pos=9)]
    faults = {"one:1": ("wrong",), "two:1": ("wrong",), "three:1": ("wrong",)}
    found = nacks(faults, {"two:1": Nack("two:1", 3, "was wrong")}, 9, records)

    assert {"one:1": 8, "two:1": 3, "three:1": 9} == {name: each.position for name, each in found.items()}
    later = nacks(faults, found, 11, [Record("tier", "tier:gold", pos=10), Record("api", "api:two:1", pos=11)])
    assert {"one:1": 10, "two:1": 11, "three:1": 10} == {name: each.position for name, each in later.items()}
