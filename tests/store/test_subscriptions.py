"""Who may subscribe, in which tier, with whose approval; and what becomes of a subscription."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.model import Api, Environment, Lifecycle, Subscription, SubscriptionState, Tier
from twgw.store.catalog import Viewer
from twgw.store.subscriptions import (
    ACCEPTED,
    APPROVERS,
    CLOSED,
    FROM_WSO2,
    MOVES,
    PAUSED,
    PENDING,
    PRODUCTION_PAUSED,
    REJECTED,
    SubscriptionForbidden,
    SubscriptionRefused,
    allows,
    change_tier,
    moved,
    request,
)

PETS = Api("pets", "1.0", "/pets", tiers=("Gold", "Bronze", "Club"))
FREE = evolve(PETS, tiers=())
TIERS = {
    tier.name: tier
    for tier in (Tier("Bronze"), Tier("Gold", approval=True), Tier("Club", groups=("club",)), Tier("Other"))
}
ANN = Viewer("ann", frozenset({"subscriber"}))
MEMBER = Viewer("ann", groups=frozenset({"club"}))
PETER = Viewer("peter", frozenset({"publisher"}))
STATES = list(SubscriptionState)


def asked(api=PETS, tier="Bronze", viewer=ANN, existing=None, owner="ann"):
    return request(api, tier, viewer=viewer, owner=owner, tiers=TIERS, existing=existing)


@pytest.mark.parametrize(
    ("api", "tier", "viewer", "state"),
    [
        (PETS, "Bronze", ANN, ACCEPTED),
        (PETS, "Gold", ANN, PENDING),
        (PETS, "Gold", PETER, ACCEPTED),
        (PETS, "Club", MEMBER, ACCEPTED),
        (PETS, "Club", PETER, ACCEPTED),
        (FREE, None, ANN, ACCEPTED),
        (FREE, "Other", ANN, ACCEPTED),
        (evolve(PETS, visible_to=("club", "x")), "Bronze", MEMBER, ACCEPTED),
        (evolve(PETS, visible_to=("x",)), "Bronze", PETER, ACCEPTED),
    ],
)
def test_a_request_is_accepted_or_waits(api, tier, viewer, state):
    """A tier that wants an approval makes it wait, unless somebody asks who could give it."""
    assert Subscription("pets:1.0", tier, state) == asked(api, tier, viewer)


@pytest.mark.parametrize(
    ("api", "tier", "viewer", "kind", "why"),
    [
        (PETS, None, ANN, SubscriptionRefused, "asks for a tier: Gold, Bronze, Club"),
        (PETS, "Other", ANN, SubscriptionRefused, "has no tier Other; known: Bronze, Club, Gold"),
        (FREE, "Bronz", ANN, SubscriptionRefused, "there is no tier Bronz; did you mean Bronze?"),
        (PETS, "Club", ANN, SubscriptionForbidden, "tier Club is for members of club"),
        (evolve(PETS, visible_to=("club", "x")), "Bronze", ANN, SubscriptionForbidden, "is for members of club, x"),
        (PETS, "Bronze", Viewer("eve"), SubscriptionForbidden, "belongs to somebody else"),
        (PETS, "Bronze", Viewer(), SubscriptionForbidden, "belongs to somebody else"),
    ],
)
def test_a_request_that_is_not_possible_says_why(api, tier, viewer, kind, why):
    """And who could ask for it, or what could be asked for."""
    with pytest.raises(kind, match=why):
        asked(api, tier, viewer)


def test_an_application_of_nobody_is_not_everybodys():
    """Who has no name owns nothing, even where no owner is noted."""
    with pytest.raises(SubscriptionForbidden):
        asked(viewer=Viewer(), owner="")


@pytest.mark.parametrize("state", list(Lifecycle))
def test_only_a_published_api_takes_subscriptions(state):
    """Whoever asks; a deprecated one keeps those that it has."""
    api = evolve(PETS, state=state)
    if state is Lifecycle.PUBLISHED:
        assert asked(api, viewer=PETER).state is ACCEPTED
        return
    with pytest.raises(SubscriptionRefused, match=f"is {state.value}"):
        asked(api, viewer=PETER)


@pytest.mark.parametrize("state", STATES)
def test_there_is_one_subscription_to_an_api(state):
    """One that was rejected or closed may be asked for anew; any other stands in the way."""
    existing = Subscription("pets:1.0", "Bronze", state)
    if state in (REJECTED, CLOSED):
        assert asked(existing=existing).state is ACCEPTED
        return
    with pytest.raises(SubscriptionRefused, match=f"already, and it is {state.value}"):
        asked(existing=existing)


@given(st.sampled_from(STATES), st.sampled_from(sorted(MOVES)), st.sampled_from([ANN, PETER, Viewer("eve"), Viewer()]))
def test_a_move_is_made_by_who_may_and_where_it_is_possible(state, name, viewer):
    """Approvers make every move, the owner closes, nobody else does anything; the table says from where to where."""
    subscription, move = Subscription("pets:1.0", "Bronze", state), MOVES[name]
    may = bool(viewer.roles & APPROVERS) or (move.owner and viewer.name == "ann")
    if may and state in move.before:
        assert evolve(subscription, state=move.after) == moved(subscription, name, viewer=viewer, owner="ann")
        return
    with pytest.raises(SubscriptionRefused) as caught:
        moved(subscription, name, viewer=viewer, owner="ann")
    assert may == (type(caught.value) is SubscriptionRefused)


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=20))
def test_what_is_closed_stays_closed(names):
    """Whatever is tried, no way leads back from CLOSED, and none to PENDING."""
    subscription = asked(tier="Gold")
    for name in names:
        before = subscription.state
        try:
            subscription = moved(subscription, name, viewer=PETER, owner="ann")
        except SubscriptionRefused:
            continue
        assert before is not CLOSED
        assert subscription.state is not PENDING


def test_an_unknown_move_names_the_nearest():
    """And every move that there is has another name."""
    with pytest.raises(SubscriptionRefused, match="there is no move 'pausd'; did you mean pause"):
        moved(Subscription("pets:1.0"), "pausd", viewer=PETER, owner="ann")


def test_the_tier_may_change():
    """The state stays; a tier that wants an approval is for an approver to give, and none is kept without asking."""
    paused = Subscription("pets:1.0", "Bronze", PAUSED)
    change = lambda tier, viewer, it=paused: change_tier(it, tier, api=PETS, viewer=viewer, owner="ann", tiers=TIERS)

    assert Subscription("pets:1.0", "Club", PAUSED) == change("Club", MEMBER)
    assert Subscription("pets:1.0", "Gold", PAUSED) == change("Gold", PETER)
    assert "Gold" == change("Gold", ANN, evolve(paused, tier="Gold")).tier
    for tier, viewer in (("Gold", ANN), ("Club", ANN), ("Bronze", Viewer("eve"))):
        with pytest.raises(SubscriptionForbidden):
            change(tier, viewer)
    with pytest.raises(SubscriptionRefused, match="subscribe anew"):
        change("Bronze", PETER, evolve(paused, state=CLOSED))


@pytest.mark.parametrize(
    ("state", "production", "sandbox"),
    [
        (PENDING, False, False), (ACCEPTED, True, True), (REJECTED, False, False), (PAUSED, False, False),
        (PRODUCTION_PAUSED, False, True), (CLOSED, False, False),
    ],
)  # fmt: skip
def test_a_state_is_a_right_or_none(state, production, sandbox):
    """Accepted ones are; one that is paused for production is one for the sandbox."""
    assert (production, sandbox) == (allows(state, Environment.PRODUCTION), allows(state, Environment.SANDBOX))


def test_the_states_of_wso2_have_their_like():
    """Blocked, blocked for production, on hold, rejected; what waits to be changed is still what it was."""
    assert [PAUSED, PRODUCTION_PAUSED, PENDING, REJECTED, ACCEPTED] == [
        FROM_WSO2[name] for name in ("BLOCKED", "PROD_ONLY_BLOCKED", "ON_HOLD", "REJECTED", "UNBLOCKED")
    ]
