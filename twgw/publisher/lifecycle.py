"""The life of an API: its states, what each means for traffic and for the store, and the moves between them.

    CREATED ⇄ PROTOTYPED ⇄ PUBLISHED ⇄ BLOCKED      a demoted API goes back to CREATED
                               └────┬────┘
                               DEPRECATED → RETIRED

States and moves are WSO2's.  Pure.  The gateway and its policies ask ``EFFECTS``; the publisher's endpoints plan a
move here and store what comes of it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from attrs import evolve, frozen

from twgw.faults import suggest
from twgw.model import Api, Deprecation, Lifecycle, Transition
from twgw.publisher.versions import older_than, successor_of


@frozen
class Effect:
    """What a state means."""

    found: bool
    """Whether the gateway has it at its address; else calls are answered 404."""
    refused: bool = False
    """Whether every call is refused with 503 and WSO2's code 700700."""
    needs_subscription: bool = True
    """Whether a caller must have subscribed, where the policy ``subscription`` asks."""
    visible: bool = False
    """Whether the store shows it."""
    subscribable: bool = False
    """Whether applications may subscribe."""


EFFECTS: Mapping[Lifecycle, Effect] = MappingProxyType({
    Lifecycle.CREATED: Effect(found=False),
    Lifecycle.PROTOTYPED: Effect(found=True, needs_subscription=False, visible=True),
    Lifecycle.PUBLISHED: Effect(found=True, visible=True, subscribable=True),
    Lifecycle.BLOCKED: Effect(found=True, refused=True),
    Lifecycle.DEPRECATED: Effect(found=True),
    Lifecycle.RETIRED: Effect(found=False),
})
"""What each state means for traffic and for the store."""


@frozen
class Move:
    """A way from some states to another.  ``wso2`` are the names that it has there."""

    name: str
    before: tuple[Lifecycle, ...]
    after: Lifecycle
    roles: frozenset[str]
    wso2: tuple[str, ...]


_PUBLISHERS = frozenset({"admin", "publisher"})
_OPERATORS = _PUBLISHERS | {"operator"}

MOVES: Mapping[str, Move] = MappingProxyType({
    move.name: move
    for move in (
        Move(
            "publish",
            (Lifecycle.CREATED, Lifecycle.PROTOTYPED, Lifecycle.PUBLISHED),
            Lifecycle.PUBLISHED,
            _PUBLISHERS,
            ("Publish",),
        ),
        Move(
            "prototype",
            (Lifecycle.CREATED, Lifecycle.PUBLISHED),
            Lifecycle.PROTOTYPED,
            _PUBLISHERS,
            ("Deploy as a Prototype", "Deploy as Prototype", "Demote to Prototyped", "Pre-Release"),
        ),
        Move(
            "demote",
            (Lifecycle.PROTOTYPED, Lifecycle.PUBLISHED),
            Lifecycle.CREATED,
            _PUBLISHERS,
            ("Demote to Created",),
        ),
        Move("block", (Lifecycle.PUBLISHED,), Lifecycle.BLOCKED, _OPERATORS, ("Block",)),
        Move("republish", (Lifecycle.BLOCKED,), Lifecycle.PUBLISHED, _OPERATORS, ("Re-Publish",)),
        Move(
            "deprecate",
            (Lifecycle.PUBLISHED, Lifecycle.BLOCKED),
            Lifecycle.DEPRECATED,
            _PUBLISHERS,
            ("Deprecate",),
        ),
        Move("retire", (Lifecycle.DEPRECATED,), Lifecycle.RETIRED, _PUBLISHERS, ("Retire",)),
    )
})
"""Every move by its name."""

_BY_WSO2_NAME = {name.lower(): move for move in MOVES.values() for name in move.wso2}


class MoveRefused(Exception):
    """A move that cannot be made; the text says why, and what can."""


class MoveForbidden(MoveRefused):
    """A move that this user may not make."""


def move_named(name: str) -> Move:
    """A move by its name, ours or WSO2's.  Raises MoveRefused."""
    move = MOVES.get(name) or _BY_WSO2_NAME.get(name.lower())
    if move is None:
        raise MoveRefused(f"there is no move {name!r}{suggest(name, MOVES)}")
    return move


def moves_from(state: Lifecycle, roles: Collection[str] | None = None) -> tuple[Move, ...]:
    """The moves that lead on from a state; with ``roles``, those that somebody who has them may make."""
    return tuple(
        move for move in MOVES.values() if state in move.before and (roles is None or move.roles.intersection(roles))
    )


@frozen
class Wish:
    """A move that somebody asks for, with WSO2's two check items.

    ``sunset``, ``successor`` and ``documentation`` are for ``deprecate``: they say what its callers are told.
    """

    move: str
    deprecate_old_versions: bool = False
    require_resubscription: bool = False
    sunset: float | None = None
    successor: str = ""
    documentation: str = ""


@frozen
class Step:
    """One API after its move, and the line of its history."""

    api: Api
    transition: Transition


@frozen
class Plan:
    """What a move comes to: the API that is moved first, then those that it takes along.

    ``subscriptions_from`` is the version whose subscribers become subscribers of this one; None for none.
    """

    steps: tuple[Step, ...]
    subscriptions_from: str | None = None


def plan(
    api: Api,
    wish: Wish,
    *,
    versions: Iterable[Api] = (),
    positions: Mapping[str, int] = MappingProxyType({}),
    actor: str,
    roles: Collection[str],
    now: float,
) -> Plan:
    """What comes of a wish.  Raises MoveForbidden, and MoveRefused for one that the state does not allow.

    Publishing a version takes the subscribers of the next older one along, unless that asks for re-subscription; with
    ``deprecate_old_versions`` every older version that is published or blocked becomes deprecated in favour of it.

    Args:
        api: as it is.
        wish: what is asked for.
        versions: the other versions of the same API.
        positions: how many transitions each API has behind it, by its id; 0 for one that is not named.
        actor: who asks.
        roles: the roles of who asks.
        now: UNIX time in seconds.
    """
    move = move_named(wish.move)
    if not move.roles.intersection(roles):
        raise MoveForbidden(f"{move.name} needs one of the roles {', '.join(sorted(move.roles))}")
    if api.state not in move.before:
        open_moves = ", ".join(each.name for each in moves_from(api.state)) or "none: its life has ended"
        raise MoveRefused(f"{api.id} is {api.state.value} and cannot {move.name}; possible moves: {open_moves}")
    _check_items(move, wish, now)
    others = [version for version in versions if version.name == api.name and version.id != api.id]
    told = Deprecation(now, wish.sunset, wish.successor, wish.documentation)
    steps = [_step(api, move, told, others, positions, actor, now)]
    moved = steps[0].api
    older = older_than(moved, others)
    if wish.deprecate_old_versions:
        deprecate = MOVES["deprecate"]
        steps += [
            _step(version, deprecate, Deprecation(now), [moved], positions, actor, now)
            for version in older
            if version.state in deprecate.before
        ]
    first_time = move.name == "publish" and api.state is not Lifecycle.PUBLISHED
    source = next((version for version in older if EFFECTS[version.state].found), None)
    keeps = first_time and not wish.require_resubscription and source is not None
    return Plan(tuple(steps), source.id if keeps and source is not None else None)


def _check_items(move: Move, wish: Wish, now: float) -> None:
    if move.name != "publish" and (wish.deprecate_old_versions or wish.require_resubscription):
        raise MoveRefused("deprecate_old_versions and require_resubscription are for publish")
    if move.name != "deprecate" and (wish.sunset is not None or wish.successor or wish.documentation):
        raise MoveRefused("sunset, successor and documentation are for deprecate")
    if wish.sunset is not None and wish.sunset < now:
        raise MoveRefused("sunset must not be before now: it is when the API will stop to answer")


def _step(
    api: Api,
    move: Move,
    told: Deprecation,
    others: Iterable[Api],
    positions: Mapping[str, int],
    actor: str,
    now: float,
) -> Step:
    deprecation = api.deprecation
    if move.after is Lifecycle.DEPRECATED:
        next_one = successor_of(api, (other for other in others if EFFECTS[other.state].subscribable))
        deprecation = evolve(told, successor=told.successor or (next_one.base_path if next_one else ""))
    elif move.after is not Lifecycle.RETIRED:
        deprecation = None
    moved = evolve(api, state=move.after, deprecation=deprecation)
    transition = Transition(api.id, positions.get(api.id, 0) + 1, move.name, api.state, move.after, actor, now)
    return Step(moved, transition)


def told_to_callers(api: Api) -> Iterator[tuple[str, object]]:
    """The settings of the policy ``deprecation`` that an API's state brings along; none for one that tells nothing."""
    if api.state is Lifecycle.DEPRECATED and api.deprecation is not None:
        for name in ("since", "sunset", "successor", "documentation"):
            value = getattr(api.deprecation, name)
            if value is not None and value != "":
                yield name, value
