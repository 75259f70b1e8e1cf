"""Signing keys: which of them signs, which are published, when one may go.  Pure.

A key is published for a while before it signs, so that whoever keeps a copy of the published keys has it by then; and
after it signed last it is published as long as a token lives that it may have signed.  Keys are ``SecretKey`` rows of
the kind ``signing``; ``storage/keys.py`` makes a new one the newest and retires the others after an overlap.
"""

from collections.abc import Sequence

from attrs import field, frozen

from twgw.jwt import MOST_SKEW, Key
from twgw.registry import SecretKey

ANNOUNCED_SECONDS = 600.0
"""How long a new key is published before it signs; longer than anybody should keep the published keys."""
CACHE_SECONDS = 300
"""How long others may keep the published keys."""


@frozen
class Ring:
    """The keys at one moment."""

    signing: Key = field(repr=False)
    published: tuple[Key, ...] = field(repr=False)
    """The newest first."""


def ring_of(rows: Sequence[SecretKey], now: float) -> Ring:
    """The keys in rows that are not retired, given the newest first.  There must be one."""
    announced = [row for row in rows if row.created_at + ANNOUNCED_SECONDS <= now]
    signing = max(announced, key=_version) if announced else min(rows, key=_version)
    return Ring(Key.from_text(signing.material), tuple(Key.from_text(row.material) for row in rows))


def next_change(rows: Sequence[SecretKey], now: float) -> float | None:
    """When another key begins to sign or one is retired; None when nothing is due."""
    times = [row.created_at + ANNOUNCED_SECONDS for row in rows] + [row.retire_at or 0 for row in rows]
    return min((time for time in times if time > now), default=None)


def overlap(longest_token: float) -> float:
    """For how many seconds keys must be kept after a new one was made, given the longest life of a token."""
    return ANNOUNCED_SECONDS + longest_token + MOST_SKEW


def due(rows: Sequence[SecretKey], now: float, every: float) -> bool:
    """Whether it is time for a new key, as one is made every so many seconds; 0 for never."""
    return bool(rows) and every > 0 and max(row.created_at for row in rows) + every <= now


def _version(row: SecretKey) -> int:
    return row.version
