"""The report of a run of chaos: percentiles, and what was wrong while a change was waited for."""

from tests.chaos.history import Change
from tests.chaos.report import by_situation, percentile
from tests.chaos.schedule import Fault


def revoked(began, ended, *, ok=True):
    return Change("revoke", "k", began, ended, ok)


def test_a_percentile_is_one_of_the_values():
    """And of none there is none."""
    assert (2, 3, 3) == (percentile([3, 1, 2], 0.5), percentile([3, 1, 2], 0.99), percentile([3], 0.5))
    assert percentile([], 0.5) is None


def test_a_change_is_counted_where_one_thing_was_wrong():
    """What a killed process held goes on for a session; where several things were wrong, nothing is said."""
    happened = [(10, 12, Fault("pause", "g"), True), (11, 13, Fault("kill", "database"), True),
                (50, 52, Fault("pause", "g-a"), True), (80, 82, Fault("failover", "database"), True)]  # fmt: skip
    changes = [revoked(1, 2), revoked(11, 12), revoked(25, 26), revoked(49, 51), revoked(1, 3, ok=False),
               revoked(80, 83)]  # fmt: skip
    found = by_situation(changes, happened, lease=4, session=15)

    assert [1] == found.pop("healthy")
    assert [2] == found.pop("a gateway without a database paused, killed or cut off")
    assert [1] == found.pop("the database away")
    assert [3] == found.pop("a standby took over the database")
    assert not any(found.values())
