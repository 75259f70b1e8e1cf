"""What differs between two declarative states, noun by noun, in words.  Pure.

Used by ``storage/declared.py``, which brings a database from one to the other, and shown by ``twgw config diff``.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from attrs import field, frozen

from twgw.faults import below
from twgw.model import Application, Credential, State, Subscription
from twgw.schema import as_written

Action = Literal["added", "changed", "removed"]
LONGEST = 60
"""Characters of a value that are shown."""


@frozen
class Subscribed:
    """A subscription with the application whose it is."""

    application: str
    subscription: Subscription


@frozen
class Difference:
    """One noun that only one of two states has, or that differs in them."""

    action: Action
    noun: Literal["policies", "tier", "api", "application", "subscription", "credential"]
    name: str
    before: Any = field(default=None, repr=False)
    after: Any = field(default=None, repr=False)

    @property
    def details(self) -> tuple[str, ...]:
        """Of a change: each place that differs, with both values.  Keys and digests are not shown."""
        if self.action != "changed":
            return ()
        details = list(_places("", _shown(self.before), _shown(self.after)))
        if isinstance(self.before, Credential) and self.before.digest != self.after.digest:
            details.append("another key")
        return tuple(details)

    def __str__(self) -> str:
        sign = {"added": "+", "changed": "~", "removed": "-"}[self.action]
        return f"{sign} {self.noun} {self.name}" if self.name else f"{sign} {self.noun}"


def differences(before: State, after: State) -> list[Difference]:
    """What has to be done to ``before`` to make it ``after``: removals first, from the callers to what they call."""
    found = [
        *_compared("tier", before.tiers, after.tiers, lambda tier: tier.name),
        *_compared("api", before.apis, after.apis, lambda api: api.id),
        *_compared("application", _bare(before), _bare(after), lambda application: application.name),
        *_compared(
            "subscription", _subscriptions(before), _subscriptions(after),
            lambda it: (it.application, it.subscription.api),
        ),
        *_compared("credential", _credentials(before), _credentials(after), lambda it: (it.kind, it.id)),
    ]
    if before.policies != after.policies:
        found.append(Difference("changed", "policies", "", before.policies, after.policies))
    removed = [each for each in reversed(found) if each.action == "removed"]
    return [*removed, *(each for each in found if each.action != "removed")]


def _bare(state: State) -> Iterator[Application]:
    """Applications without what they hold: that is compared by itself."""
    for application in state.applications:
        yield Application(application.name, tier=application.tier)


def _subscriptions(state: State) -> Iterator[Subscribed]:
    for application in state.applications:
        for subscription in application.subscriptions:
            yield Subscribed(application.name, subscription)


def _credentials(state: State) -> Iterator[Credential]:
    for application in state.applications:
        yield from application.credentials


def _compared(
    noun: Any, before: Iterable[Any], after: Iterable[Any], key: Callable[[Any], Any]
) -> Iterator[Difference]:
    old, new = ({key(each): each for each in side} for side in (before, after))
    for name in old:
        if name not in new:
            yield Difference("removed", noun, _named(noun, name), before=old[name])
    for name, wanted in new.items():
        if name not in old:
            yield Difference("added", noun, _named(noun, name), after=wanted)
        elif old[name] != wanted:
            yield Difference("changed", noun, _named(noun, name), old[name], wanted)


def _named(noun: str, key: Any) -> str:
    if noun == "subscription":
        return f"{key[0]} to {key[1]}"
    return key[1] if noun == "credential" else str(key)


def _shown(value: Any) -> Any:
    if isinstance(value, Credential):
        return {name: it for name, it in as_written(value).items() if name not in {"value", "digest"}}
    return as_written(value.subscription if isinstance(value, Subscribed) else value)


def _places(path: str, before: Any, after: Any) -> Iterator[str]:
    """Every place where two documents differ: ``routes[0].path: "/a" -> "/b"``."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _places(below(path, key), before.get(key, _NOTHING), after.get(key, _NOTHING))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _places(below(path, index), one, other)
    elif before != after:
        yield f"{path}: {_value(before)} -> {_value(after)}"


_NOTHING = object()


def _value(value: Any) -> str:
    if value is _NOTHING:
        return "default"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
