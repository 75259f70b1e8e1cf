"""Tests of twgw.cli_duration."""

import click
import pytest

from twgw.cli_duration import DURATION


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("12h", 43200), ("30d", 2592000), ("2w", 1209600)]
)
def test_a_time_is_written_with_its_unit(text, seconds):
    """Without one it is seconds."""
    assert seconds == DURATION.convert(text, None, None)


def test_a_number_is_seconds():
    """As the default of an option may be."""
    assert 3.0 == DURATION.convert(3, None, None)


@pytest.mark.parametrize("text", ["", "-1", "1y", "1 d", "d", "1e3", "\u0661d", "9999999999"])
def test_anything_else_is_wrong_use(text):
    """And the form is said."""
    with pytest.raises(click.BadParameter, match="write 90s, 15m, 12h or 30d"):
        DURATION.convert(text, None, None)
