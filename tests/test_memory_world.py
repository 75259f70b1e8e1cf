"""The fakes of the test kit."""

import pytest

from twgw.memory_world import FakeClock, MemoryBody, MemoryDirectory, MemoryFiles, MemoryLog, NoHttp, run_now
from twgw.policy.interfaces import DirectoryUser, Refusal


def test_a_log_is_a_list():
    """Of level and line."""
    log = MemoryLog()
    log.warn("{a} is {b}", a=1, b=2)  # noqa: G010 - not logging's

    assert [("warn", "1 is 2")] == log.lines


def test_files_keep_their_lines():
    """One sink for each path."""
    files = MemoryFiles()
    files.lines("a").write("x\n")
    files.lines("a").write("y\n")

    assert ["x\n", "y\n"] == files.written["a"]


def test_a_clock_moves_when_told():
    """Wall time and monotonic time together."""
    clock = FakeClock()
    now, wall = clock.now(), clock.wall()
    clock.advance(5)

    assert (5, 5) == (clock.now() - now, clock.wall() - wall)


def test_a_body_is_read_whole():
    """Or refused when it is larger than allowed."""

    def read(body, limit):
        with pytest.raises(StopIteration) as end:
            body.read(limit).send(None)
        return end.value.value

    assert b"ab" == read(MemoryBody([b"a", b"b"]), 0)


def test_nobody_calls_the_world():
    """A test that did not say what other services answer hears of it."""
    with pytest.raises(OSError, match="give MemoryGateway an http"):
        NoHttp().request("GET", "http://a").send(None)


def test_a_directory_is_what_it_was_given():
    """Users with passwords and groups; everybody is in its first store."""
    directory = MemoryDirectory({"alice": "pw"}, groups={"alice": ["staff"]}, stores=["one", "two"])

    def ask(user, password, store=""):
        with pytest.raises(StopIteration) as end:
            directory.authenticate(user, password, store).send(None)
        return end.value.value

    assert DirectoryUser("one", "alice", "uid=alice", ("staff",), (), ("staff",)) == ask("alice", "pw")
    assert Refusal.WRONG_PASSWORD is ask("alice", "x")
    assert Refusal.UNKNOWN is ask("bob", "pw")
    assert Refusal.UNKNOWN is ask("alice", "pw", "two")
    directory.available = False
    assert Refusal.UNAVAILABLE is ask("alice", "pw")
    assert ["alice", "alice", "bob", "alice", "alice"] == directory.asked
    with pytest.raises(LookupError):
        directory.authenticate("alice", "pw", "three").send(None)


def test_what_blocks_is_done_now():
    """There are no threads in memory."""
    with pytest.raises(StopIteration) as end:
        run_now(lambda: 7, 1).send(None)

    assert 7 == end.value.value
