"""The stage of ``twgw cluster demo``: two nodes, a memcached and a small balancer, in a folder that goes with them.

Everything is a real process on this machine, started as a person would, but for ports that are free and times that are
short.  Both nodes use one SQLite file: processes of one machine may, and each has every role.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Self

from attrs import define, field

from twgw.cli_cluster_init import certify
from twgw.cli_node import Node, Proof
from twgw.config import load

START = 90
"""Seconds that a node may take until it is ready."""
PATIENCE = 20
"""Seconds for an answer."""
LOOK = 0.3
"""Seconds between two looks of the balancer at its nodes."""
LEASE, SESSION = 2.0, 4.0
"""Half of what is the default, and a quarter: whoever watches should not have to wait."""
ALONE = ("127.0.0.1", 0)


class StageError(Exception):
    """The stage could not be built; the text says why."""


@define(eq=False)
class Box:
    """A node on the stage."""

    name: str
    folder: Path
    port: int
    admin: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> Path:
        """Its configuration."""
        return self.folder / "twgw.toml"

    def call(self, path: str, key: str = "") -> int:
        """The status of a call of an API at this node."""
        return call(self.port, path, key)

    def is_ready(self, seconds: float = PATIENCE) -> bool:
        """Whether it says so."""
        with suppress(OSError, http.client.HTTPException):
            return call(self.admin, "/readyz", seconds=seconds) == 200
        return False

    def stop(self) -> None:
        """As a machine does that is paused: it holds its connections, and does nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def last_lines(self) -> str:
        """What it said last."""
        with suppress(OSError):
            return "\n".join((self.folder / "log").read_text("utf-8", "replace").splitlines()[-15:])
        return ""

    def _signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


def call(port: int, path: str, key: str = "", *, seconds: float = PATIENCE) -> int:
    """The status of a call on a connection of its own; 0 when it ended without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Connection": "close"} | ({"X-API-Key": key} if key else {}))
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


class Balancer:
    """Gives each connection to the next node that says it is ready, as any load balancer does that asks /readyz."""

    def __init__(self, boxes: list[Box]) -> None:
        self.given: Counter[str] = Counter()
        self._boxes = boxes
        self._ready = list(boxes)
        self._turn = 0
        self._ended = threading.Event()
        self._socket = socket.create_server(ALONE, backlog=128)
        self.port: int = self._socket.getsockname()[1]
        for work in (self._look, self._accept):
            threading.Thread(target=work, daemon=True).start()

    def sees(self, *boxes: Box) -> bool:
        """Whether these are the nodes that it uses now."""
        return set(self._ready) == set(boxes)

    def end(self) -> None:
        """Take no more connections."""
        self._ended.set()
        self._socket.close()

    def _look(self) -> None:
        while not self._ended.wait(LOOK):
            self._ready = [box for box in self._boxes if box.is_ready(1)]

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        """One request and its answer: clients of the demo send no more on a connection, and no body."""
        with client, suppress(OSError):
            client.settimeout(PATIENCE)
            head = b""
            while b"\r\n\r\n" not in head and (piece := client.recv(65536)):
                head += piece
            ready = self._ready or self._boxes
            self._turn += 1
            box = ready[self._turn % len(ready)]
            self.given[box.name] += 1
            with socket.create_connection(("127.0.0.1", box.port), PATIENCE) as node:
                node.sendall(head)
                while piece := node.recv(65536):
                    client.sendall(piece)


@define(eq=False)
class Stage:
    """All of it.  To be used with ``with``: nothing is left of it, whatever happens."""

    folder: Path = field(factory=lambda: Path(tempfile.mkdtemp(prefix="twgw-demo-")))
    boxes: list[Box] = field(factory=list)
    balancer: Balancer = field(init=False)
    _others: list[subprocess.Popen[bytes]] = field(factory=list)
    _ports: Iterator[int] = field(factory=lambda: iter(_free_ports(8)))

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with _undisturbed():
            self._end()

    def _end(self) -> None:
        if hasattr(self, "balancer"):
            self.balancer.end()
        for process in (*(box.process for box in self.boxes), *self._others):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self, box: Box) -> Node:
        """Asks a node as its first admin."""
        token = (self.boxes[0].folder / "data" / "admin.secret").read_text("ascii").strip()
        return Node(f"http://127.0.0.1:{box.admin}", Proof(token))

    def wait(self, done: Callable[[], bool], what: str, seconds: float = START) -> None:
        """Until something is so.  Raises StageError when that takes too long."""
        end, pause = monotonic() + seconds, threading.Event()
        while not done():
            if monotonic() > end:
                raise StageError(f"{what}: not within {seconds:.0f} s")
            for box in self.boxes:
                if box.process is not None and box.process.poll() is not None:
                    raise StageError(f"node {box.name} has ended:\n{box.last_lines()}")
            pause.wait(0.05)

    def _begin(self) -> None:
        memcached = self._memcached()
        self.boxes = [self._box(name, memcached) for name in "ab"]
        for box in self.boxes:
            config = load(box.settings, {}, {})
            config.node.data_dir.mkdir(mode=0o700)
            certify(config)
        for box in self.boxes:
            self._start(box)
            if box is self.boxes[0]:  # whose is the first admin, then
                self.wait(box.is_ready, f"node {box.name} is ready")
        for box in self.boxes[1:]:
            self.wait(box.is_ready, f"node {box.name} is ready")
        self.balancer = Balancer(self.boxes)

    def _memcached(self) -> Path:
        program = shutil.which("memcached") or shutil.which("memcached", path="/usr/bin:/usr/local/bin:/usr/sbin")
        if program is None:
            raise StageError("memcached is missing; install it: apt-get install memcached")
        path = self.folder / "memcached.sock"  # nobody else looks into the folder
        as_root = ["-u", "root"] if os.geteuid() == 0 else []
        command = [program, "-s", str(path), "-M", "-o", "no_slab_reassign", *as_root]
        self._others.append(subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL))  # noqa: S603
        self.wait(path.exists, "memcached answers", PATIENCE)
        return path

    def _box(self, name: str, memcached: Path) -> Box:
        ports = [next(self._ports) for _ in range(4)]
        box = Box(name, self.folder / name, ports[0], ports[1])
        box.folder.mkdir()
        here = [f"tcp:{port}:interface=127.0.0.1" for port in ports]
        sections: dict[str, dict[str, Any]] = {
            "node": {"name": name, "data_dir": "data"},
            "database": {"url": f"sqlite:///{self.folder}/twgw.db"},
            "memcached": {"servers": [str(memcached)], "timeout": 2},  # a machine that is busy is no outage
            "gateway": {"listen": [here[0]]},
            "admin": {"listen": here[1]},
            "control": {"listen": here[2]},
            "cluster": {"listen": here[3], "lease": LEASE, "session": SESSION},
        }
        lines = [
            line for section, values in sections.items()
            for line in (f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()))
        ]  # fmt: skip
        box.settings.write_text("\n".join(lines) + "\n")
        return box

    def _start(self, box: Box) -> None:
        program = Path(sys.executable).with_name("twistd")
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TWGW_")}
        with (box.folder / "log").open("ab") as log:
            box.process = subprocess.Popen(  # noqa: S603 - our own program
                [program, "-n", "--pidfile=", "twgw", "--config", box.settings], cwd=box.folder, env=plain,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Whoever presses Ctrl-C twice waits all the same until everything is gone."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody uses now: all are held until the last was found, so that none is found twice."""
    with ExitStack() as held:
        return [held.enter_context(socket.create_server(ALONE)).getsockname()[1] for _ in range(count)]
