"""Tests of twgw.cli_plugins."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw.cli import main
from twgw.policy.registry import find_plugins

GREET = '''"""Greet callers.

More about it.

    - {name: greet, settings: {to: all}}
"""

from attrs import frozen

from twgw import hookimpl
from twgw.policy import setting


@frozen
class Settings:
    """Whom."""

    to: str = setting("Whom to greet.")
    loud: bool = setting("Whether it is heard.", default=False)


@hookimpl
def twgw_respond(exchange):
    """Greet."""
'''


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plugins").mkdir()
    Path("plugins/greet.py").write_text(GREET)


def plugins(*words):
    """Run the command on a wide terminal."""
    return CliRunner().invoke(main, ["plugins", *words], env={"COLUMNS": "200"})


def line_of(name, output):
    """The words of the line that begins with a name."""
    return next(line.split() for line in output.splitlines() if line.startswith(f"{name} "))


def test_every_policy_is_listed():
    """The table has all that is installed and what is in plugins/: phases, origin, summary."""
    done = plugins()

    assert 0 == done.exit_code
    assert "greet respond plugins/greet.py Greet callers.".split() == line_of("greet", done.output)
    assert ["rate-limit", "throttle", "twgw"] == line_of("rate-limit", done.output)[:3]
    assert [] == [name for name in find_plugins() if name not in done.output]


def test_each_policy_is_one_line_for_another_program():
    """However long: whoever searches the list finds name and meaning together."""
    done = CliRunner().invoke(main, ["plugins"], env={"COLUMNS": "40"})

    assert len(find_plugins([Path("plugins")])) + 1 == len(done.output.splitlines())


def test_broken_policy_is_listed_with_the_reason():
    """A policy that cannot be loaded is not hidden."""
    Path("plugins/broken.py").write_text("import no_such_module\n")

    done = plugins()

    assert 0 == done.exit_code
    assert "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'" in done.output
    (listed,) = [each for each in json.loads(plugins("--json").output) if each["name"] == "broken"]
    fault = "ModuleNotFoundError: No module named 'no_such_module' (broken.py, line 1)"
    assert ([], fault) == (listed["phases"], listed["fault"])


def test_configuration_names_the_directories():
    """With --config the directories of that node are looked into."""
    Path("mine").mkdir()
    Path("mine/other.py").write_text('"""Other."""\n')
    Path("twgw.toml").write_text("[plugins]\ndirectories = ['mine']\n")

    output = plugins("--config", "twgw.toml").output

    assert "mine/other.py" in output
    assert "greet" not in output


def test_options_may_stand_before_show_or_after_it():
    """Both orders do the same; of two configurations the later one counts."""
    Path("mine").mkdir()
    Path("mine/other.py").write_text('"""Other."""\n')
    Path("twgw.toml").write_text("[plugins]\ndirectories = ['mine']\n")
    Path("none.toml").write_text("[plugins]\ndirectories = []\n")

    after = plugins("show", "other", "--config", "twgw.toml", "--json")

    assert (0, "other") == (after.exit_code, json.loads(after.output)["name"])
    assert after.output == plugins("--config", "twgw.toml", "--json", "show", "other").output
    assert after.output == plugins("-c", "none.toml", "show", "-c", "twgw.toml", "--json", "other").output


def test_policy_is_explained():
    """One policy is shown with its text, its settings and an example."""
    output = plugins("show", "greet").output

    assert output.startswith("greet takes part in respond; from plugins/greet.py\n\nGreet callers.\n\nMore about it.\n")
    assert "to text required Whom to greet.".split() == line_of("to", output)
    assert "loud true or false false Whether it is heard.".split() == line_of("loud", output)
    assert output.endswith("\n  - {name: greet, settings: {to: all}}\n")


def test_policy_without_settings_says_so():
    """A policy that has no settings is no riddle."""
    Path("plugins/bare.py").write_text('"""Bare."""\n')

    assert "It has no settings." in plugins("show", "bare").output


@pytest.mark.parametrize("name", find_plugins())
def test_bundled_policy_is_explained(name):
    """Every bundled policy can be shown, to people and to machines."""
    assert 0 == plugins("show", name).exit_code
    assert name == json.loads(plugins("show", name, "--json").output)["name"]


def test_machines_get_a_document():
    """--json has all that is shown."""
    document = json.loads(plugins("show", "greet", "--json").output)

    assert ("greet", ["respond"], "Greet callers.\n\nMore about it.", "- {name: greet, settings: {to: all}}") == (
        document["name"], document["phases"], document["text"], document["example"],
    )
    assert {"name": "loud", "type": "true or false", "default": "false", "meaning": "Whether it is heard.",
            "required": False} == document["settings"][1]  # fmt: skip


def test_unknown_policy_is_an_error():
    """A mistyped name ends with 1 and says what was meant."""
    done = plugins("show", "gret")

    assert (1, "Error: no policy gret is installed; did you mean greet?\n") == (done.exit_code, done.output)


def test_broken_policy_cannot_be_explained():
    """A policy that cannot be loaded ends with 1 and the reason."""
    Path("plugins/broken.py").write_text("1 / 0\n")

    done = plugins("show", "broken")

    assert 1 == done.exit_code
    assert "broken.py cannot be loaded: ZeroDivisionError: division by zero" in done.output


def test_policies_of_one_name_are_an_error():
    """Two policies of one name end the command as they would end the start."""
    Path("plugins/rate_limit.py").write_text(GREET)

    done = plugins()

    assert 1 == done.exit_code
    assert "policy 'rate-limit' is there twice" in done.output
