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
ENDING = [
    f"/admin/v1/{path}" for path in ("logout", "me/password", "users/{user}/sessions", "users/{user}/password")
]  # fmt: skip
"""What ends the login of whoever asks, by itself or for the user that happens to be named."""


def ask(node, document, *words, examples):
    """Run Schemathesis as the first admin."""
    token = (node.folder / "data" / "admin.secret").read_text().strip()
    done = subprocess.run(
        [
            SCHEMATHESIS, "--config-file", SETTINGS, "run", f"http://127.0.0.1:{node.admin}{document}",
            "--header", f"Authorization: Bearer {token}", "--checks", "all", "--max-examples", str(examples),
            "--seed", SEED, "--no-color", *words,
        ],
        cwd=node.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, f"seed {SEED}\n{done.stdout[-20000:]}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def node(tmp_path, start):
    """One after its first start."""
    return Node(tmp_path, start, None).ready()


def test_the_admin_api_does_what_it_says(node):
    """Every operation, with what is allowed and what is not, alone and one after the other: no failure."""
    words = [word for path in ENDING for word in ("--exclude-path", path)]

    told = ask(node, "/admin/v1/openapi.json", *words, examples=8)

    assert int(re.search(r"generated, (\d+) passed", told)[1]) > 1000
    assert not [line for line in node.process.lines if "failed:" in line or "Traceback" in line]


def test_what_ends_a_login_does_what_it_says(node):
    """Also once it has ended."""
    words = [word for path in ENDING for word in ("--include-path", path)]

    ask(node, "/admin/v1/openapi.json", *words, examples=8)
    assert not [line for line in node.process.lines if "failed:" in line or "Traceback" in line]
