"""What can be put in force of what is to be: an API that cannot be had keeps what was in force of it.

Called by ``follower.py``, off the reactor, and by ``checking.py``.
"""

import gc
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
from attrs import field, frozen

from twgw.cluster.reports import Nack
from twgw.faults import Fault, SettingsError
from twgw.gateway.deployment import Compiled, Deployment, MakeCall, deploy
from twgw.model import Api, State
from twgw.policy.interfaces import Gateway
from twgw.policy.registry import Plugin
from twgw.publisher.lifecycle import EFFECTS
from twgw.registry import Record, Served

Made = tuple[Mapping[str, Compiled], Mapping[str, tuple[str, ...]]]
"""What was compiled, and what is wrong with what could not be; nothing where that is the fault of global policies."""
LATER = "being compiled; what was in force stays until then"
_OF_API = re.compile(r"apis\[(\d+)\]\.?(.*)", re.DOTALL)


def state_of(served: Served) -> State:
    """What is declared by it."""
    return State(policies=served.policies, tiers=tuple(served.tiers.values()), apis=tuple(served.apis.values()))


@frozen
class Ready:
    """A deployment of what is to be in force, and what of that could not be had, by API."""

    deployment: Deployment
    faults: Mapping[str, tuple[str, ...]] = field(factory=dict)
    later: frozenset[str] = frozenset()
    """What of it is compiled behind this; what was in force of it stays until then."""
    digest: str = ""


def compiled(
    served: Served,
    plugins: Mapping[str, Plugin],
    gateway: Gateway,
    make_call: MakeCall,
    previous: Deployment | None,
    spare: Mapping[str, Compiled] | None = None,
    later: frozenset[str] = frozenset(),
    wrong: Mapping[str, tuple[str, ...]] | None = None,
) -> Ready:
    """Compile as much as can be.  Raises SettingsError when the global policies are wrong and there are none before.

    Of an API that is wrong, what was in force is compiled in its new state; when that is wrong too, its calls are
    refused.  What is ``spare`` was compiled before, and not put in force; of what was found ``wrong`` the faults are
    known, and it is not tried again.  APIs that are compiled ``later`` stay as
    they are, with the global policies that were in force, and are compiled only where their new state lets in others;
    one that is blocked stays so, as what it was blocked for may be what was in force.  Those that are new are not there
    yet.
    """
    faults: dict[str, tuple[str, ...]] = {}
    broken: set[str] = set()
    stays: dict[str, Compiled] = {}
    policies, apis = served.policies, dict(served.apis)

    def give_up(api: str, texts: tuple[str, ...]) -> None:
        kept = previous.compiled.get(api) if previous is not None and api not in faults else None
        faults.setdefault(api, texts)
        if kept is None or not kept.whole:
            broken.add(api)
        else:
            apis[api] = attrs.evolve(kept.api, state=apis[api].state)

    for name, texts in (wrong or {}).items():
        if name not in later:
            give_up(name, texts)
    if later and previous is not None:
        policies = previous.state.policies
        try:
            deploy(State(policies=served.policies), plugins, gateway, make_call)
        except SettingsError as error:  # so they need not be waited for
            faults |= _by_api(error.faults, [])
        for name in later & apis.keys():
            kept = previous.compiled.get(name)
            if kept is None:
                del apis[name]
            elif not kept.whole:
                broken.add(name)
            elif not EFFECTS[kept.api.state].refused and _lets_in(apis[name]) != _lets_in(kept.api):
                apis[name] = attrs.evolve(kept.api, state=apis[name].state)
            else:
                apis[name], stays[name] = kept.api, kept
    while True:
        state = State(policies=policies, tiers=tuple(served.tiers.values()), apis=tuple(apis.values()))
        try:
            return Ready(deploy(state, plugins, gateway, make_call, previous, broken, spare, stays), faults, later)
        except SettingsError as error:
            found = _by_api(error.faults, list(apis))
            if "" in found:
                if previous is None or policies == previous.state.policies:
                    raise
                faults[""] = found[""]
                policies = previous.state.policies
                continue
            for api, texts in found.items():
                give_up(api, texts)


def _lets_in(api: Api) -> tuple[bool, bool]:
    """What its state says of who is let in."""
    effect = EFFECTS[api.state]
    return effect.refused, effect.needs_subscription


def _by_api(faults: Iterable[Fault], apis: list[str]) -> dict[str, tuple[str, ...]]:
    """The texts of faults by the API that they are in; under no name those that are in none."""
    found: dict[str, tuple[str, ...]] = {}
    for fault in faults:
        place = _OF_API.fullmatch(fault.path)
        api = apis[int(place[1])] if place else ""
        where = ": ".join(filter(None, (api, place[2]) if place else (fault.path,)))
        text = f"{where}: {fault.text}"
        found[api] = (*found.get(api, ()), text)
    return found


def nacks(
    faults: Mapping[str, tuple[str, ...]], before: Mapping[str, Nack], position: int, records: Sequence[Record]
) -> dict[str, Nack]:
    """What could not be had, each with the position of the last record that asked for it."""
    of_all = max((each.pos for each in records if each.kind in ("policies", "tier")), default=0)
    asked = {each.tag: each.pos for each in records if each.kind == "api"}  # the last one: they are in order
    found = {}
    for name, texts in faults.items():
        last = max(asked.get(f"api:{name}", 0), of_all)
        known = before[name].position if name in before else position
        found[name] = Nack.of(name, last or known, texts)
    return found


def made(
    state: State, apis: Iterable[Api], plugins: Mapping[str, Plugin], gateway: Gateway, make_call: MakeCall,
    finish: Callable[[Mapping[str, Compiled]], object],
    rest: Callable[[float], object] = time.sleep,  # noqa: TID251 - a thread of its own has no other clock
) -> Made:  # fmt: skip
    """Some of the APIs of a state, compiled, by their names; and what is wrong with the others.

    Nobody waits for them, so half of the time is left to traffic: each is a piece of work of its own, with all that
    there is to do for it (``finish``), and ``rest`` is called with the seconds that it took.
    """
    found: dict[str, Compiled] = {}
    wrong: dict[str, tuple[str, ...]] = {}
    for api in apis:
        begun = time.perf_counter()
        try:
            one = deploy(attrs.evolve(state, apis=(api,)), plugins, gateway, make_call).compiled
            finish(one)
            found.update(one)
        except SettingsError as error:
            wrong[api.id] = _by_api(error.faults, [api.id]).get(api.id, ())
        they_stay()
        rest(time.perf_counter() - begun)
    return found, wrong


def gone(before: Deployment | None, now: Deployment) -> list[Compiled]:
    """What was in force and is no longer."""
    old = before.compiled if before is not None else {}
    return [one for name, one in old.items() if now.compiled.get(name) is not one]


def let_go(
    old: list[Compiled],
    rest: Callable[[float], object] = time.sleep,  # noqa: TID251 - as above
) -> None:
    """Of what nobody needs any more, one after the other: to free thousands at once stops traffic for half a second."""
    while old:
        begun = time.perf_counter()
        old.pop()
        rest(time.perf_counter() - begun)


def they_stay() -> None:
    """Of many APIs: to look for garbage in them, again and again, would stop traffic for half a second and more."""
    gc.collect(0)
    gc.freeze()
