"""Limits of several nodes together: what holds whatever goes wrong, and what each node does about it.

``TWGW_TEST_SEED`` begins with another seed, ``TWGW_TEST_SEEDS`` takes more of them.
"""

import os

import pytest

from tests.throttle.simulation import START, World, burst_over, by_label, charge, most_within
from twgw.model import Algorithm, Limit
from twgw.throttle import fixed_account, reservation, sliding_account
from twgw.throttle.bucket_account import BucketAccount
from twgw.throttle.fixed_account import FixedAccount
from twgw.throttle.others import Others
from twgw.throttle.reservation import AHEAD, Answer
from twgw.throttle.servers import CounterServer
from twgw.throttle.shared import share_of
from twgw.throttle.sliding_account import SlidingAccount

FIRST, SEEDS = int(os.environ.get("TWGW_TEST_SEED", "1")), int(os.environ.get("TWGW_TEST_SEEDS", "12"))
SKEW = 0.02


def limit_for(world, algorithm):
    """Small and large ones, in short windows."""
    amount, period = world.random.choice([5, 50, 300]), world.random.choice([1, 2, 3])
    bucket = algorithm is Algorithm.TOKEN_BUCKET
    return Limit(amount, period, algorithm, world.random.choice([None, max(amount // 5, 1)]) if bucket else None)


def trouble(world):
    """Nodes stand still; batches and answers come late, or never."""
    def something():
        what = world.random.choice(["still", "late", "lose", "lose_answer"])
        if what == "still":
            world.random.choice(world.nodes).stand_still(world.random.uniform(0.05, 1.5))
        else:
            setattr(world, what, world.random.choice([0, 0.01, 0.05]))
        world.at(world.random.expovariate(2), something)

    something()


def faulty(seed, algorithm, skew=SKEW, more=trouble):
    """Eight seconds in which nearly everything goes wrong but the server's data; and the limit."""
    world = World(seed, nodes=2 + seed % 3, skew=skew)
    limit = limit_for(world, algorithm)
    more(world)
    world.load([charge(limit)], limit.amount / limit.period * world.random.choice([0.7, 1.5, 3]), 8)
    world.run(10)
    return world, limit


def together(world):
    """Only what was decided together."""
    world.admitted = [each for each in world.admitted if not each[4]]
    return world


def excess(world, limit):
    """By how much the bound of the limit's algorithm was exceeded: T1, T2 or T3."""
    if limit.algorithm is Algorithm.FIXED_WINDOW:
        return max(by_label(world, limit.period).values(), default=0) - limit.amount
    if limit.algorithm is Algorithm.SLIDING_WINDOW:
        return most_within(world, limit.period - 2 * world.skew) - limit.amount
    rate = limit.amount / limit.period
    return burst_over(world, rate) - (limit.burst or limit.amount) - rate * (AHEAD + 2 * world.skew) - 1


# --- the bounds ---


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_the_nodes_together_never_admit_more_than_the_limit(seed, algorithm):
    """T1, T2, T3: whatever is late, lost or stands still, and by how much clocks differ; the server keeps its data."""
    world, limit = faulty(seed, algorithm, skew=0.3 if seed % 4 == 0 else SKEW)

    assert len(together(world).admitted) > 0
    assert excess(world, limit) <= 0


@pytest.mark.parametrize(
    ("algorithm", "least"),
    [(Algorithm.FIXED_WINDOW, 3000), (Algorithm.SLIDING_WINDOW, 2600), (Algorithm.TOKEN_BUCKET, 3250)],
)
def test_nearly_all_of_the_limit_is_used(algorithm, least):
    """By twice the demand, at four nodes; a sliding window lets pass ten elevenths at most."""
    world = World(3, nodes=4, skew=SKEW)
    limit = Limit(1000, 3, algorithm)
    world.load([charge(limit)], 2000 / 3, 16)
    world.run(16)

    if algorithm is Algorithm.FIXED_WINDOW:
        assert [1000] * 4 == list(by_label(world, 3).values())[1:5]
    assert least <= sum(cost for time, _, _, cost, _ in world.admitted if 3 < time <= 12.9)
    assert sum(server.batches for node in world.nodes for server in node.servers) < len(world.admitted) * 0.25


def test_a_fast_key_asks_rarely():
    """A tenth of a second of its rate at a time: the faster it is, the fewer requests have to ask."""
    share = []
    for rate in (20, 200, 2000):
        world = World(5, nodes=2)
        world.load([charge(Limit(10**6, 60))], rate, 3)
        world.run(3)
        share.append(sum(node.limiter.waited for node in world.nodes) / len(world.admitted))

    assert share[0] > share[1] > share[2]
    assert share[2] < 0.02


# --- every rule is needed: without it, the checker finds too much ---


def grant_all(monkeypatch):
    for place in (fixed_account, sliding_account):
        monkeypatch.setattr(place, "granted", lambda limit, count, asked: asked)


def keep_tokens(monkeypatch):
    begin = FixedAccount.begin

    def keep(self, label):
        tokens = self.tokens
        begin(self, label)
        self.tokens = tokens

    monkeypatch.setattr(FixedAccount, "begin", keep)


def believe_silence(monkeypatch):
    answered = FixedAccount.answered

    def believe(self, replies, lost_at):
        asked = self.asked
        if not replies or replies[0] is None:
            self.tokens += asked
        return answered(self, replies, lost_at)

    monkeypatch.setattr(FixedAccount, "answered", believe)


def overlook_closed(monkeypatch):
    answered = SlidingAccount.answered

    def overlook(self, replies, lost_at):
        if self.asked and replies and isinstance(replies[-1], Answer):
            nonce, _, reached = reservation.counted(replies[-1].value)
            replies = [*replies[:-1], Answer(nonce * reservation.NONCE + reached)]
        return answered(self, replies, lost_at)

    monkeypatch.setattr(SlidingAccount, "answered", overlook)


def short_window(monkeypatch):
    made = SlidingAccount.__init__

    def shorten(self, *args):
        made(self, *args)
        self.slice *= 0.8

    monkeypatch.setattr(SlidingAccount, "__init__", shorten)


def never_begin(monkeypatch):
    answered = BucketAccount.answered

    def grant(self, replies, lost_at):
        asked, reply = self.asked, replies[0] if replies else None
        if asked and isinstance(reply, Answer) and reply.value:
            return self._grant(reply.value - asked * self.one)
        return answered(self, replies, lost_at)

    monkeypatch.setattr(BucketAccount, "answered", grant)
    monkeypatch.setattr("twgw.throttle.bucket_account.AHEAD", 60.0)


def spend_early(monkeypatch):
    def ready(self, now):
        return self.count

    monkeypatch.setattr(BucketAccount, "_ready", ready)


MUTANTS = [
    (grant_all, Algorithm.FIXED_WINDOW, SKEW), (grant_all, Algorithm.SLIDING_WINDOW, SKEW),
    (keep_tokens, Algorithm.FIXED_WINDOW, SKEW), (believe_silence, Algorithm.FIXED_WINDOW, SKEW),
    (overlook_closed, Algorithm.SLIDING_WINDOW, 0.15), (short_window, Algorithm.SLIDING_WINDOW, SKEW),
    (never_begin, Algorithm.TOKEN_BUCKET, SKEW), (spend_early, Algorithm.TOKEN_BUCKET, SKEW),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "algorithm", "skew"), MUTANTS)
def test_without_a_rule_too_much_is_admitted(monkeypatch, mutant, algorithm, skew):
    """So the checker sees, and the rule is needed."""
    mutant(monkeypatch)

    runs = (faulty(seed, algorithm, skew=skew) for seed in range(20))
    assert any(excess(together(world), limit) > 0 for world, limit in runs)


# --- one node ---


def quiet(**more):
    """One node, and what it decides at once."""
    world = World(1, **{"nodes": 1, **more})
    world.run(0.5)
    return world, world.nodes[0]


def decide(world, node, *charges, wait=0.01):
    """What becomes of one request."""
    node.decisions = None
    node.request(charges)
    world.run(world.time + wait)
    return node.decisions


def test_what_needs_no_answer_is_decided_at_once():
    """Where tokens are left, and where it is known that there are none."""
    world, node = quiet()
    one = charge(Limit(100, 60))
    for _ in range(20):
        decide(world, node, one)
    waited = node.limiter.waited
    assert waited < 20
    node.servers[0].down = True  # nobody would be asked
    decisions = node.limiter.take_all([one])
    while decisions[0].allowed and not decisions[0].charge.name.endswith("(degraded)"):
        left, decisions = decisions[0].remaining, node.limiter.take_all([one])
    assert 0 < left < 80
    assert waited == node.limiter.waited


def test_a_used_up_limit_is_remembered_until_its_window_ends():
    """Nobody asks for it again, and clients are told when to come back."""
    world, node = quiet()
    one = charge(Limit(3, 60))
    assert [True, True, True, False] == [decide(world, node, one)[0].allowed for _ in range(4)]
    waited = node.limiter.waited
    (decision,) = decide(world, node, one)
    end = 60 - (START + world.time) % 60
    assert (False, 0) == (decision.allowed, decision.remaining)
    assert end <= decision.reset_after == decision.retry_after <= end + 0.02
    assert waited == node.limiter.waited


def test_all_charges_of_a_request_are_taken_or_none():
    """What was reserved for one that is refused stays here for the next request: nobody gives anything back."""
    world, node = quiet()
    small, large = charge(Limit(1, 60), "s"), charge(Limit(10, 60), "l")
    assert [True, True] == [decision.allowed for decision in decide(world, node, small, large)]
    refused = decide(world, node, small, large)
    assert [False, True] == [decision.allowed for decision in refused]
    assert 9 == refused[1].remaining
    assert 9 == sum(decide(world, node, large)[0].allowed for _ in range(20))


def test_two_charges_on_one_counter_are_added_up():
    """Each would fit alone."""
    world, node = quiet()
    two = charge(Limit(3, 60), cost=2)
    assert [True, False] == [decision.allowed for decision in decide(world, node, two, two)]
    assert [True] == [decision.allowed for decision in decide(world, node, charge(Limit(3, 60), cost=3))]


def test_a_negative_cost_is_an_error():
    """No policy may give a limit back to itself by a mistake."""
    _, node = quiet()
    with pytest.raises(ValueError, match="must not be negative: -1"):
        node.limiter.take_all([charge(Limit(3, 60), cost=-1)])
    assert [True] == [decision.allowed for decision in node.limiter.take_all([charge(Limit(3, 60), cost=0)])]
    assert [] == node.limiter.take_all([])


def test_a_full_limiter_refuses_new_keys_and_serves_the_old():
    """It fails closed, counts what it refused, and takes new keys when counters end."""
    world, node = quiet(max_keys=2)
    limit = Limit(9, 2)
    assert [True, True, False] == [decide(world, node, charge(limit, key))[0].allowed for key in "abc"]
    assert (1, 2) == (node.limiter.refused_full, len(node.limiter))
    assert decide(world, node, charge(limit, "a"))[0].allowed
    world.run(world.time + 9)
    assert decide(world, node, charge(limit, "c"))[0].allowed


def test_who_leaves_while_waiting_costs_the_others_nothing():
    """A client that is gone; its tokens are for those who stay."""
    world, node = quiet()
    waiting = node.limiter.take_all([charge(Limit(2, 60))])
    waiting.close()
    assert [True, True] == [decide(world, node, charge(Limit(2, 60)))[0].allowed for _ in range(2)]


# --- when servers fail ---


def test_a_server_that_is_down_leaves_each_node_its_share():
    """What was let pass before is not known: the window ends first. Clients are told which limit holds."""
    world, node = quiet(nodes=3)
    limit = Limit(10, 2)
    world.run(2 - (START + world.time) % 2 + world.time)
    assert decide(world, node, charge(limit))[0].allowed
    world.servers["m0:11211"].up = False
    world.run(world.time + 1.5)
    (refused,) = decide(world, node, charge(limit))
    assert (False, "default (degraded)", 3) == (refused.allowed, refused.charge.name, refused.charge.limit.amount)
    assert refused.retry_after <= 1
    world.run(2 - (START + world.time) % 2 + world.time)
    allowed = [decide(world, node, charge(limit), wait=0)[0].allowed for node in world.nodes for _ in range(5)]
    assert [True, True, True, False, False] * 3 == allowed
    assert node.limiter.alone == 6


def test_a_window_that_was_begun_alone_is_ended_alone():
    """Also when the server is back: it does not know what was let pass."""
    world, node = quiet(declared=2)
    limit = Limit(10, 4)
    world.servers["m0:11211"].up = False
    world.run(4 - (START + world.time) % 4 + world.time)
    assert 5 == sum(decide(world, node, charge(limit))[0].allowed for _ in range(9))
    world.servers["m0:11211"].up = True
    world.run(world.time + 1)
    assert not node.servers[0].down
    assert not decide(world, node, charge(limit))[0].allowed
    world.run(4 - (START + world.time) % 4 + world.time)
    assert 10 == sum(decide(world, node, charge(limit))[0].allowed for _ in range(19))


def next_window(world, period):
    """Let the window end."""
    world.run(period - (START + world.time) % period + world.time)


def passed(world, node, limit, times=20):
    """How many of some requests are let pass."""
    return sum(decide(world, node, charge(limit))[0].allowed for _ in range(times))


def test_a_node_that_not_all_others_know_has_no_share():
    """It has one from the first window on that begins when they do."""
    world, node = quiet()
    limit = Limit(12, 4)
    node.others = Others(3, share=False)
    world.servers["m0:11211"].up = False
    next_window(world, 4)
    assert 0 == passed(world, node, limit)
    next_window(world, 4)
    assert 0 == passed(world, node, limit)
    node.others = Others(3)
    assert 0 == passed(world, node, limit)
    next_window(world, 4)
    assert 4 == passed(world, node, limit)


def test_a_share_changes_with_the_number_of_nodes_from_the_next_window_on():
    """Whether it grows or not; what was begun is ended as it is."""
    world, node = quiet()
    limit = Limit(12, 4)
    node.others = Others(2)
    world.servers["m0:11211"].up = False
    next_window(world, 4)
    assert 2 == passed(world, node, limit, 2)
    node.others = Others(4)
    assert 4 == passed(world, node, limit)
    next_window(world, 4)
    assert 3 == passed(world, node, limit)
    node.others = Others(1)
    next_window(world, 4)
    assert 12 == passed(world, node, limit)


@pytest.mark.parametrize("algorithm", [Algorithm.SLIDING_WINDOW, Algorithm.TOKEN_BUCKET])
def test_a_sliding_share_begins_anew_when_the_number_of_nodes_changes(algorithm):
    """As if all of it had been used up just then."""
    world, node = quiet()
    limit = Limit(12, 4, algorithm)
    node.others = Others(2)
    world.servers["m0:11211"].up = False
    world.run(world.time + 9)
    assert 3 == passed(world, node, limit, 3)
    node.others = Others(3)
    assert 0 == passed(world, node, limit, 1)
    world.run(world.time + 4.1)
    assert 4 == passed(world, node, limit)


def test_a_node_that_others_do_not_count_with_counts_its_share():
    """As they count on other servers: each is told, and the whole is within the limit."""
    world, node = quiet()
    limit = Limit(12, 4)
    next_window(world, 4)
    assert passed(world, node, limit, 2)
    node.others = Others(2, apart=("b",))
    decisions = [decide(world, node, charge(limit))[0] for _ in range(12)]
    assert decisions[-1].charge.name.endswith("(degraded)")
    next_window(world, 4)
    assert 6 == passed(world, node, limit)
    assert node.servers[0].barred
    node.others = Others(2)
    world.run(world.time + 1)
    assert 0 == passed(world, node, limit, 1)
    world.run(world.time + 1)
    next_window(world, 4)
    assert 12 == passed(world, node, limit)
    assert not node.servers[0].down


@pytest.mark.parametrize("algorithm", [Algorithm.SLIDING_WINDOW, Algorithm.TOKEN_BUCKET])
def test_what_was_let_pass_alone_is_counted_when_the_server_is_back(algorithm):
    """So that nobody else is granted it, too."""
    world = World(2, nodes=2)
    limit = Limit(12, 3, algorithm)
    world.servers["m0:11211"].up = False
    world.run(8)
    first, second = world.nodes
    alone = sum(decide(world, first, charge(limit), wait=0)[0].allowed for _ in range(20))
    assert 6 == alone
    world.servers["m0:11211"].up = True
    world.run(8.3)
    for _ in range(3):
        decide(world, first, charge(limit))
    rest = sum(decide(world, second, charge(limit))[0].allowed for _ in range(20))
    assert 4 <= len(world.admitted) - alone <= 7
    assert rest <= 7
    assert excess(world, limit) <= 0


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_no_loss_of_data_lets_pass_more_than_the_limit(seed, algorithm):
    """Every second the server forgets all; nodes that know it see that, and nobody counts from the beginning."""
    def losses(world):
        def lose():
            world.servers["m0:11211"].items.clear()
            world.at(world.random.uniform(0.5, 2.5), lose)

        world.at(1.5, lose)

    world, limit = faulty(seed, algorithm, skew=0.001, more=losses)
    assert excess(world, limit) <= 0
    assert any(node.servers[0].losses for node in world.nodes)


def after_a_loss(at_first):
    """What a second node lets pass when the first one had used up the limit, and the server then lost its data."""
    world = World(4, nodes=2)
    world.run(1.2)
    first, second = world.nodes
    one = charge(Limit(5, 60))
    assert 5 == sum(decide(world, first, one)[0].allowed for _ in range(9))
    world.servers["m0:11211"].items.clear()
    world.run(world.time + at_first)
    passed = sum(decide(world, second, one)[0].allowed for _ in range(9))
    world.run(61 - (START + world.time) % 60 + world.time)
    assert 5 == sum(decide(world, second, one)[0].allowed for _ in range(9))
    return passed


@pytest.mark.parametrize("wait", [0, 0.1, 2])
def test_a_node_that_never_asked_is_granted_nothing_of_a_window_that_was_lost(wait):
    """It cannot know the counter's nonce; the mark of the server tells it. The next window is whole."""
    assert 0 == after_a_loss(wait)


def test_without_the_mark_such_a_node_lets_pass_too_much(monkeypatch):
    """So it is needed."""
    monkeypatch.setattr(CounterServer, "_looked", lambda *_: True)

    assert 5 == after_a_loss(0.1)


def test_one_counter_that_is_lost_is_closed_by_who_sees_it():
    """An eviction, of which the server's mark knows nothing: whoever knew the counter ends the window for all."""
    world = World(4, nodes=2)
    world.run(1.2)
    first, second = world.nodes
    one = charge(Limit(50, 60))
    assert decide(world, first, one)[0].allowed
    for key in list(world.servers["m0:11211"].items):
        if not key.startswith(":"):
            del world.servers["m0:11211"].items[key]
    for _ in range(3):
        decide(world, second, one)
    while decide(world, first, one)[0].allowed:
        pass
    assert 1 == first.limiter.faults["lost"]
    assert sum(decide(world, second, one)[0].allowed for _ in range(60)) < 10


def test_a_poisoned_counter_refuses_and_is_counted():
    """Whatever stands there; other counters go on."""
    for value in ("x", (1 << 64) - 1, 0, 1):
        world, node = quiet()
        limit = Limit(5, 60)
        assert decide(world, node, charge(limit))[0].allowed
        for key in list(world.servers["m0:11211"].items):
            if not key.startswith(":"):
                world.servers["m0:11211"].items[key] = (value, 1)
        allowed = sum(decide(world, node, charge(limit))[0].allowed for _ in range(10))
        assert allowed <= 4
        assert not decide(world, node, charge(limit))[0].allowed
        assert sum(node.limiter.faults.values()) == 1
        assert decide(world, node, charge(limit, "b"))[0].allowed


def test_a_request_does_not_wait_for_ever():
    """Where a server takes every question and answers none, the node decides alone."""
    world, node = quiet()
    world.lose = 1.0
    (decision,) = decide(world, node, charge(Limit(5, 60)), wait=0.2)
    assert (False, True) == (decision.allowed, decision.charge.name.endswith("(degraded)"))
    assert node.servers[0].down


def test_who_never_gets_a_turn_is_refused_in_time(monkeypatch):
    """A second is the longest, whatever the answers are."""
    world, node = quiet()
    monkeypatch.setattr(FixedAccount, "answered", lambda *_: shared_nothing)
    decisions = decide(world, node, charge(Limit(5, 60)), wait=3)
    assert (False, 1.0) == (decisions[0].allowed, decisions[0].retry_after)


shared_nothing = fixed_account.NOTHING


@pytest.mark.parametrize(
    ("limit", "nodes", "expected"),
    [
        (Limit(10, 60), 1, Limit(10, 60)), (Limit(10, 60), 3, Limit(3, 60)), (Limit(2, 60), 3, None),
        (Limit(10, 60), 0, None),
        (Limit(10, 60, Algorithm.SLIDING_WINDOW), 4, Limit(2, 60, Algorithm.SLIDING_WINDOW)),
        (Limit(10, 60, Algorithm.TOKEN_BUCKET, 5), 2, Limit(10, 120, Algorithm.TOKEN_BUCKET, 2)),
        (Limit(10, 60, Algorithm.TOKEN_BUCKET), 4, Limit(10, 240, Algorithm.TOKEN_BUCKET, 2)),
        (Limit(10, 60, Algorithm.TOKEN_BUCKET, 1), 2, None),
    ],
)  # fmt: skip
def test_shares_never_add_up_to_more_than_the_limit(limit, nodes, expected):
    """Rounded down; nothing where there is less than one for each."""
    assert expected == share_of(limit, nodes)
