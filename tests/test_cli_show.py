"""Tests of twgw.cli_show."""

import json

from twgw.cli_show import in_words, show_fields, show_json, show_list, when


def test_a_list_is_a_table(capsys):
    """However long its lines; without entries there is a sentence in its place."""
    show_list(("name", "open", "tiers"), [("a" * 200, True, ["x", "y"]), ("b", False, None)], "none")
    show_list(("name",), [], "There are none.")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]

    assert [["name", "open", "tiers"], ["a" * 200, "yes", "x,", "y"], ["b", "no"]] == lines[:3]
    assert ["There", "are", "none."] == lines[3]


def test_of_one_thing_what_is_known_is_shown(capsys):
    """And what is empty is left out."""
    show_fields("pets:1.0", (("title", ""), ("hosts", []), ("since", None), ("revoked", False), ("live", 0)))

    assert ["pets:1.0", "revoked  no", "live     0"] == [it.strip() for it in capsys.readouterr().out.splitlines()]


def test_nothing_that_was_typed_elsewhere_changes_the_terminal():
    """Nor is it taken for markup."""
    assert "a\N{REPLACEMENT CHARACTER}[31mb\nc" == in_words("a\x1b[31mb\nc")


def test_markup_is_text(capsys):
    """A title is shown as it was typed."""
    show_list(("name",), [("[red]x[/red]",)], "")

    assert "[red]x[/red]" in capsys.readouterr().out


def test_programs_get_json(capsys):
    """As UTF-8."""
    show_json({"é": [1]})
    text = capsys.readouterr().out

    assert ({"é": [1]}, True) == (json.loads(text), "é" in text)


def test_a_time_is_said_in_utc():
    """Nothing is said for none."""
    assert ("2027-01-15 08:00:00 UTC", "") == (when(1_800_000_000.5), when(None))
