"""Tests of twgw.cli_finding."""

import pytest

from twgw.cli_finding import FAIL, OK, WARN, skewed


@pytest.mark.parametrize(("seconds", "state"), [(0.4, OK), (-0.4, OK), (2, WARN), (-2, WARN), (9, FAIL), (-9, FAIL)])
def test_a_clock_that_is_wrong_is_told(seconds, state):
    """In which direction is of no account; what to do is said."""
    found = skewed("clock of b", seconds)

    assert (state, f"{abs(seconds):.1f} s apart", state != OK) == (found.state, found.text, bool(found.hint))
