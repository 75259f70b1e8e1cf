"""What is kept of long windows: what survives, what may be lost, and that it never lets pass more than that."""

import os

import pytest

from tests.throttle.simulation import START, World, burst_over, by_label, charge, most_within
from tests.throttle.test_shared import decide
from twgw.model import Algorithm, Limit
from twgw.throttle import fixed_account, kept, shared
from twgw.throttle.kept import EVERY, SETTLE, Counted, Keeper, Kept
from twgw.throttle.reservation import AHEAD

FIRST, SEEDS = int(os.environ.get("TWGW_TEST_SEED", "1")), int(os.environ.get("TWGW_TEST_SEEDS", "12"))
PERIOD, RATE, SECONDS = 120.0, 12, 200


# --- the values ---


def test_the_greatest_is_right():
    """Whoever tells it, and however often: what was read, and what grew since."""
    values = Kept()
    assert (0, False) == (values.used("a"), values.knows(0))
    values.read([Counted("a", 5, 100), Counted("old", 9, 10)], 50.0)
    assert (5, 0, True) == (values.used("a"), values.used("old"), values.knows(0))
    values.note("a", 7, 100)
    values.note("b", 1, 100)
    assert (7, 1, 2) == (values.used("a"), values.used("b"), len(values))


def test_what_was_not_written_is_written_later():
    """What grew meanwhile is the newer one."""
    values = Kept()
    for number in range(3):
        values.note(f"k{number}", number, 100)
    first = values.take(2)
    assert (["k0", "k1"], 1) == ([each.key for each in first], len(values))
    values.note("k0", 10, 100)
    values.put_back(first)
    assert {"k0": 10, "k1": 1, "k2": 2} == {each.key: each.used for each in values.take()}
    assert [] == values.take()


def test_after_a_loss_others_are_waited_for():
    """What was read before they can have told what they know does not count."""
    values = Kept()
    values.read([], 100.0)
    assert values.knows(100.0 - SETTLE)
    assert not values.knows(100.0)


class Counting:
    """What counts, as a test says."""

    lost_at = 0.0

    def __init__(self):
        self.shares = []

    def collect(self, _now, share):
        self.shares.append(share)


class Desk:
    """A keeper and its world: time, and a database that fails when it is told to."""

    def __init__(self):
        self.now, self.written, self.up, self.reads = 1000.0, [], True, 0
        self.counting, self.values = Counting(), Kept()
        self.it = Keeper(self.values, self.write, self.read, self.start, lambda: self.now, self.counting)

    async def write(self, values):
        self.written.append([each.key for each in values])
        return self.up

    async def read(self):
        self.reads += 1
        return [Counted("a", 3, self.now + 100)] if self.up else None

    def start(self, work):
        with pytest.raises(StopIteration):
            work.send(None)

    def go(self, seconds):
        self.now += seconds
        self.it.tick()


def test_values_are_written_together_every_few_seconds():
    """Nothing is written in between, and nothing at all when nothing grew."""
    desk = Desk()
    desk.values.read([], desk.now)
    desk.go(EVERY)
    desk.values.note("a", 1, 9999)
    desk.values.note("b", 1, 9999)
    desk.go(EVERY / 2)
    assert [] == desk.written
    desk.go(EVERY / 2)
    assert [["a", "b"]] == desk.written
    desk.go(EVERY)
    assert (1, 2, 0) == (len(desk.written), desk.it.written, desk.reads)
    assert [1.0, 0.5, 0.5, 1.0] == desk.counting.shares


def test_a_database_that_does_not_answer_is_asked_again():
    """At the start for what is kept, and later to take what grew."""
    desk = Desk()
    desk.up = False
    desk.go(0.25)
    desk.values.note("a", 1, 9999)
    desk.go(EVERY)
    assert (False, 1, 1) == (desk.values.knows(0), desk.it.failures, len(desk.values))
    desk.up = True
    desk.go(EVERY)
    assert (True, 0, 3) == (desk.values.knows(0), len(desk.values), desk.values.used("a"))


def test_a_loss_is_told_at_once_and_then_others_are_heard():
    """Written now, read when the others have had their time."""
    desk = Desk()
    desk.go(0.25)
    desk.values.note("a", 9, 9999)
    desk.counting.lost_at = desk.now + 0.25
    desk.go(0.25)
    assert [["a"]] == desk.written
    assert 1 == desk.reads
    desk.go(SETTLE + 0.01)
    assert (2, True) == (desk.reads, desk.values.knows(desk.counting.lost_at))


# --- several nodes ---


@pytest.fixture(autouse=True)
def _long(monkeypatch):
    """What is long: shorter, so that a window ends within a test."""
    monkeypatch.setattr(shared, "LONG", 60.0)


def limit_for(algorithm):
    """One that is nearly used up by what comes."""
    burst = 40 if algorithm is Algorithm.TOKEN_BUCKET else None
    return Limit(int(PERIOD * RATE * 0.6), PERIOD, algorithm, burst)


def trouble(world):
    """Data are lost again and again; nodes stand still for a moment."""
    memcached = world.servers["m0:11211"]

    def lose():
        old = dict(memcached.items)
        memcached.items.clear()
        if world.random.random() < 0.3:
            world.at(world.random.uniform(0, 2), lambda: memcached.items.update(old))
        world.at(world.random.uniform(10, 60), lose)

    def still():
        world.random.choice(world.nodes).stand_still(world.random.uniform(0.05, 0.3))
        world.at(world.random.expovariate(1), still)

    for each in (lose, still):
        world.at(world.random.uniform(1, 30), each)


def outages(world):
    """The same, and the database is away for a while."""
    def away():
        world.database_is_up = not world.database_is_up
        world.at(world.random.uniform(1, 15) if world.database_is_up else world.random.uniform(1, 5), away)

    trouble(world)
    world.at(1, away)


def history(seed, algorithm, more=trouble):
    world = World(seed, nodes=2 + seed % 3, skew=0.001, keeps=True)
    limit = limit_for(algorithm)
    more(world)
    world.load([charge(limit)], RATE, SECONDS)
    world.run(SECONDS)
    return world, limit


def excess(world, limit):
    if limit.algorithm is Algorithm.FIXED_WINDOW:
        return max(by_label(world, limit.period).values()) - limit.amount
    if limit.algorithm is Algorithm.SLIDING_WINDOW:
        return most_within(world, limit.period - 2 * world.skew) - limit.amount
    rate = limit.amount / limit.period
    return burst_over(world, rate) - limit.burst - rate * (AHEAD + 2 * world.skew) - 1


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_no_loss_lets_pass_more_while_nodes_live_that_know(seed, algorithm):
    """Whatever memcached forgets, or remembers again, and how often."""
    world, limit = history(seed, algorithm)
    assert excess(world, limit) <= 0
    assert len(world.admitted) > limit.amount / 2


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_while_the_database_is_away_no_more_is_forgotten_than_what_was_not_written(seed, algorithm):
    """Nobody can tell then what it let pass last, and a loss in that time forgets it."""
    world, limit = history(seed, algorithm, outages)
    assert excess(world, limit) <= RATE * EVERY
    assert len(world.admitted) > limit.amount / 2


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_loss_gives_back_what_was_left(algorithm):
    """Nearly all of a long window is used, although it is lost in between: two seconds of it are refused."""
    def once(world):
        world.at(60, world.servers["m0:11211"].items.clear)

    after = [time for time, *_ in history(3, algorithm, once)[0].admitted if time > 60.5]
    without = [time for time, *_ in history(3, algorithm, lambda _: None)[0].admitted if time > 60.5]
    assert 60 + SETTLE < min(after) + 0.5 < 60 + SETTLE + 3
    assert len(after) > 0.9 * len(without)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_when_all_is_gone_no_more_is_forgotten_than_what_was_not_written(algorithm):
    """Every process and memcached at the same moment: what was let pass in the last seconds."""
    def end_of_all(world):
        def gone():
            world.servers["m0:11211"].items.clear()
            for node in list(world.nodes):
                world.kill(node)

        world.at(55.5, gone)

    world, limit = history(5, algorithm, end_of_all)
    assert len([1 for time, *_ in world.admitted if time > 60]) > 100
    assert excess(world, limit) <= RATE * (EVERY + 1)


def test_two_losses_and_a_clock_that_is_ahead_let_pass_no_more():
    """Its node, and the mark that it wrote, are gone with the second one: all go on in the same counter."""
    world, limit = World(1, nodes=2, keeps=True), Limit(1000, 86400)
    node, ahead = world.nodes
    ahead.skew = 30.0
    world.run(5)

    def lose():
        world.servers["m0:11211"].items.clear()
        ahead.servers[0].ask(lambda _: (), lambda _: None)

    lose()
    world.run(7)
    assert node.servers[0].lost_at > START + 30
    world.servers["m0:11211"].items.clear()
    world.kill(ahead)
    world.run(45)
    world.load([charge(limit)], 100, 80)
    world.run(85)

    assert 1000 == len(world.admitted)


def test_without_what_is_kept_a_window_begins_anew(monkeypatch):
    """So it is needed."""
    monkeypatch.setattr(Kept, "used", lambda *_: 0)
    def end_of_all(world):
        for node in list(world.nodes):
            world.at(55, lambda node=node: world.kill(node))
        world.at(55, world.servers["m0:11211"].items.clear)

    world, limit = history(5, Algorithm.FIXED_WINDOW, end_of_all)
    assert excess(world, limit) > RATE * (EVERY + 1)


def not_settled(monkeypatch):
    monkeypatch.setattr(kept, "SETTLE", -0.25)


def untold(monkeypatch):
    tick = Keeper.tick

    def late(self):
        self._lost = self._counting.lost_at
        tick(self)

    monkeypatch.setattr(Keeper, "tick", late)
    monkeypatch.setattr(fixed_account.FixedAccount, "_lost", lambda *_: fixed_account.NOTHING)


def same_counter(monkeypatch):
    monkeypatch.setattr(fixed_account, "key_of", lambda name, label, _lost_at: f"{name}:{label:x}")
    monkeypatch.setattr(fixed_account.FixedAccount, "_lost", lambda *_: fixed_account.NOTHING)


def forget_own(monkeypatch):
    monkeypatch.setattr(fixed_account.FixedAccount, "_before", lambda *_: 0)


def test_with_all_rules_it_is_not():
    """In the histories that are tried without them."""
    assert all(excess(*history(seed, Algorithm.FIXED_WINDOW)) <= 0 for seed in range(40))


@pytest.mark.parametrize("mutant", [not_settled, untold, same_counter, forget_own])
def test_without_a_rule_too_much_is_let_pass(monkeypatch, mutant):
    """So the checker sees, and the rule is needed."""
    mutant(monkeypatch)
    assert any(excess(*history(seed, Algorithm.FIXED_WINDOW)) > 0 for seed in range(40))


def test_until_it_is_known_what_was_counted_clients_are_told_to_come_back_soon():
    """Nobody waits for it; short windows go on as they do without a database."""
    world = World(1, nodes=1, keeps=True)
    (node,) = world.nodes
    node.kept.read_at = float("-inf")
    world.database_is_up = False
    long, short = charge(Limit(5, 3600)), charge(Limit(5, 60))
    (refused,) = decide(world, node, long)
    assert (False, True) == (refused.allowed, 0 < refused.retry_after <= 1)
    assert decide(world, node, short)[0].allowed
    world.database_is_up = True
    world.run(world.time + 1)
    assert decide(world, node, long)[0].allowed


def test_one_counter_that_is_lost_is_counted_up_again():
    """An eviction in a long window: it is not used up for whoever knows what was counted."""
    world = World(4, nodes=2, keeps=True)
    world.run(1.2)
    first, second = world.nodes
    one = charge(Limit(50, 3600))
    assert 20 == sum(decide(world, first, one)[0].allowed for _ in range(20))
    for key in list(world.servers["m0:11211"].items):
        if not key.startswith(":"):
            del world.servers["m0:11211"].items[key]
    total = 20 + sum(decide(world, node, one)[0].allowed for _ in range(60) for node in (first, second))
    assert first.limiter.faults["lost"] >= 1
    assert 45 <= total <= 50
    assert START < world.nodes[0].wall()
