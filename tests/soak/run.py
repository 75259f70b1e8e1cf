"""Load a running gateway for long, and watch it: ``make soak ARGS="--minutes 30"``.

Mixed traffic from several threads: good requests, 1 % that leave in the middle, bad ones, reloads of the state.
At the end every good answer was right, memory and open files are where they were after warming up, and the log has no
unhandled error.  Prints what it saw; the status says whether all of that held.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.wire.processes import TWISTD, Upstream, api, free_port

THREADS = 4
GROWTH_ALLOWED = 16 * 1024
"""KiB of memory by which a gateway may have grown after warming up."""


def resident(pid: int) -> int:
    """Resident memory in KiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def descriptors(pid: int) -> int:
    """Open files."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Client(threading.Thread):
    """Sends requests until it is told to stop; counts what it got."""

    def __init__(self, port: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.port, self.chance = port, random.Random(seed)
        self.good = self.left = self.refused = 0
        self.wrong: list[str] = []
        self.stop = False

    def run(self) -> None:
        """One connection after the other, some requests on each."""
        while not self.stop:
            with socket.create_connection(("127.0.0.1", self.port), 10) as client:
                for _ in range(50):
                    if not self.one(client):
                        break

    def one(self, client: socket.socket) -> bool:
        """One request; whether the connection goes on."""
        dice = self.chance.random()
        if dice < 0.01:
            client.sendall(b"POST /pets/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
            self.left += 1
            return False
        if dice < 0.02:
            client.sendall(b"GET /pets HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            answer = client.recv(65536)
            self.refused += 1
            if not answer.startswith(b"HTTP/1.1 400"):
                self.wrong.append(repr(answer[:80]))
            return False
        client.sendall(b"GET /pets/%d HTTP/1.1\r\nHost: a\r\n\r\n" % self.chance.randrange(10**6))
        answer = b""
        while b"upstream" not in answer:
            piece = client.recv(65536)
            if not piece:
                break
            answer += piece
        if answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"upstream"):
            self.good += 1
            return True
        self.wrong.append(repr(answer[:80]))
        return False


def main() -> None:
    """Start, warm up, load, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="of load after 20 s of warm-up (default: 5)")
    options = parser.parse_args()
    upstream, port = Upstream(), free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = folder / "apis.yaml"
        state.write_text(json.dumps({"apis": [api(upstream.port)]}))
        (folder / "twgw.toml").write_text(
            f"[node]\ndata_dir = 'data'\n[gateway]\nlisten = ['tcp:{port}:interface=127.0.0.1']\n"
            "[admin]\nlisten = ''\n[state]\nfile = 'apis.yaml'\n"
        )
        log = (folder / "log").open("w+")
        command = [TWISTD, "-n", "--pidfile=", "twgw", "--config", str(folder / "twgw.toml")]
        gateway = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            sys.exit(watch(gateway, port, options.minutes * 60, log))
        finally:
            gateway.terminate()
            gateway.wait(60)
            upstream.close()


def watch(gateway: "subprocess.Popen[bytes]", port: int, seconds: float, log: object) -> int:
    """Load it and say what was seen; 0 when everything held."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            threading.Event().wait(0.1)
    clients = [Client(port, seed) for seed in range(THREADS)]
    for client in clients:
        client.start()
    threading.Event().wait(20)
    before = resident(gateway.pid), descriptors(gateway.pid)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        threading.Event().wait(min(10, seconds))
        gateway.send_signal(signal.SIGHUP)
        print(f"{sum(each.good for each in clients):10} good, {resident(gateway.pid)} KiB", flush=True)
    for client in clients:
        client.stop = True
    for client in clients:
        client.join(30)
    threading.Event().wait(3)
    after = resident(gateway.pid), descriptors(gateway.pid)
    wrong = [text for client in clients for text in client.wrong]
    text = Path(log.name).read_text()  # type: ignore[attr-defined]
    unhandled = [line for line in text.splitlines() if "Unhandled" in line or "Error" in line]
    totals = {name: sum(getattr(each, name) for each in clients) for name in ("good", "left", "refused")}
    print(json.dumps({**totals, "wrong": wrong[:5], "kib": [before[0], after[0]], "files": [before[1], after[1]],
                      "unhandled": unhandled[:5]}, indent=2))  # fmt: skip
    held = not wrong and not unhandled and after[0] - before[0] < GROWTH_ALLOWED and after[1] <= before[1] + 8
    return 0 if held else 1


if __name__ == "__main__":
    main()
