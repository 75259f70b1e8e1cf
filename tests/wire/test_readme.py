"""The README, typed in by a newcomer in an empty directory; see ``reader.py``.

Installing from a wheel is tested by test_packaging.py.
"""

import re
from pathlib import Path

from tests.wire.reader import RUN, Reader

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#:]+)\)")
PATHS = re.compile(r"`((?:twgw|plugins|etc|docs|examples|tests|bench|twisted)/[\w./-]*)`")


def test_every_block_runs_in_an_empty_directory(start, tmp_path):
    """Whoever types what stands there sees what stands there."""
    reader = Reader(tmp_path, start)

    done = reader.follow(ROOT / "README.md")

    assert 15 <= done
    assert 0 == reader.stop()


def test_make_run_is_what_was_typed():
    """The recipe of `make run` starts the program that stands for it above."""
    assert f"@exec .venv/bin/{RUN} $(ARGS)" in (ROOT / "Makefile").read_text()


def test_every_place_that_is_named_is_there():
    """Links and paths lead somewhere."""
    text = re.sub(r"```.*?```", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    named = {*LINK.findall(text), *PATHS.findall(text)}

    missing = {path for path in named if "NAME" not in path and not (ROOT / path).exists()}

    assert set() == missing - {"plugins/hello.py"}
