"""Where a change is in force, in words."""

import json

import pytest

from twgw.cli_reached import in_words, not_everywhere, reached_of, show_reached, with_reached

REACHED = {"position": 41, "milliseconds": 12.4, "in_force": ["a", "b"], "lease_ended": [], "refused": []}
REFUSED = {**REACHED, "refused": [{"node": "b", "api": "pets:1.0", "reason": "pets:1.0: no policy 'geo'"}]}


def test_it_is_said_in_a_line(capsys):
    """Position, nodes and time; whose lease had to end, and where it is not."""
    assert "Position 41: in force on a, b after 12 ms" == in_words(REACHED)
    assert "Position 41: in force on a after 12 ms" == in_words(REFUSED)
    late = {**REACHED, "in_force": [], "lease_ended": ["c"]}
    assert "Position 41: in force on no node after 12 ms; waited for the end of what c held" == in_words(late)

    show_reached(None)
    show_reached(REACHED)
    assert f"{in_words(REACHED)}\n" == capsys.readouterr().out


def test_programs_are_told_the_same():
    """Beside what was found, when the node says it."""
    assert {"id": 1, "cluster": REACHED} == with_reached({"id": 1}, reached_of(json.dumps(REACHED)))
    assert {"id": 1} == with_reached({"id": 1}, None)
    assert with_reached(None, REACHED) is None


@pytest.mark.parametrize("text", [None, "", "{", "7", "null"])
def test_a_node_need_not_say_it(text):
    """One of an earlier version does not."""
    assert reached_of(text) is None


def test_what_is_not_in_force_everywhere_is_said():
    """Node by node, with the way out."""
    lines = list(not_everywhere(REFUSED))

    assert "Not in force on b: pets:1.0: no policy 'geo'" == lines[0]
    assert "roll it back" in lines[-1]
    assert ["It is kept, but this node does not serve it yet; look again before you rely on it."] == (
        list(not_everywhere(None))
    )
