"""Does a real node do what its OpenAPI document says?  Asked by Schemathesis, with a seed that changes every day.

Again: ``pytest tests/wire/test_described.py`` with ``TWGW_SEED`` as it was printed.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.wire.processes import Node

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
SETTINGS = Path(__file__).with_name("schemathesis.toml")
SEED = os.environ.get("TWGW_SEED") or str(int(time.time() // 86400))
ENDING = ("logout", "me/password", "users/{user}/sessions", "users/{user}/password")
"""What ends the login of whoever asks, by itself or for the user that happens to be named."""
ON_CONTROL = ("publisher", "store")
"""Interfaces of the control listener: parts of what /admin/v1 has, below prefixes of their own."""


def ask(node, interface, *words, examples):
    """Run Schemathesis as the first admin."""
    token = (node.folder / "data" / "admin.secret").read_text().strip()
    port = node.control if interface in ON_CONTROL else node.admin
    done = subprocess.run(
        [
            SCHEMATHESIS, "--config-file", SETTINGS, "run", f"http://127.0.0.1:{port}/{interface}/v1/openapi.json",
            "--header", f"Authorization: Bearer {token}", "--checks", "all", "--max-examples", str(examples),
            "--seed", SEED, "--no-color", *words,
        ],
        cwd=node.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, f"seed {SEED}\n{done.stdout[-20000:]}\n{done.stderr}"
    assert not [line for line in node.process.lines if "failed:" in line or "Traceback" in line]
    return int(re.search(r"generated, (\d+) passed", done.stdout)[1])


def ending(interface, word):
    """What ends a login, left out or alone."""
    return [part for path in ENDING for part in (f"--{word}-path", f"/{interface}/v1/{path}")]


@pytest.fixture
def node(tmp_path, start):
    """One after its first start."""
    return Node(tmp_path, start, None).ready()


def test_the_admin_api_does_what_it_says(node):
    """Every operation, with what is allowed and what is not, alone and one after the other: no failure."""
    assert ask(node, "admin", *ending("admin", "exclude"), examples=8) > 1000


@pytest.mark.parametrize(("interface", "least"), [("publisher", 300), ("store", 300)])
def test_publisher_and_store_do_what_they_say(node, interface, least):
    """The same for those who have no way to the admin listener: the documents that they are given hold."""
    assert ask(node, interface, *ending(interface, "exclude"), examples=4) > least


def test_what_ends_a_login_does_what_it_says(node):
    """Also once it has ended."""
    assert ask(node, "admin", *ending("admin", "include"), examples=8)
