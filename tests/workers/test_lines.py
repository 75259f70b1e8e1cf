"""What a worker logs, on its way to the log of the node."""

import pytest

from twgw.workers import lines


def test_an_event_is_a_line():
    """Whatever is in it."""
    written = lines.written("error", 'two\nlines, "quoted"')

    assert 1 == written.count("\n")
    assert ("error", 'two\nlines, "quoted"') == lines.read(written)
    assert lines.LONGEST == len(lines.read(lines.written("info", "x" * 100_000))[1])


@pytest.mark.parametrize(
    "line", ["Fatal Python error: oh", "[]", "[1, 2]", '["shout", "x"]', '["info", 3]', "[" * 10_000]
)  # fmt: skip
def test_what_is_no_event_is_worth_a_look(line):
    """As it is."""
    assert ("warn", line) == lines.read(line)
