"""Who is not there, and since when."""

from twgw.cluster.attendance import Attendance


def test_who_is_not_there_was_seen_last_at_a_time():
    """Or never, since the process began; only nodes that should be there count."""
    made = Attendance(frozenset({"a", "b", "c"}))
    made.saw({"a", "b", "stranger"}, 10.0)
    made.saw({"a"}, 20.0)

    assert {"b": 10.0, "c": None} == made.missing({"a"})
    assert {} == made.missing({"a", "b", "c"})


def test_whoever_is_back_is_forgotten_as_missing_and_whoever_was_taken_out_for_good():
    """A node that joins anew under the name of one that was taken out has not been there."""
    made = Attendance(frozenset({"a", "b"}))
    made.saw({"a", "b"}, 10.0)
    made.nodes = frozenset({"a"})
    made.saw({"a"}, 20.0)
    assert {} == made.missing({"a"})
    made.nodes = frozenset({"a", "b"})

    assert {"b": None} == made.missing({"a"})
