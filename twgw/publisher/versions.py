"""The versions of an API: their order, a new one as a copy of another, the one that is found without its version.

Pure.  Called by ``lifecycle.py`` and by the publisher's endpoints.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from attrs import evolve

from twgw.model import Api, Lifecycle

_PART = re.compile(r"[0-9]+|[A-Za-z]+", re.ASCII)

Suffix = tuple[tuple[int, int, str], ...]
VersionKey = tuple[tuple[int, ...], Suffix]


@lru_cache(10_000)
def version_key(version: str) -> VersionKey:
    """What versions are ordered by: numbers as numbers, and a word behind them before nothing (1.0-beta before 1.0).

    >>> sorted(["1.10", "v2", "1.9", "2.0.1", "2.0-rc1", "1.9.0-beta"], key=version_key)
    ['1.9.0-beta', '1.9', '1.10', '2.0-rc1', 'v2', '2.0.1']
    """
    parts = [part.lower() for part in _PART.findall(version)]
    if len(parts) > 1 and parts[0] in ("v", "version"):
        del parts[0]
    first_word = next((place for place, part in enumerate(parts) if not part.isdigit()), len(parts))
    release = [int(part) for part in parts[:first_word]]
    while release and not release[-1]:
        release.pop()  # 2, 2.0 and 2.0.0 are told apart by their text alone
    suffix = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in parts[first_word:]]
    return tuple(release), (*suffix, (1, 0, ""))


def _order(api: Api) -> tuple[VersionKey, str]:
    return version_key(api.version), api.version


def in_order(apis: Iterable[Api]) -> list[Api]:
    """The versions of an API, oldest first."""
    return sorted(apis, key=_order)


def older_than(api: Api, others: Iterable[Api]) -> list[Api]:
    """The versions before this one, newest first."""
    return [other for other in reversed(in_order(others)) if _order(other) < _order(api)]


def successor_of(api: Api, others: Iterable[Api]) -> Api | None:
    """The newest version after this one."""
    newer = [other for other in in_order(others) if _order(other) > _order(api)]
    return newer[-1] if newer else None


class CopyRefused(Exception):
    """A copy that cannot be made; the text says why."""


def copy(api: Api, version: str, base_path: str = "") -> Api:
    """A new version of an API: the same in all but its version, where it is found, and its state, CREATED.

    ``base_path`` may be left out when the version is a segment of it: the new version takes its place.
    Raises CopyRefused.
    """
    if version == api.version:
        raise CopyRefused(f"{api.id} has this version already")
    path = base_path or _with_version(api, version)
    if path.rstrip("/") == api.base_path.rstrip("/"):
        raise CopyRefused(
            f"{version} would be found at {path}, where {api.version} is; give it a base_path, best with its version"
        )
    return evolve(
        api, version=version, base_path=path, state=Lifecycle.CREATED, default_version=False, deprecation=None
    )


def _with_version(api: Api, version: str) -> str:
    segments = api.base_path.split("/")
    for place in range(len(segments) - 1, 0, -1):
        if segments[place] == api.version:
            segments[place] = version
            return "/".join(segments)
    return api.base_path


def make_default(api: Api, versions: Iterable[Api]) -> tuple[Api, ...]:
    """What has to be stored so that this version is the one found without a version: it, and the one that was.

    Raises CopyRefused for an API whose version is no segment of its base path.
    """
    if not api.unversioned_path:
        raise CopyRefused(
            f"{api.id} is found at {api.base_path}, in which no segment is {api.version}: there is nothing to leave out"
        )
    before = (each for each in versions if each.name == api.name and each.id != api.id and each.default_version)
    return (evolve(api, default_version=True), *(evolve(each, default_version=False) for each in before))
