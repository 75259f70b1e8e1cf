"""Keys in a memcached for all gateways: it is found, it is never believed, and nobody needs it."""

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.cluster.test_protocol import outcome
from tests.test_shared_limits import Turns
from twgw.cache import Cache, Fact
from twgw.credentials import Pepper, Peppers
from twgw.entries import seal
from twgw.key_cache import REST, KeyCache, Server, with_key_cache
from twgw.memcached import Get
from twgw.memory_world import EPOCH, FakeClock
from twgw.metrics import Registry
from twgw.model import Credential, Subscription
from twgw.reader import Key, Right
from twgw.registry import Head, News, Record
from twgw.storage.errors import Unavailable
from twgw.throttle.settings import Memcached, ServerAddress

PEPPERS = Peppers((Pepper("v1", b"p" * 32),))
KEY, RIGHT = Key(b"mine", "api-key", ("v1:aa",)), Right("shop", "pets:1")


class Shelf:
    """A memcached: what was put there; ``spoil`` makes something else of a value."""

    def __init__(self):
        self.items, self.up, self.asked = {}, True, 0
        self.spoil = lambda _name, value: value

    def send(self, commands, answered):
        self.asked += 1
        if not self.up:
            answered(None)
            return
        values = []
        for command in commands:
            if isinstance(command, Get):
                value = self.items.get(command.key)
                values.append(None if value is None else self.spoil(command.key, value))
            else:
                self.items[command.key] = command.data
                values.append(None)
        answered(values)


class Registered:
    """The registry: at a position, with one application that has a key."""

    whom = "the database"

    def __init__(self):
        self.position, self.records, self.reads, self.scopes, self.up = 7, [], 0, (), True

    def change(self, tag):
        self.position += 1
        self.records.append(Record("app", tag, "", 1, self.position))

    def facts(self, wanted, now):
        self.reads += len(wanted)
        return succeed([self.found(one) for one in wanted])

    def found(self, one):
        if isinstance(one, Right):
            return Fact(self.position, 1, EPOCH + 900, ("app:shop",), Subscription("pets:1")), {}
        if one.digests != KEY.digests:
            return Fact(self.position, 1, EPOCH + 900, ("tok:x",), None), {}
        whose = Credential(id="k", application="shop", scopes=self.scopes)
        fact = Fact(self.position, 1, EPOCH + 900, ("tok:a", "app:shop"), whose)
        return fact, {RIGHT: self.found(RIGHT)[0]}

    def news(self, since, _most):
        if not self.up:
            raise Unavailable("nobody answers")
        return succeed(News(tuple(each for each in self.records if each.pos > since.pos)))


class Gateway:
    """One process, which began at the position of the registry."""

    def __init__(self, registry, *shelves):
        self.cache, self.clock, self.metrics = Cache(), FakeClock(), Registry()
        self.cache.reset(1, registry.position)
        counter = self.metrics.counter("twgw_key_cache", "What came of it.", ("result",))
        servers = {f"m{number}": Server(shelf.send) for number, shelf in enumerate(shelves)}
        self.it = KeyCache(registry, self.cache, servers, PEPPERS, "twgw", self.clock, counter)

    def ask(self, *wanted):
        """What is found, once everybody waited."""
        found = outcome(Deferred.fromCoroutine(driven(self.it.facts(wanted or (KEY,), EPOCH))))
        return [fact.payload for fact, _ in found]

    def counted(self):
        family = next(each for each in self.metrics.collect() if each.name == "twgw_key_cache")
        found = {each.labels["result"]: each.value for each in family.samples if each.name.endswith("total")}
        return {result: int(value) for result, value in found.items()}


async def driven(work):
    """Pauses that are over already are gone through."""
    task = work.__await__()
    value = None
    while True:
        try:
            step = task.send(value)
        except StopIteration as end:
            return end.value
        value = await step if isinstance(step, Deferred) else None


@pytest.fixture
def registry():
    made = Registered()
    for number in range(7):
        made.records.append(Record("app", f"old:{number}", "", 1, number + 1))
    return made


def test_the_second_gateway_does_not_ask_the_registry(registry):
    """Of what the first has read; nor does one that begins later, although the log went on."""
    shelf = Shelf()
    first = Gateway(registry, shelf)
    found = first.ask(KEY, RIGHT)
    assert [Credential(id="k", application="shop"), Subscription("pets:1")] == found
    assert 2 == registry.reads
    assert found == Gateway(registry, shelf).ask(KEY, RIGHT)
    registry.change("app:other")
    late = Gateway(registry, shelf)
    assert found == late.ask(KEY, RIGHT)
    assert 2 == registry.reads
    assert {"hit": 2} == late.counted()
    assert late.cache.floor < late.cache.begun


def test_several_servers_share_the_entries(registry):
    """Each has its own."""
    shelves = [Shelf() for _ in range(3)]
    rights = [Right("shop", f"api:{number}") for number in range(40)]
    Gateway(registry, *shelves).ask(*rights)
    assert 40 == sum(len(shelf.items) for shelf in shelves)
    assert all(shelf.items for shelf in shelves)
    Gateway(registry, *shelves).ask(*rights)
    assert 40 == registry.reads


def test_what_was_changed_is_read_anew(registry):
    """Whatever memcached says: the log decides, for those that follow it, and for those that begin later."""
    shelf = Shelf()
    running = Gateway(registry, shelf)
    running.ask()
    old = dict(shelf.items)
    registry.scopes = ("write",)
    registry.change("app:shop")
    running.cache.apply(registry.position, ("app:shop",))
    assert ("write",) == running.ask()[0].scopes
    shelf.items.update(old)  # an old dump comes back
    late = Gateway(registry, shelf)
    assert ("write",) == late.ask()[0].scopes
    assert ("write",) == running.ask()[0].scopes
    assert {"stale": 1} == late.counted()


def test_without_a_way_to_look_back_nothing_old_is_used(registry):
    """The log before the beginning is not known; what is read from then on is used by others."""
    shelf = Shelf()
    Gateway(registry, shelf).ask()
    registry.change("x")
    registry.up = False
    late = Gateway(registry, shelf)
    late.ask()
    assert (2, {"stale": 1}) == (registry.reads, late.counted())


def test_unknown_keys_are_not_kept(registry):
    """Nobody fills it with invented ones, and a key that is made now is good at once."""
    shelf = Shelf()
    assert [None] == Gateway(registry, shelf).ask(Key(b"x", "api-key", ("v1:zz",)))
    assert {} == shelf.items


POISON = {
    "a bit is turned": lambda _name, value: bytes([value[0] ^ 1]) + value[1:],
    "the end is turned": lambda _name, value: value[:-1] + bytes([value[-1] ^ 1]),
    "it is cut short": lambda _name, value: value[:20],
    "nothing": lambda _name, _value: b"",
    "garbage": lambda _name, _value: b"\0\xff\r\nMN\r\n" * 9,
    "too large": lambda _name, _value: b"x" * 70_000,
    "without a seal": lambda _name, value: b"\0" * 16 + value[16:],
    "another pepper's": lambda name, value: seal(Pepper("v1", b"q" * 32), name, value[16:]),
}


@pytest.mark.parametrize("spoil", POISON.values(), ids=POISON)
def test_a_poisoned_value_is_none(registry, spoil):
    """The registry is asked, and it is counted."""
    shelf = Shelf()
    Gateway(registry, shelf).ask()
    registry.scopes = ("read",)  # as it never changes without a record: so that one sees who answered
    shelf.spoil = spoil
    gateway = Gateway(registry, shelf)
    assert ("read",) == gateway.ask()[0].scopes
    assert {"refused": 1} == gateway.counted()


def test_who_was_in_the_cluster_once_makes_no_entries(registry):
    """It has the pepper of then, under which keys are good still, but no entry is."""
    shelf, older = Shelf(), PEPPERS.known[0]
    gateway = Gateway(registry, shelf)
    gateway.it.peppers = Peppers((Pepper("v2", b"q" * 32), older))
    gateway.ask()
    registry.scopes = ("read",)  # so that one sees who answered
    shelf.spoil = lambda name, value: seal(older, name, value[16:])
    assert ("read",) == gateway.ask()[0].scopes
    assert 1 == gateway.counted()["refused"]


def test_the_value_of_another_key_is_none(registry):
    """Also one that a node has sealed: an entry is good under its own name alone."""
    shelf = Shelf()
    Gateway(registry, shelf).ask(KEY, RIGHT)
    first, second = shelf.items
    shelf.items[first], shelf.items[second] = shelf.items[second], shelf.items[first]
    gateway = Gateway(registry, shelf)
    assert [Credential(id="k", application="shop"), Subscription("pets:1")] == gateway.ask(KEY, RIGHT)
    assert {"refused": 2} == gateway.counted()


def test_a_server_that_does_not_answer_rests(registry):
    """It is asked once a second, and the registry meanwhile."""
    shelf = Shelf()
    gateway = Gateway(registry, shelf)
    shelf.up = False
    for _ in range(5):
        assert "shop" == gateway.ask()[0].application
    assert (1, 5) == (shelf.asked, registry.reads)
    shelf.up = True
    gateway.clock.advance(REST)
    gateway.ask()
    gateway.ask()
    assert 6 == registry.reads
    assert {"failed": 1, "resting": 4, "miss": 1, "hit": 1} == gateway.counted()


def test_without_peppers_the_registry_is_asked(registry):
    """They come with the first answer of a key manager."""
    gateway = Gateway(registry, Shelf())
    gateway.it.peppers = Peppers()
    assert "shop" == gateway.ask()[0].application
    assert "the database" == gateway.it.whom


def test_it_is_there_where_servers_are_named(memcached, registry):
    """A real one: what one gateway has put there another one finds."""
    reader = Registered()
    none, doors = with_key_cache(reader, Cache(), Memcached(), PEPPERS, FakeClock(), Registry(), Clock())
    assert (reader, []) == (none, doors)
    settings, found = Memcached(keys=(ServerAddress.from_text(memcached.name),), timeout=10), []
    for asked in range(2):
        reactor, cache = Turns(), Cache()
        cache.reset(1, registry.position)
        made, doors = with_key_cache(registry, cache, settings, PEPPERS, FakeClock(), Registry(), reactor)
        rights = [Right("shop", f"api:{number}") for number in range(70)]
        running = Deferred.fromCoroutine(awaited(made.facts([KEY, *rights], EPOCH)))
        running.addBoth(found.append)
        reactor.go_on(lambda asked=asked: len(found) > asked)
        doors[0].stop()
    assert 71 == registry.reads
    assert [fact.payload for fact, _ in found[0]] == [fact.payload for fact, _ in found[1]]
    assert Head(1, 7) == Head(1, found[1][0][0].position)


async def awaited(work):
    """As the pipeline does: a pause is woken up by somebody else."""
    from twgw.gateway.running import Running

    ended, result = Deferred(), []

    async def run():
        result.append(await work)

    Running(run(), ended.callback).start()
    error = await ended
    if error is not None:
        raise error
    return result[0]
