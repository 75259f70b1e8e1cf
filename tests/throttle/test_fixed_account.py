"""Fixed windows counted by all nodes, as one of them sees them."""

from attrs import evolve

from tests.throttle.simulation import START, FakeMemcached
from twgw.model import Limit
from twgw.throttle.asking import LOST, NOTHING, POISONED, REFUSED, Asking
from twgw.throttle.fixed_account import FixedAccount
from twgw.throttle.reservation import MOST, NONCE, NUMBERS, Answer

NOW = START - START % 60 + 1
ASKING = Asking(now=NOW, cost=1, waiting=1, nodes=2, nonce=5, lost_at=0.0)


def account(amount=10, period=60):
    made = FixedAccount(Limit(amount, period), "n")
    made.peek(NOW, 0)
    return made


def take(made, server, about=ASKING):
    """One token, asked for where there is none."""
    if made.peek(about.now, about.cost) is None:
        made.answered([server.do(command) for command in made.ask(about)], about.lost_at)
    allowed = made.peek(about.now, about.cost)
    if allowed:
        made.commit(about.cost)
    return allowed


def test_it_spends_what_was_granted_and_knows_when_there_is_no_more():
    """Two nodes, one counter: ten tokens, and then nobody asks until the window ends."""
    server, nodes = FakeMemcached(), [account(), account()]

    assert 10 == sum(bool(take(nodes[number % 2], server)) for number in range(40))
    asked = server.commands
    assert [False, False] == [take(made, server) for made in nodes]
    assert asked == server.commands
    assert (0, 59.0, 59.0) == (nodes[0].remaining(NOW), nodes[0].reset_after(NOW), nodes[0].retry_after(NOW, 1))
    later = evolve(ASKING, now=NOW + 60)
    assert take(nodes[0], server, later)
    assert 9 == nodes[0].remaining(NOW + 60)


def test_tokens_and_answers_end_with_their_window():
    """An answer that comes when the next window has begun grants nothing there."""
    made, server = account(), FakeMemcached()
    commands = made.ask(evolve(ASKING, waiting=5))
    assert made.peek(NOW + 60, 1) is None
    assert NOTHING == made.answered([server.do(command) for command in commands], 0)
    assert made.peek(NOW + 60, 1) is None
    assert 10 == made.remaining(NOW + 60)


def test_what_nobody_knows_is_lost():
    """It is not spent, and not known to be used up."""
    made = account()
    made.ask(ASKING)
    assert NOTHING == made.answered([None], 0)
    assert made.peek(NOW, 1) is None
    made.ask(ASKING)
    assert NOTHING == made.answered([], 0)


def test_a_window_that_began_before_a_loss_gets_nothing():
    """Also when the loss is only seen by the batch that reserves; what was granted before stays."""
    made, server = account(), FakeMemcached()
    assert [] == made.ask(evolve(ASKING, lost_at=NOW))
    assert made.peek(NOW, 1) is False

    made = account()
    made.answered([server.do(command) for command in made.ask(evolve(ASKING, waiting=3, nodes=1))], 0)
    assert made.peek(NOW, 3)
    made.commit(2)
    replies = [server.do(command) for command in made.ask(ASKING)]
    made.answered(replies, NOW)
    assert made.peek(NOW, 1)
    assert made.peek(NOW, 2) is False
    assert made.peek(NOW + 60, 1) is None


def test_a_counter_that_was_made_anew_is_closed_for_all():
    """Seen by its nonce, or because it counts less than was seen; no other node is granted anything then."""
    def forget(server):
        server.items.clear()

    def go_back(server):
        server.items = dict.fromkeys(server.items, (6 * NONCE + 1, 1))

    for spoil in (forget, go_back):
        made, other, server = account(), account(), FakeMemcached()
        for number in range(4):
            assert take(made, server, evolve(ASKING, nonce=6 + number))
        spoil(server)
        while made.tokens:
            made.commit(1)
        heard = made.answered([server.do(command) for command in made.ask(evolve(ASKING, nonce=99))], 0)
        assert LOST == heard.fault
        assert made.peek(NOW, 1) is False
        for command in heard.tell:
            server.do(command)
        assert take(other, server) is False


def test_values_that_no_node_wrote_grant_nothing():
    """No number, 0 as nonce, less than was asked for; and when the server has no room."""
    for reply, fault in (
        ("CLIENT_ERROR cannot increment or decrement non-numeric value", POISONED),
        ("SERVER_ERROR Out of memory during counter creation", REFUSED),
        (Answer(1), POISONED), (Answer(5 * NONCE), POISONED), (Answer(NUMBERS), POISONED),
    ):  # fmt: skip
        made = account()
        made.ask(ASKING)
        assert fault == made.answered([reply], 0).fault
        assert made.peek(NOW, 1) is False
        assert made.peek(NOW + 60, 1) is None
    for reply in (Answer(5 * NONCE + NUMBERS - 1), Answer((1 << 64) - 1)):
        made = account()
        made.ask(ASKING)
        made.answered([reply], 0)
        assert made.peek(NOW, 1) is False


def test_large_limits_are_counted_in_larger_units():
    """Ten terabytes have no room in 32 bits: what is lost of the limit is less than a unit."""
    limit = 10**13 + 10**6
    made, server = account(limit), FakeMemcached()
    assert limit - made.unit < made.amount <= limit
    assert made.limit <= MOST

    spent = 0
    while take(made, server, evolve(ASKING, cost=10**12, waiting=10**12)):
        spent += 10**12
    assert 10 * 10**12 == spent
    assert not take(made, server, evolve(ASKING, cost=10**12))
    assert made.peek(NOW, limit + 1) is False
    assert 60 == made.retry_after(NOW, limit + 1)


def test_blocks_grow_with_the_rate_and_shrink_without_it():
    """A key that is asked for once in a while reserves one at a time."""
    made, server = account(10**6), FakeMemcached()
    for number in range(2000):
        assert take(made, server, evolve(ASKING, now=NOW + number / 1000))
    assert server.commands < 40
    asked = server.commands
    made.commit(made.tokens)
    for number in range(20):
        assert take(made, server, evolve(ASKING, now=NOW + 5 + number))
    assert server.commands >= asked + 15
