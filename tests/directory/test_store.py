"""One store: which server is asked, and what becomes of its trouble.  With real servers in tests/test_ldap.py."""

import pytest

from twgw.directory.groups import Entry, Failure, Found
from twgw.directory.settings import LdapStore
from twgw.directory.store import UserStore
from twgw.memory_world import MemoryLog
from twgw.metrics import Registry
from twgw.policy.interfaces import Refusal
from twgw.settings import structure

LOST, WRONG = Failure("connect", "refused", "start it", lost=True), Failure("search", "no such base", "correct it")


class Session:
    """A connection on which everything is as it should be."""

    def bind(self, dn, password):
        return (0 if password == "right" else 49), "said"

    def who_am_i(self):
        return None

    def search(self, base, filter, attributes, *, most, page=0, only_base=False):
        return Found([Entry("uid=a,dc=x", {"uid": ["a"]})])

    def close(self):
        pass


class World:
    """Servers by name, each with the failure that it answers with, or None; calls run at once."""

    def __init__(self, servers, **more):
        self.servers, self.asked, self.time = servers, [], 0.0
        self.log, metrics = MemoryLog(), Registry()
        least = {"name": "corp", "servers": [f"ldaps://{name}" for name in servers], "user_base": "dc=x",
                 "breaker_failures": 2}  # fmt: skip
        counter = metrics.counter("asked", "Asked.", ("store", "outcome"))
        self.store = UserStore(
            structure(LdapStore, {**least, **more}), self, lambda: self.time, self.run, self.log, counter
        )

    def call(self, server, deadline):
        world = self

        class Call:
            begun = False
            aborted = False

            def connect(self):
                self.begun = True
                trouble = world.servers[server.host]
                if world.asked[-1:] != [server.host]:
                    world.asked.append(server.host)
                if trouble:
                    raise trouble
                return Session()

            def abort(self):
                self.aborted = True

        self.last = Call()
        return self.last

    async def run(self, call, timeout, late=None):
        self.timeout = timeout
        return call()

    def ask(self, password="right"):
        with pytest.raises(StopIteration) as end:
            self.store.ask("a", password).send(None)
        return end.value.value

    @property
    def state(self):
        return self.store.availability.state(self.time)


def test_the_first_server_that_answers_is_asked():
    """And no other."""
    world = World({"one": None, "two": None})

    assert world.ask()
    assert ["one"] == world.asked


def test_a_lost_server_is_passed_over():
    """Next time it comes last, for a while."""
    world = World({"one": LOST, "two": None})
    assert world.ask()
    assert world.ask()
    assert ["one", "two"] == world.asked

    world.time = 31
    world.ask()
    assert ["one", "two", "one", "two"] == world.asked
    assert [] == world.log.lines


def test_what_another_server_would_repeat_is_not_asked_of_it():
    """A wrong base is wrong everywhere."""
    world = World({"one": WRONG, "two": None})

    assert Refusal.UNAVAILABLE is world.ask()
    assert ["one"] == world.asked
    assert [("error", "user store corp is not available: search: no such base (correct it)")] == world.log.lines


def test_a_wrong_password_is_an_answer():
    """The store is as good as ever."""
    world = World({"one": None})

    assert [Refusal.WRONG_PASSWORD] * 5 == [world.ask("wrong") for _ in range(5)]
    assert "closed" == world.state


def test_trouble_is_said_once_and_its_end_too():
    """Not for every login."""
    world = World({"one": LOST})
    for _ in range(4):
        assert Refusal.UNAVAILABLE is world.ask()
    assert "open" == world.state
    world.servers["one"] = None
    assert Refusal.UNAVAILABLE is world.ask()
    world.time = 31
    assert world.ask()

    assert ["error", "info"] == [level for level, _ in world.log.lines]
    assert "closed" == world.state


def test_all_servers_share_the_time():
    """The second has what the first left of it."""
    world = World({"one": LOST, "two": None}, timeout=5)
    run, given = world.run, []

    async def slow(call, timeout, late=None):
        given.append(timeout)
        world.time += 3
        return await run(call, timeout, late)

    world.store.run = slow

    assert world.ask()
    assert [5, 2] == given


@pytest.mark.parametrize(("begun", "state"), [(True, "open"), (False, "closed")])
def test_only_a_server_that_was_asked_can_be_late(begun, state):
    """A login that waited in vain for its turn says nothing against the store."""
    world = World({"one": None}, breaker_failures=1)

    async def late(call, timeout, abort=None):
        world.last.begun = begun
        raise TimeoutError

    world.store.run = late

    assert Refusal.UNAVAILABLE is world.ask()
    assert state == world.state
    assert ("not done within 5 s" if begun else "raise threads or max_waiting") in world.log.lines[0][1]


def test_too_many_logins_are_turned_away():
    """With the settings that say how many may wait; the store is not to blame."""
    world = World({"one": None}, breaker_failures=1)

    async def full(call, timeout, late=None):
        raise BlockingIOError

    world.store.run = full

    assert Refusal.UNAVAILABLE is world.ask()
    assert "raise threads or max_waiting" in world.log.lines[0][1]
    assert "closed" == world.state


def test_a_call_can_be_ended_from_outside():
    """Whoever runs it is given the way to do that."""
    world = World({"one": None})

    async def run(call, timeout, late=None):
        late()
        return call()

    world.store.run = run
    world.ask()

    assert world.last.aborted
