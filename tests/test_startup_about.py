"""Tests of twgw.startup_about."""

import pytest
from twisted.internet.defer import execute
from twisted.internet.task import Clock

from twgw import __version__, startup_about
from twgw.cluster.reports import About, Told, read, write
from twgw.memory_world import MemoryLog
from twgw.startup_about import EVERY, SOON, Introduction, Looks, marks_of
from twgw.throttle.settings import Memcached, ServerAddress

SETTINGS = Memcached(servers=(ServerAddress("m1"),))


@pytest.fixture
def seen(monkeypatch):
    """What is seen of memcached."""
    found = {"m1:11211": "7"}
    monkeypatch.setattr(startup_about, "marks_of", lambda _settings: dict(found))
    return found


def test_a_node_says_what_it_is(seen):
    """Its version and its time at once, its servers once it has looked; and what it says is read elsewhere."""
    one = Introduction(SETTINGS, execute, lambda: 5.0, MemoryLog())
    assert About(__version__, 5.0) == one.about()
    one.look()

    assert About(__version__, 5.0, {"m1:11211": "7"}) == one.about()
    assert one.about() == read(write(Told(about=one.about()))).about
    assert About() == read("").about


def test_it_looks_soon_and_then_each_minute(seen):
    """And no more when it stops."""
    clock, one = Clock(), Introduction(SETTINGS, execute, lambda: 5.0, MemoryLog())
    looks = Looks(one, clock)
    seen["m1:11211"] = ""
    looks.startService()
    seen["m1:11211"] = "8"
    clock.advance(SOON)
    assert {"m1:11211": "8"} == one.about().counters
    seen["m1:11211"] = "9"
    clock.advance(EVERY - SOON)
    assert {"m1:11211": "9"} == one.about().counters
    looks.stopService()
    assert [] == clock.getDelayedCalls()


def test_what_goes_wrong_is_logged(monkeypatch):
    """The node goes on."""

    def broken(_settings):
        raise RuntimeError("odd")

    monkeypatch.setattr(startup_about, "marks_of", broken)
    log = MemoryLog()
    Introduction(SETTINGS, execute, lambda: 5.0, log).look()

    assert "odd" in log.lines[0][1]


def test_marks_are_those_of_the_servers(memcached):
    """Empty for one that does not answer, and for one that nobody marked."""
    place = ServerAddress.from_text(memcached.name)
    nobody = ServerAddress("127.0.0.1", 1)
    assert {str(place): "", str(nobody): ""} == marks_of(Memcached(servers=(place, nobody)))
    memcached.ask("set twgw:mark 0 0 3\r\n123\r\n")

    assert {str(place): "123"} == marks_of(Memcached(servers=(place,)))
