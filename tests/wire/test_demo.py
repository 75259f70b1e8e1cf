"""``twgw cluster demo``, as a person runs it: what it shows is so, and nothing is left of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wire.processes import PATIENCE, PLAIN

TWGW = str(Path(sys.executable).with_name("twgw"))


@pytest.fixture
def demo(tmp_path):
    """Begins the demo, with its folder in one of ours."""
    process = subprocess.Popen(
        [TWGW, "cluster", "demo"], env={**PLAIN, "TMPDIR": str(tmp_path)}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def left(folder):
    """What is there still: files, and processes that were started in the folder."""
    running = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in command:
            running.append(command)
    return running, list(folder.iterdir())


def test_the_promises_are_shown_and_hold(demo, tmp_path):
    """Each with a figure; status 0."""
    said, _ = demo.communicate(timeout=8 * PATIENCE)

    assert 0 == demo.returncode, said
    summary = said.partition("Summary\n")[2].splitlines()
    assert [True] * 4 == [line.startswith("   held    ") for line in summary], said
    assert "20 of 60, through both together" in summary[1]
    assert ([], []) == left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_finds_nothing_left(demo, tmp_path, number):
    """Ctrl-C in the middle; the nodes and memcached are gone, and so is the folder."""
    said = ""
    while "Node a is at" not in said:
        line = demo.stdout.readline()
        assert line, said
        said += line
    assert left(tmp_path)[0], "or this test sees nothing"
    demo.send_signal(number)
    more, _ = demo.communicate(timeout=2 * PATIENCE)

    assert 130 == demo.returncode, said + more
    assert "Ended; everything that was started is gone." in more
    assert ([], []) == left(tmp_path)
