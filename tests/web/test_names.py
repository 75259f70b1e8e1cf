"""Tests of twgw.web.names."""

import pytest
from attrs import frozen

from twgw.faults import SettingsError
from twgw.settings import structure
from twgw.web.names import name, optional_name, text, well_formed


@frozen
class Thing:
    """A thing."""

    name: str = name("Its name.")
    other: str | None = optional_name("Another name.")
    title: str = text("A title.", 5)


@pytest.mark.parametrize(("said", "good"), [
    ("a", True), ("my app", True), ("ann@example.com", True), ("x" * 100, True), ("", False), (" a", False),
    ("a ", False), ("a/b", False), ("é", False), ("a:b", False), ("x" * 101, False), ("a\n", False),
])  # fmt: skip
def test_what_a_name_is(said, good):
    """The same by itself and in what somebody sends."""
    assert good == well_formed(said)
    if good:
        assert said == structure(Thing, {"name": said, "other": said}).name
    else:
        with pytest.raises(SettingsError, match="name"):
            structure(Thing, {"name": said})


def test_texts_are_as_long_as_the_database_holds():
    """And empty where they are left out."""
    assert ("", None) == (structure(Thing, {"name": "a"}).title, structure(Thing, {"name": "a"}).other)
    with pytest.raises(SettingsError, match="title: length"):
        structure(Thing, {"name": "a", "title": "123456"})
