"""Sliding windows counted by all nodes, as one of them sees them."""

from attrs import evolve

from tests.throttle.simulation import START, FakeMemcached
from twgw.model import Algorithm, Limit
from twgw.throttle.asking import LOST, NOTHING, POISONED, REFUSED, Asking
from twgw.throttle.reservation import NONCE, NUMBERS, Answer, close, counted
from twgw.throttle.sliding_account import SLICES, SlidingAccount

NOW = START - START % 10
ASKING = Asking(now=NOW, cost=1, waiting=1, nodes=2, nonce=5, lost_at=0.0)


def account(amount=10, now=NOW):
    made = SlidingAccount(Limit(amount, 10, Algorithm.SLIDING_WINDOW), "n")
    made.peek(now, 0)
    return made


def ask(made, server, about=ASKING, lost_at=0.0):
    return made.answered([server.do(command) for command in made.ask(about)], lost_at)


def take(made, server, about=ASKING):
    while made.peek(about.now, about.cost) is None:
        ask(made, server, about)
    allowed = made.peek(about.now, about.cost)
    if allowed:
        made.commit(about.cost)
    return allowed


def test_what_was_spent_comes_back_when_its_slice_has_left_the_window():
    """Not before, whichever node asks."""
    server, nodes = FakeMemcached(), [account(), account()]
    assert 10 == sum(bool(take(nodes[number % 2], server)) for number in range(30))
    for seconds in range(1, SLICES + 1):
        about = evolve(ASKING, now=NOW + seconds)
        assert [False, False] == [take(made, server, about) for made in nodes]
        assert 0 < nodes[0].retry_after(about.now, 1) <= 11 - seconds
    about = evolve(ASKING, now=NOW + SLICES + 1)
    assert 9 <= sum(bool(take(nodes[number % 2], server, about)) for number in range(30)) <= 10


def test_a_slice_is_closed_before_the_next_one_counts():
    """So nothing can be let pass in it any more: a slow node goes on in the next slice."""
    server, fast, slow = FakeMemcached(), account(), account()
    assert take(slow, server)
    assert take(fast, server, evolve(ASKING, now=NOW + 1))
    slow.commit(slow.tokens)
    ask(slow, server)
    assert slow.label == fast.label
    assert take(slow, server)
    values = {key: counted(value) for key, (value, _) in server.items.items()}
    assert 2 <= values[f"n:{fast.label - 1:x}"][1]
    assert 0 == values[f"n:{fast.label:x}"][1]


def test_a_node_does_not_run_ahead_of_its_clock():
    """Whoever closes slices of the future holds a node up, but leads it nowhere."""
    server, made = FakeMemcached(), account()
    for label in range(made.label, made.label + 3):
        server.do(close(f"n:{label:x}", 9, 60))
    begun = made.label
    ask(made, server)
    ask(made, server)
    assert begun + 1 == made.label
    assert made.peek(NOW, 1) is False


def test_nothing_is_reserved_where_there_is_probably_nothing():
    """What is reserved in vain would count for a whole window."""
    server, made = FakeMemcached(), account()
    while take(made, server):
        pass
    for seconds in range(1, SLICES):
        assert not take(made, server, evolve(ASKING, now=NOW + seconds))
    values = [counted(value)[2] for value, _ in server.items.values()]
    assert sum(values) <= 11


def test_closed_slices_are_remembered():
    """Each is asked for once."""
    server, made = FakeMemcached(), account(1000)
    assert take(made, server)
    assert SLICES + 1 == server.commands
    made.commit(made.tokens)
    for seconds in range(1, 5):
        assert take(made, server, evolve(ASKING, now=NOW + seconds))
    assert SLICES + 1 + 2 * 4 == server.commands


def test_a_loss_uses_up_the_whole_window_before_it():
    """Until it has left the window, nobody is granted anything."""
    server, made = FakeMemcached(), account()
    assert [] == made.ask(evolve(ASKING, lost_at=NOW))
    for seconds in range(SLICES):
        assert made.peek(NOW + seconds, 1) in {None, False}
        assert [] == made.ask(evolve(ASKING, now=NOW + seconds, lost_at=NOW))
    assert take(made, server, evolve(ASKING, now=NOW + SLICES, lost_at=NOW))
    assert LOST == lost_key(made, server, evolve(ASKING, now=NOW + SLICES, lost_at=NOW))
    assert [] == made.ask(evolve(ASKING, now=NOW + 2 * SLICES - 1))
    assert [] != made.ask(evolve(ASKING, now=NOW + 2 * SLICES))


def lost_key(made, server, about):
    """What is heard when one counter is lost."""
    server.items.clear()
    made.commit(made.tokens)
    return ask(made, server, evolve(about, nonce=77)).fault


def test_answers_that_no_node_wrote_or_that_never_came_grant_nothing():
    """Each is told apart."""
    good = Answer(5 * NONCE + NUMBERS)
    for reply, last, fault in (
        ("CLIENT_ERROR non-numeric", good, POISONED), ("SERVER_ERROR out of memory", good, REFUSED),
        (Answer(3), good, POISONED), (Answer(5 * NONCE), Answer(5 * NONCE + 3), POISONED),
        (good, Answer(5 * NONCE), POISONED), (good, Answer(3), POISONED), (None, good, ""),
    ):  # fmt: skip
        made = account()
        commands = made.ask(ASKING)
        heard = made.answered([good] * (len(commands) - 2) + [reply, last], 0)
        assert fault == heard.fault
        assert made.peek(NOW, 1) is (False if fault else None)
    made = account()
    made.ask(ASKING)
    assert NOTHING == made.answered([], 0)


def test_an_answer_for_a_slice_that_has_ended_is_not_used():
    """Its tokens end with it."""
    server, made = FakeMemcached(), account()
    replies = [server.do(command) for command in made.ask(ASKING)]
    made.peek(NOW + 1, 1)
    made.answered(replies, 0)
    assert 0 == made.tokens


def test_what_a_node_let_pass_alone_is_counted_afterwards():
    """And is granted to nobody else."""
    server, made, other = FakeMemcached(), account(), account()
    ask(made, server, evolve(ASKING, owed=6))
    assert 1 == made.tokens
    assert 3 == sum(bool(take(other, server)) for _ in range(20))


def test_it_says_when_it_is_whole_again():
    """A fresh one is; a used one when its slice has left the window."""
    server, made = FakeMemcached(), account()
    assert (10, 0.0) == (made.remaining(NOW), made.reset_after(NOW))
    take(made, server)
    assert 11 == made.reset_after(NOW)
    assert 9 == made.remaining(NOW)
    assert 10 == made.retry_after(NOW, 11)
    assert NOW + 2 == made.expires()
