"""Tests of twgw.difference."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from twgw.difference import Subscribed, differences
from twgw.model import (
    Api,
    Application,
    Credential,
    Limit,
    Policy,
    Route,
    State,
    Subscription,
    Target,
    Tier,
    Upstream,
)

PETS = Api("pets", "1.0", "/pets", upstream=Upstream((Target("http://a.example"),)))
KEY = Credential(id="k1", application="shop", digest="v1:a")
SHOP = Application("shop", (Subscription("pets:1.0", "gold"),), (KEY,))
STATE = State(tiers=(Tier("gold", (Limit(5),)),), apis=(PETS,), applications=(SHOP,))


def lines(before, after):
    return [line for each in differences(before, after) for line in (str(each), *each.details)]


def test_equal_states_do_not_differ():
    """Whatever their order, there is nothing to be done."""
    other = attrs.evolve(PETS, name="toys")

    assert [] == lines(STATE, STATE)
    assert [] == lines(attrs.evolve(STATE, apis=(PETS, other)), attrs.evolve(STATE, apis=(other, PETS)))


def test_everything_is_added_after_what_it_needs():
    """From nothing, what is called comes before its callers."""
    assert [
        "+ tier gold", "+ api pets:1.0", "+ application shop", "+ subscription shop to pets:1.0", "+ credential k1",
    ] == lines(State(), STATE)  # fmt: skip


def test_everything_is_removed_before_what_it_needs():
    """To nothing, callers go before what they call."""
    assert [
        "- credential k1", "- subscription shop to pets:1.0", "- application shop", "- api pets:1.0", "- tier gold",
    ] == lines(STATE, State())  # fmt: skip


def test_a_change_names_its_places():
    """Each place that differs is named, with both values; the default is called so, and long ones are cut."""
    changed = attrs.evolve(
        PETS,
        upstream=Upstream((Target("http://b.example", weight=2),)),
        routes=(Route("/a"), Route("/b")),
        anonymous=True,
        description="x" * 100,
    )

    assert [
        "~ api pets:1.0",
        'upstream.targets[0].url: "http://a.example" -> "http://b.example"',
        "upstream.targets[0].weight: default -> 2",
        'routes: default -> [{"path": "/a"}, {"path": "/b"}]',
        f'description: default -> "{"x" * 59}…',
        "anonymous: default -> true",
    ] == lines(STATE, attrs.evolve(STATE, apis=(changed,)))


def test_a_change_of_keys_shows_none():
    """That a key is another one is said, and neither it nor its digest is."""
    other = attrs.evolve(SHOP, credentials=(attrs.evolve(KEY, digest="v1:b", scopes=("read",)),))

    found = differences(STATE, attrs.evolve(STATE, applications=(other,)))

    assert [('scopes: default -> ["read"]', "another key")] == [each.details for each in found]
    assert "v1:" not in repr(found)


def test_what_an_application_holds_is_compared_by_itself():
    """Another tier of a subscription is no change of the application, and the other way round."""
    other = attrs.evolve(SHOP, subscriptions=(Subscription("pets:1.0", "iron"),))
    gold = attrs.evolve(SHOP, tier="gold")

    assert ["~ subscription shop to pets:1.0", 'tier: "gold" -> "iron"'] == lines(
        STATE, attrs.evolve(STATE, applications=(other,))
    )
    assert ["~ application shop", 'tier: default -> "gold"'] == lines(STATE, attrs.evolve(STATE, applications=(gold,)))
    [found] = differences(STATE, attrs.evolve(STATE, applications=(other,)))
    assert Subscribed("shop", Subscription("pets:1.0", "iron")) == found.after


def test_policies_are_compared_as_a_whole():
    """Their order is part of them."""
    assert ["~ policies", '[0].name: "correlation-id" -> "cors"'] == lines(
        STATE, attrs.evolve(STATE, policies=(Policy("cors"), *STATE.policies[1:]))
    )


names = st.sets(st.sampled_from("abcde"))


@given(names, names, names, names)
def test_there_and_back_is_the_same(old, new, old_tiers, new_tiers):
    """What one direction adds the other removes, and what is changed is so both ways."""

    def state(apis, tiers, path):
        return State(
            tiers=tuple(Tier(name) for name in sorted(tiers)),
            apis=tuple(Api(name, "1", f"/{path}") for name in sorted(apis)),
        )

    def steps(before, after, added, removed):
        return {
            ({added: "+", removed: "-"}.get(each.action, "~"), each.noun, each.name)
            for each in differences(before, after)
        }

    before, after = state(old, old_tiers, "a"), state(new, new_tiers, "b")
    assert steps(before, after, "added", "removed") == steps(after, before, "removed", "added")
