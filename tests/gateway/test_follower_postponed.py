"""Of very many APIs that change at once, what is in force comes later: the follower with what it has postponed."""

from contextlib import suppress

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.gateway.test_follower import WRONG, WRONG_NAME, append, edited, prepare, told
from twgw.cluster.reports import Nack
from twgw.gateway import follower, postponed
from twgw.gateway.deployment import Compiler
from twgw.model import Lifecycle, Limit, Policy, Tier, Unit
from twgw.registry import Block, News
from twgw.storage import log, served
from twgw.storage.apis import delete_api, find_live, publish, save_revision, set_state
from twgw.storage.blocks import add_block
from twgw.storage.errors import Unavailable
from twgw.storage.settings import set_policies
from twgw.storage.tiers import update_tier

NAMES = ("one", "two", "three", "four", "five")


@pytest.fixture
def later(told_to, gateway, monkeypatch):
    """A gateway of a cluster that takes two APIs at once.  Has some of what comes later compiled."""
    monkeypatch.setattr(follower, "SOON", 2)
    for module in (follower, postponed):
        monkeypatch.setattr(module, "AT_A_TIME", 2)
    waiting, work = [], gateway.follower._in_thread

    def in_thread(function, *args):
        if function is not follower.made:
            return work(function, *args)
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: work(function, *args))

    monkeypatch.setattr(gateway.follower, "_in_thread", in_thread)
    return lambda: waiting.pop(0).callback(None)


def opened(registry, *names, **fields):
    """APIs that ask for nothing."""
    for name in names:
        registry.api(name, **{"policies": (), **fields})


def statuses(gateway):
    return [gateway.get(f"/{name}/7").status for name in NAMES]


def test_many_apis_come_later_and_together(gateway, registry, call, told_to, later):
    """No lease waits for them: their position is reached, what was in force stays, and the log is followed on."""
    opened(registry, *NAMES)
    edited(registry, base_path="/animals")
    gateway.follower.poll()
    head, report = told_to()

    assert (registry.database.call(log.head).pos, 6) == (head, len(report.refused))
    assert all("being compiled" in nack.text for nack in report.refused)
    assert ([404] * 5, 200, 404) == (statuses(gateway), call(), call(path="/animals/7"))
    assert gateway.follower.reached(append(registry, "token")).called

    later()
    assert ([404] * 5, 200) == (statuses(gateway), call())
    later()
    assert ([200] * 5, 404, 200) == (statuses(gateway), call(), call(path="/animals/7"))
    assert () == told_to()[1].refused
    assert told_to()[1].digest != report.digest
    assert ("", []) == (gateway.follower.fault, told(gateway))


def test_what_is_published_while_they_are_compiled_does_not_wait_for_them(gateway, registry, call, told_to, later):
    """Each of them comes in its last revision and state; one that is taken away is gone."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    edited(registry, base_path="/animals")
    gateway.follower.poll()
    later()
    assert ([404] * 5, 404, 200) == (statuses(gateway), call(), call(path="/animals/7"))

    registry.write(delete_api, "five:1.0", with_subscriptions=True)
    registry.write(set_state, "one:1.0", Lifecycle.RETIRED, actor="ann")
    gateway.follower.poll()
    while told_to()[1].refused:
        later()
    assert ([404, 200, 200, 200, 404], 404, 200) == (statuses(gateway), call(), call(path="/animals/7"))


@pytest.fixture
def reads(gateway, monkeypatch):
    """What is read of APIs by their names, one after the other: as of when it was asked for, answered when called."""
    waiting, read = [], gateway.follower._postponed.read

    def apis(names):
        assert len(names) <= follower.AT_A_TIME
        found = read(names)
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: found)

    monkeypatch.setattr(gateway.follower._postponed, "read", apis)
    return waiting


def test_many_are_not_read_before_their_position_is_reached(gateway, registry, call, told_to, later, reads):
    """Only their names are: whoever revokes waits for no documents, of however many."""
    opened(registry, *NAMES)
    edited(registry, base_path="/animals")
    position = append(registry, "token")

    assert gateway.follower.reached(position).called
    assert (1, 6, 200) == (len(reads), len(told_to()[1].refused), call())
    assert gateway.follower.reached(append(registry, "token")).called

    for _ in range(3):
        reads.pop().callback(None)
    later()
    later()
    assert ([200] * 5, 200) == (statuses(gateway), call(path="/animals/7"))
    assert [] == reads


def test_one_of_many_that_is_blocked_or_gone_is_so_at_once(gateway, registry, call, told_to, later, reads):
    """Whoever takes an API away waits for no documents; whoever gives it back waits for what it is then."""
    opened(registry, *NAMES)
    edited(registry, base_path="/animals")
    registry.write(set_state, "pets:1.0", Lifecycle.BLOCKED, actor="ann")
    gateway.follower.poll()
    assert (503, 404) == (call(), call(path="/animals/7"))

    opened(registry, "six", "seven")
    registry.write(set_state, "pets:1.0", Lifecycle.DEPRECATED, actor="ann")
    gateway.follower.poll()
    assert (503, 404) == (call(), call(path="/animals/7"))

    opened(registry, "eight", "nine")
    registry.write(set_state, "pets:1.0", Lifecycle.RETIRED, actor="ann")
    gateway.follower.poll()
    assert 404 == call()
    while told_to()[1].refused:
        reads.pop(0).callback(None) if reads else later()
    assert ([200] * 5, 404, 404) == (statuses(gateway), call(), call(path="/animals/7"))


@pytest.mark.parametrize("together", [False, True])
def test_what_changes_while_it_is_read_is_read_again(gateway, registry, told_to, later, reads, together):
    """What was read is old by then, whether the news has it, or once more names alone."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    for name in NAMES if together else NAMES[:1]:
        api = attrs.evolve(registry.database.call(find_live, f"{name}:1.0"), base_path=f"/new/{name}")
        registry.write(publish, api.id, registry.write(save_revision, api, author="ann"))
    gateway.follower.poll()
    while told_to()[1].refused:
        reads.pop(0).callback(None) if reads else later()

    changed = 5 if together else 1
    assert [404] * changed == statuses(gateway)[:changed]
    assert [200] * changed == [gateway.get(f"/new/{name}/7").status for name in NAMES[:changed]]


def test_what_cannot_be_read_now_is_read_later(gateway, registry, told_to, later, reads):
    """And said as any other outage."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    reads.pop().errback(Unavailable("nobody answers"))
    assert "nobody answers" in gateway.follower.outage

    gateway.follower.poll()
    assert ("", 1) == (gateway.follower.outage, len(reads))
    while told_to()[1].refused:
        reads.pop().callback(None) if reads else later()
    assert [200] * 5 == statuses(gateway)


def test_who_begins_anew_meanwhile_reads_everything_once(gateway, registry, told_to, later, reads):
    """What was asked before is let be."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    gateway.follower.reload()
    reads.pop().callback(None)
    while told_to()[1].refused:
        reads.pop().callback(None) if reads else later()

    assert ([200] * 5, []) == (statuses(gateway), reads)


def test_one_of_many_that_is_wrong_holds_up_no_other(gateway, registry, told_to, later):
    """It is told as any other."""
    opened(registry, *NAMES[2:], NAMES[0])
    opened(registry, "two", **WRONG)
    gateway.follower.poll()
    later()
    later()

    assert [200, 503, 200, 200, 200] == statuses(gateway)
    assert ["two:1.0"] == [nack.api for nack in told_to()[1].refused]
    assert "no policy 'cores' is installed" in gateway.follower.fault


def test_what_is_prepared_meanwhile_does_not_wait_for_them(gateway, registry, call, told_to, later):
    """But for those that are being compiled just then."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    position = prepare(registry, **WRONG)
    gateway.follower.poll()
    later()

    assert ((Nack("pets:1.0", position, WRONG_NAME),), [404] * 5) == (told_to()[1].unprepared, statuses(gateway))


def test_what_comes_later_meets_a_lease_and_what_is_blocked_by_then(gateway, registry, told_to, later):
    """Whichever was compiled before it was blocked."""
    trusted = [True]
    gateway.follower._trusted = lambda: trusted[0]
    opened(registry, *NAMES)
    gateway.follower.poll()
    later()
    for name in (NAMES[0], NAMES[-1]):
        registry.write(add_block, Block("api", f"{name}:1.0"))
    gateway.follower.poll()
    while told_to()[1].refused:
        later()

    assert [403, 200, 200, 200, 403] == statuses(gateway)
    trusted[0] = False
    assert [503] * 5 == statuses(gateway)


def test_what_comes_later_is_finished_before(gateway, registry, told_to, later, monkeypatch):
    """When it is put in force there is little left to do for each."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    later()
    later()
    guarded = []
    monkeypatch.setattr(follower, "guard", lambda compiled, *args: guarded.extend(compiled))
    opened(registry, *(f"more{number}" for number in range(5)))
    gateway.follower.poll()
    later()
    later()

    assert {f"more{number}:1.0" for number in range(5)} == set(guarded)
    assert 5 == len(guarded)


def policies_prepared(registry, *policies):
    """Ask for other global policies to be prepared."""
    record = served.prepare_record(News(policies=policies))
    return registry.write(lambda c, *, now: log.append(c, [record], now))


def test_global_policies_that_cannot_be_had_are_told_while_apis_are_to_come(gateway, registry, told_to, later):
    """They are tried with those that are there."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    position = policies_prepared(registry, Policy("cores"))
    gateway.follower.poll()
    later()

    assert ["policies[0].name: no policy 'cores' is installed; did you mean cors?"] == [
        nack.text for nack in told_to()[1].unprepared if nack.position == position
    ]


def test_of_very_many_apis_only_some_are_tried_with_other_global_policies(gateway, registry, told_to, monkeypatch):
    """A lease waits for it; what only the others have against them is told when they are in force."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    monkeypatch.setattr(follower, "SOON", 2)
    tried, compiled = [], follower.compiled
    monkeypatch.setattr(follower, "compiled", lambda wanted, *args: tried.append(wanted) or compiled(wanted, *args))
    position = policies_prepared(registry, Policy("mock-response", {"status": 418}))
    prepare(registry, base_path="/animals")
    gateway.follower.poll()

    assert [2, 1] == [len(wanted.apis) for wanted in tried]
    assert (position + 1, ()) == (told_to()[0], told_to()[1].unprepared)


def test_global_policies_come_with_the_apis_that_have_them(gateway, registry, call, told_to, later):
    """Until then all have those before."""
    opened(registry, *NAMES[:2])
    gateway.follower.poll()
    teapot = Policy("mock-response", {"status": 418})
    gateway.follower.reached(registry.write(set_policies, (teapot,)))
    assert 200 == call()

    later()
    assert [418, 418, 418] == [call(), *statuses(gateway)[:2]]


def finish(told_to, later):
    """Have all that comes later come."""
    while any("being compiled" in nack.text for nack in told_to()[1].refused):
        later()


@pytest.fixture
def compiles(monkeypatch):
    """The names of the APIs that are compiled."""
    found, whole = [], Compiler.whole
    monkeypatch.setattr(Compiler, "whole", lambda it, api, *more: found.append(api.name) or whole(it, api, *more))
    return found


def test_of_many_that_are_wrong_each_is_tried_once(gateway, registry, told_to, later, compiles):
    """While they come later, not once more all together; then as before, with whatever is put in force."""
    opened(registry, *NAMES, **WRONG)
    gateway.follower.poll()
    finish(told_to, later)
    assert (sorted(NAMES), [503] * 5) == (sorted(compiles), statuses(gateway))
    assert 5 == gateway.follower.fault.count("no policy 'cores' is installed") == len(told_to()[1].refused)

    compiles.clear()
    registry.api("six", policies=())
    gateway.follower.poll()
    assert sorted((*NAMES, "six")) == sorted({*compiles})


def test_what_makes_every_api_another_compiles_none_at_once(gateway, registry, call, told_to, later, compiles):
    """A first limit in bytes does, and new code of a policy: what is compiled stays until then, whatever it was of."""
    opened(registry, *NAMES)
    gateway.follower.poll()
    finish(told_to, later)
    compiles.clear()
    position = registry.write(update_tier, Tier("Gold", (Limit(1000, unit=Unit.BYTES),)))

    assert (True, []) == (gateway.follower.reached(position).called, compiles)
    assert ([200] * 5, 200) == (statuses(gateway), call())
    finish(told_to, later)
    assert sorted((*NAMES, "pets")) == sorted(compiles)


def test_of_those_that_come_none_is_compiled_for_the_policies_before(gateway, registry, told_to, later, compiles):
    """When others are named just then, all stay as they are for once more."""
    opened(registry, *NAMES)
    registry.write(set_policies, (Policy("mock-response", {"status": 418}),))
    gateway.follower.poll()
    later()
    opened(registry, "six", "seven", "eight")
    compiles.clear()
    later()
    assert (2, [404] * 5) == (len(compiles), statuses(gateway))  # the last two of those that came first
    finish(told_to, later)
    assert ([418] * 5, 418) == (statuses(gateway), gateway.get("/eight/7").status)


def test_what_is_published_beside_many_that_are_wrong_does_not_come_later(gateway, registry, call, told_to, later):
    """They were tried; only what is changed of them, or what they are compiled with, has them tried again."""
    opened(registry, *NAMES, **WRONG)
    gateway.follower.poll()
    finish(told_to, later)
    faults = gateway.follower._faults
    assert gateway.follower.reached(edited(registry, base_path="/animals")).called
    assert (200, faults) == (call(path="/animals/7"), gateway.follower._faults)

    gateway._plugins = {**gateway._plugins, "cores": gateway._plugins["deprecation"]}
    gateway.follower.reload()
    assert [503] * 5 == statuses(gateway)
    finish(told_to, later)
    assert ([200] * 5, "") == (statuses(gateway), gateway.follower.fault)


def test_what_is_found_wrong_before_other_policies_are_found_is_no_more(
    gateway, registry, told_to, later, monkeypatch
):  # fmt: skip
    """Also while they are looked for: all would be compiled while a lease waits, as if they had been tried."""
    opened(registry, *NAMES, **WRONG)
    gateway.follower.poll()
    finding, work = Deferred(), gateway.follower._in_thread
    looks = lambda function, *args: finding.addCallback(lambda _: work(function, *args))
    find = gateway.follower._find_plugins
    monkeypatch.setattr(
        gateway.follower, "_in_thread", lambda it, *args: (looks if it is find else work)(it, *args)
    )  # fmt: skip
    gateway._plugins = {**gateway._plugins, "cores": gateway._plugins["deprecation"]}
    gateway.follower.reload()
    for _ in range(3):
        with suppress(IndexError):
            later()
    finding.callback(None)
    assert ([404] * 5, 6) == (statuses(gateway), len(told_to()[1].refused))  # which are read by themselves
    finish(told_to, later)
    assert [200] * 5 == statuses(gateway)


def test_what_comes_under_wrong_global_policies_is_compiled_before(gateway, registry, told_to, later, compiles):
    """That those are wrong is known at once, and what comes is compiled with those that stay."""
    opened(registry, *NAMES)
    gateway.follower.reached(registry.write(set_policies, (Policy("cores"),)))
    assert ([], "policies[0].name: no policy 'cores'") == (compiles, gateway.follower.fault[:35])
    finish(told_to, later)

    assert (sorted(NAMES), [200] * 5) == (sorted(compiles), statuses(gateway))
    assert [""] == [nack.api for nack in told_to()[1].refused]


def test_what_is_published_under_wrong_global_policies_does_not_come_later(gateway, registry, call, told_to, later):
    """However many APIs have those before: each publication would wait for all to be tried with them again."""
    opened(registry, *NAMES)
    gateway.follower.reached(registry.write(set_policies, (Policy("cores"),)))
    finish(told_to, later)
    assert [""] == [nack.api for nack in told_to()[1].refused]

    assert gateway.follower.reached(edited(registry, base_path="/animals")).called
    assert ([200] * 5, 200) == (statuses(gateway), call(path="/animals/7"))
    assert [""] == [nack.api for nack in told_to()[1].refused]
    opened(registry, "six", "seven", "eight")
    gateway.follower.poll()
    assert {"six:1.0", "seven:1.0", "eight:1.0", ""} == {nack.api for nack in told_to()[1].refused}
    finish(told_to, later)
    assert [""] == [nack.api for nack in told_to()[1].refused]

    gateway._plugins = {**gateway._plugins, "cores": gateway._plugins["deprecation"]}
    gateway.follower.reload()
    finish(told_to, later)
    assert ((), "", [200] * 5) == (told_to()[1].refused, gateway.follower.fault, statuses(gateway))


def test_a_gateway_by_itself_takes_all_at_once(gateway, registry, monkeypatch):
    """It has no lease to lose."""
    monkeypatch.setattr(follower, "SOON", 2)
    opened(registry, *NAMES)
    gateway.follower.poll()

    assert [200] * 5 == statuses(gateway)
