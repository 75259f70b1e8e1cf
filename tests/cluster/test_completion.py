"""When a revocation is done over the whole cluster."""

import pytest

from tests.cluster.conftest import EXACT
from twgw.cluster.clocks import Moment, Terms
from twgw.cluster.completion import Completion, Session, View
from twgw.cluster.messages import RelayDone
from twgw.registry import Head


@pytest.fixture
def completion(clocks):
    return Completion(clocks, EXACT)


def session(id, done=0, beats=1):
    """A session, in the first epoch."""
    return Session(id, f"node-{id}", beats, Head(1, done))


def look(completion, position, *sessions):
    """A look at the database that returns now."""
    completion.saw(View(Head(1, position), sessions))


def test_nothing_is_done_that_was_not_looked_for(completion):
    """Who has not seen the sessions knows of none."""
    assert completion.done == Head(0, 0)


def test_without_sessions_what_is_in_the_log_is_done(completion, clocks):
    """Nobody has ever been given a lease."""
    look(completion, 7)

    assert completion.done == Head(1, 7)


def test_it_is_done_when_every_session_is(completion, clocks):
    """And not further than the log was seen to be."""
    look(completion, 7, session("a", 9), session("b", 5))

    assert completion.done == Head(1, 5)

    look(completion, 7, session("a", 9, 2), session("b", 8, 2))

    assert completion.done == Head(1, 7)


def test_a_session_of_an_older_epoch_is_done_with_nothing_of_the_new_one(completion, clocks):
    """Whatever number it has come to."""
    completion.saw(View(Head(2, 4), (session("a", 99),)))

    assert completion.done == Head(1, 99)
    assert completion.done < Head(2, 4)


def test_a_session_may_say_itself_that_it_is_done(completion, clocks):
    """Before it stands in the database; what it says of another time or twice takes nothing back."""
    look(completion, 7, session("a", 5))
    for done in (6, 5):
        completion.told(RelayDone("a", Head(1, done)))

    assert completion.done == Head(1, 6)

    look(completion, 7, session("a", 5))

    assert completion.done == Head(1, 6)


def test_with_it_comes_how_its_gateways_stand(completion, clocks):
    """Until the database says something later."""
    look(completion, 7, session("a", 5))
    completion.told(RelayDone("a", Head(1, 6), "new"))
    completion.told(RelayDone("a", Head(1, 5), "old"))

    assert [("new", Head(1, 6))] == [(each.report, each.done) for each in completion.there]

    look(completion, 7, session("a", 7))

    assert [("", Head(1, 7))] == [(each.report, each.done) for each in completion.there]


def test_what_an_unknown_session_says_is_not_kept(completion, clocks):
    """It is not among those that are waited for."""
    completion.told(RelayDone("a", Head(1, 9)))
    look(completion, 7, session("a", 5))

    assert completion.done == Head(1, 5)


def test_a_session_that_says_nothing_for_as_long_as_it_may_last_is_waited_for_no_more(completion, clocks):
    """Its row may go; until then, and when it is heard again, it counts."""
    look(completion, 7, session("a", 5))
    clocks.go(14.9)
    look(completion, 8, session("a", 5))

    assert completion.done == Head(1, 5)
    assert completion.silent == []

    clocks.go(0.1)

    assert completion.done == Head(1, 8)
    assert completion.silent == [session("a", 5)]

    look(completion, 8, session("a", 5, beats=2))

    assert completion.done == Head(1, 5)
    assert completion.silent == []


def test_the_clock_that_went_less_counts_for_silence(clocks):
    """And the slowest clock of whoever may hold the session."""
    completion = Completion(clocks, Terms())
    look(completion, 7, session("a", 5))
    clocks.go(15.49, 99)

    assert completion.done == Head(1, 5)

    clocks.go(0.02)

    assert completion.done == Head(1, 7)


def test_a_session_that_went_and_came_is_another(completion, clocks):
    """Its silence begins anew."""
    look(completion, 7, session("a", 5))
    clocks.go(10)
    look(completion, 7)
    look(completion, 7, session("a", 5))
    clocks.go(10)
    look(completion, 7, session("a", 5))

    assert completion.done == Head(1, 5)


def test_what_was_committed_that_long_ago_is_done_without_a_look(completion, clocks):
    """Every session that did not know it has ended, by whatever clock."""
    committed = Moment.now(clocks)
    clocks.go(14.9, 99)

    assert not completion.has_passed(committed)

    clocks.go(0.1)

    assert completion.has_passed(committed)


def test_a_session_that_nobody_renews_is_waited_for_by_whoever_sees_it(completion, clocks):
    """As the one that stands for those that were lost: also by who comes late, who has not seen the loss itself."""
    lost = Session("lost-2", "(lost)", 0, Head(0, 0))
    completion.saw(View(Head(2, 1007), (Session("a", "node-a", 1, Head(2, 1007)), lost)))
    clocks.go(EXACT.session - 0.1)
    completion.saw(View(Head(2, 1008), (Session("a", "node-a", 2, Head(2, 1008)), lost)))
    assert completion.done == Head(0, 0)

    clocks.go(0.1)
    assert completion.done == Head(2, 1008)
    assert [lost] == completion.silent
