"""APIs of which there are too many for now."""

import pytest
from twisted.internet.defer import Deferred

from tests.cluster.test_protocol import outcome
from twgw.gateway import postponed
from twgw.gateway.postponed import Postponed
from twgw.model import Api, Lifecycle
from twgw.registry import News, Served
from twgw.storage.errors import Unavailable

NAMES = [f"{letter}:1" for letter in "abcde"]


def api(name, path="/new"):
    return Api(name.partition(":")[0], "1", path)


def states(*names):
    return dict.fromkeys(names, Lifecycle.PUBLISHED)


class World:
    """What they are read from, and compiled by: two at a time, each when it is told to."""

    def __init__(self):
        self.registry = {name: api(name) for name in NAMES}
        self.read, self.compiled, self.waiting = [], [], []
        self.it = Postponed(self.reads, self.missing, self.compiles)
        self.served = Served({"a:1": api("a:1", "/old"), "z:1": api("z:1")})

    async def reads(self, names):
        found = {name: self.registry.get(name) for name in names}
        self.waiting.append(Deferred())
        await self.waiting[-1]
        self.read.append(names)
        return found

    async def missing(self, served):
        known = {*self.it.early, "z:1"}
        return [each for name, each in sorted(served.apis.items()) if name not in known and not self.it.is_wrong(each)]

    async def compiles(self, served, apis):
        self.compiled.append([each.id for each in apis])
        made = {each.id: served.apis[each.id] for each in apis if each.base_path != "/wrong"}
        return made, {each.id: ("it is wrong",) for each in apis if each.id not in made}

    def hear(self, **news):
        """And they are to come later."""
        self.it.heard(News(**news))
        self.it.stay(self.it.of(self.served))

    def make(self):
        self.waiting.clear()
        return Deferred.fromCoroutine(self.it.make(lambda: self.served))

    def go_on(self):
        while self.waiting:
            self.waiting.pop(0).callback(None)


@pytest.fixture
def world(monkeypatch):
    """Of the two at a time."""
    monkeypatch.setattr(postponed, "AT_A_TIME", 2)
    return World()


def test_some_at_a_time_are_read_and_compiled(world):
    """All but those that can be put in force at once with them; until then nothing is."""
    world.hear(unread=states(*NAMES))
    assert set(NAMES) == world.it.of(world.served)
    done = world.make()
    world.go_on()

    assert done.called
    assert ([["a:1", "b:1"], ["c:1", "d:1"], ["e:1"]], [["a:1", "b:1"], ["c:1"]]) == (world.read, world.compiled)
    assert (True, ["a:1", "b:1", "c:1"]) == (world.it.due, sorted(world.it.early))
    assert "/old" == world.served.apis["a:1"].base_path

    whole = world.it.come(world.served)
    assert {**world.registry, "z:1": api("z:1")} == whole.apis
    assert (False, frozenset()) == (world.it.due, world.it.of(whole))
    world.it.stay(frozenset())
    assert {} == world.it.early


def test_a_thread_that_looks_meanwhile_misses_none(world):
    """Each is one of those that are to be read, or of those that were."""
    reads, seen = world.it.read, []

    class Found(dict):
        def __getitem__(self, name):
            seen.append(world.it.of(world.served))
            return super().__getitem__(name)

    async def read(names):
        return Found(await reads(names))

    world.it.read = read
    world.hear(unread=states(*NAMES))
    world.it.names = frozenset()
    world.make()
    world.go_on()

    assert [set(NAMES)] * 5 == seen


def test_one_that_goes_comes_as_nothing(world):
    """It is as if it had never been."""
    del world.registry["a:1"]
    world.hear(unread=states(*NAMES[:2]))
    world.make()
    world.go_on()

    assert ["b:1", "z:1"] == sorted(world.it.come(world.served).apis)


@pytest.mark.parametrize("unread", [True, False])
def test_what_is_named_again_meanwhile_is_not_what_was_read(world, unread):
    """Its news has it, or it is read once more."""
    world.hear(unread=states(*NAMES[:2]))
    done = world.make()
    world.registry["a:1"] = api("a:1", "/newer")
    world.hear(**({"unread": states("a:1")} if unread else {"apis": {"a:1": api("a:1", "/newer")}}))
    world.go_on()

    assert done.called
    assert ([["a:1", "b:1"], ["a:1"]] if unread else [["a:1", "b:1"]]) == world.read
    assert ("/newer" if unread else "/old") == world.it.come(world.served).apis["a:1"].base_path  # or it has the news


def test_what_was_read_before_it_was_named_again_is_old(world):
    """And they are not due without it."""
    world.hear(unread=states(*NAMES[:2]))
    world.make()
    world.go_on()
    world.it.due = False
    world.hear(unread=states("a:1"))
    assert {"a:1", "b:1"} == world.it.of(world.served)
    assert "/old" == world.it.whole(world.served).apis["a:1"].base_path


def test_one_that_is_wrong_is_not_tried_again(world):
    """Until it is another; the others are compiled."""
    world.registry["b:1"] = api("b:1", "/wrong")
    world.hear(unread=states(*NAMES))
    world.make()
    world.go_on()

    assert (True, ["a:1", "c:1"]) == (world.it.due, sorted(world.it.early))
    assert (True, False) == (world.it.is_wrong(api("b:1", "/wrong")), world.it.is_wrong(api("b:1")))
    assert {} == world.it.wrong(world.served)
    assert {"b:1": ("it is wrong",)} == world.it.wrong(world.it.whole(world.served))


@pytest.mark.parametrize("changed", [{"policies": ()}, {"tiers": {}}, None])
def test_one_that_was_wrong_may_be_right_with_what_is_new(world, changed):
    """Other global policies or tiers, or everything anew; also when they come while it is compiled."""
    world.registry |= {name: api(name, "/wrong") for name in NAMES[:2]}
    world.hear(unread=states(*NAMES))
    compiles = world.compiles

    def meanwhile(served, apis):
        if not world.compiled:
            world.it.heard(News(**changed)) if changed is not None else world.it.begin()
        return compiles(served, apis)

    world.it.compile = meanwhile
    world.make()
    world.go_on()

    wrong = api("a:1", "/wrong")
    times = 1 if changed is None else 2
    assert (times, times == 2) == (sum("a:1" in some for some in world.compiled), world.it.is_wrong(wrong))
    world.it.heard(News(tiers={}))
    assert not world.it.is_wrong(wrong)


def test_after_an_outage_the_rest_is_read(world):
    """It is to be called again."""
    world.hear(unread=states(*NAMES))
    done = world.make()
    world.waiting.pop(0).callback(None)
    world.waiting.pop(0).errback(Unavailable("nobody answers"))
    assert isinstance(outcome(done), Unavailable)
    assert not world.it.due

    done = world.make()
    world.go_on()
    assert done.called
    assert [["a:1", "b:1"], ["c:1", "d:1"], ["e:1"]] == world.read


def test_who_begins_anew_reads_what_is_still_to_be_read(world):
    """What is under way is let be, and read once more where it is among that."""
    world.hear(unread=states(*NAMES[:4]))
    done = world.make()
    world.registry["b:1"] = api("b:1", "/newer")
    world.it.begin(["b:1", "e:1"])
    world.go_on()

    assert done.called
    assert [["a:1", "b:1"], ["b:1", "e:1"]] == world.read
    assert {"b:1", "e:1"} == world.it.of(world.served)
    assert {"a:1": api("a:1", "/old"), "b:1": api("b:1", "/newer"), "e:1": api("e:1"), "z:1": api("z:1")} == (
        world.it.come(world.served).apis
    )


def test_who_begins_anew_reads_none_of_them(world):
    """What is under way is let be; what is to come is in what was read."""
    world.hear(unread=states(*NAMES))
    done = world.make()
    world.it.begin()
    world.go_on()

    assert done.called
    assert set() == world.it.of(world.served)
    assert {"a:1": api("a:1", "/old"), "z:1": api("z:1")} == world.it.come(world.served).apis
