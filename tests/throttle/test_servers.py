"""One server of memcached, as a node sees it: batches, outages, and whether it has kept its data."""

from random import Random

import pytest

from tests.throttle.simulation import START, FakeMemcached
from twgw.throttle.reservation import Add
from twgw.throttle.servers import EIGHTHS, IDLE, MARGIN, OBJECT, PATIENCE, RANDOM, CounterServer


class Node:
    """A node on a server, with time and turns that a test makes go on."""

    def __init__(self, server, time=0.0, number=7):
        self.server, self.time = server, time
        self.turn, self.under_way, self.batches = [], [], []
        self.number = number
        self.counters = CounterServer("m", self.send, self.turn.append, self.wall, self.random)

    def wall(self):
        return START + self.time

    def random(self, below):
        self.number = (self.number * 7919 + 13) % (RANDOM - 1)
        return self.number % below

    def send(self, commands, answered):
        self.batches.append(commands)
        self.under_way.append((commands, answered))

    def go_on(self, *, answers=True):
        """The turn ends, and what was sent is answered."""
        while self.turn or self.under_way:
            while self.turn:
                self.turn.pop(0)()
            while self.under_way:
                commands, answered = self.under_way.pop(0)
                answered([self.server.do(command) for command in commands] if answers else None)

    def look(self, seconds=IDLE):
        self.time += seconds
        self.counters.tick()
        self.go_on()


def add(_now=0.0, key="a"):
    return [Add(key, 1, 1, 60)]


def test_one_that_is_barred_is_down_although_it_answers():
    """Until it is not any more, and answers."""
    node = Node(FakeMemcached())
    node.look()
    node.counters.bar(True)
    assert (True, START + node.time) == (node.counters.down, node.counters.down_since)
    node.look()
    assert node.counters.down
    node.counters.bar(False)
    assert node.counters.down
    node.look()
    assert not node.counters.down


def test_what_is_asked_for_in_one_turn_is_one_batch():
    """What comes while it is under way is the next one; each is answered with its own part."""
    node, heard = Node(FakeMemcached()), []
    for key in "ab":
        node.counters.ask(lambda _now, key=key: [*add(key=key), *add(key=key)], heard.append)
    assert [] == node.batches
    node.turn.pop()()
    node.counters.ask(add, heard.append)
    assert 1 == len(node.batches)
    node.go_on()

    assert [6, 3] == [len(batch) for batch in node.batches]
    assert [[1, 2], [1, 2], [3]] == [[reply.value for reply in replies] for replies in heard]
    assert 2 == node.counters.batches


def test_a_batch_that_is_not_answered_begins_an_outage():
    """Which ends with the first look that is answered; meanwhile it is looked at often."""
    node, heard = Node(FakeMemcached()), []
    node.counters.ask(add, heard.append)
    node.go_on(answers=False)

    assert [[None]] == heard
    assert (True, START, 1) == (node.counters.down, node.counters.down_since, node.counters.failures)
    node.time = 1
    node.counters.tick()
    node.go_on(answers=False)
    assert START == node.counters.down_since
    node.look(0.25)
    assert not node.counters.down


def test_a_batch_of_which_nothing_is_heard_is_given_up():
    """Nobody waits longer; no other one is sent until its end is known, and its answers are not used."""
    node, heard = Node(FakeMemcached()), []
    node.counters.ask(add, heard.append)
    node.turn.pop()()
    node.counters.ask(add, heard.append)
    node.time = PATIENCE + 0.1
    node.counters.tick()

    assert [[], []] == heard
    assert node.counters.down
    node.time = 5
    node.counters.tick()
    assert 1 == len(node.batches)
    node.go_on()
    assert [[], []] == heard
    assert node.counters.down
    node.look(0.25)
    assert not node.counters.down


def test_an_idle_server_is_looked_at():
    """So that an outage is known before anybody asks."""
    node = Node(FakeMemcached())
    node.look(0)
    node.look(0.5)
    assert 1 == node.counters.batches
    node.look(0.5)
    assert 2 == node.counters.batches


def test_a_fresh_server_has_lost_nothing():
    """Neither for the first node nor for the next ones, how often they look."""
    server = FakeMemcached()
    nodes = [Node(server), Node(server, number=99)]
    for _ in range(3):
        for node in nodes:
            node.look()
    assert [0, 0] == [node.counters.lost_at for node in nodes]
    assert [0, 0] == [node.counters.losses for node in nodes]


def test_a_loss_is_known_to_all_who_come_later():
    """One who knew the server sees it and marks the time, whether it or a newcomer finds it empty first."""
    for first in ("witness", "newcomer"):
        server = FakeMemcached()
        nodes = {"witness": Node(server), "newcomer": Node(server, 10, number=99)}
        nodes["witness"].look()
        server.items.clear()
        nodes["witness"].time = 10
        nodes[first].look()
        for node in (*nodes.values(), *nodes.values()):
            node.look(1)
        latest = Node(server, 13, number=5)
        latest.look(0)

        lost = {node.counters.lost_at for node in (*nodes.values(), latest)}
        assert 1 == len(lost)
        assert START + 10 + MARGIN <= lost.pop() <= START + 14
        assert 1 == nodes["witness"].counters.losses


def test_old_data_that_come_back_are_a_loss():
    """A dump with a mark that is known, but which counted fewer looks."""
    server = FakeMemcached()
    node = Node(server)
    node.look()
    dump = dict(server.items)
    node.look()
    node.look()
    server.items = dump
    node.look()
    assert 1 == node.counters.losses
    assert node.counters.lost_at > START


def test_several_witnesses_agree():
    """Each may write a mark; the latest counts, and then there is peace."""
    server = FakeMemcached()
    nodes = [Node(server, number=number) for number in range(1, 6)]
    for node in nodes:
        node.look()
    server.items.clear()
    for node in nodes:
        node.time += 1
        node.counters.tick()
    for node in nodes:
        node.go_on()
    for _ in range(3):
        for node in nodes:
            node.look()
    losses = [node.counters.losses for node in nodes]
    lost = {node.counters.lost_at for node in nodes}
    for node in nodes:
        node.look()
    assert losses == [node.counters.losses for node in nodes]
    assert lost == {node.counters.lost_at for node in nodes}
    assert max(lost) < START + 5


def test_a_spoiled_mark_is_written_anew():
    """Nonsense, nothing, or a time to come: all counts as used up, and nobody is kept busy with it."""
    for value in ("x", 0, (1 << 64) - 1, 1 << 63):
        server = FakeMemcached()
        node = Node(server)
        node.look()
        for key in server.items:
            server.items[key] = (value, 1)
        before = node.counters.batches
        node.look()
        assert 1 == node.counters.losses
        assert START < node.counters.lost_at < START + 5
        assert node.counters.batches <= before + 2
        node.look()
        node.look()
        assert 1 == node.counters.losses


@pytest.mark.parametrize("seed", range(60))
def test_all_who_believe_a_mark_say_the_same_of_when_data_were_lost(seed):
    """Whatever their clocks say, and whoever was killed: long windows go on in a counter that is named by it."""
    chance, server, now = Random(seed), FakeMemcached(), 0.0

    def began(number):
        return Node(server, now + chance.uniform(-29, 29), number)

    nodes = [began(number) for number in range(1, 4)]
    for number in range(10, 40):
        step, what = chance.uniform(0, 3), chance.random()
        now += step
        for node in nodes:
            node.time += step
        if what < 0.2:
            server.items.clear()
        elif what < 0.3:
            nodes[chance.randrange(3)] = began(number)
        for node in chance.sample(nodes, chance.randint(1, 3)):
            node.look(0)
    look_all(nodes)

    marked = server.items[nodes[0].counters._mark_key][0] // RANDOM / EIGHTHS
    assert [marked] * 3 == [node.counters.lost_at for node in nodes]


HOUR = 3600.0


def apart(seconds):
    """Two nodes that know a server which then loses its data; the clock of the second one is so far ahead."""
    nodes = [Node(FakeMemcached()), None]
    nodes[1] = Node(nodes[0].server, seconds, number=99)
    for node in nodes:
        node.look()
    nodes[0].server.items.clear()
    return nodes


def look_all(nodes, times=5):
    for _ in range(times):
        for node in nodes:
            node.look()


def refuses(node):
    """Whether all that has begun counts as used up."""
    return node.counters.lost_at > node.wall()


def test_two_whose_clocks_are_an_hour_apart_do_not_replace_each_others_mark_for_ever():
    """The one that is behind lets pass nothing, and knows by how much it is; the other one counts on."""
    right, behind = nodes = apart(-HOUR)
    look_all(nodes)
    losses, lost_at = right.counters.losses, right.counters.lost_at
    look_all(nodes, 60)

    assert (losses, lost_at) == (right.counters.losses, right.counters.lost_at)
    assert not refuses(right)
    assert right.counters.ahead == 0
    assert refuses(behind)
    assert HOUR - 2 < behind.counters.ahead <= HOUR + 1
    assert not behind.counters.down


def test_one_that_begins_anew_with_its_clock_set_counts_on():
    """From the loss that the others know: with them, and without another one."""
    right, behind = nodes = apart(-HOUR)
    look_all(nodes)
    losses, lost_at = right.counters.losses, right.counters.lost_at
    behind = Node(right.server, right.time, number=5)
    look_all([behind, right])

    assert [lost_at, lost_at] == [node.counters.lost_at for node in (right, behind)]
    assert losses == right.counters.losses
    assert not refuses(behind)
    assert behind.counters.ahead == 0


def test_it_counts_on_when_the_mark_is_from_the_future_no_more():
    """By its own clock, wrong as that is."""
    right, behind = nodes = apart(-HOUR)
    look_all(nodes)
    losses = right.counters.losses
    for node in nodes:
        node.time += HOUR
    look_all(nodes)

    assert right.counters.lost_at == behind.counters.lost_at
    assert (losses, 0) == (right.counters.losses, behind.counters.ahead)
    assert not refuses(behind)


def test_while_a_clock_is_ahead_the_others_let_pass_nothing():
    """Nobody can tell which one is right; when that node begins anew with its clock set, they go on together."""
    right, ahead = nodes = apart(HOUR)
    look_all(nodes, 60)
    assert refuses(right)
    assert HOUR - 2 < right.counters.ahead <= HOUR + 1
    assert not refuses(ahead)

    ahead = Node(right.server, right.time, number=5)
    look_all([ahead, right])
    assert right.counters.lost_at == ahead.counters.lost_at
    assert not refuses(right)
    assert right.counters.ahead == 0


def test_a_mark_from_the_future_is_replaced_again_after_a_while():
    """Whoever wrote it may be gone."""
    right, _gone = nodes = apart(HOUR)
    look_all(nodes)
    look_all([right], round(OBJECT) - 10)
    assert refuses(right)
    look_all([right], 10)
    assert not refuses(right)
    assert right.counters.ahead == 0


def test_who_spoils_it_again_and_again_gets_no_more_than_a_batch_each_time():
    """A mark is written at once, the next ones with the looks that are due anyway."""
    server = FakeMemcached()
    node = Node(server)
    node.look()
    before = node.counters.batches
    for _ in range(8):
        for key in server.items:
            server.items[key] = ("x", 1)
        node.counters.ask(lambda _: (), lambda _: None)
        node.go_on()
    assert node.counters.batches <= before + 10
    assert not node.counters.down


def test_a_server_without_room_is_one_that_is_down():
    """It cannot count."""
    node = Node(FakeMemcached())
    node.server.do = lambda command: "SERVER_ERROR Out of memory during counter creation"
    heard = []
    node.counters.ask(add, heard.append)
    node.go_on()
    assert [[None]] == heard
    assert node.counters.down
