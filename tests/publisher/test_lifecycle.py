"""The life of an API: moves, who may make them, what they take along, what callers are told."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.memory import MemoryGateway
from twgw.model import Api, Deprecation, Lifecycle, Target, Upstream
from twgw.publisher.lifecycle import EFFECTS, MOVES, MoveForbidden, MoveRefused, Wish, move_named, moves_from, plan

NOW = 1_760_000_000.0
PETS = Api("pets", "2.0", "/pets/2.0", state=Lifecycle.CREATED, upstream=Upstream((Target("http://pets.test"),)))
STATES = list(Lifecycle)


def moved(api, move, *, versions=(), roles=("publisher",), **wish):
    return plan(api, Wish(move, **wish), versions=versions, actor="ann", roles=roles, now=NOW)


def in_state(name, version="2.0", **more):
    return evolve(PETS, version=version, base_path=f"/pets/{version}", state=Lifecycle[name], **more)


@pytest.mark.parametrize(
    ("before", "moves"),
    [
        ("CREATED", {"publish": "PUBLISHED", "prototype": "PROTOTYPED"}),
        ("PROTOTYPED", {"publish": "PUBLISHED", "demote": "CREATED"}),
        (
            "PUBLISHED",
            {
                "publish": "PUBLISHED", "prototype": "PROTOTYPED", "demote": "CREATED",
                "block": "BLOCKED", "deprecate": "DEPRECATED",
            },
        ),
        ("BLOCKED", {"republish": "PUBLISHED", "deprecate": "DEPRECATED"}),
        ("DEPRECATED", {"retire": "RETIRED"}),
        ("RETIRED", {}),
    ],
)  # fmt: skip
def test_the_moves_are_those_of_wso2(before, moves):
    """From each state lead the moves of its lifecycle, and no others."""
    assert moves == {move.name: move.after.value for move in moves_from(Lifecycle[before])}


@given(st.sampled_from(STATES), st.sampled_from(sorted(MOVES)))
def test_a_move_is_made_or_refused_with_the_way_out(state, name):
    """What is not in the table is refused, with what is possible instead; what is, leads where the table says."""
    api = evolve(PETS, state=state)
    if state in MOVES[name].before:
        assert MOVES[name].after is moved(api, name).steps[0].api.state
        return
    with pytest.raises(MoveRefused) as caught:
        moved(api, name)
    for move in moves_from(state):
        assert move.name in str(caught.value)


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=30))
def test_every_life_can_be_told_from_its_history(names):
    """Whatever is tried, the steps that succeeded follow on each other, and a retired API never comes back."""
    api, history = PETS, []
    for name in names:
        try:
            positions = {api.id: len(history)}
            step = plan(api, Wish(name), positions=positions, actor="ann", roles=["admin"], now=NOW).steps[0]
        except MoveRefused:
            continue
        assert api.state is not Lifecycle.RETIRED
        api = step.api
        history.append(step.transition)

    assert list(range(1, len(history) + 1)) == [each.position for each in history]
    assert [each.after for each in history[:-1]] == [each.before for each in history[1:]]
    assert (history[-1].after if history else Lifecycle.CREATED) is api.state


def test_moves_have_the_names_of_wso2_too():
    """A client of WSO2 finds its words."""
    names = ("Publish", "Deploy as a Prototype", "Demote to Created", "Block", "Re-Publish", "Deprecate", "Retire")

    assert ["publish", "prototype", "demote", "block", "republish", "deprecate", "retire"] == [
        move_named(name).name for name in names
    ]
    with pytest.raises(MoveRefused, match="did you mean publish"):
        move_named("publsh")


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        (["publisher"], set(MOVES)),
        (["admin"], set(MOVES)),
        (["operator"], {"block", "republish"}),
        (["creator", "subscriber"], set()),
        ([], set()),
    ],
)
def test_roles_decide_who_moves(roles, may):
    """Publishers publish, operators may stop an API and let it go on; who has none of the roles moves nothing."""
    assert may == {move.name for state in STATES for move in moves_from(state, roles)}
    for name in sorted(set(MOVES) - may):
        with pytest.raises(MoveForbidden, match="needs one of the roles"):
            moved(evolve(PETS, state=MOVES[name].before[0]), name, roles=roles)


def test_history_says_who_when_and_from_where():
    """Each transition names its API, its place in the history, both states, the user and the time."""
    step = plan(PETS, Wish("Publish"), positions={"pets:2.0": 4}, actor="ann", roles=["admin"], now=NOW).steps[0]
    line = step.transition

    assert ("pets:2.0", 5, "publish", "ann", NOW) == (line.api, line.position, line.move, line.actor, line.at)
    assert (Lifecycle.CREATED, Lifecycle.PUBLISHED) == (line.before, line.after)


def test_publishing_may_deprecate_the_old_versions():
    """Every older one that is published or blocked, each with its line of history and its successor; no other one."""
    versions = [
        in_state("PUBLISHED", "1.0"), in_state("BLOCKED", "1.1"), in_state("PROTOTYPED", "1.2"),
        in_state("PUBLISHED", "3.0"), evolve(in_state("PUBLISHED", "1.0"), name="other"),
    ]  # fmt: skip
    made = moved(PETS, "publish", versions=versions, deprecate_old_versions=True)

    assert ["pets:2.0", "pets:1.1", "pets:1.0"] == [step.api.id for step in made.steps]
    assert {Lifecycle.DEPRECATED} == {step.api.state for step in made.steps[1:]}
    assert {Deprecation(NOW, successor="/pets/2.0")} == {step.api.deprecation for step in made.steps[1:]}
    assert {"deprecate"} == {step.transition.move for step in made.steps[1:]}


@pytest.mark.parametrize(
    ("before", "wish", "source"),
    [
        ("CREATED", {}, "pets:1.1"),
        ("CREATED", {"require_resubscription": True}, None),
        ("PUBLISHED", {}, None),
    ],
)
def test_subscribers_come_along_unless_they_shall_not(before, wish, source):
    """The first publishing takes those of the next older version that is there; publishing again takes none."""
    versions = [in_state("PUBLISHED", "1.0"), in_state("DEPRECATED", "1.1"), in_state("RETIRED", "1.2")]

    assert source == moved(in_state(before), "publish", versions=versions, **wish).subscriptions_from


def test_a_deprecated_api_tells_its_callers():
    """Since when, until when, and what takes its place: what was said, else the newest published version after it."""
    newer = [in_state("PUBLISHED", "2.1"), in_state("PUBLISHED", "3.0"), in_state("CREATED", "4.0")]
    said = {"sunset": NOW + 86400, "successor": "https://new.test/", "documentation": "https://new.test/move"}

    alone = moved(in_state("PUBLISHED"), "deprecate").steps[0].api
    found = moved(in_state("PUBLISHED"), "deprecate", versions=newer).steps[0].api
    told = moved(in_state("PUBLISHED"), "deprecate", versions=newer, **said).steps[0].api

    assert Deprecation(NOW) == alone.deprecation
    assert Deprecation(NOW, successor="/pets/3.0") == found.deprecation
    assert Deprecation(NOW, **said) == told.deprecation


@pytest.mark.parametrize(
    ("move", "wish", "why"),
    [
        ("publish", {"sunset": NOW + 1}, "are for deprecate"),
        ("block", {"deprecate_old_versions": True}, "are for publish"),
        ("deprecate", {"require_resubscription": True}, "are for publish"),
        ("deprecate", {"sunset": NOW - 1}, "must not be before now"),
    ],
)
def test_what_belongs_to_another_move_is_refused(move, wish, why):
    """A check item that would do nothing is not taken silently, nor an end that is past."""
    with pytest.raises(MoveRefused, match=why):
        moved(in_state("PUBLISHED"), move, **wish)


@pytest.mark.parametrize("state", STATES)
def test_the_gateway_does_what_the_table_says(state):
    """404 for what is not found, 503 for what is refused, the upstream's answer for the rest."""
    effect = EFFECTS[state]
    expected = 404 if not effect.found else 503 if effect.refused else 200

    assert expected == MemoryGateway(evolve(PETS, state=state)).get("/pets/2.0/7").status


def test_the_fields_of_a_deprecated_api_reach_the_wire():
    """Deprecation, Sunset and the link to the successor stand in its responses as long as it is deprecated."""
    told = moved(in_state("PUBLISHED"), "deprecate", sunset=NOW + 86400, successor="/pets/3.0").steps[0].api
    answer = MemoryGateway(told).get("/pets/2.0/7")
    published = MemoryGateway(evolve(told, state=Lifecycle.PUBLISHED)).get("/pets/2.0/7")

    assert "@1760000000" == answer.headers["deprecation"]
    assert "Fri, 10 Oct 2025 08:53:20 GMT" == answer.headers["sunset"]
    assert '</pets/3.0>; rel="successor-version"' == answer.headers["link"]
    assert "deprecation" not in published.headers
