"""Token buckets that all nodes fill from together, as one of them sees them."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.throttle.simulation import START, FakeMemcached
from twgw.model import Algorithm, Limit
from twgw.throttle.asking import LOST, POISONED, REFUSED, Asking
from twgw.throttle.bucket_account import TRIES, UNAWARE, BucketAccount
from twgw.throttle.reservation import AHEAD, Answer, Put

ASKING = Asking(now=START, cost=1, waiting=1, nodes=1, nonce=5, lost_at=0.0)


def account(amount=10, period=10, burst=5):
    return BucketAccount(Limit(amount, period, Algorithm.TOKEN_BUCKET, burst), "n")


def ask(made, server, about=ASKING, lost_at=0.0):
    return made.answered([server.do(command) for command in made.ask(about)], lost_at)


def take(made, server, about=ASKING):
    for _ in range(3 * TRIES):
        if made.peek(about.now, about.cost) is None:
            ask(made, server, about)
    allowed = made.peek(about.now, about.cost)
    if allowed:
        made.commit(about.cost)
    return allowed


def test_a_burst_and_then_the_rate():
    """Five at once, then one a second, whoever of two asks."""
    server, nodes = FakeMemcached(), [account(), account()]
    assert 5 == sum(bool(take(nodes[number % 2], server)) for number in range(20))
    for tenths in range(1, 100):
        about = evolve(ASKING, now=START + tenths / 10)
        for made in nodes:
            take(made, server, about)
    spent = sum(
        bool(take(made, server, evolve(ASKING, now=START + 10 + tenths / 10)))
        for tenths in range(100) for made in nodes
    )  # fmt: skip
    assert 9 <= spent <= 11


def test_an_idle_bucket_is_full_and_not_fuller():
    """After an hour there is one burst."""
    server, made = FakeMemcached(), account()
    take(made, server)
    about = evolve(ASKING, now=START + 3600)
    assert 5 == made.remaining(START + 3600)
    assert 5 == sum(bool(take(made, server, about)) for _ in range(20))
    assert 0 < made.retry_after(START + 3600, 1) <= 1
    assert 4 <= made.reset_after(START + 3600) <= 7
    assert made.expires() >= START + 3604


def test_a_step_that_was_reserved_too_early_is_kept_until_its_time():
    """Nobody asks meanwhile, and it is gone when it was not used in time."""
    server, made = FakeMemcached(), account()
    while take(made, server):
        pass
    asked = server.commands
    assert made.peek(START + 0.5, 1) is False
    assert asked == server.commands
    assert made.peek(START + 1.0, 1) is True
    assert made.peek(START + 1.05 + AHEAD, 1) is None


def test_the_bucket_is_begun_by_one_of_them():
    """Two see that it was full; one begins it, the other goes on from there."""
    server, nodes = FakeMemcached(), [account(), account()]
    take(nodes[0], server)
    about = evolve(ASKING, now=START + 60)
    for made in nodes:
        ask(made, server, about)
    for made in nodes:
        (command,) = made.ask(about)
        assert isinstance(command, Put)
        made.answered([server.do(command)], 0)
    assert [None, True] == [made.peek(START + 60, 1) for made in nodes]
    assert 5 == sum(bool(take(made, server, about)) for _ in range(9) for made in nodes)


def test_whoever_never_comes_first_stops_asking_for_a_while():
    """Others change the bucket each time in between."""
    made, server = account(), FakeMemcached()
    take(made, server)
    now = START + 60
    for _ in range(2 * (TRIES + 1)):
        assert made.peek(now, 1) is None
        commands = made.ask(evolve(ASKING, now=now))
        server.cas += 1
        for key, (value, _) in list(server.items.items()):
            server.items[key] = (value - value // 1000 if not isinstance(commands[0], Put) else value, server.cas)
        made.seen = 0
        made.answered([server.do(command) for command in commands], 0)
        if made.peek(now, 1) is not None:
            break
        for key, (value, _) in list(server.items.items()):
            server.items[key] = (value, 0)
    assert made.peek(now, 1) is False
    assert made.peek(now + 1.1, 1) is None


def test_what_was_reserved_beyond_a_loss_is_dropped():
    """All begin anew there: somebody else is granted the same steps."""
    server, made = FakeMemcached(), account()
    for _ in range(40):  # others, who take more than there is
        take(account(), server, ASKING)
    ask(made, server, ASKING)
    assert (1, False) == (made.count, made.peek(START, 1))
    made.lose(START - UNAWARE - 1)
    assert (0, None) == (made.count, made.peek(START, 1))


def test_a_bucket_that_was_begun_anew_is_not_begun_again():
    """Who comes to know of a loss later than others finds what they have taken, and takes what is beyond."""
    server, about = FakeMemcached(), evolve(ASKING, now=START + 20, lost_at=START)
    first, second = account(), account()
    take(first, server, about)
    reached = max(value for value, _ in server.items.values())
    second.answered([server.do(command) for command in second.ask(evolve(about, lost_at=0.0))], START)
    second.answered([server.do(command) for command in second.ask(about)], START)
    assert second.at >= reached


def test_a_loss_empties_the_bucket():
    """What was in it before is not known: it fills up again from then on."""
    server, made = FakeMemcached(), account()
    about = evolve(ASKING, lost_at=START)
    assert not take(account(), FakeMemcached(), about)
    about = evolve(ASKING, now=START + 3 + UNAWARE, lost_at=START)
    assert 3 == sum(bool(take(made, server, about)) for _ in range(9))

    server, made = FakeMemcached(), account()
    ask(made, server, ASKING, lost_at=START)
    assert made.peek(START, 1) is None
    assert not take(made, server, about=evolve(ASKING, lost_at=START))


def test_a_bucket_that_went_back_was_lost():
    """An old value, or a new one, in place of a newer one."""
    server, made = FakeMemcached(), account(amount=1000, burst=1000)
    take(made, server)
    old = dict(server.items)
    for number in range(1, 5):
        assert take(made, server, evolve(ASKING, now=START + number * 0.001, cost=100, waiting=100))
    server.items = old
    about = evolve(ASKING, now=START + 0.01, cost=300, waiting=300)
    assert LOST == ask(made, server, about).fault
    assert not take(made, server, about)


def test_values_that_no_node_wrote_grant_nothing():
    """Until it is asked again, a while later."""
    for reply, fault in (
        ("CLIENT_ERROR non-numeric", POISONED), ("SERVER_ERROR out of memory", REFUSED),
        (Answer((1 << 64) - 1, 1), POISONED), (Answer(0, 1), POISONED),
    ):  # fmt: skip
        made = account()
        made.ask(ASKING)
        assert fault == made.answered([reply], 0).fault
        assert made.peek(START, 1) is False
        assert made.peek(START + 1.1, 1) is None


def test_what_nobody_knows_is_lost():
    """Reserved, or begun."""
    server, made = FakeMemcached(), account()
    made.ask(ASKING)
    made.answered([None], 0)
    assert made.peek(START, 1) is None
    take(made, server)
    ask(made, server, evolve(ASKING, now=START + 60))
    made.ask(evolve(ASKING, now=START + 60))
    made.answered([], 0)
    assert made.peek(START + 60, 1) is None
    assert take(made, server, evolve(ASKING, now=START + 60))


def test_what_a_node_let_pass_alone_is_counted_afterwards():
    """And is granted to nobody else."""
    server, made, other = FakeMemcached(), account(), account()
    ask(made, server, evolve(ASKING, owed=3))
    assert take(made, server)
    assert 1 == sum(bool(take(other, server)) for _ in range(9))


def test_more_than_the_bucket_never_fits():
    """And is told to come back when it is full, as others are told."""
    made = account()
    assert made.peek(START, 6) is False
    assert 5 == made.retry_after(START, 6)


@given(
    st.integers(1, 10**12), st.sampled_from([0.1, 1, 60, 86400 * 30]), st.integers(1, 10**12),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 10)), max_size=30), st.integers(1, 3),
)  # fmt: skip
def test_no_interval_has_more_than_burst_and_rate(amount, period, burst, steps, nodes):
    """Whatever is asked for, by whom, in units of any size: T3 without skew."""
    limit = Limit(amount, period, Algorithm.TOKEN_BUCKET, burst)
    server, made = FakeMemcached(), [BucketAccount(limit, "n") for _ in range(nodes)]
    rate, now, spent = amount / period, START, []
    for number, (wait, share) in enumerate(steps):
        now += wait * burst / rate
        cost = max(burst * share // 10, 1)
        if take(made[number % nodes], server, Asking(now, cost, cost, nodes, 5, 0.0)):
            spent.append((now, cost))
    for first, (begin, _) in enumerate(spent):
        total = 0
        for end, cost in spent[first:]:
            total += cost
            assert total <= (burst + rate * (end - begin + AHEAD)) * (1 + 1e-6) + 1
