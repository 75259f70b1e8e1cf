"""Coroutines driven without a Deferred for each."""

import pytest
from twisted.internet.defer import Deferred

from twgw.gateway.running import Gone, Pause, Running, run_detached


def started(coroutine):
    ended = []
    running = Running(coroutine, ended.append)
    running.start()
    return running, ended


async def waits_for(thing, seen):
    seen.append(await thing)


def test_what_does_not_wait_runs_straight_through():
    """And says so once."""
    seen = []

    async def work():
        seen.append(1)

    assert ([None], [1]) == (started(work())[1], seen)


@pytest.mark.parametrize("kind", [Pause, Deferred])
def test_a_wait_ends_with_its_result(kind):
    """Before or after it is waited for."""
    for early in (True, False):
        thing, seen = kind(), []
        end = thing.wake if kind is Pause else thing.callback
        if early:
            end(7)
        _, ended = started(waits_for(thing, seen))
        if not early:
            assert [] == ended
            end(7)

        assert ([None], [7]) == (ended, seen)


@pytest.mark.parametrize("kind", [Pause, Deferred])
def test_a_wait_ends_with_its_error(kind):
    """Which is raised where it was waited for."""
    thing = kind()
    _, ended = started(waits_for(thing, []))
    (thing.fail if kind is Pause else thing.errback)(KeyError("k"))

    assert [KeyError] == [type(error) for error in ended]


def test_a_pause_ends_once():
    """What comes later is ignored."""
    pause, seen = Pause(), []
    started(waits_for(pause, seen))
    pause.wake(1)
    pause.wake(2)
    pause.fail(KeyError())

    assert [1] == seen


@pytest.mark.parametrize("kind", [Pause, Deferred])
def test_who_is_abandoned_may_clean_up(kind):
    """Gone is thrown at its wait; nobody hears of its end, and a late result harms nobody."""
    seen = []

    async def work(thing):
        try:
            await thing
        except Gone:
            seen.append("clean")
            raise

    cancelled = []
    thing = Deferred(cancelled.append) if kind is Deferred else Pause()
    running, ended = started(work(thing))
    running.cancel(Gone())
    if kind is Pause:
        thing.wake()

    assert (["clean"], []) == (seen, ended)
    assert [thing] * (kind is Deferred) == cancelled


def test_only_what_can_be_waited_for():
    """Awaiting something of another world is an error at that place, not a hang."""

    class Foreign:
        def __await__(self):
            yield "asyncio"

    _, ended = started(waits_for(Foreign(), []))

    assert [TypeError] == [type(error) for error in ended]


def test_nobody_waits_for_what_is_detached():
    """But its failure is heard of."""
    failed = []

    async def work():
        raise KeyError

    run_detached(work(), failed.append)

    assert [KeyError] == [type(error) for error in failed]
