"""The lease of a gateway: it counts from the question, and from when enough is in force."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.cluster.conftest import HandClocks
from twgw.cluster.lease import MOST_ASKED, Lease, Watch
from twgw.cluster.messages import LeaseAsked, LeaseGiven, LeaseReturned
from twgw.registry import Head

SECONDS = st.floats(0.01, 6)
POSITIONS = st.integers(0, 5)


@pytest.fixture
def lease(clocks):
    return Lease("g", clocks)


def given(asked, seconds=4.0, need=0):
    """The answer to a question."""
    return LeaseGiven(asked.gateway, asked.number, seconds, Head(1, need))


def test_nothing_is_trusted_before_a_lease_was_given(lease):
    """Neither at the start nor once asked."""
    assert not lease.valid()
    assert lease.ask() == LeaseAsked("g", 1, Head(0, 0))
    assert not lease.valid()


class Said:
    """A log that keeps what stands in it."""

    def __init__(self):
        self.lines = []

    def info(self, text, **_fields):
        self.lines.append(f"info: {text}")

    def error(self, text, **_fields):
        self.lines.append(f"error: {text}")


def test_the_log_says_once_that_there_is_none(lease, clocks):
    """Not before the first one: a node that begins is not ready, and refuses nobody that was served before."""
    log = Said()
    watch = Watch(lease.valid, log)
    watch.look()
    assert [] == log.lines

    asked = lease.ask()
    lease.advance(Head(1, 0))
    lease.take(given(asked))
    watch.look()
    clocks.go(5)
    for _ in range(3):
        watch.look()
    assert ["error: the lease has ended"] == [line.partition(",")[0] for line in log.lines]

    lease.take(given(lease.ask()))
    for _ in range(3):
        watch.look()
    assert ["info: there is a lease again: everybody is served"] == log.lines[1:]


def test_a_lease_counts_from_when_it_was_asked_for(lease, clocks):
    """However long the answer took."""
    asked = lease.ask()
    clocks.go(3)
    lease.advance(Head(1, 0))
    lease.take(given(asked))

    assert lease.valid()
    assert lease.left() == 1

    clocks.go(1)

    assert not lease.valid()


@pytest.mark.parametrize("further", [(4.0, 0.0), (0.0, 4.0)])
def test_the_clock_that_went_further_ends_it(lease, clocks, further):
    """One that was held back, or stood while the machine slept, does not prolong it."""
    lease.advance(Head(1, 0))
    lease.take(given(lease.ask()))
    clocks.go(*further)

    assert not lease.valid()


def test_it_does_not_count_before_enough_is_in_force(lease, clocks):
    """And then for what is left of it."""
    lease.advance(Head(1, 6))
    lease.take(given(lease.ask(), need=8))
    lease.advance(Head(1, 7))

    assert not lease.valid()

    clocks.go(1)
    lease.advance(Head(1, 8))

    assert lease.left() == 3


def test_a_new_epoch_is_further_than_the_old_one(lease):
    """A position of the old one is not enough, however large."""
    lease.advance(Head(1, 99))
    lease.take(LeaseGiven("g", lease.ask().number, 4.0, Head(2, 5)))

    assert not lease.valid()


def test_a_shorter_lease_takes_nothing_away(lease):
    """As when the session of a key manager ends soon, and another gave more."""
    lease.advance(Head(1, 0))
    first, second = lease.ask(), lease.ask()
    lease.take(given(first, 4))
    lease.take(given(second, 1))
    lease.take(given(first, 4))

    assert lease.left() == 4


def test_answers_to_nobody_are_let_be(lease):
    """To another process, to no question, to one from long ago."""
    lease.advance(Head(1, 0))
    asked = lease.ask()
    lease.take(LeaseGiven("h", asked.number, 4.0, Head(1, 0)))
    lease.take(LeaseGiven("g", asked.number + 1, 4.0, Head(1, 0)))
    for _ in range(MOST_ASKED):
        lease.ask()
    lease.take(given(asked))

    assert not lease.valid()


def test_an_answer_that_comes_again_gives_no_more(lease, clocks):
    """It counts from when its question was asked, however often it comes."""
    lease.advance(Head(1, 0))
    asked = lease.ask()
    for _ in range(3):
        clocks.go(1)
        lease.take(given(asked, 4))
    assert lease.left() == 1

    clocks.go(1)
    lease.take(given(asked, 4))
    assert not lease.valid()


def test_what_was_given_back_does_not_return(lease):
    """Nor does what was asked for before; what is asked for later counts."""
    lease.advance(Head(1, 0))
    early, asked = lease.ask(), lease.ask()
    lease.take(given(asked))

    assert lease.give_back() == LeaseReturned("g", 2)

    lease.take(given(early))

    assert not lease.valid()

    lease.take(given(lease.ask()))

    assert lease.valid()


class LeaseMachine(RuleBasedStateMachine):
    """Answers in any order, any number of times: the lease is what the best of them says, and no more."""

    def __init__(self):
        super().__init__()
        self.clocks = HandClocks()
        self.lease = Lease("g", self.clocks)
        self.asked = []
        self.good = []
        """What was given: what has to be in force, and the end by both clocks."""

    @rule()
    def ask(self):
        if len(self.asked) < MOST_ASKED:
            self.asked.append((self.lease.ask(), self.clocks.raw(), self.clocks.boot()))

    @rule(which=st.integers(0), seconds=SECONDS, need=POSITIONS)
    def take(self, which, seconds, need):
        if self.asked:
            asked, raw, boot = self.asked[which % len(self.asked)]
            self.lease.take(given(asked, seconds, need))
            self.good.append((need, raw + seconds, boot + seconds))

    @rule(position=POSITIONS)
    def advance(self, position):
        if Head(1, position) > self.lease.applied:
            self.lease.advance(Head(1, position))

    @rule(raw=st.floats(0, 3), boot=st.floats(0, 3))
    def go(self, raw, boot):
        self.clocks.go(raw, boot)

    @invariant()
    def is_valid_when_one_is(self):
        """A lease that holds was given, and has all that it demands; one that ends sooner may be forgotten."""
        in_force, raw, boot = self.lease.applied, self.clocks.raw(), self.clocks.boot()
        holding = [1 for need, *ends in self.good if Head(1, need) <= in_force and raw < ends[0] and boot < ends[1]]

        assert self.lease.valid() <= bool(holding)


TestLeases = LeaseMachine.TestCase
TestLeases.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, database=None)
