"""Tests of twgw.cli: what every command has in common."""

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from twgw import __version__
from twgw.cli import main

COMMANDS = [
    ["init"], ["validate"], ["plugins"], ["plugins", "show"], ["key"], ["key", "new"], ["version"], ["api"],
    ["api", "add"], ["app"], ["revoke"], ["audit"], ["block"], ["client"], ["completion"], ["doctor"], ["login"],
    ["tier"], ["token"], ["user"],
]  # fmt: skip


def run(*words):
    """Run the console script."""
    return CliRunner().invoke(main, words)


def test_help_names_every_command():
    """The help of the whole lists the commands, with examples."""
    done = run("--help")

    assert 0 == done.exit_code
    for words in COMMANDS:
        assert f"\n  {words[0]} " in done.output
    assert "twistd -n --pidfile= twgw --config" in done.output


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help(words):
    """--help explains a command; those that take something give examples."""
    done = run(*words, "--help")

    assert 0 == done.exit_code
    assert words == ["version"] or re.search(r"Examples:\n    [^\n]*twgw ", done.output)


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_version_is_said(words):
    """The version is that of the package."""
    done = run(*words)

    assert (0, f"twgw {__version__}\n") == (done.exit_code, done.output)


@pytest.mark.parametrize(
    "words", [["no-such"], ["init"], ["validate"], ["key", "new", "--no-such"], ["plugins", "show"]]
)
def test_wrong_use_has_a_status_of_its_own(words):
    """What cannot be understood ends with 2 and says how help is found."""
    done = run(*words)

    assert 2 == done.exit_code
    assert "--help' for help" in done.output


def test_a_command_loads_what_it_needs():
    """No database and no Twisted to ask a node: a command is there at once."""
    code = (
        "import sys; from twgw.cli import main; main(['revoke', '--help'], standalone_mode=False);"
        "print([name for name in ('sqlalchemy', 'twisted', 'flask') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


def test_h_is_short_for_help():
    """In a process of its own, as click keeps the help option that a command was first asked with."""
    asked = [sys.executable, "-c", "from twgw.cli import main; main()", "init", "-h"]

    assert "Usage:" in subprocess.run(asked, capture_output=True, text=True, check=True).stdout
