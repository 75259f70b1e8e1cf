"""Everything is read anew, of more APIs than can be read and compiled while a lease lasts; and each rule taken out."""

import attrs
import pytest
from twisted.internet.defer import Deferred

from twgw.cluster.digests import Prints, digest, settings_prints
from twgw.gateway import follower, postponed
from twgw.gateway.follower import Follower
from twgw.gateway.postponed import Postponed
from twgw.memory import MemoryGateway
from twgw.model import Lifecycle, Policy
from twgw.registry import Block, Served
from twgw.storage.apis import delete_api, find_live, publish, save_revision, set_state
from twgw.storage.blocks import add_block
from twgw.storage.credentials import revoke_credential
from twgw.storage.schema import cluster_head
from twgw.storage.served import read_all
from twgw.storage.settings import set_policies

NAMES = ("one", "two", "three", "four", "five")


class World:
    """A gateway of a cluster that takes two APIs at once, of six; what it reads of single ones may be held back."""

    def __init__(self, registry):
        self.registry, self.trusted, self.held, self.reads, self.told = registry, True, False, [], []
        for name in NAMES:
            registry.api(name, policies=())
        self.gateway = MemoryGateway(registry.database)
        its = self.follower = self.gateway.follower
        its._trusted, its._advanced = lambda: self.trusted, lambda *told: self.told.append(told)
        read, its._postponed.read = its._postponed.read, lambda names: self._reads(read, names)
        its._guarded = {}  # else what was compiled before that is taken for guarded
        its.reload()

    def _reads(self, read, names):
        found = read(names)
        if not self.held:
            return found
        self.reads.append(Deferred())
        return self.reads[-1].addCallback(lambda _: found)

    def go_on(self):
        """What is read comes."""
        self.held = False
        for each in self.reads:
            each.callback(None)

    def edit(self, name, **fields):
        """Another revision of an API; the position."""
        api = attrs.evolve(self.registry.database.call(find_live, f"{name}:1.0"), **fields)
        return self.registry.write(publish, api.id, self.registry.write(save_revision, api, author="ann"))

    def restore(self):
        """The database is another: who missed what it had lost begins an epoch."""
        self.held = True
        write = self.registry.write
        self.edit("one", base_path="/first")
        write(set_state, "two:1.0", Lifecycle.BLOCKED, actor="ann")
        write(set_state, "three:1.0", Lifecycle.RETIRED, actor="ann")
        write(delete_api, "four:1.0", with_subscriptions=True)
        write(add_block, Block("api", "five:1.0"))
        write(revoke_credential, "api-key", "secret")
        self.registry.api("six", policies=())
        write(lambda c, *, now: c.execute(cluster_head.update().values(epoch=cluster_head.c.epoch + 1)))
        self.follower.look()

    def call(self, path):
        """The status of a call."""
        return self.gateway.get(path, headers={"X-API-Key": "secret"}).status

    def calls(self):
        """The same of all of them."""
        return {path: self.call(f"/{path}/7") for path in (*NAMES, "first", "six", "pets")}


@pytest.fixture
def world(registry, monkeypatch):
    """Of the two at once."""
    monkeypatch.setattr(follower, "SOON", 2)
    for module in (follower, postponed):
        monkeypatch.setattr(module, "AT_A_TIME", 2)
    return World(registry)


TAKEN = {"two": 503, "three": 404, "four": 404, "five": 403, "pets": 401}


def broken(world):
    """Which promises do not hold."""
    found = set()
    if world.calls() != {**dict.fromkeys(NAMES, 200), "first": 404, "six": 404, "pets": 200}:
        found.add("it serves what there is")
    world.restore()
    head = read_head(world)
    if (world.told[-1][0], len(world.reads)) != (head, 1):
        found.add("no lease waits for documents")
    calls = world.calls()
    if any(calls[path] != status for path, status in TAKEN.items()):
        found.add("what was taken away is so at once")
    if (calls["one"], calls["first"], calls["six"]) != (200, 404, 404):
        found.add("the rest stays as it was")
    world.trusted = False
    if {world.call(f"/{name}/7") for name in ("one", "two", "five", "pets")} != {503}:
        found.add("who has no lease refuses")
    world.trusted = True
    world.go_on()
    calls = world.calls()
    if {**calls, **TAKEN} != calls or (calls["one"], calls["first"], calls["six"]) != (404, 200, 200):
        found.add("all of it comes")
    if (world.told[-1][1].refused, world.told[-1][1].digest) != ((), digest_of(world)):
        found.add("it serves what the registry has")
    world.trusted = False
    world.held, world.reads = True, []
    world.edit("one", base_path="/again")
    world.registry.write(lambda c, *, now: c.execute(cluster_head.update().values(epoch=cluster_head.c.epoch + 1)))
    world.follower.look()
    world.trusted = True
    if (world.call("/first/7"), world.call("/again/7")) != (404, 200):
        found.add("who had no lease has none before all is in force")
    world.go_on()
    return found


def read_head(world):
    return world.registry.database.call(read_all)[0]


def digest_of(world):
    _, served = world.registry.database.call(read_all)
    return digest({**Prints().of(served.apis), **settings_prints(served.policies, served.tiers)})


def test_the_promises_hold(world):
    """In a new epoch, with all that may have become of an API."""
    assert set() == broken(world)


def everything_is_waited_for(patch):
    patch.setattr(Follower, "_is_leased", lambda _self: False)


def nothing_is_waited_for(patch):
    patch.setattr(Follower, "_is_leased", lambda _self: True)


def what_is_not_named_stays(patch):
    over = Served.over
    patch.setattr(Served, "over", lambda self, before: attrs.evolve(
        over(self, before), apis={**before.apis, **over(self, before).apis}
    ))  # fmt: skip


def states_come_with_the_rest(patch):
    patch.setattr(Served, "over", lambda self, before: attrs.evolve(
        self, apis={name: before.apis[name] for name in self.unread if name in before.apis}, unread={}
    ))  # fmt: skip


def nothing_is_read(patch):
    patch.setattr(Postponed, "begin", lambda self, _unread=(): None)


MUTANTS = {
    everything_is_waited_for: "no lease waits for documents",
    nothing_is_waited_for: "who had no lease has none before all is in force",
    what_is_not_named_stays: "what was taken away is so at once",
    states_come_with_the_rest: "what was taken away is so at once",
    nothing_is_read: "all of it comes",
}
"""Each rule that is taken out, and a promise that does not hold without it."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_without_any_of_the_rules_they_do_not(world, monkeypatch, mutant):
    """So the promises rest on all of them, and the test sees it."""
    mutant(monkeypatch)

    assert MUTANTS[mutant] in broken(world)


def test_whose_lease_ends_while_names_are_read_reads_all(world, monkeypatch):
    """What was published since then waited for nobody here."""
    read = world.follower._reader.everything

    def everything(*most):
        world.trusted = False
        return read(*most)

    monkeypatch.setattr(world.follower._reader, "everything", everything)
    world.restore()

    assert ([], ()) == (world.reads, world.told[-1][1].refused)
    world.trusted = True
    assert (404, 200) == (world.call("/one/7"), world.call("/first/7"))


def test_what_is_published_meanwhile_is_told_with_its_position(world):
    """Its publisher hears that it comes later."""
    world.restore()
    position = world.edit("one", base_path="/newest")
    world.follower.look()
    head, report = world.told[-1]

    assert (position, "one:1.0", position) == (head.pos, report.refused[0].api, report.refused[0].position)
    world.go_on()
    assert (200, ()) == (world.call("/newest/7"), world.told[-1][1].refused)


def test_what_is_wrong_is_told_with_the_position_that_was_read(world):
    """Whoever published it meanwhile is told of it, too."""
    wrong = (Policy("cores"),)
    first = world.edit("one", policies=wrong)
    world.follower.look()
    assert [first] == [nack.position for nack in world.told[-1][1].refused]

    second = world.edit("one", policies=wrong, base_path="/first")
    world.follower.reload()
    assert [("one:1.0", second)] == [(nack.api, nack.position) for nack in world.told[-1][1].refused]


def test_a_second_loss_begins_anew(world):
    """What is being read of the first counts no more."""
    world.restore()
    world.edit("one", base_path="/newest")
    world.registry.write(lambda c, *, now: c.execute(cluster_head.update().values(epoch=cluster_head.c.epoch + 1)))
    world.follower.look()
    world.go_on()

    assert (404, 200) == (world.call("/first/7"), world.call("/newest/7"))
    assert (read_head(world), ()) == (world.told[-1][0], world.told[-1][1].refused)


def began(world):
    """An epoch begins, with which nothing else changes."""
    world.registry.write(lambda c, *, now: c.execute(cluster_head.update().values(epoch=cluster_head.c.epoch + 1)))
    world.follower.look()


def test_whose_lease_ends_while_names_come_into_force_reads_all(world, monkeypatch):
    """Whoever published it waited for the end of that lease, and no longer."""
    read_keys = world.follower._read_keys

    async def slowly():
        world.trusted = False
        await read_keys()

    monkeypatch.setattr(world.follower, "_read_keys", slowly)
    world.edit("one", base_path="/first")
    world.held = True
    told = len(world.told)
    began(world)

    assert [(read_head(world), ())] == [(head, report.refused) for head, report in world.told[told:]]
    world.trusted = True
    assert (404, 200) == (world.call("/one/7"), world.call("/first/7"))


@pytest.mark.parametrize("known", [False, True])
def test_who_has_no_lease_compiles_all_before_its_position_is_in_force(world, known):
    """However many they are, and whether they were to come later before."""
    world.held = True
    for name in ("one", "two", "three"):
        world.edit(name, base_path=f"/{name}/new")
    if known:
        world.follower.look()
        assert 3 == len(world.told[-1][1].refused)
    told, world.trusted = len(world.told), False
    began(world)

    assert [(read_head(world), ())] == [(head, report.refused) for head, report in world.told[told:]]


def test_who_has_no_lease_has_other_policies_for_all_at_once(world):
    """They may take away, and whoever set them hears of nobody who comes later."""
    told, world.trusted = len(world.told), False
    position = world.registry.write(set_policies, (Policy("mock-response", {"status": 418}),))
    world.follower.look()
    assert [(position, ())] == [(head.pos, report.refused) for head, report in world.told[told:]]
    world.trusted = True
    assert 418 == world.call("/one/7")


def test_who_has_no_lease_has_at_once_what_is_published_while_it_reads_the_rest(world):
    """It is not among those that come later any more; the others are."""
    world.restore()
    world.trusted = False
    position = world.edit("one", base_path="/newest")
    world.follower.look()
    head, report = world.told[-1]

    assert (position, False, True) == (
        head.pos, "one:1.0" in (found := {nack.api for nack in report.refused}), "six:1.0" in found
    )  # fmt: skip
    world.trusted = True
    assert (404, 200, 404) == tuple(world.call(f"/{path}/7") for path in ("one", "newest", "six"))
    world.go_on()
    assert (404, 200, 200) == tuple(world.call(f"/{path}/7") for path in ("first", "newest", "six"))
    assert () == world.told[-1][1].refused


def test_what_is_blocked_no_longer_comes_back_as_what_it_is_then(world):
    """It may have been blocked for what was in force."""
    world.registry.write(set_state, "two:1.0", Lifecycle.BLOCKED, actor="ann")
    world.follower.look()
    world.edit("two", base_path="/mended")
    world.registry.write(set_state, "two:1.0", Lifecycle.PUBLISHED, actor="ann")
    world.held = True
    began(world)

    assert (503, 404) == (world.call("/two/7"), world.call("/mended/7"))
    world.go_on()
    assert (404, 200) == (world.call("/two/7"), world.call("/mended/7"))


def test_who_has_no_lease_has_other_policies_for_what_comes_later_too(world):
    """All of it is read then."""
    world.restore()
    world.trusted = False
    position = world.registry.write(set_policies, (Policy("mock-response", {"status": 418}),))
    world.follower.look()

    assert (position, ()) == (world.told[-1][0].pos, world.told[-1][1].refused)
    world.trusted = True
    assert (404, 418, 418) == tuple(world.call(f"/{path}/7") for path in ("one", "first", "six"))


def test_who_has_no_lease_reads_all_when_the_policies_of_what_is_published_come_later(world):
    """It is not to be had without them."""
    world.restore()
    world.registry.write(set_policies, (Policy("mock-response", {"status": 418}),))
    world.follower.look()
    assert {"one:1.0", "six:1.0"} <= {nack.api for nack in world.told[-1][1].refused}
    world.trusted = False
    position = world.edit("one", base_path="/newest")
    world.follower.look()

    assert (position, ()) == (world.told[-1][0].pos, world.told[-1][1].refused)
    world.trusted = True
    assert (404, 418, 418) == tuple(world.call(f"/{path}/7") for path in ("one", "newest", "six"))


@pytest.mark.parametrize("when", ["before", "while it is read", "while it is put in force"])
def test_who_has_no_lease_has_all_of_many_that_were_published_one_by_one(world, monkeypatch, when):
    """Whoever published them waited for the end of its lease, and no longer: it is given none with what was before."""
    world.held = True
    for name in ("one", "two", "three"):
        world.edit(name, base_path=f"/{name}/new")
    told = len(world.told)
    news, deploy = world.follower._reader.news, world.follower._deploy

    def read(*asked):
        world.trusted = world.trusted and when != "while it is read"
        return news(*asked)

    async def put_in_force(*args):
        world.trusted = world.trusted and when != "while it is put in force"
        await deploy(*args)

    monkeypatch.setattr(world.follower._reader, "news", read)
    monkeypatch.setattr(world.follower, "_deploy", put_in_force)
    world.trusted = when != "before"
    world.follower.look()

    assert [(read_head(world), ())] == [(head, report.refused) for head, report in world.told[told:]]
    world.trusted = True
    assert (404, 200) == (world.call("/one/7"), world.call("/one/new/7"))
