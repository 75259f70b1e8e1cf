"""The rules of publishing, together, and each of them taken out: two nodes in memory, of which one lacks a policy."""

from functools import partial

import pytest
from twisted.internet.defer import execute, succeed
from twisted.internet.task import Clock

from tests.cluster.conftest import EXACT, HandClocks
from tests.storage.conftest import NOW
from twgw.cluster import membership as membership_module
from twgw.cluster import preparing as preparing_module
from twgw.cluster.membership import HASTE, Membership
from twgw.cluster.preparing import Preparing
from twgw.cluster.reports import Told
from twgw.gateway import deployment, follower
from twgw.gateway.follower import Follower
from twgw.memory import MemoryGateway
from twgw.memory_world import MemoryLog
from twgw.model import Api, Lifecycle, Policy, Route
from twgw.storage.apis import create_api, publish, require_api, save_revision
from twgw.storage.remembered import Remembered
from twgw.web.refusals import Refusal
from twgw.web.transaction import Done

LACKING = "ip-restriction"
"""The policy that node b has not."""
ID = "pets:1"


def revision(text, *policies):
    """A text of the API: two routes that answer the same."""
    answers = Policy("mock-response", {"body": text})
    routes = (Route("/one"), Route("/two"))
    return Api("pets", "1", "/pets", anonymous=True, routes=routes, policies=(*policies, answers))


class Node:
    """A process with the database: its membership, and its gateway, which follows when the world lets it."""

    def __init__(self, world, name, *, without=()):
        self.world, self.name, self.slow = world, name, False
        self.remembered = Remembered()
        self.member = Membership(self, world.clock, world.clocks, EXACT, name, lambda: NOW, MemoryLog())
        self.member.begin()
        self.gateway = MemoryGateway(world.database)
        self.gateway._plugins = {key: one for key, one in self.gateway._plugins.items() if key not in without}
        its = self.gateway.follower
        its._trusted, its._advanced = self.member.lease.valid, self.member.advanced
        self.member.behind = self.follow
        its.reload()

    def follow(self):
        if not self.slow:
            self.gateway.follower.poll()

    def call(self, *args, **kwargs):
        return self.world.database.call(*args, **kwargs)

    def run(self, *args, **kwargs):
        return execute(self.world.database.call, *args, **kwargs)

    def says(self):
        """What its two routes answer."""
        found = [self.gateway.get(f"/pets/{each}") for each in ("one", "two")]
        return [each.body.decode() if each.status == 200 else each.status for each in found]


class World:
    """Two nodes on one database; a publishes."""

    def __init__(self, database):
        self.database, self.clock, self.clocks = database, Clock(), HandClocks()
        self.write(create_api, revision("one"), owner="ann", state=Lifecycle.PUBLISHED)
        self.write(publish, ID, 1)
        self.a, self.b = Node(self, "a"), Node(self, "b", without=(LACKING,))
        self.meanwhile = lambda: None
        transact = partial(database.call, write=True)
        self.prepare = Preparing(transact, lambda position: self.a.member.tried(position), self.until, lambda: NOW)

    def write(self, function, *args, **more):
        """Do something in a transaction of its own."""
        return self.database.call(function, *args, write=True, now=NOW, **more)

    def until(self, function, *args):
        """Let time pass until something is done."""
        self.meanwhile()
        seen = []
        function(*args).addBoth(seen.append)
        for _ in range(1000):
            if seen:
                return seen[0]
            self.go()
        raise AssertionError("it waits for ever")

    def go(self, seconds=HASTE):
        """Let time pass; each node looks, as it does each second."""
        for _ in range(round(seconds / HASTE)):
            self.clocks.go(HASTE)
            self.clock.advance(HASTE)
            for node in (self.a, self.b):
                node.follow()
                node.member.look()

    def publish(self, text, *policies):
        """Publish a revision, as the publisher does; what came of it."""
        self.now = getattr(self, "now", NOW) + 1

        def run(connection):
            number = save_revision(connection, self.wanted(connection, text, policies), author="ann", now=self.now)
            return Done(200, position=publish(connection, ID, number, now=self.now))

        try:
            done = self.prepare(run, self.now)
        except Refusal as refusal:
            return refusal.problem.members["nodes"]
        return self.until(self.a.member.reached, done.position)

    def wanted(self, _connection, text, policies):
        return revision(text, *policies)

    def live(self):
        """The number of the revision that is served."""
        return self.database.call(require_api, ID).live


@pytest.fixture
def world(sqlite):
    return World(sqlite)


NEEDS = Policy(LACKING, {"deny": ["192.0.2.1"]})


def broken(world):
    """Which promises do not hold."""
    found = set()
    both = lambda text: {tuple(world.a.says()), tuple(world.b.says())} == {(text, text)}
    if world.publish("two").nacks or not both("two"):
        found.add("published is published")
    live = world.live()
    world.b.slow = True
    world.clock.callLater(1, lambda: setattr(world.b, "slow", False))
    told = world.publish("three", NEEDS)
    world.b.slow = False
    if not isinstance(told, list) or {"b"} != {each["node"] for each in told} or world.live() != live:
        found.add("one nack, and nothing is changed")
    world.go(6)
    if not (world.a.member.lease.valid() and world.b.member.lease.valid()):
        found.add("a nack costs no lease")
    if "one nack, and nothing is changed" not in found and not both("two"):
        found.add("what was in force stays")

    names = iter(("four", "five", "six"))
    tried = []
    world.wanted = lambda _connection, _text, _policies: revision(tried[-1])
    world.meanwhile = lambda: tried.append(next(names)) if len(tried) < 2 else None
    tried.append("four")
    world.publish("")
    if not both(tried[-1]):
        found.add("what is written is what was tried")
    world.meanwhile = lambda: None

    number = world.write(save_revision, revision("forced", NEEDS), author="ann")
    world.until(world.a.member.reached, world.write(publish, ID, number))
    if (world.a.says(), world.b.says()) != (["forced"] * 2, [tried[-1]] * 2):
        found.add("who cannot have it keeps what it had")
    return found


def test_the_promises_hold(world):
    """All of them, with a node that is slow, one that lacks a policy, and others who change the same."""
    assert set() == broken(world)


def nobody_waits(patch):
    patch.setattr(Membership, "tried", lambda self, position: succeed(self._outcome(
        membership_module.Wait(self.grants.known, membership_module.Moment.now(self._clocks), self.roll(), None),
        self.roll(),
    )))  # fmt: skip


def a_nack_holds_the_log_back(patch):
    reach = Follower._reach
    patch.setattr(Follower, "_reach", lambda self, position: None if self._unprepared else reach(self, position))


def sessions_say_no_nacks(patch):
    write = membership_module.write
    patch.setattr(membership_module, "write", lambda told: write(Told(told.roles)))


def anything_may_be_written(patch):
    checked = preparing_module._checked
    patch.setattr(
        preparing_module, "_checked",
        lambda run, now, agreed, connection: run(connection) if agreed else checked(run, now, agreed, connection),
    )  # fmt: skip


def whoever_cannot_have_it_has_nothing(patch):
    compiled = follower.compiled
    patch.setattr(follower, "compiled", lambda *args: compiled(*args[:4], None))


def half_a_revision(patch):
    entries = deployment._entries

    def half(compiled):
        found = entries(compiled)
        return found[:1] if "two" in str(compiled.api.policies) else found

    patch.setattr(deployment, "_entries", half)


MUTANTS = {
    nobody_waits: "one nack, and nothing is changed",
    a_nack_holds_the_log_back: "a nack costs no lease",
    sessions_say_no_nacks: "one nack, and nothing is changed",
    whoever_cannot_have_it_has_nothing: "who cannot have it keeps what it had",
    half_a_revision: "published is published",
}
"""Each rule that is taken out, and a promise that does not hold without it."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_without_any_of_the_rules_they_do_not(world, monkeypatch, mutant):
    """So the promises rest on all of them, and the test sees it."""
    mutant(monkeypatch)

    assert MUTANTS[mutant] in broken(world)


def test_what_nobody_tried_may_not_be_written(world, monkeypatch):
    """Else a revision is in force that one node cannot have, though nobody forced it."""

    def overtaken():
        """While the nodes try one text, the write comes to mean another, which b cannot have."""
        wishes = iter([revision("four")])
        world.wanted = lambda *_: next(wishes, revision("five", NEEDS))
        return world.publish("")

    assert ["b"] == [each["node"] for each in overtaken()]
    anything_may_be_written(monkeypatch)
    assert {"b"} == overtaken().nacks.keys()


def test_a_revision_is_whole_on_every_node_at_every_moment(world):
    """Never one route of it and another of the one before."""
    seen = set()
    look = world.go

    def watching(*args):
        look(*args)
        seen.update(tuple(node.says()) for node in (world.a, world.b))

    world.go = watching
    for text in ("two", "three", "four"):
        world.publish(text)

    assert {(text, text) for text in ("one", "two", "three", "four")} >= seen
