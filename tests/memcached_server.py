"""A real memcached for tests, on a private port, without evictions as twgw wants it."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path
from time import monotonic
from urllib.parse import unquote

from tests.slapd import wait_for
from tests.wire.processes import PATIENCE, free_port


def _state(task):
    """What a thread does, as a letter of proc(5)."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


class MemcachedServer:
    """One server.  ``name`` is how a setting names it; ``within`` stands before its command."""

    def __init__(self, *options, host="127.0.0.1", within=()):
        self._program = shutil.which("memcached") or "/usr/bin/memcached"
        self._options = options or ("-M", "-o", "no_slab_reassign")
        self.port, self.host, self._within = free_port(), host, within
        self.name = f"{host}:{self.port}"
        self.process = None

    def start(self):
        """Serve, with no data."""
        try:
            self.process = subprocess.Popen(
                [*self._within, self._program, "-l", self.host, "-p", str(self.port), "-U", "0", "-u", "nobody",
                 *self._options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise FileNotFoundError("memcached is missing: make .venv/developed installs it") from error
        wait_for(self.port, self.process, self.host)
        return self

    def ask(self, text):
        """What it answers to some commands."""
        return self._said(text.encode() + b"mn\r\n", b"MN\r\n").removesuffix("MN\r\n")

    def names(self):
        """The keys of all that it holds."""
        deadline, said = monotonic() + PATIENCE, "BUSY"
        while said.startswith("BUSY"):  # it looks through all that by itself, too, and does so once at a time
            assert monotonic() < deadline, "memcached is busy"
            said = self._said(b"lru_crawler metadump all\r\n", b"END\r\n", b"request\r\n")
        lines = [line.split()[0] for line in said.splitlines()]
        return [unquote(line.removeprefix("key=")) for line in lines if line.startswith("key=")]

    def _said(self, text, *ends):
        """What it answers, up to one of some ends."""
        with socket.create_connection((self.host, self.port), PATIENCE) as sock:
            sock.sendall(text)
            data = b""
            while not data.endswith(ends):
                piece = sock.recv(65536)
                assert piece, f"memcached ended the connection after {data!r}"
                data += piece
            return data.decode()

    def dump(self):
        """The values of all that it holds, by their names."""
        values = {}
        for name in self.names():
            with socket.create_connection((self.host, self.port), PATIENCE) as sock, sock.makefile("rb") as file:
                sock.sendall(f"mg {name} v\r\n".encode())
                head = file.readline().split()
                values[name] = file.read(int(head[1]))
        return values

    def put(self, values):
        """Put values there, whatever was there before."""
        for name, data in values.items():
            with socket.create_connection((self.host, self.port), PATIENCE) as sock:
                sock.sendall(f"ms {name} {len(data)} T0\r\n".encode() + data + b"\r\n")
                assert sock.recv(100).startswith(b"HD")

    def hang(self):
        """Go on holding connections, and answer nothing: from when every thread of it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        deadline = monotonic() + PATIENCE
        while {"T"} != {_state(task) for task in Path(f"/proc/{self.process.pid}/task").iterdir()}:
            assert monotonic() < deadline, "memcached does not stop"

    def wake(self):
        """Answer again."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Be gone, with all data."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None
