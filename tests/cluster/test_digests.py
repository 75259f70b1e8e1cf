"""A digest of what is served tells whether two serve the same."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.cluster.digests import POLICIES, Prints, digest, print_of, settings_prints
from twgw.cluster.encoding import read_everything, write_everything
from twgw.model import Api, Lifecycle, Limit, Policy, Target, Tier, Upstream
from twgw.registry import Head, Served

PETS = Api("pets", "1.0", "/pets", upstream=Upstream((Target("http://a.test"),)))
CATS = evolve(PETS, name="cats", base_path="/cats")


def test_anything_that_differs_makes_another():
    """An API, its state, its name, a policy, a tier."""
    tier = Tier("Gold", (Limit(1),))
    different = [
        {"a": PETS}, {"a": CATS}, {"b": PETS}, {"a": evolve(PETS, state=Lifecycle.DEPRECATED)}, {"a": PETS, "b": CATS},
        {},
    ]  # fmt: skip
    found = {digest(Prints().of(each)) for each in different}
    found |= {digest(settings_prints(policies, tiers)) for policies, tiers in (
        ((), {}), ((Policy("cors"),), {}), ((), {"Gold": tier}), ((), {"Gold": evolve(tier, limits=(Limit(2),))}),
    )}  # fmt: skip

    assert len(different) + 4 == len(found)
    assert {64} == {len(each) for each in found}


@given(st.dictionaries(st.text(max_size=3), st.integers(0, (1 << 256) - 1), max_size=6), st.sets(st.text(max_size=3)))
def test_what_is_left_out_makes_no_difference(prints, without):
    """Nor does the order."""
    kept = {name: made for name, made in reversed(prints.items()) if name not in without}

    assert digest(kept) == digest(prints, without)


def test_it_is_the_same_on_the_other_side_of_a_connection():
    """A gateway without a database reads what it serves from a key manager."""
    mapped = evolve(PETS, policies=(Policy("cors", {"b": [1, 2.5], "a": {"y": None, "x": True}}),))
    served = Served({"pets:1.0": mapped}, (Policy("cors"),), {"Gold": Tier("Gold", (Limit(1),))})
    _, there = read_everything(write_everything(Head(1, 7), served))

    assert Prints().of(served.apis) == Prints().of(there.apis)
    assert settings_prints(served.policies, served.tiers) == settings_prints(there.policies, there.tiers)


def test_the_order_of_policies_counts():
    """As they are asked in it."""
    policies = (Policy("a"), Policy("b"))
    one, two = (settings_prints(each, {})[POLICIES] for each in (policies, policies[::-1]))

    assert one != two


def test_what_has_not_changed_is_not_looked_at_again(monkeypatch):
    """There may be thousands."""
    prints, seen = Prints(), []
    monkeypatch.setattr("twgw.cluster.digests.print_of", lambda name, api: seen.append(name) or print_of(name, api))
    first = prints.of({"pets": PETS, "cats": CATS})

    assert first == prints.of({"pets": PETS, "cats": CATS})
    assert {"pets": first["pets"]} == prints.of({"pets": PETS})
    assert ["pets", "cats"] == seen


def test_some_are_made_before_they_are_looked_at(monkeypatch):
    """Of what comes later, so that thousands are not made at once."""
    prints, before = Prints(), Prints().of({"pets": PETS, "cats": CATS})
    prints.add({"pets": PETS})
    monkeypatch.setattr("twgw.cluster.digests.print_of", lambda name, api: {"cats": before["cats"]}[name])

    assert before == prints.of({"pets": PETS, "cats": CATS})


def test_those_of_what_is_to_come_stay(monkeypatch):
    """While others are looked at."""
    prints, seen = Prints(), []
    prints.add({"pets": PETS})
    monkeypatch.setattr("twgw.cluster.digests.print_of", lambda name, _api: seen.append(name) or 1)
    assert {"cats": 1} == prints.of({"cats": CATS}, also={"pets", "none"})

    prints.of({"pets": PETS, "cats": CATS})
    assert ["cats"] == seen
