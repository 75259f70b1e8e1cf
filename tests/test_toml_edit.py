"""Settings are put into a file that a person wrote, and everything else in it stays."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.config import render_default
from twgw.toml_edit import with_settings

VALUES = {"name": "c1", "keymanagers": ["a:1", "b"]}
OWN = """# mine
[node]
name = "x"  # who

[cluster]  # others
#name = "twgw"
listen = "tcp:1"

[log]
level = "info"
"""


def test_other_lines_stay():
    """With their comments; the comment that shows a default gives way to the setting."""
    assert (
        '# mine\n[node]\nname = "x"  # who\n\n[cluster]  # others\nkeymanagers = ["a:1", "b"]\nname = "c1"\n'
        'listen = "tcp:1"\n\n[log]\nlevel = "info"\n'
    ) == with_settings(OWN, "cluster", VALUES)


def test_a_section_that_is_missing_is_made_at_the_end():
    """Also in an empty file."""
    assert '[a]\nx = 1\n\n[cluster]\nname = "y"\n' == with_settings("[a]\nx = 1\n", "cluster", {"name": "y"})
    assert '[cluster]\nname = "y"\n' == with_settings("", "cluster", {"name": "y"})


def test_a_setting_takes_the_place_of_an_older_one():
    """In its own section, not in another of the same name."""
    text = '[node]\nname = "x"\n[cluster]\n# name = "shown"\nname = "old"\n'

    assert '[node]\nname = "x"\n[cluster]\n# name = "shown"\nname = "new"\n' == with_settings(
        text, "cluster", {"name": "new"}
    )


def test_the_file_with_all_defaults_keeps_its_comments():
    """Nothing is lost of it."""
    made = with_settings(render_default(), "cluster", VALUES)

    assert {**tomllib.loads(render_default()), "cluster": VALUES} == tomllib.loads(made)
    assert len(render_default().splitlines()) == len(made.splitlines())


@pytest.mark.parametrize(
    "text", ["[cluster]\nname = [\n  'a',\n]\n", "cluster = {name = 'x'}\n", "[", "[cluster]\nname = '''\nx'''\n"]
)
def test_what_is_not_sure_is_not_done(text):
    """A value over several lines, a section in another form, a broken file."""
    with pytest.raises(ValueError, match=r"cannot be changed|not TOML"):
        with_settings(text, "cluster", VALUES)


@given(st.text(max_size=60), st.sampled_from(["", "[cluster]\n", "[cluster]\nname = 'x'\n[a]\n"]))
def test_whatever_is_written_means_what_was_meant(comment, before):
    """And nothing else changed, or it says that it cannot."""
    text = f"{before}# {comment}\n"
    try:
        made = with_settings(text, "cluster", {"name": comment})
    except ValueError:
        return
    found = tomllib.loads(made)
    assert comment == found.pop("cluster")["name"]
    assert {name: value for name, value in tomllib.loads(text).items() if name != "cluster"} == found
