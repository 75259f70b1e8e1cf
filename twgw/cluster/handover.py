"""What has to be the same on every node, told to one that joins, so that nobody types it twice.

The key manager tells it with the certificate, over a connection on which both sides have proved who they are.  Where
the database is, only a node is told that is to be a key manager itself.  Called by ``startup_cluster.py``, and by
``twgw cluster join``.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from twgw.cluster.commands import KEY_MANAGER
from twgw.config import Config

SHARED = {
    "database": ("url", "password"),
    "memcached": ("servers", "namespace", "keys"),
    "cluster": ("lease", "session"),
    "control": ("public_url",),
}
"""By section; those of the first are for key managers."""
READ = {**SHARED, "cluster": (*SHARED["cluster"], "keymanagers")}
"""And what a node is told that asks key managers: where the others are."""

Sections = dict[str, dict[str, str | float | list[str]]]


def told(config: Config, others: Iterable[str], roles: frozenset[str]) -> str:
    """What a node with these roles is told: all that is not as it is by default, and where other key managers are."""
    found: Sections = {}
    for section, names in SHARED.items():
        if section == "database" and (KEY_MANAGER not in roles or config.database_place.file is not None):
            continue
        ours, default = getattr(config, section), getattr(Config(), section)
        values = {name: _plain(getattr(ours, name)) for name in names if getattr(ours, name) != getattr(default, name)}
        if values:
            found[section] = values
    if KEY_MANAGER not in roles and (known := sorted(others)):
        found.setdefault("cluster", {})["keymanagers"] = known
    return json.dumps(found)


def read(text: str) -> Sections:
    """What was told; of what a later version tells, only what is known here.  Raises ValueError."""
    if not text:
        return {}
    given = json.loads(text)
    if not isinstance(given, Mapping):
        raise ValueError("is no object")  # noqa: TRY004 - of the text, not of a type
    found: Sections = {}
    for section, names in READ.items():
        values = given.get(section, {})
        if not isinstance(values, Mapping) or not all(_is_plain(values[name]) for name in names if name in values):
            raise ValueError(f"has no settings under {section}")
        if kept := {name: values[name] for name in names if name in values}:
            found[section] = kept
    return found


def _plain(value: Any) -> str | float | list[str]:
    if isinstance(value, int | float):
        return value
    return list(map(str, value)) if isinstance(value, tuple) else str(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, str | int | float) and not isinstance(value, bool)
