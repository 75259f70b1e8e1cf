"""Load a running gateway for long, and watch what it holds: ``make soak ARGS="--minutes 15"``.

Well-behaved clients over TCP and TLS (one request after the other, pipelines, uploads, long answers), clients that err
or leave in the middle, and an upstream that goes wrong in every way; meanwhile the state is replaced and the
certificate is rotated.  It holds when every answer was right, and when, measured after warming up, memory does not
grow, and files, timers and connections are let go, the collector finds next to nothing and the log has no error.
Prints what it sees every ten seconds, and a summary; the status says whether all of that held.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.soak.clients import KEY, Client  # noqa: E402 - the checkout is known only now
from tests.soak.server import Server  # noqa: E402
from tests.wire.processes import Node, Process, free_port  # noqa: E402
from tests.wire.test_tls import certificate, trusting  # noqa: E402

PLAIN = ("asks", "pipelines", "uploads", "downloads", "errs", "leaves", "suffers")
SECURE = ("asks", "pipelines", "uploads", "downloads")
EVERY = 10.0
"""Seconds between two samples, two states and two certificates."""
SLOPE_ALLOWED = 1024
"""KiB of memory in ten minutes."""
FILES_ALLOWED = 4
TIMERS_ALLOWED = 4
UNREACHABLE_ALLOWED = 1000
"""Objects that only a collection frees, at the end."""
OF_A_STATE = 500
"""The same of each state that was put in force: pluggy's managers refer to themselves."""


def state(upstream: int, number: int) -> dict[str, object]:
    """The state that is in force as number so many: limits change, and APIs come and go."""
    targets = [{"url": f"http://127.0.0.1:{upstream}"}]
    limit = {"name": "rate-limit", "settings": {"amount": 10**9 + number, "period": 60}}
    shop = {
        "name": "shop", "version": "1", "base_path": "/shop", "upstream": {"targets": targets, "keepalive_timeout": 5},
        "policies": [{"name": "key-auth"}, {"name": "subscription"}, limit],
    }  # fmt: skip
    faulty = {
        "name": "faulty", "version": "1", "base_path": "/faulty",
        "upstream": {"targets": targets, "response_timeout": 1, "idle_timeout": 1},
    }  # fmt: skip
    others = [
        {"name": f"other-{each}", "version": "1", "base_path": f"/other-{each}", "upstream": {"targets": targets}}
        for each in range(number % 5)
    ]
    inspector = {"name": "inspector", "version": "1", "base_path": "/inspector", "policies": [{"name": "inspector"}]}
    application = {
        "name": "shop", "subscriptions": [{"api": "shop:1"}], "credentials": [{"kind": "api-key", "value": KEY}],
    }  # fmt: skip
    return {"apis": [shop, faulty, inspector, *others], "applications": [application]}


class Watched:
    """A gateway with a TCP and a TLS listener whose state and certificate change, and what was seen of it."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.number, self.samples = 0, list[dict[str, int]]()
        self._folder, self._upstream = folder, upstream
        self._issuer = certificate(folder, "issuer")
        certificate(folder, "gateway", self._issuer)
        self.trust = trusting(self._issuer[2])
        self.port, self.secure_port = free_port(), free_port()
        pem = folder / "gateway.pem"
        listen = [f"tcp:{self.port}:interface=127.0.0.1",
                  f"ssl:{self.secure_port}:certKey={pem}:privateKey={pem}:interface=127.0.0.1"]  # fmt: skip
        self.node = Node(
            folder, lambda *arguments: Process(folder, *arguments), state(upstream, 0), listen,
            plugins={"directories": [str(Path(__file__).parent / "plugins")]},
        ).ready()  # fmt: skip
        self.process = self.node.process

    def change(self) -> None:
        """Put another state in force and another certificate, as an operator would."""
        self.number += 1
        certificate(self._folder, "gateway", self._issuer, serial=self.number)
        self.node.write(state(self._upstream, self.number))
        self.process.signal(signal.SIGHUP)

    def inspect(self, query: str = "") -> dict[str, Any]:
        """What the inspector says, with memory and open files as the system sees them."""
        place = Path(f"/proc/{self.process.popen.pid}")
        found: dict[str, Any] = json.loads(self.node.get(f"/inspector{query}", self.port)[2])
        found["kib"] = int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
        found["files"] = len(list((place / "fd").iterdir()))
        return found

    def faults(self) -> list[str]:
        """Lines of its log that should not be there."""
        return [line for line in self.process.lines if "Unhandled" in line or "Traceback" in line or "Error" in line]


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """How much the second grows in ten minutes of the first, by least squares."""
    count = len(samples)
    middle = sum(at for at, _ in samples) / count
    spread = sum((at - middle) ** 2 for at, _ in samples)
    return 600 * sum((at - middle) * value for at, value in samples) / spread if spread else 0.0


def load(watched: Watched, minutes: float, warm_up: float) -> tuple[list[Client], list[tuple[float, dict[str, Any]]]]:
    """Load it for so long; the clients, which have stopped, and the samples that were taken after warming up."""
    clients = [Client(watched.port, way, seed) for seed, way in enumerate(PLAIN)]
    clients += [Client(watched.secure_port, way, seed, watched.trust) for seed, way in enumerate(SECURE)]
    for client in clients:
        client.start()
    samples = []
    start = time.monotonic()
    while (passed := time.monotonic() - start) < 60 * (warm_up + minutes):
        threading.Event().wait(EVERY)
        watched.change()
        found = watched.inspect()
        if passed >= 60 * warm_up:
            samples.append((passed, found))
        exchanges = sum(sum(client.counts.values()) for client in clients)
        print(f"{passed:6.0f} s {exchanges:9} exchanges {found['kib']:7} KiB {found['blocks']:8} blocks "
              f"{found['objects']:7} objects {found['collected']:7} collected {found['timers']:4} timers "
              f"{found['files']:4} files", flush=True)  # fmt: skip
    for client in clients:
        client.stop()
    return clients, samples


def main() -> None:
    """Start, load, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="of load after warming up (default: %(default)s)")
    parser.add_argument("--warm-up", type=float, default=2, help="minutes before that (default: %(default)s)")
    options = parser.parse_args()
    server = Server()
    with tempfile.TemporaryDirectory() as name:
        watched = Watched(Path(name), server.port)
        try:
            before = watched.inspect("?collect")
            clients, samples = load(watched, options.minutes, options.warm_up)
            threading.Event().wait(10)  # what waits for a next request is let go meanwhile
            after = watched.inspect("?collect")
            faults = watched.faults()
        finally:
            watched.process.kill()
            server.close()
    sys.exit(0 if judge(clients, samples, before, after, faults, watched.number) else 1)


def judge(
    clients: list[Client], samples: list[tuple[float, dict[str, Any]]], before: dict[str, Any], after: dict[str, Any],
    faults: list[str], states: int,
) -> bool:  # fmt: skip
    """Say how it went; whether all of it held."""
    counts = sum((client.counts for client in clients), Counter())
    wrong = [text for client in clients for text in client.wrong]
    first, last = samples[0][1], samples[-1][1]
    grown = Counter(last["kinds"])
    grown.subtract(first["kinds"])
    print(json.dumps({
        "counts": dict(sorted(counts.items())), "wrong": wrong[:10], "faults": faults[:10],
        "KiB in ten minutes": round(slope([(at, each["kib"]) for at, each in samples])),
        "blocks in ten minutes": round(slope([(at, each["blocks"]) for at, each in samples])),
        **{name: [before[name], first[name], last[name], after[name]]
           for name in ("kib", "blocks", "objects", "collected", "timers", "files")},
        "unreachable": after["unreachable"], "grown": grown.most_common(12),
    }, indent=2))  # fmt: skip
    grows = slope([(at, each["kib"]) for at, each in samples])
    held = {
        "every answer was right": not wrong,
        "nothing in the log": not faults,
        f"at most {SLOPE_ALLOWED} KiB of memory more in ten minutes": grows <= SLOPE_ALLOWED,
        "files are let go": after["files"] <= before["files"] + FILES_ALLOWED,
        "timers are let go": after["timers"] <= before["timers"] + TIMERS_ALLOWED,
        "next to nothing for the collector": after["unreachable"] <= UNREACHABLE_ALLOWED + OF_A_STATE * states,
    }
    for text, did in held.items():
        print("held   " if did else "FAILED ", text)
    return all(held.values())


if __name__ == "__main__":
    main()
