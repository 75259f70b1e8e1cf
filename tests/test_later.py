"""What another version wrote is read as far as it is known here."""

from collections.abc import Mapping

import pytest
from attrs import field, frozen

from twgw.faults import SettingsError
from twgw.later import understood


@frozen
class Part:
    """One of a list."""

    size: int


@frozen
class Whole:
    """Something of which another version may say more."""

    name: str
    first: Part
    others: tuple[Part, ...] = ()
    named: Mapping[str, Part] = field(factory=dict)
    last: Part | None = None


def test_what_another_version_adds_is_passed_over():
    """Wherever it stands; what is wrong is refused as ever."""
    part = {"size": 1, "colour": "red"}
    written = {"name": "x", "first": part, "others": [part], "named": {"a": part}, "last": part, "more": {"b": []}}

    assert Whole("x", Part(1), (Part(1),), {"a": Part(1)}, Part(1)) == understood(Whole, written)
    for wrong in ({**written, "first": {"size": "1"}}, {**written, "others": part}, [], None, {"first": part}):
        with pytest.raises(SettingsError):
            understood(Whole, wrong)
