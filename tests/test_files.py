"""Lines that reach their file whole, whatever happens to file and disk."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.files import LIMIT, SOON, LineFiles
from twgw.policy.interfaces import Files


class FakeClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class FakeLog:
    """Remembers how often it was told what."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def info(self, text: str, **fields: Any) -> None:
        self.told.append(f"info {text}")

    def warn(self, text: str, **fields: Any) -> None:
        self.told.append(f"warn {text}")

    def error(self, text: str, **fields: Any) -> None:
        self.told.append(f"error {text}")


class Disk:
    """Writes as much as there is room for, then fails."""

    def __init__(self, room: int, error: int = errno.ENOSPC) -> None:
        self.room = room
        self.error = error

    def write(self, fd: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(self.error, os.strerror(self.error))
        taken = os.write(fd, data[: self.room])
        self.room -= taken
        return taken


class World:
    """Everything that files stand in."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.clock = FakeClock()
        self.log = FakeLog()
        self.soon: list[Callable[[], None]] = []
        write = disk.write if disk else os.write
        self.files = LineFiles(Path("/nowhere"), self.clock, self.log, self.soon.append, write)


@pytest.fixture
def world() -> World:
    """A world with a disk that works."""
    return World()


@contextmanager
def unread_pipe() -> Iterator[int]:
    """A pipe in the place of standard output; its reading end."""
    kept = os.dup(1)
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.set_blocking(reader, False)
    try:
        yield reader
    finally:
        os.dup2(kept, 1)
        for fd in (kept, reader, writer):
            os.close(fd)


def test_lines_are_written_by_the_next_flush(world: World, tmp_path: Path) -> None:
    """In order, into a file that is made with its folder, readable by owner and group only."""
    files: Files = world.files
    path = tmp_path / "log" / "access.log"
    sink = files.lines(str(path))
    sink.write("one\n")
    sink.write("zwei: ü\n")
    assert not path.parent.exists()
    before = os.umask(0o022)
    world.files.flush()
    os.umask(before)
    assert path.read_text() == "one\nzwei: ü\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert world.log.told == []


def test_one_path_is_one_sink(world: World, tmp_path: Path) -> None:
    """Two policies that log to one file share it."""
    path = str(tmp_path / "a")
    assert world.files.lines(path) is world.files.lines(path)


def test_a_relative_path_is_below_the_folder(tmp_path: Path) -> None:
    """And the same file by its whole path is the same sink."""
    files = LineFiles(tmp_path, FakeClock(), FakeLog())
    files.lines("log/a").write("one\n")
    files.lines(str(tmp_path / "log" / "a")).write("two\n")
    files.flush()
    assert (tmp_path / "log" / "a").read_text() == "one\ntwo\n"


def test_without_a_reactor_a_full_buffer_is_written_at_once(tmp_path: Path) -> None:
    """By the line that fills it."""
    files = LineFiles(tmp_path, FakeClock(), FakeLog())
    sink = files.lines("a")
    sink.write("x" * (SOON - 2) + "\n")
    assert not (tmp_path / "a").exists()
    sink.write("\n")
    assert (tmp_path / "a").stat().st_size == SOON


def test_lines_are_appended_to_what_is_there(world: World, tmp_path: Path) -> None:
    """A restart loses nothing."""
    path = tmp_path / "a"
    path.write_text("old\n")
    world.files.lines(str(path)).write("new\n")
    world.files.flush()
    assert path.read_text() == "old\nnew\n"


def test_a_half_line_at_the_end_of_a_file_is_ended_first(world: World, tmp_path: Path) -> None:
    """After a crash the first line does not hang on to what was left."""
    path = tmp_path / "a"
    path.write_text("old\nha")
    world.files.lines(str(path)).write("new\n")
    world.files.flush()
    assert path.read_text() == "old\nha\nnew\n"


def test_a_full_buffer_asks_for_a_flush_of_its_own(world: World, tmp_path: Path) -> None:
    """Once, at 64 KiB, without waiting for the timer."""
    path = tmp_path / "a"
    sink = world.files.lines(str(path))
    line = "x" * 1023 + "\n"
    for _ in range(SOON // 1024 - 1):
        sink.write(line)
    assert world.soon == []
    for _ in range(10):
        sink.write(line)
    assert len(world.soon) == 1
    world.soon.pop()()
    assert path.stat().st_size == SOON + 9 * 1024
    for _ in range(SOON // 1024):
        sink.write(line)
    assert len(world.soon) == 1


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_a_rotated_file_is_opened_anew_within_a_second(world: World, tmp_path: Path, how: str) -> None:
    """Whether logrotate made a new file or not; until it is noticed lines go where they went."""
    path, old = tmp_path / "a", tmp_path / "a.1"
    sink = world.files.lines(str(path))
    sink.write("one\n")
    world.files.flush()
    if how == "removed":
        path.unlink()
    else:
        path.rename(old)
    if how == "replaced":
        path.touch()
    world.clock.time += 0.5
    sink.write("two\n")
    world.files.flush()
    world.clock.time += 0.5
    sink.write("three\n")
    world.files.flush()
    assert path.read_text() == "three\n"
    assert how == "removed" or old.read_text() == "one\ntwo\n"


def test_a_file_that_is_not_used_is_let_go_when_it_is_removed(world: World, tmp_path: Path) -> None:
    """So an idle gateway does not hold the space of a rotated file."""
    path = tmp_path / "a"
    world.files.lines(str(path)).write("one\n")
    world.files.flush()
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    path.unlink()
    world.clock.time += 1
    world.files.flush()
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files - 1
    assert not path.exists()


def test_a_full_disk_is_told_once_and_lines_wait(world: World) -> None:
    """On the real device that is always full."""
    sink = world.files.lines("/dev/full")
    for _ in range(5):
        sink.write("one\n")
        world.files.flush()
    told = "warn cannot write to /dev/full: No space left on device; up to 8 MiB of lines wait, later ones are lost"
    assert [told] == world.log.told
    assert sink.dropped == 0


def test_what_exceeds_8_mib_is_dropped_and_counted() -> None:
    """The oldest lines are kept: they tell how it began."""
    world = World(Disk(0))
    sink = world.files.lines("/dev/null")
    line = "x" * 1023 + "\n"
    for n in range(LIMIT // 1024 + 100):
        sink.write(line)
        if n % 1000 == 0:
            world.files.flush()
    assert sink.dropped == 100
    assert world.files.dropped() == {("/dev/null",): 100}
    assert len(world.log.told) == 1


def test_when_there_is_room_again_nothing_is_missing_but_what_was_dropped(tmp_path: Path) -> None:
    """A megabyte each turn, and one line in the log."""
    disk = Disk(0)
    world = World(disk)
    path = tmp_path / "a"
    sink = world.files.lines(str(path))
    lines = [f"{n:07}" + "x" * 1016 + "\n" for n in range(LIMIT // 1024 + 3)]
    for line in lines:
        sink.write(line)
    world.files.flush()
    disk.room = 1 << 40
    world.files.flush()
    assert path.stat().st_size == 1024 * 1024
    for _ in range(8):
        world.files.flush()
    assert path.read_text() == "".join(lines[:-3])
    assert len(world.log.told) == 2
    assert world.log.told[1] == f"info {path} is written again; 3 lines are lost since the start"
    sink.write("after\n")
    world.files.flush()
    assert path.read_text().endswith("x\nafter\n")


@given(
    st.lists(
        st.one_of(
            st.text("abü", max_size=6).map(lambda text: ("write", text)),
            st.integers(0, 12).map(lambda room: ("room", room)),
            st.sampled_from([("flush", errno.ENOSPC), ("flush", errno.EIO), ("flush", errno.EAGAIN), ("rotate", 0)]),
        ),
        max_size=40,
    )
)
def test_no_line_starts_behind_a_half_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    """With a disk that takes a few bytes at a time, fails in every way, and files that are rotated meanwhile.

    Every line of every file is a whole one or a beginning of one, every line that was written is there whole, in order.
    """
    folder = tmp_path_factory.mktemp("files")
    path = folder / "a"
    disk = Disk(0)
    world = World(disk)
    sink = world.files.lines(str(path))
    written: list[str] = []
    rotated = 0
    for step, value in steps:
        if step == "write":
            line = f"{len(written)}:{value};\n"
            written.append(line)
            sink.write(line)
        elif step == "room":
            disk.room = value
        elif step == "flush":
            disk.error = value
            world.files.flush()
        elif path.exists():
            rotated += 1
            path.rename(folder / f"a.{rotated}")
            world.clock.time += 1
    disk.room = 1 << 20
    world.files.flush()
    assert sink.dropped == 0
    world.files.close()
    names = [*(folder / f"a.{n}" for n in range(1, rotated + 1)), path]
    found = [line for name in names if name.exists() for line in name.read_bytes().split(b"\n")]
    # Where all but the newline was written before the file was lost, the line is there twice.
    whole = [line.decode() + "\n" for line, _ in groupby(line for line in found if line.endswith(b";"))]
    assert written == whole
    begun = [line for line in found if line and not line.endswith(b";")]
    assert all(any(one.encode().startswith(line) for one in written) for line in begun)


def test_a_line_that_was_torn_by_a_full_disk_is_completed_when_there_is_room(tmp_path: Path) -> None:
    """The other half follows, with nothing between."""
    disk = Disk(6)
    world = World(disk)
    path = tmp_path / "a"
    sink = world.files.lines(str(path))
    sink.write("one\n")
    sink.write("two\n")
    world.files.flush()
    assert path.read_text() == "one\ntw"
    sink.write("three\n")
    disk.room = 100
    world.files.flush()
    assert path.read_text() == "one\ntwo\nthree\n"


def test_what_cannot_be_opened_is_tried_again(world: World, tmp_path: Path) -> None:
    """A file in the way of the folder, later gone."""
    obstacle = tmp_path / "log"
    obstacle.write_text("")
    path = obstacle / "a"
    sink = world.files.lines(str(path))
    sink.write("one\n")
    world.files.flush()
    world.files.flush()
    assert len(world.log.told) == 1
    obstacle.unlink()
    world.files.flush()
    assert path.read_text() == "one\n"
    assert world.log.told[1].startswith(f"info {path} is written again")


def test_standard_output_that_nobody_reads_does_not_block(world: World) -> None:
    """What the pipe cannot take waits, and follows when somebody reads."""
    sink = world.files.lines("-")
    lines = [f"{n:06}" + "x" * 57 + "\n" for n in range(5000)]
    read = b""
    with unread_pipe() as reader:
        for line in lines:
            sink.write(line)
        world.files.flush()
        for _ in range(20):
            read += os.read(reader, 65536)
            world.files.flush()
            if len(read) == 5000 * 64:
                break
    assert "".join(lines).encode() == read
    assert world.log.told == []


def test_standard_output_that_nobody_ever_reads_is_told(world: World) -> None:
    """Once, when the buffer is full."""
    sink = world.files.lines("-")
    with unread_pipe():
        for _ in range(LIMIT // 1024 + 100):
            sink.write("x" * 1023 + "\n")
        world.files.flush()
        world.files.flush()
    assert sink.dropped == 100
    assert len(world.log.told) == 1
    assert "cannot write to -: nobody reads" in world.log.told[0]


def test_closing_writes_what_waits(world: World, tmp_path: Path) -> None:
    """All of it, more than a turn's megabyte; what comes later is dropped and counted."""
    path = tmp_path / "a"
    sink = world.files.lines(str(path))
    for _ in range(3000):
        sink.write("x" * 1023 + "\n")
    world.files.close()
    assert path.stat().st_size == 3000 * 1024
    sink.write("late\n")
    world.files.flush()
    world.files.close()
    assert path.stat().st_size == 3000 * 1024
    assert sink.dropped == 1
    assert world.log.told == []


def test_closing_with_a_full_disk_ends_and_tells_the_loss(tmp_path: Path) -> None:
    """Lines that were written half are lost too."""
    world = World(Disk(6))
    sink = world.files.lines(str(tmp_path / "a"))
    for line in ("one\n", "two\n", "three\n"):
        sink.write(line)
    world.files.close()
    assert sink.dropped == 2
    assert world.log.told[-1] == f"warn 2 lines for {tmp_path / 'a'} are lost"


def test_text_that_is_no_unicode_is_written_escaped(world: World, tmp_path: Path) -> None:
    """A lone surrogate raises nowhere."""
    path = tmp_path / "a"
    world.files.lines(str(path)).write("a\udc80b\n")
    world.files.flush()
    assert path.read_text() == "a\\udc80b\n"


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_cannot_be_a_path_is_refused_at_once(world: World, path: str) -> None:
    """When the policy is set up, not at its first line."""
    with pytest.raises(ValueError, match="not the path of a file"):
        world.files.lines(path)


def together(path: Path, count: int, disk: Disk) -> tuple[World, list[Any]]:
    """Files of several processes in one world, and their sinks of one file."""
    world = World(disk)
    made = [
        LineFiles(Path("/nowhere"), world.clock, world.log, world.soon.append, disk.write, together=True)
        for _ in range(count)
    ]
    return world, [each.lines(str(path)) for each in made]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 2), st.text("abü", max_size=6)),
            st.tuples(st.just("room"), st.integers(0, 12)),
            st.tuples(st.just("flush"), st.integers(0, 2)),
            st.tuples(st.just("rotate"), st.none()),
        ),
        max_size=60,
    )
)
def test_every_line_of_several_processes_is_a_whole_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, Any]]
) -> None:
    """In one file, on a disk that takes a few bytes at a time, also while it is rotated: none is missing or torn."""
    folder = tmp_path_factory.mktemp("files")
    path, disk = folder / "a", Disk(0)
    world, sinks = together(path, 3, disk)
    written: list[list[str]] = [[], [], []]
    rotated = 0
    for step, value in steps:
        if step == "room":
            disk.room = value
        elif step == "flush":
            sinks[value].flush()
        elif step != "rotate":
            written[step].append(f"{step}.{len(written[step])}:{value};\n")
            sinks[step].write(written[step][-1])
        elif path.exists():
            rotated += 1
            path.rename(folder / f"a.{rotated}")
            world.clock.time += 1
    disk.room = 1 << 20
    for sink in sinks:
        sink.flush()
        sink.close()
    names = [*(folder / f"a.{n}" for n in range(1, rotated + 1)), path]
    found = [line for name in names if name.exists() for line in name.read_text().splitlines(keepends=True)]
    for number, lines in enumerate(written):
        assert lines == [line for line in found if line.startswith(f"{number}.")]
    assert len(found) == sum(map(len, written))


def test_a_half_line_of_a_crash_is_ended_by_whoever_writes_next(tmp_path: Path) -> None:
    """Also when the file was open before."""
    path = tmp_path / "a"
    _, (one, other) = together(path, 2, Disk(1 << 20))
    for sink in (one, other):
        sink.write("first\n")
        sink.flush()
    with path.open("a") as file:
        file.write("torn")
    other.write("second\n")
    other.flush()

    assert path.read_text() == "first\nfirst\ntorn\nsecond\n"


def test_a_process_that_was_stopped_while_it_wrote_stops_nobody(tmp_path: Path) -> None:
    """The others keep their lines until it goes on."""
    path = tmp_path / "a"
    world, (sink,) = together(path, 1, Disk(1 << 20))
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sink.write("a\n")
        sink.flush()
        assert path.read_text() == ""
        fcntl.flock(held, fcntl.LOCK_UN)
        sink.flush()

    assert path.read_text() == "a\n"
    assert world.log.told == []


def test_processes_write_whole_lines_to_a_pipe(tmp_path: Path) -> None:
    """No more at once than a pipe takes in one piece."""
    path, pieces = tmp_path / "a", []
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def write(fd: int, data: memoryview) -> int:
        pieces.append(bytes(data))
        return os.write(fd, data)

    world = World()
    files = LineFiles(Path("/nowhere"), world.clock, world.log, world.soon.append, write, together=True)
    sink = files.lines(str(path))
    for _ in range(10):
        sink.write("x" * 999 + "\n")
    sink.flush()
    data = b"".join(os.read(reading, 65536) for _ in range(1))
    os.close(reading)

    assert len(data) == 10_000
    assert [4000, 4000, 2000] == [len(piece) for piece in pieces]
