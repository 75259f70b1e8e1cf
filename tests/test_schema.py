"""Tests of twgw.schema."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from twgw.model import Algorithm, positive
from twgw.schema import SettingRow, commented_toml, describe, leaves, lists, schema, sections
from twgw.settings import Network, setting


def words(value: str) -> tuple[str, ...]:
    """A converter."""
    return tuple(value.split())


@frozen
class Limit:
    """Settings inside settings."""

    amount: int = setting("Requests in a period.", validator=positive)
    algorithm: Algorithm = setting("How requests are counted.", default=Algorithm.FIXED_WINDOW)
    burst: int | None = setting("How many may come at once.", default=None)


@frozen
class Settings:
    """Settings of many kinds."""

    amount: int = setting("Requests in a period.", validator=positive)
    by: Literal["client", "application"] = setting("Whose requests.", default="client")
    name: str | None = setting("Shown to clients.", default=None)
    nets: tuple[Network, ...] = setting("Networks.", default=())
    scopes: tuple[str, ...] = setting("Scopes.", default="", converter=words)
    headers: Mapping[str, str] = setting("Headers.", factory=dict)
    limits: tuple[Limit, ...] = setting("Limits.", default=(Limit(amount=1),))
    token: str = setting("A secret.", default="none", secret=True)
    free: Any = setting("Anything.", default=True, alias="from")


def test_describes_every_setting_in_order():
    """A row says name, type in words, default as written, meaning; inner settings follow their list."""
    assert [
        SettingRow("amount", "whole number", "", "Requests in a period.", required=True),
        SettingRow("by", "one of client, application", '"client"', "Whose requests.", required=False),
        SettingRow("name", "text or nothing", "null", "Shown to clients.", required=False),
        SettingRow("nets", "list of network", "[]", "Networks.", required=False),
        SettingRow("scopes", "text", '""', "Scopes.", required=False),
        SettingRow("headers", "mapping of text", "{}", "Headers.", required=False),
        SettingRow("limits", "list of mapping", '[{"amount": 1}]', "Limits.", required=False),
        SettingRow("limits[].amount", "whole number", "", "Requests in a period.", required=True),
        SettingRow(
            "limits[].algorithm",
            "one of fixed-window, sliding-window, token-bucket",
            '"fixed-window"',
            "How requests are counted.",
            required=False,
        ),
        SettingRow(
            "limits[].burst",
            "whole number or nothing",
            "null",
            "How many may come at once.",
            required=False,
        ),
        SettingRow("token", "text", "", "A secret.", required=False),
        SettingRow("from", "anything", "true", "Anything.", required=False),
    ] == describe(Settings)


def test_schema_says_what_may_be_written():
    """The JSON Schema has type, default, description, choices and what is required."""
    found = schema(Settings)

    assert ["amount"] == found["required"]
    assert not found["additionalProperties"]
    properties = found["properties"]
    assert {
        "type": "integer", "exclusiveMinimum": 0, "description": "Requests in a period.",
    } == properties["amount"]
    assert {
        "enum": ["client", "application"], "default": "client", "description": "Whose requests.",
    } == properties["by"]
    assert [{"type": "string"}, {"type": "null"}] == properties["name"]["anyOf"]
    assert {"type": "string"} == properties["nets"]["items"]
    assert "string" == properties["scopes"]["type"]
    assert {"type": "string"} == properties["headers"]["additionalProperties"]
    assert ["amount"] == properties["limits"]["items"]["required"]
    assert "default" not in properties["token"]
    assert {"default": True, "description": "Anything."} == properties["from"]


@frozen
class Inner:
    """A section inside a section."""

    flag: bool = setting("A flag.", default=True)


@frozen
class Outer:
    """A section."""

    file: Path | None = setting("A file.", default=None)
    token: str = setting("A secret.", default="", secret=True)
    inner: Inner = setting("Inside.", factory=Inner)


@frozen
class Whole:
    """A file."""

    outer: Outer = setting("Section.", factory=Outer)


def test_sections_and_leaves():
    """A section is a class of settings; its other settings are leaves, a secret also by the name of its file."""
    assert [("outer", Outer), ("outer.inner", Inner)] == list(sections(Whole))
    assert ["outer.file", "outer.token", "outer.token_file", "outer.inner.flag"] == [name for name, _ in leaves(Whole)]


def test_default_of_a_section_is_as_it_would_be_written():
    """A section whose settings are all at their defaults has nothing to be written, also where those are None."""
    assert ["{}", '""', "", "{}", "true"] == [row.default for row in describe(Whole)]


def test_commented_file_shows_everything():
    """Every section and setting stands there with its meaning; what may be nothing is shown as empty text."""
    assert (
        '# Hello.\n\n\n# A section.\n[outer]\n\n# A file.\n#file = ""\n\n'
        '# A secret. Or: token_file, a file that holds it.\n#token = ""\n\n\n'
        "# A section inside a section.\n[outer.inner]\n\n# A flag.\n#flag = true\n"
    ) == commented_toml(Whole, "Hello.")


@frozen
class Each:
    """One of several."""

    name: str = setting("A name.")
    words: tuple[str, ...] = setting("Words.")
    token: str = setting("A secret.", default="", secret=True)


@frozen
class Several:
    """A file with a list of sections."""

    outer: Outer = setting("Section.", factory=Outer)
    each: tuple[Each, ...] = setting("Sections.", default=())


def test_a_section_may_stand_several_times():
    """It is a list at the top, shown as one commented table with what must be given left empty."""
    assert [("each", Each)] == list(lists(Several))
    assert [] == list(lists(Outer))
    assert commented_toml(Several, "Hello.").endswith(
        '\n\n\n# One of several.\n#[[each]]\n\n# A name. It must be given.\n#  name = ""\n\n'
        '# Words. It must be given.\n#  words = []\n\n'
        '# A secret. Or: token_file, a file that holds it.\n#  token = ""\n'
    )
