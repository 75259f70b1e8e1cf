"""Append lines to files that others rotate and disks that fill up.

Made by ``tap.py`` and lent to policies as ``gateway.files``; access-log is the main user.  The service calls ``flush``
from a timer, five times a second; a sink that holds 64 KiB asks for a flush of its own.

What an operator may do: move or remove a file (a new one is there within a second, logrotate needs no signal), fill
the disk (lines wait, up to 8 MiB of them, later ones are dropped and counted; one line in the log when it begins and
one when it is over), stop reading a pipe (the same).  A line is written whole: where the disk took a half, the rest
follows when it can, and a file that ends in a half line, as after a crash, gets the end of that line first.
"""

import contextlib
import errno
import fcntl
import os
import select
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path

from twgw.policy.interfaces import Clock, Log

STDOUT = "-"
SOON = 64 * 1024
"""Characters after which a sink is flushed without waiting for the timer."""
LIMIT = 8 * 1024 * 1024
"""Characters that a sink keeps when it cannot write."""
TURN = 1024 * 1024
"""Bytes written in one turn at most, so that nobody waits for long."""
ATOMIC = 4096
"""Bytes that a pipe which is ready takes without blocking (pipe(7), PIPE_BUF on Linux)."""
TRIES = 200
"""For a lock that others hold while they write."""
LOOK_EVERY = 1.0
"""Seconds between two looks at whether the file is still the one with that name."""
WAITING = {errno.EAGAIN, errno.EINTR}
FULL = {errno.ENOSPC, errno.EDQUOT}

Soon = Callable[[Callable[[], None]], object]
Write = Callable[[int, memoryview], int]


def at_once(flush: Callable[[], None]) -> None:
    """Flush in the write that filled the buffer."""
    flush()


def _lines_of(batch: bytes, begin: int, at_most: int) -> bytes:
    """So many bytes of a batch, in whole lines; one line when it has more."""
    end = batch.rfind(b"\n", begin, begin + at_most) + 1
    return batch[begin : end or batch.index(b"\n", begin) + 1]


def _lock(descriptor: int) -> None:
    """Keep others from writing.  Raises BlockingIOError when they do not end: one may have been stopped in it."""
    for _ in range(TRIES):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.sched_yield()
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class LineFile:
    """The lines on their way to one file.  Never raises, never waits."""

    def __init__(
        self, path: str, log: Log, clock: Clock, soon: Soon, write: Write, *, together: bool = False
    ) -> None:
        self.path = path
        self.dropped = 0
        """Lines that were given up."""
        self._log = log
        self._now = clock.now
        self._soon = soon
        self._write = write
        self._together = together
        self._lines: list[str] = []
        self._size = 0
        """Characters in ``_lines``."""
        self._asked = False
        self._batches: deque[bytes] = deque()
        """Whole lines, encoded, that wait to be written."""
        self._waiting = 0
        """Bytes in ``_batches``, written ones of the first included."""
        self._done = 0
        """How much of the first batch is written."""
        self._fd = -1
        self._shared = False
        self._identity = (0, 0)
        self._looked = 0.0
        self._trouble = ""
        self._closed = False

    def write(self, line: str) -> None:
        """Append one line (with its newline), soon."""
        size = self._size + len(line)
        if size + self._waiting - self._done > LIMIT or self._closed:
            self.dropped += 1
            if not self._trouble and not self._closed:
                self._complain("nobody reads what is written there")
            return
        self._lines.append(line)
        self._size = size
        if size >= SOON and not self._asked:
            self._asked = True
            self._soon(self.flush)

    def flush(self) -> None:
        """Write what waits, a megabyte at most."""
        self._asked = False
        if self._closed:
            return
        self._gather()
        self._look()
        self._push(TURN)

    def close(self) -> None:
        """Write all that waits, as far as it can be written now, and let the file go; what comes later is dropped."""
        if self._closed:
            return
        self.flush()
        while self._batches and self._push(TURN):
            pass
        rest = sum(batch.count(b"\n") for batch in self._batches if batch != b"\n")
        if self._batches:
            rest -= self._batches[0].count(b"\n", 0, self._done)
            self.dropped += rest
            self._log.warn(f"{rest} lines for {self.path} are lost", path=self.path, lines=rest)
        self._closed = True
        self._let_go()
        self._batches.clear()

    def _gather(self) -> None:
        if self._lines:
            # Lone surrogates cannot be written, and no line is worth an exception.
            batch = "".join(self._lines).encode("utf-8", "backslashreplace")
            self._lines.clear()
            self._size = 0
            self._batches.append(batch)
            self._waiting += len(batch)

    def _look(self) -> None:
        """Let the file go when another one, or none, has its name."""
        now = self._now()
        if self._fd < 0 or self.path == STDOUT or now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        try:
            found = Path(self.path).stat()
        except FileNotFoundError:
            self._let_go()
        except OSError:
            return  # it cannot be seen just now; what is open can still be written
        else:
            if (found.st_dev, found.st_ino) != self._identity:
                self._let_go()

    def _let_go(self) -> None:
        if self._fd >= 0 and self.path != STDOUT:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = -1
        if self._done:
            # A line that went half into the old file goes whole into the new one.
            batch = self._batches.popleft()
            whole = batch.rfind(b"\n", 0, self._done) + 1
            self._batches.appendleft(batch[whole:])
            self._waiting -= whole
            self._done = 0

    def _open(self) -> None:
        """Raises OSError."""
        if self.path == STDOUT:
            self._fd = 1
            self._shared = not stat.S_ISREG(os.fstat(1).st_mode)
            return
        Path(self.path).parent.mkdir(0o750, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        self._fd = os.open(self.path, flags, 0o640)
        found = os.fstat(self._fd)
        self._identity = (found.st_dev, found.st_ino)
        self._looked = self._now()
        half = not self._together and self._ends_in_half(found)
        if half and self._batches[0] != b"\n":  # it may wait already
            self._batches.appendleft(b"\n")
            self._waiting += 1

    def _ends_in_half(self, found: os.stat_result) -> bool:
        """Whether the file has a last line that is not whole; none where it may not be read."""
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return False
        try:
            with Path(self.path).open("rb", buffering=0) as file:
                file.seek(found.st_size - 1)
                return file.read(1) != b"\n"
        except OSError:
            return False

    def _push(self, at_most: int) -> bool:
        """Write so many bytes of what waits; whether all of them were taken."""
        try:
            if self._fd < 0 and self._batches:
                self._open()
            while self._batches and at_most > 0:
                batch = self._batches[0]
                piece = memoryview(batch)[self._done : self._done + at_most]
                if self._shared:
                    # A terminal or pipe that others use too is not made non-blocking: ask first.
                    if not select.select([], [self._fd], [], 0)[1]:
                        return False
                    piece = piece[:ATOMIC]
                taken = self._put_lines(batch, len(piece)) if self._together else self._write(self._fd, piece)
                at_most -= taken
                self._done += taken
                if self._done == len(batch):
                    self._batches.popleft()
                    self._waiting -= len(batch)
                    self._done = 0
        except OSError as error:
            self._failed(error)
            return False
        if not self._batches and self._trouble:
            self._trouble = ""
            self._log.info(
                f"{self.path} is written again; {self.dropped} lines are lost since the start",
                path=self.path,
                dropped=self.dropped,
            )
        return True

    def _put_lines(self, batch: bytes, at_most: int) -> int:
        """Write whole lines, while nobody else writes to the same file; how many bytes of them are there now.

        Raises OSError, also when the others do not let go of it: then it is tried again.
        """
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            return self._write(self._fd, memoryview(_lines_of(batch, self._done, min(at_most, ATOMIC))))
        _lock(self._fd)
        try:
            found = os.fstat(self._fd)
            first = b"\n" if self._ends_in_half(found) else b""
            piece = first + _lines_of(batch, self._done, at_most)
            taken = self._write(self._fd, memoryview(piece))
            if taken < len(piece):
                taken = piece.rfind(b"\n", 0, taken) + 1  # of a line that the disk took half, nothing stays
                os.ftruncate(self._fd, found.st_size + taken)
                if taken <= len(first):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return taken - len(first)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _failed(self, error: OSError) -> None:
        if error.errno in WAITING:
            return
        if not self._trouble:
            self._complain(error.strerror or str(error))
        if error.errno not in FULL:
            self._let_go()  # another descriptor may do better

    def _complain(self, reason: str) -> None:
        self._trouble = reason
        self._log.warn(
            f"cannot write to {self.path}: {reason}; up to 8 MiB of lines wait, later ones are lost",
            path=self.path,
            reason=reason,
        )


class LineFiles:
    """The files of a node, one sink for each path."""

    def __init__(
        self, folder: Path, clock: Clock, log: Log, soon: Soon = at_once, write: Write = os.write, *,
        together: bool = False,
    ) -> None:  # fmt: skip
        """Relative paths are below ``folder``; ``together``: with other processes.

        ``soon`` is handed a flush that should not wait for the timer, and may put it off to the end of the reactor's
        turn; ``write`` is for tests.
        """
        self._folder = folder
        self._log = log
        self._clock = clock
        self._soon = soon
        self._write = write
        self._together = together
        self._files: dict[str, LineFile] = {}

    def lines(self, path: str) -> LineFile:
        """The sink that appends lines to a path (``-`` for standard output).  The file is opened with its first line.

        Raises ValueError for what cannot be a path.
        """
        if not path or "\0" in path:
            raise ValueError(f"not the path of a file: {path!r}")
        if path != STDOUT:
            path = str(self._folder / path)
        if path not in self._files:
            self._files[path] = LineFile(
                path, self._log, self._clock, self._soon, self._write, together=self._together
            )  # fmt: skip
        return self._files[path]

    def flush(self) -> None:
        """Write what waits in all of them; to be called from a timer."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Write what can be written now, and let all files go."""
        for file in self._files.values():
            file.close()

    def dropped(self) -> dict[tuple[str, ...], float]:
        """How many lines were given up, by path: a reading for a gauge."""
        return {(path,): file.dropped for path, file in self._files.items()}
