"""A registry filled for a measurement, in a database of its own, and the gateway that serves it on a core of its own.

Used by `tokens` and `keys`; importing it makes a script that of the checkout's environment.  PostgreSQL is the one that
the tests start, here with its disk writes on.
"""

import contextlib
import hashlib
import json
import os
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv/bin/python"
if PYTHON.exists() and Path(sys.prefix) != PYTHON.parent.parent:
    os.execv(PYTHON, [str(PYTHON), "-B", *sys.argv])
sys.path.insert(0, str(ROOT))

from processes import TICKS_PER_SECOND, Unfit, process, running  # noqa: E402
from sqlalchemy import insert  # noqa: E402

from tests.databases import PostgreSQL  # noqa: E402
from twgw.credentials import Pepper, digest  # noqa: E402
from twgw.model import Api, Lifecycle, Policy, Route  # noqa: E402
from twgw.registry import Client  # noqa: E402
from twgw.storage import apis as api_rows  # noqa: E402
from twgw.storage import applications as application_rows  # noqa: E402
from twgw.storage import clients as client_rows  # noqa: E402
from twgw.storage import keys as secret_keys  # noqa: E402
from twgw.storage import subscriptions  # noqa: E402
from twgw.storage.database import Database  # noqa: E402
from twgw.storage.schema import credential  # noqa: E402
from twgw.storage.upgrade import upgrade  # noqa: E402

GATEWAY_CORE, OTHER_CORE = 0, 1
SECRET = "a-secret-of-a-measurement-that-has-entropy-enough"
PUBLIC = "https://login.bench"
PEPPER = "v1:" + "70" * 32
TOGETHER = 5000
"""Rows in one statement."""


def key(number: int) -> str:
    """A key, of so many: it is not stored anywhere."""
    return "key-" + hashlib.sha256(f"bench {number}".encode()).hexdigest()[:40]


class Serving(NamedTuple):
    """A gateway that runs."""

    pid: int
    port: int
    control: int
    started: float
    """Seconds from its start until it served."""


@contextlib.contextmanager
def database(kind: str) -> Iterator[tuple[str, Path]]:
    """URL of an empty database with its tables, and a folder; all of it goes at the end."""
    place = ROOT / "build" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
        url = f"sqlite:///{folder}/registry.db"
        if kind == "postgresql":
            os.sched_setaffinity(0, {OTHER_CORE})  # inherited by the server
            server = PostgreSQL(durable=True)
            stack.callback(server.end)
            url = server.start().make("bench")
        made = Database(url)
        upgrade(made)
        made.close()
        yield url, folder


def fill(
    url: str, *, apis: int = 1, applications: int = 1, keys: int = 0, clients: dict[str, Any] | None = None
) -> None:
    """APIs that answer by themselves, applications that are subscribed to the first of them, keys of these in turn."""
    pepper, now = Pepper.from_text(PEPPER), time.time()

    def nouns(connection: Any) -> None:
        secret_keys.ensure_key(connection, "pepper", lambda: PEPPER, now=now)
        answer = Policy("mock-response", {"status": 200, "body": "x" * 64})
        policies = (Policy("key-auth"), Policy("oauth2"), Policy("subscription"), Policy("rate-limit"), answer)
        routes = tuple(Route(f"/r{number}/*") for number in range(5))
        for number in range(apis):
            made = Api(f"api{number}", "1", f"/api{number}", policies=policies, routes=(*routes, Route()))
            api_rows.create_api(connection, made, owner="bench", now=now)
            api_rows.publish(connection, made.id, 1, now=now)
            api_rows.set_state(connection, made.id, Lifecycle.PUBLISHED, actor="bench", now=now)
        for number in range(applications):
            application_rows.create_application(connection, f"app{number}", owner="bench", now=now)
            subscriptions.subscribe(connection, f"app{number}", "api0:1", now=now)
        for name, settings in (clients or {}).items():
            client = Client(name, "app0", "production", digest(pepper, SECRET), settings)
            client_rows.add_client(connection, client, now=now)

    def some_keys(connection: Any, first: int) -> None:
        rows = [
            {
                "digest": digest(pepper, key(number)), "kind": "api-key", "id": f"key{number}",
                "application": f"app{number % applications}", "title": "", "environment": "production", "scopes": "",
                "issued_pos": 0, "created_at": now,
            }
            for number in range(first, min(first + TOGETHER, keys))
        ]  # fmt: skip
        connection.execute(insert(credential), rows)

    with contextlib.closing(Database(url)) as opened:
        opened.call(nouns, write=True)
        for first in range(0, keys, TOGETHER):
            opened.call(some_keys, first, write=True)


@contextlib.contextmanager
def serving(url: str, folder: Path, workers: int = 1, **sections: dict[str, Any]) -> Iterator[Serving]:
    """A gateway on the database, alone on its core, with all its processes."""
    port, control = free_port(), free_port()
    settings = {
        "node": {"name": "bench", "data_dir": str(folder / "data")},
        "gateway": {"listen": [f"tcp:{port}:interface=127.0.0.1"], "workers": workers},
        "admin": {"listen": ""},
        "control": {"listen": f"tcp:{control}:interface=127.0.0.1", "public_url": PUBLIC},
        "keymanager": {"client_rate": 10**9, "address_rate": 10**9},
        "log": {"level": "warn"},
        **sections,
        "database": {"url": url, **sections.get("database", {})},
    }
    lines = []
    for section, values in settings.items():
        lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    config = folder / "twgw.toml"
    config.write_text("\n".join(lines))
    command = [str(PYTHON.with_name("twistd")), "-n", "--pidfile=", "twgw", "--config", str(config)]
    begun = time.monotonic()
    with running(command, GATEWAY_CORE, port, folder / "log", patience=60) as pid:
        yield Serving(pid, port, control, time.monotonic() - begun)


def ready(admin: int, workers: int) -> None:
    """Wait until all processes of a node are."""
    for _ in range(600):
        time.sleep(0.1)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5) as answer:
                found = json.load(answer)
        except OSError:
            continue
        if workers == 1 or found["workers"]["ready"] == workers:
            return
    raise Unfit("it does not become ready")


def set_apart(parent: int) -> None:
    """Put the parent of workers where the load is: they have a core for themselves."""
    for task in Path(f"/proc/{parent}/task").iterdir():
        os.sched_setaffinity(int(task.name), {OTHER_CORE})


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        number: int = sock.getsockname()[1]
        return number


def seconds_used(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    found = process(pid)
    assert found is not None
    return (found.user + found.system) / TICKS_PER_SECOND


def percentile(values: list[float], share: float) -> float:
    """The value below which such a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
