"""Real processes on real sockets: a gateway started by twistd, and small upstreams in threads."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

PATIENCE = 90
"""Seconds after which a process that does not answer is broken; nothing waits that long otherwise."""
PORTS = range(20_000, 32_768)
"""Below those that Linux gives to whoever asks for any, as each connection does that begins on this machine."""
TWISTD = str(Path(sys.executable).with_name("twistd"))
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TWGW_")}


_PORTS = iter(random.sample(PORTS, len(PORTS)))


def free_port():
    """A port that nobody uses now, that was given to nobody else here, and that no connection takes meanwhile."""
    for port in _PORTS:
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is left")


class Process:
    """A gateway under test.  ``lines`` is what it printed so far."""

    def __init__(self, folder, *arguments, environment=None, program=(TWISTD,)):
        self.folder = folder
        self.lines = []
        self._news = threading.Condition()
        self.popen = subprocess.Popen(
            [*program, "-n", "--pidfile=", "twgw", *arguments], cwd=folder, env={**PLAIN, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.popen.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, text, times=1, within=PATIENCE):
        """The line that holds a text, once it was printed so often."""
        with self._news:
            self._news.wait_for(
                lambda: sum(text in line for line in self.lines) >= times or not self._reader.is_alive(), within
            )
        matching = [line for line in self.lines if text in line]
        assert len(matching) >= times, "\n".join([f"{text!r} was not printed:", *self.lines])
        return matching[times - 1]

    def signal(self, number):
        """Send a signal."""
        self.popen.send_signal(number)

    def end(self):
        """The exit status, once it ended by itself or after SIGTERM was sent."""
        status = self.popen.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def kill(self):
        """Whatever it does."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.end()
        self.popen.stdout.close()


class Upstream:
    """A server that answers every request with its own name, or as ``answer`` says; remembers raw bytes."""

    def __init__(self, answer=None, context=None):
        self.received = []
        self._answer = answer or (lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nupstream")
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            data = b""
            while True:
                piece = client.recv(65536)
                if not piece:
                    return
                self.received.append(piece)
                data += piece
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    client.sendall(self._answer(head))
        except OSError:
            return
        finally:
            client.close()

    def close(self):
        """Listen no more."""
        self._socket.close()


class Node:
    """A gateway with files of its own: ``state`` is written as YAML (JSON is YAML); None where a database is it."""

    def __init__(self, folder, start, state, listen=None, tail="", host="127.0.0.1", **sections):
        self.folder, self._start, self.host = folder, start, host
        self.port, self.admin, self.control = free_port(), free_port(), free_port()
        self.state_file = folder / "apis.yaml"
        if state is not None:
            self.write(state)
        gateway = {"listen": listen or [f"tcp:{self.port}:interface={host}"], **sections.pop("gateway", {})}
        settings = {
            "node": {"data_dir": "data"}, "gateway": gateway,
            "state": {} if state is None else {"file": "apis.yaml"},
            "admin": {"listen": f"tcp:{self.admin}:interface={host}"},
            "control": {"listen": f"tcp:{self.control}:interface={host}"}, **sections,
        }  # fmt: skip
        lines = []
        for section, values in settings.items():
            lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
        (folder / "twgw.toml").write_text("\n".join([*lines, tail]))
        self.process = start("--config", str(folder / "twgw.toml"))

    def write(self, state):
        """Replace the state file in one step."""
        draft = self.folder / "draft"
        draft.write_text(state if isinstance(state, str) else json.dumps(state))
        draft.replace(self.state_file)

    def ready(self):
        """Once it serves."""
        self.process.wait_for("memory only")  # said when it listens
        return self

    @property
    def is_ready(self):
        """Whether it says so: one of a cluster answers 503 until it has a lease, and listens before that."""
        return self.ask("/readyz")[0] == 200

    def get(self, path, port=None, **fields):
        """Status, fields and body."""
        client = http.client.HTTPConnection(self.host, port or self.port, timeout=PATIENCE)
        try:
            client.request("GET", path, headers=fields)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            client.close()

    def ask(self, path):
        """What the admin listener answers."""
        return self.get(path, self.admin)

    def terminate(self):
        """SIGTERM, and the exit status."""
        self.process.signal(signal.SIGTERM)
        return self.process.end()


def api(port, name="pets", **more):
    """An API in front of an upstream on this port."""
    targets = [{"url": f"http://127.0.0.1:{port}"}]
    return {"name": name, "version": "1", "base_path": f"/{name}", "upstream": {"targets": targets}, **more}
