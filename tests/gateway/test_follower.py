"""What is in force keeps in step with the log of a database."""

import gc
from types import SimpleNamespace

import attrs
import pytest
from twisted.internet.defer import CancelledError, Deferred, execute

from twgw import hookimpl
from twgw.cluster.digests import Prints, digest, settings_prints
from twgw.cluster.reports import Nack
from twgw.faults import InvalidFileError
from twgw.gateway import follower
from twgw.gateway.deployment import Compiler
from twgw.memory import MemoryGateway
from twgw.model import Lifecycle, Limit, Policy, Tier
from twgw.policy.exchange import Problem
from twgw.policy.registry import PluginConflict
from twgw.registry import News, Record
from twgw.storage import log, served
from twgw.storage.apis import delete_api, find_live, publish, save_revision, set_state
from twgw.storage.errors import Unavailable
from twgw.storage.reader import DatabaseReader
from twgw.storage.schema import cluster_head
from twgw.storage.settings import set_policies
from twgw.storage.tiers import update_tier


def append(registry, *kinds):
    """Append records of these kinds, and say the position."""
    return registry.write(lambda c, *, now: log.append(c, [Record(kind, f"{kind}:x") for kind in kinds], now))


def edited(registry, **fields):
    """Publish another revision of the API."""
    api = registry.database.call(find_live, "pets:1.0")
    number = registry.write(save_revision, attrs.evolve(api, **fields), author="ann")
    return registry.write(publish, "pets:1.0", number)


def told(gateway, level="error"):
    return [line for each, line in gateway.log.lines if each == level]


# --- what is in force ---


def test_everything_live_is_served_from_the_start(registry):
    """With the tiers and the global policies; what is not published is not there."""
    registry.api("draft", state=Lifecycle.CREATED)
    gateway = MemoryGateway(registry.database)

    assert ["pets:1.0"] == list(gateway.deployment.compiled)
    assert registry.database.call(log.head).pos == gateway.follower.applied


def test_a_change_is_in_force_when_its_position_is_reached(gateway, registry, call):
    """Without waiting for the next second: whoever asks for the position has the log read."""
    assert 200 == call()
    position = edited(registry, base_path="/animals")
    reached = gateway.follower.reached(position)

    assert reached.called
    assert (404, 200) == (call(), call(path="/animals/7"))
    assert gateway.follower.reached(position).called


def test_many_apis_at_once_are_kept_from_the_collector(gateway, registry, monkeypatch):
    """What stays need not be looked at again and again; a few are not worth it."""
    monkeypatch.setattr(follower, "MANY", 3)
    before = gc.get_freeze_count()
    for name in ("one", "two"):
        registry.api(name)
    gateway.follower.poll()
    assert before == gc.get_freeze_count()

    for name in ("three", "four", "five"):
        registry.api(name)
    gateway.follower.poll()
    try:
        assert {"one:1.0", "five:1.0"} < gateway.deployment.compiled.keys()
        assert before < gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_many_that_are_no_longer_in_force_are_let_go_in_a_thread(gateway, registry, monkeypatch):
    """Not in the turn in which others take their place; of a few it is not worth it."""
    monkeypatch.setattr(follower, "MANY", 2)
    let_go, work = [], gateway.follower._in_thread
    monkeypatch.setattr(
        gateway.follower, "_in_thread",
        lambda function, *args: let_go.append(*args) if function is follower.let_go else work(function, *args),
    )  # fmt: skip
    registry.api("cats")
    gateway.follower.poll()
    edited(registry, base_path="/animals")
    gateway.follower.poll()
    assert [] == let_go

    before = gateway.deployment.compiled
    registry.write(set_policies, (Policy("mock-response", {"status": 418}),))
    gateway.follower.poll()
    assert [list(before.values())] == let_go


@pytest.mark.parametrize(
    ("state", "status"),
    [(Lifecycle.BLOCKED, 503), (Lifecycle.RETIRED, 404), (Lifecycle.CREATED, 404), (Lifecycle.DEPRECATED, 200)],
)
def test_the_state_of_an_api_decides_what_is_answered(gateway, registry, call, state, status):
    """From when it was changed."""
    gateway.follower.reached(registry.write(set_state, "pets:1.0", state, actor="ann"))

    assert status == call()


def test_an_api_that_is_deleted_or_taken_back_is_gone(gateway, registry, call):
    """And comes again with its next live revision."""
    gateway.follower.reached(registry.write(publish, "pets:1.0", None))
    assert 404 == call()
    gateway.follower.reached(registry.write(publish, "pets:1.0", 1))
    assert 200 == call()
    gateway.follower.reached(registry.write(delete_api, "pets:1.0", with_subscriptions=True))
    assert 404 == call()


def test_only_what_is_named_is_compiled(gateway, registry):
    """The plans of the other APIs stay."""
    registry.api("cats")
    gateway.follower.poll()
    before = gateway.deployment.compiled
    edited(registry, base_path="/animals")
    gateway.follower.poll()
    after = gateway.deployment.compiled

    assert before["cats:1.0"] is after["cats:1.0"]
    assert before["pets:1.0"] is not after["pets:1.0"]


def test_nothing_is_compiled_for_records_about_callers(gateway, registry):
    """They only make old what is known."""
    before = gateway.deployment
    position = append(registry, "token", "user", "application", "subscription", "block", "key")
    gateway.follower.poll()

    assert before is gateway.deployment
    assert position == gateway.follower.applied


def test_a_tier_has_its_new_limits(gateway, registry, call):
    """From the next request on."""
    call()
    gateway.follower.reached(registry.write(update_tier, Tier("Gold", (Limit(1),))))

    assert [200, 429] == [call(), call()]


def test_the_global_policies_are_in_force(gateway, registry, call):
    """For every API."""
    position = registry.write(set_policies, (Policy("mock-response", {"status": 418}),))
    gateway.follower.reached(position)

    assert 418 == call()


# --- when it cannot be had at the start ---


@pytest.fixture
def asking(monkeypatch):
    """Readers that can be asked only when the reactor runs, as those that ask a key manager."""
    monkeypatch.setattr(DatabaseReader, "at_start", lambda _reader: None)


def test_a_gateway_that_must_ask_first_refuses_until_it_knows(registry, asking):
    """With 503, whatever is asked for; then it serves like any other."""
    gateway = MemoryGateway(registry.database)
    before = gateway.get("/pets/7", headers={"X-API-Key": "secret"})
    follower = gateway.follower

    assert (503, "2") == (before.status, before.headers.get("retry-after"))
    assert (None, 0) == (follower.deployment, follower.applied)

    follower.look()

    assert registry.database.call(log.head).pos == follower.applied
    assert [200, 404] == [gateway.get(path, headers={"X-API-Key": "secret"}).status for path in ("/pets/7", "/x")]


def test_it_serves_nothing_while_the_global_policies_are_wrong_there(registry, asking):
    """It may lack one that is installed elsewhere; that is said once, not every second."""
    registry.write(set_policies, (Policy("only-elsewhere"),))
    gateway = MemoryGateway(registry.database)
    for _ in range(3):
        gateway.follower.look()
    gateway.clock.advance(1)

    assert 503 == gateway.get("/pets/7").status
    assert ["policies[0].name: no policy 'only-elsewhere' is installed"] == [
        line.partition(";")[0] for line in told(gateway)
    ]
    assert "only-elsewhere" in gateway.follower.fault

    registry.write(set_policies, ())
    gateway.follower.look()

    assert 200 == gateway.get("/pets/7", headers={"X-API-Key": "secret"}).status


# --- what holds nothing up ---


def test_an_api_that_is_wrong_stays_as_it_was(gateway, registry, call):
    """Operators are told once, and the position is reached all the same; the next good revision ends it."""
    position = edited(registry, policies=(Policy("no-such-policy"),))

    assert gateway.follower.reached(position).called
    assert 200 == call()
    assert "pets:1.0: policies[0].name: no policy 'no-such-policy' is installed" in gateway.follower.fault

    registry.api("cats")
    gateway.follower.poll()

    (line,) = told(gateway)
    assert line.endswith("; what was in force of it stays")
    assert {"pets:1.0", "cats:1.0"} == set(gateway.deployment.compiled)

    gateway.follower.reached(edited(registry, policies=()))

    assert "" == gateway.follower.fault


def test_of_very_many_that_are_wrong_some_are_named(gateway, registry, monkeypatch):
    """And how many more there are: not all in a turn of the reactor, and not again for those that are known."""
    monkeypatch.setattr(follower, "MOST_SAID", 2)
    for name in ("one", "two", "three", "four"):
        registry.api(name, policies=(Policy("no-such-policy"),))
    gateway.follower.poll()
    *lines, rest = told(gateway)
    assert (2, "2 more cannot be had; /readyz says why") == (len(lines), rest)
    assert all(f"{name}:1.0: " in gateway.follower.fault for name in ("one", "two", "three", "four"))

    registry.api("five", policies=(Policy("no-such-policy"),))
    gateway.follower.poll()
    assert "five:1.0: " in told(gateway)[-1]
    assert 4 == len(told(gateway))


def test_an_api_that_is_wrong_has_its_new_state(gateway, registry, call):
    """Whoever blocks an API is not let down by its last revision."""
    edited(registry, policies=(Policy("no-such-policy"),))
    gateway.follower.poll()
    gateway.follower.reached(registry.write(set_state, "pets:1.0", Lifecycle.BLOCKED, actor="ann"))

    assert 503 == call()


def test_an_api_that_was_never_right_is_refused(registry):
    """With 503, as other nodes may serve it; the others are served, and so is it once it can be had."""
    registry.api("wrong", policies=(Policy("no-such-policy"),))
    gateway = MemoryGateway(registry.database)

    assert 503 == gateway.get("/wrong/7").status
    assert told(gateway)[0].endswith("; its calls are answered with 503")
    assert 200 == gateway.get("/pets/7", headers={"X-API-Key": "secret"}).status
    assert "wrong:1.0: policies[0].name" in gateway.follower.fault

    registry.api("cats")
    gateway.follower.poll()
    assert 503 == gateway.get("/wrong/7").status

    gateway._plugins = {**gateway._plugins, "no-such-policy": gateway._plugins["deprecation"]}
    gateway.follower.reload()

    assert ("", 200) == (gateway.follower.fault, gateway.get("/wrong/7").status)


# --- what a cluster is told of it ---


def prepare(registry, **fields):
    """Ask for another revision of the API to be prepared."""
    api = registry.database.call(find_live, "pets:1.0")
    record = served.prepare_record(News(apis={"pets:1.0": attrs.evolve(api, **fields)}))
    return registry.write(lambda c, *, now: log.append(c, [record], now))


WRONG = {"policies": (Policy("cores"),)}
WRONG_NAME = "pets:1.0: policies[0].name: no policy 'cores' is installed; did you mean cors?"


def test_what_can_be_prepared_changes_nothing(gateway, registry, call, told_to):
    """It is compiled, and that is all."""
    position = prepare(registry, base_path="/animals")
    gateway.follower.poll()

    assert (200, 404) == (call(), call(path="/animals/7"))
    assert (position, ()) == (told_to()[0], told_to()[1].unprepared)


def test_what_was_prepared_is_not_compiled_again(gateway, registry, call, told_to, monkeypatch):
    """When the same comes to be in force; anything else is compiled."""
    seen, whole = [], Compiler.whole
    monkeypatch.setattr(Compiler, "whole", lambda it, api, *more: seen.append(api.base_path) or whole(it, api, *more))
    gateway.follower.reached(prepare(registry, base_path="/animals"))
    gateway.follower.reached(edited(registry, base_path="/animals"))

    assert (["/animals"], 200) == (seen, call(path="/animals/7"))

    gateway.follower.reached(prepare(registry, base_path="/fish"))
    gateway.follower.reached(edited(registry, base_path="/birds"))

    assert (["/animals", "/fish", "/birds"], 200) == (seen, call(path="/birds/7"))


def test_what_was_prepared_meets_a_lease_like_anything_else(gateway, registry, call, told_to):
    """It is guarded when it is put in force, as it was not when it was compiled."""
    gateway.follower.reached(prepare(registry, base_path="/animals"))
    gateway.follower.reached(edited(registry, base_path="/animals"))
    gateway.follower._trusted = lambda: False
    gateway.follower.reload()

    assert 503 == call(path="/animals/7")


def test_what_was_prepared_for_nothing_is_forgotten(gateway, registry, told_to, monkeypatch):
    """At the latest when others take its place."""
    monkeypatch.setattr(follower, "MOST_SPARE", 0)
    gateway.follower.reached(prepare(registry, base_path="/animals"))

    assert {} == gateway.follower._spare


def test_what_cannot_be_prepared_is_told_and_holds_nothing_up(gateway, registry, call, told_to):
    """With the position at which it was asked for, and no other."""
    position = prepare(registry, **WRONG)
    reached = gateway.follower.reached(position)

    assert reached.called
    assert (position, (Nack("pets:1.0", position, WRONG_NAME),)) == (told_to()[0], told_to()[1].unprepared)
    assert ((), "", 200) == (told_to()[1].refused, gateway.follower.fault, call())

    append(registry, "prepare")
    gateway.follower.poll()

    assert 2 == len(told_to()[1].unprepared), "what is not understood cannot be prepared"


def test_what_was_wrong_before_is_not_told_of_what_is_prepared(gateway, registry, told_to):
    """Another API stays as wrong as it was."""
    registry.api("wrong", **WRONG)
    gateway.follower.reached(prepare(registry, base_path="/animals"))

    assert (["wrong:1.0"], ()) == ([each.api for each in told_to()[1].refused], told_to()[1].unprepared)


def test_what_cannot_be_had_is_told_with_its_position(gateway, registry, told_to):
    """Which stays that of the record that asked for it, until a later one does."""
    first = edited(registry, **WRONG)
    gateway.follower.reached(first)
    assert (Nack("pets:1.0", first, WRONG_NAME),) == told_to()[1].refused

    registry.api("cats")
    gateway.follower.poll()
    assert (Nack("pets:1.0", first, WRONG_NAME),) == told_to()[1].refused

    second = edited(registry, **WRONG, base_path="/animals")
    gateway.follower.reached(second)
    assert (Nack("pets:1.0", second, WRONG_NAME),) == told_to()[1].refused

    gateway.follower.reached(edited(registry, policies=()))
    assert () == told_to()[1].refused


def test_a_digest_tells_what_is_served(gateway, registry, told_to):
    """It changes with it, is the same for all that serve the same, and leaves out what cannot be had."""
    before = told_to()[1].digest
    gateway.follower.reached(edited(registry, base_path="/animals"))
    after = told_to()[1].digest
    gateway.follower.reached(edited(registry, **WRONG))
    without = told_to()[1].digest

    assert 3 == len({before, after, without})

    gateway.follower.reload()

    assert without == told_to()[1].digest
    _, found = registry.database.call(served.read_all)
    prints = {**Prints().of(found.apis), **settings_prints(found.policies, found.tiers)}
    assert without == digest(prints, without={"pets:1.0"})


def test_code_of_a_policy_that_breaks_costs_no_other_api(gateway, registry, call, told_to, monkeypatch):
    """Whatever it raises: the position is reached, and what was in force stays."""

    def breaks(*_arguments):
        raise RuntimeError("no such device")

    monkeypatch.setattr("twgw.gateway.deployment.Compiler.compile", breaks)
    position = edited(registry, base_path="/animals")

    assert gateway.follower.reached(position).called
    assert 200 == call()
    assert "pets:1.0: cannot be compiled: RuntimeError: no such device" == told_to()[1].refused[0].text


def test_wrong_global_policies_stay_as_they_were(gateway, registry, call):
    """While the gateway runs; a start fails with the fault."""
    gateway.follower.reached(registry.write(set_policies, (Policy("no-such-policy"),)))
    registry.api("cats")
    gateway.follower.poll()

    assert 200 == call()
    assert "policies[0].name: no policy 'no-such-policy'" in gateway.follower.fault
    with pytest.raises(InvalidFileError, match=r"sqlite:.*: policies\[0\]\.name: no policy 'no-such-policy'"):
        MemoryGateway(registry.database)


# --- the log ---


def begun_anew(gateway):
    """Whether everything was forgotten since the last call."""
    return 0 == len(gateway.facts.cache)


def test_a_record_of_a_later_version_may_mean_anything(gateway, registry, call):
    """So everything is read anew."""
    call()
    position = append(registry, "weather")
    gateway.follower.poll()

    assert (True, position) == (begun_anew(gateway), gateway.follower.applied)
    assert 200 == call()


def test_a_gap_in_the_log_is_bridged_by_reading_everything(gateway, registry, call):
    """When the records that come next were deleted before they could be read."""
    call()
    append(registry, *["token"] * 5)
    registry.write(lambda c, *, now: log.prune(c, now + 1e6, rows=2))
    edited(registry, base_path="/animals")
    gateway.follower.poll()

    assert begun_anew(gateway)
    assert 200 == call(path="/animals/7")


def test_a_new_epoch_begins_anew(gateway, registry, call):
    """Also when its positions go on from the same place, or from an earlier one."""
    for position in (cluster_head.c.pos, cluster_head.c.pos - 2):
        call()
        values = {"epoch": cluster_head.c.epoch + 1, "pos": position}
        registry.write(lambda c, *, now, values=values: c.execute(cluster_head.update().values(values)))
        gateway.follower.poll()

        assert begun_anew(gateway)
        assert registry.database.call(log.head).pos == gateway.follower.applied


def test_a_long_log_is_read_in_parts(gateway, registry, monkeypatch):
    """Until its end."""
    monkeypatch.setattr(served, "RECORDS", 3)
    position = append(registry, *["token"] * 10)

    assert gateway.follower.reached(position).called
    assert position == gateway.follower.applied


def test_who_waits_is_told_when_the_position_is_in_force(gateway, registry, monkeypatch):
    """Not by an earlier one, not before APIs are compiled, and not when they wait no longer."""
    compiling = Deferred()
    work = gateway.follower._in_thread
    monkeypatch.setattr(gateway.follower, "_in_thread", lambda *args: compiling.addCallback(lambda _: work(*args)))
    first = edited(registry, base_path="/animals")
    early, late, gone = (gateway.follower.reached(position) for position in (first, first + 2, first))
    gone.addErrback(lambda failure: failure.trap(CancelledError))
    gone.cancel()

    assert not early.called
    append(registry, "token")  # while it is busy
    compiling.callback(None)

    assert early.called
    assert not late.called
    append(registry, "token")
    gateway.follower.look()
    assert late.called


def test_a_position_that_is_asked_for_meanwhile_is_read_after(gateway, registry, monkeypatch):
    """What was being read when it was written need not have it."""
    reading = Deferred()
    run = registry.database.run
    monkeypatch.setattr(
        registry.database, "run", lambda *args: reading if not reading.called else run(*args)
    )
    gateway.follower.look()
    reached = gateway.follower.reached(append(registry, "token"))
    assert not reached.called
    reading.callback(News())

    assert reached.called


def test_what_breaks_is_told_and_begun_anew(gateway, registry, call, monkeypatch):
    """Nothing that was read is taken for applied."""
    monkeypatch.setattr(gateway.follower, "_in_thread", lambda *_args: execute(lambda: 1 / 0))
    edited(registry, base_path="/animals")
    gateway.follower.poll()

    assert "ZeroDivisionError" in told(gateway)[0]

    monkeypatch.undo()
    gateway.follower.look()

    assert 200 == call(path="/animals/7")


def test_the_database_may_go_away_while_everything_is_read_anew(gateway, registry, call):
    """As when another takes over just then: it is said as an outage, and begun anew when it is back."""

    async def away():
        raise Unavailable("gone")

    before, gateway.follower._keys_changed = gateway.follower._keys_changed, away
    gateway.follower.reload()
    assert (["gone"], "gone") == ([line.partition(";")[0] for line in told(gateway)], gateway.follower.outage)

    gateway.follower._keys_changed = before
    edited(registry, base_path="/animals")
    gateway.follower.look()
    assert ("", 200) == (gateway.follower.outage, call(path="/animals/7"))


def test_the_database_may_be_away_in_the_middle(gateway, registry, call, monkeypatch):
    """What was to be begun anew still is when it is back."""
    call()
    run = registry.database.run
    monkeypatch.setattr(registry.database, "run", lambda *_args: execute(_away))
    gateway.follower.reload()
    monkeypatch.setattr(registry.database, "run", run)
    assert not begun_anew(gateway)
    gateway.follower.look()

    assert begun_anew(gateway)


def _away():
    raise Unavailable("the database is away")


# --- policies ---


def test_a_reload_finds_changed_policies(registry):
    """Their code is looked for anew, and what uses them is compiled."""
    plugins = {"mine": SimpleNamespace(twgw_receive=hookimpl(lambda exchange: Problem(418, "Old")))}
    registry.api("cats", policies=(Policy("mine"),))
    gateway = MemoryGateway(registry.database, plugins=plugins)
    assert 418 == gateway.get("/cats/1").status
    other = SimpleNamespace(twgw_receive=hookimpl(lambda exchange: Problem(410, "New")))
    gateway._plugins["mine"] = attrs.evolve(gateway._plugins["mine"], module=other)
    gateway.follower.look()
    gateway.follower.reload()

    assert 410 == gateway.get("/cats/1").status


def test_what_is_in_force_is_said_once(gateway, registry):
    """A start reads it twice; whoever asks for a reload is told again."""
    lines = lambda: [text for text in told(gateway, "info") if "in force" in text]
    (line,) = lines()
    gateway.follower._anew = True
    gateway.follower.poll()
    assert [line] == lines()

    gateway.follower.reload()
    assert [line, line] == lines()
    edited(registry, base_path="/animals")
    gateway.follower.poll()
    assert 3 == len(lines())


def test_policies_that_cannot_be_told_apart_stay_as_they_were(gateway, call, monkeypatch):
    """Operators are told."""

    def find():
        raise PluginConflict("two policies are called mine")

    monkeypatch.setattr(gateway.follower, "_find_plugins", find)
    gateway.follower.reload()

    assert 200 == call()
    assert ["two policies are called mine; the policies found before stay"] == told(gateway)


def test_every_position_in_force_is_told(gateway, registry):
    """With its epoch, once everything that it names is in force."""
    told = []
    gateway.follower._advanced = lambda head, _report: told.append(head)
    position = append(registry, "token", "api")
    gateway.follower.poll()

    assert [(1, position)] == [(head.epoch, head.pos) for head in told]
