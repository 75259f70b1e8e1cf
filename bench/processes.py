"""Start, watch and end the servers of a comparison.  Linux only: everything is read from /proc."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Unfit(Exception):
    """A server does not start, answers wrongly, or the load did not run."""


def find(pattern: str, text: str) -> re.Match[str]:
    if match := re.search(pattern, text, re.MULTILINE):
        return match
    raise Unfit(f"{pattern!r} is not in: {text}")


class Process(NamedTuple):
    """What is needed of /proc/PID/stat; times in clock ticks, with those of children that ended."""

    pid: int
    parent: int
    session: int
    user: int
    system: int
    started: int


def process(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    _, _, tail = stat.rpartition(")")
    field = [0, 0, 0, 0, *map(int, tail.split()[1:])]  # now numbered as in proc(5)
    return Process(pid, field[4], field[6], field[14] + field[16], field[15] + field[17], field[22])


def family(root: int) -> list[Process]:
    """The process `root`, its session, and the descendants of them all."""
    everyone = [p for path in Path("/proc").iterdir() if path.name.isdigit() and (p := process(int(path.name)))]
    found: dict[int, Process] = {}
    while more := [p for p in everyone if p.pid not in found and (root in (p.pid, p.session) or p.parent in found)]:
        found.update((p.pid, p) for p in more)
    return list(found.values())


def rss_kib(root: int) -> int:
    """Resident memory of a family; smaps_rollup is exact where statm may lag behind."""
    total = 0
    for member in family(root):
        with contextlib.suppress(OSError):
            total += int(find(r"^Rss:\s+(\d+)", Path(f"/proc/{member.pid}/smaps_rollup").read_text())[1])
    return total


def core_ticks(core: int) -> tuple[int, int]:
    """Idle and total clock ticks of a core since boot."""
    row = find(rf"^cpu{core} (.*)$", Path("/proc/stat").read_text())[1]
    ticks = [int(word) for word in row.split()[:8]]
    return ticks[3] + ticks[4], sum(ticks)


def end(child: subprocess.Popen) -> None:
    """End the family of `child`, each by its process id: SIGTERM, up to 5 s to go, then SIGKILL for the rest."""
    members = family(child.pid)
    deadline = time.monotonic() + 5
    for number in (signal.SIGTERM, signal.SIGKILL):
        for member in members:
            now = process(member.pid)
            if now and now.started == member.started:  # not a stranger who got the same id
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, number)
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    child.wait(10)


@contextlib.contextmanager
def running(argv: list[str], core: int, port: int, log: Path, patience: float = 20) -> Iterator[int]:
    """Run a server on `core` until the block ends; yields its process id once it listens on `port`."""
    if listens(port):
        raise Unfit(f"port {port} is already in use")
    with log.open("ab") as output:
        child = subprocess.Popen(["taskset", "-c", str(core), *argv], stdin=subprocess.DEVNULL,
                                 stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + patience
        while not listens(port):
            if child.poll() is not None:
                raise Unfit(f"ended with status {child.returncode}")
            if time.monotonic() > deadline:
                raise Unfit(f"does not listen on port {port}")
            time.sleep(0.05)
        yield child.pid
    except Unfit as error:
        lines = log.read_text(errors="replace").splitlines()
        raise Unfit("\n    ".join([str(error), *lines[-10:]])) from None
    finally:
        end(child)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
