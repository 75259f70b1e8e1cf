"""Tests of twgw.storage.settings."""

import pytest

from twgw.model import Policy, State
from twgw.storage import log
from twgw.storage.errors import Conflict
from twgw.storage.settings import find_policies, find_setting, set_policies, set_setting


def test_a_setting_is_kept(write, read):
    """What JSON has is found again, with the count of its changes."""
    assert None is read(find_setting, "theme")
    for value in ({"ä": [1, None]}, "dark"):
        write(set_setting, "theme", value)

    assert ("dark", 2) == read(find_setting, "theme")


def test_somebody_elses_change_is_not_written_over(write, read):
    """A stamp says what was seen; 0 means there was nothing."""
    write(set_setting, "theme", "dark", stamp=0)

    with pytest.raises(Conflict, match="setting theme was changed by somebody else: it is at 1, not 0"):
        write(set_setting, "theme", "light", stamp=0)

    assert ("dark", 1) == read(find_setting, "theme")


def test_global_policies_are_those_of_a_file_until_they_are_set(write, read):
    """Nobody has to set them; setting them is a record."""
    assert (State().policies, 0) == read(find_policies)
    mine = (Policy("cors", {"origins": ["*"]}), Policy("access-log", enabled=False))

    assert 1 == write(set_policies, mine, stamp=0)

    assert (mine, 1) == read(find_policies)
    assert ["policies"] == [record.tag for record in read(log.since, 0)]
