"""docs/writing-a-policy.md, followed by a newcomer: its files are saved in a new project, its tests run there.

A block of Python whose first line is `# PATH.py` is that file; other blocks of Python are pieces, which have to load.
"""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.wire.conftest import start  # noqa: F401 - a fixture
from tests.wire.reader import Reader
from twgw.checking import check_state
from twgw.cli import main
from twgw.policy.registry import find_plugins, load_file

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-policy.md"
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("TWGW_", "PYTEST_"))}


def blocks(language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(tmp_path):
    """A project with every file of the page."""
    folder = tmp_path / "shop"
    assert 0 == CliRunner().invoke(main, ["init", str(folder)]).exit_code
    for block in blocks("python"):
        if name := re.match(r"# (\S+\.py)\n", block):
            (folder / name[1]).write_text(block)
    return folder


def test_the_tests_of_the_page_pass(project):
    """All of them, run as the page says, beside the one that was there before."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=project, env=PLAIN, text=True,
        check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )

    written = sum(block.count("\ndef test_") for block in blocks("python"))
    assert written >= 4
    assert f"{written + 2} passed" in done.stdout, done.stdout


def test_the_commands_of_the_page_print_what_stands_there(project, start):  # noqa: F811 - the fixture
    """Checked, reloaded, refused: whoever types what stands there sees what stands there."""
    reader = Reader(project, partial(start, folder=project))

    done = reader.follow(PAGE)

    assert 5 <= done
    assert 0 == reader.stop()


def test_the_uses_of_the_page_are_taken(project):
    """Each state that is shown is valid with the policies of the page."""
    states = [block for block in blocks("yaml") if block.startswith("apis:")]
    plugins = find_plugins([project / "plugins"])

    assert states
    for state in states:
        (project / "apis.yaml").unlink()
        (project / "apis.yaml").write_text(state)
        assert [] == check_state(project / "apis.yaml", plugins)


def test_every_piece_loads(tmp_path):
    """What is shown without the name of a file is a whole policy, or a whole class of settings."""
    pieces = [block for block in blocks("python") if not block.startswith("# ")]

    assert pieces
    for number, piece in enumerate(pieces):
        path = tmp_path / f"piece_{number}.py"
        path.write_text(piece)
        assert "" == load_file(path).fault
