"""A digest of what is served: it differs when any of it does, whatever the order, and parts can be left out of it.

A gateway tells the digest of what it has in force, a key manager knows that of what the registry has; both leave out
what the gateway says that it cannot have.  Pure.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any

from twgw.model import Api, Policy, Tier
from twgw.schema import as_written

POLICIES = ""
"""What the global policies are called, where APIs have their names."""


def print_of(name: str, value: Any) -> int:
    """The fingerprint of one thing under its name."""
    text = json.dumps([name, as_written(value)], sort_keys=True, separators=(",", ":"))
    return int.from_bytes(sha256(text.encode()).digest(), "big")


def settings_prints(policies: Iterable[Policy], tiers: Mapping[str, Tier]) -> dict[str, int]:
    """The fingerprints of what is beside the APIs."""
    found = {f"tier {name}": print_of(f"tier {name}", tier) for name, tier in tiers.items()}
    return {**found, POLICIES: print_of(POLICIES, list(policies))}


def digest(prints: Mapping[str, int], without: Collection[str] = ()) -> str:
    """Of everything but what is left out."""
    found = 0
    for name, each in prints.items():
        if name not in without:
            found ^= each
    return f"{found:064x}"


class Prints:
    """The fingerprints of APIs; those of which nothing has changed are not made again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Api, int]] = {}

    def add(self, apis: Mapping[str, Api]) -> None:
        """Make those of some that are to come."""
        self._known.update({name: (api, print_of(name, api)) for name, api in apis.items()})

    def of(self, apis: Mapping[str, Api], also: Collection[str] = ()) -> dict[str, int]:
        """One for each API; what was made of others is forgotten, but for those that are named, too."""
        before = self._known
        found = {
            name: before[name] if name in before and before[name][0] is api else (api, print_of(name, api))
            for name, api in apis.items()
        }
        self._known = {**{name: before[name] for name in also if name in before}, **found}
        return {name: made for name, (_, made) in found.items()}
