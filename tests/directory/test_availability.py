"""When a server comes last, and when a store is left alone."""

from hypothesis import given
from hypothesis import strategies as st

from twgw.directory.availability import Availability


def test_servers_are_asked_as_they_are_listed():
    """As long as all of them work."""
    assert ["a", "b", "c"] == Availability(["a", "b", "c"], 3, 30).order(0)


def test_a_server_that_failed_comes_last():
    """For a while; of two that failed the one that failed earlier comes first."""
    state = Availability(["a", "b", "c"], 3, 30)
    state.server_failed("a", 0)
    state.server_failed("b", 10)

    assert ["c", "a", "b"] == state.order(10)
    assert ["a", "c", "b"] == state.order(35)
    assert ["a", "b", "c"] == state.order(40)


def test_a_server_that_works_again_is_back_in_its_place():
    """At once."""
    state = Availability(["a", "b"], 3, 30)
    state.server_failed("a", 0)
    state.server_worked("a")

    assert ["a", "b"] == state.order(0)


def test_failures_in_a_row_open_the_breaker():
    """Not before; then one question is let through in each rest."""
    state = Availability(["a"], 3, 30)
    for _ in range(2):
        state.failed(0)
    assert ("closed", True) == (state.state(0), state.allows(0))

    state.failed(0)

    assert ("open", False) == (state.state(0), state.allows(29))
    assert "half-open" == state.state(30)
    assert [True, False, False] == [state.allows(30) for _ in range(3)]
    assert [False, True] == [state.allows(59), state.allows(60)]


def test_an_answer_closes_it():
    """And the count begins anew."""
    state = Availability(["a"], 2, 30)
    state.failed(0)
    state.worked()
    state.failed(0)
    assert state.allows(0)

    state.failed(0)
    assert state.allows(31)
    state.worked()

    assert [True, True] == [state.allows(31), state.allows(31)]


@given(st.lists(st.tuples(st.sampled_from(["ask", "fail", "work"]), st.integers(0, 40))), st.integers(1, 4))
def test_whatever_happens_a_store_is_tried_again(events, failures):
    """After a rest there is always one question, and never more than one in a rest while it fails."""
    state, now, last, in_a_row = Availability(["a"], failures, 30), 0, None, 0
    for event, seconds in events:
        now += seconds
        if event == "work":
            state.worked()
            in_a_row = 0
        elif event == "fail":
            state.failed(now)
            in_a_row += 1
        elif state.allows(now) and in_a_row >= failures:
            assert last is None or now - last >= 30
            last = now

    assert state.allows(now + 30)
