"""What ``twgw doctor`` says of the ports on which a node listens: who has each, if that is not the node itself.

Linux tells whose sockets are whose in /proc, to root of all processes, to others of their own.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from twgw.cli_finding import FAIL, OK, WARN, Finding
from twgw.config import Config
from twgw.listen import Listen

PATIENCE = 5
PROC = Path("/proc")
LISTENING = "0A"
"""The state of a socket that listens, as /proc/net/tcp has it."""


@frozen
class Process:
    """Who has a port."""

    pid: int
    words: tuple[str, ...]
    """Its command."""

    @property
    def is_twgw(self) -> bool:
        """Whether it is a gateway."""
        return any(Path(word).name in ("twgw", "twgw.worker") for word in self.words)

    def __str__(self) -> str:
        return f"{Path(self.words[0]).name if self.words else '?'}, process {self.pid}"


def ports(config: Config, *, runs: bool) -> Iterator[Finding]:
    """Each port of a node that ``runs``, or that is to be started."""
    named: list[tuple[str, Listen | None]] = [("gateway", each) for each in config.gateway.listen]
    named += [("admin", config.admin.listen), ("status", config.status.listen), ("control", config.control.listen)]
    for section, listen in named:
        if listen is None or not listen.port or (section not in ("status", *_sections(config))):
            continue
        taken = _connects(listen)
        what = f"port {listen.port}"
        if runs and taken:
            yield Finding(OK, what, f"[{section}] listen: {listen} answers")
        elif runs:
            yield Finding(FAIL, what, f"[{section}] listen: {listen} does not answer", "the log of the node says why")
        elif taken:
            yield _taken(what, section, listen, holder(listen.port))
        elif listen.port < 1024 and os.geteuid():
            hint = "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
            yield Finding(WARN, what, f"[{section}] listen: {listen} is for root alone, or by a capability", hint)
        else:
            yield Finding(OK, what, f"[{section}] listen: {listen} is free")


def _taken(what: str, section: str, listen: Listen, who: Process | None) -> Finding:
    """A port that somebody has, while the node does not say how it is."""
    if who is not None and who.is_twgw:
        hint = "while it starts, wait; else stop it: its log says what it does"
        return Finding(WARN, what, f"[{section}] listen: twgw (process {who.pid}) has {listen}, and is not ready", hint)
    hint = f"stop what is there (ss -ltnp), or set [{section}] listen"
    return Finding(FAIL, what, f"[{section}] listen: another process has {listen}{f': {who}' if who else ''}", hint)


def holder(port: int, proc: Path = PROC) -> Process | None:
    """The first process that listens on a port; None where that cannot be seen."""
    sockets = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _inodes(proc / "net" / name, port)}
    for pid in sorted(int(each.name) for each in proc.glob("[0-9]*") if each.name.isdecimal()):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            if any(str(each.readlink()) in sockets for each in (proc / str(pid) / "fd").iterdir()):
                command = (proc / str(pid) / "cmdline").read_bytes().decode(errors="replace")
                return Process(pid, tuple(filter(None, command.split("\0"))))
    return None


def _inodes(table: Path, port: int) -> Iterator[str]:
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *more = line.split()
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield more[5]


def _sections(config: Config) -> list[str]:
    """The sections whose listeners this node has."""
    roles = set(config.node.roles)
    own = config.state.file is None and not config.cluster.keymanagers
    control = own and roles & {"keymanager", "publisher", "store"}
    return [*roles & {"gateway", "admin"}, *["control"] * bool(control)]


def _connects(listen: Listen) -> bool:
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.interface, listen.interface)
    try:
        socket.create_connection((host, listen.port), PATIENCE).close()
    except OSError:
        return False
    return True
