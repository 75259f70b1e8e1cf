"""Tests of twgw.cli_completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw.cli import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell):
    """Which asks twgw what may follow."""
    done = CliRunner().invoke(main, ["completion", shell])

    assert 0 == done.exit_code
    assert f"_TWGW_COMPLETE={shell}_complete" in done.output


def test_another_shell_is_wrong_use():
    """Those that there are, are said."""
    done = CliRunner().invoke(main, ["completion", "tcsh"])

    assert (2, True) == (done.exit_code, "'bash', 'zsh', 'fish'" in done.output)


@pytest.mark.parametrize(
    ("typed", "word"), [("twgw rev", "revoke"), ("twgw api pub", "publish"), ("twgw revoke --js", "--json")]
)
def test_bash_completes_commands_and_options(typed, word):
    """As somebody types them."""
    script = (
        f'eval "$(twgw completion bash)"; COMP_WORDS=({typed}); COMP_CWORD={typed.count(" ")};'
        '_twgw_completion twgw; echo "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )

    assert f"{word}\n" == done.stdout
