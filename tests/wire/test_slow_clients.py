"""Ten thousand clients that are slow on purpose: held, let go in time, and nobody else sees anything of it."""

import json
import re
import resource
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.wire.crowd import Crowd, Roomy, Way
from tests.wire.processes import PATIENCE, api

FILES = 15_500
"""Open files that this process and the gateway need: every client, and the upstream connections of many of them."""
DEADLINES = {"header_timeout": 15, "body_grace": 15, "keepalive_timeout": 15, "send_timeout": 6}
BIG = 1_000_000
WAVE = 250

HEADS = Way("heads byte by byte", "127.0.0.2", b"GET /pets/1 HTTP/1.1\r\nHost: a\r\nX: ", b"y")
BODIES = Way("bodies byte by byte", "127.0.0.3", b"PUT /pets/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n", b"z")
IDLE = Way("nothing more after an answer", "127.0.0.4", b"GET /pets/1 HTTP/1.1\r\nHost: a\r\n\r\n")
DEAF = Way("answers that nobody takes", "127.0.0.5", b"GET /pets/big HTTP/1.1\r\nHost: a\r\n\r\n", reads=False)
CROWD = {HEADS: 3000, BODIES: 3000, IDLE: 3000, DEAF: 1000}
END = {HEADS: ("408", "closed"), BODIES: ("408", "closed"), IDLE: ("200", "closed"), DEAF: ("", "reset")}
"""What each way gets in the end: a status, and how its connection is closed."""
LOGGED = {HEADS: (408, "gateway"), BODIES: (408, "client"), IDLE: (200, None), DEAF: (499, "client")}
"""The status in the access log, and by whom it was refused or ended."""
HELD = dict(zip(CROWD, DEADLINES.values(), strict=True))
"""Seconds for which each way is held at least."""
ROOM = {HEADS: 16, BODIES: 48, IDLE: 16, DEAF: 384}
"""KiB of the gateway's memory that a connection may cost; one that takes nothing holds a read and what waited."""


@pytest.fixture
def files():
    """Leave to open enough files, for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.fail(f"at most {hard} files may be open here, {FILES} are needed: raise the hard limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def roomy():
    """An upstream for thousands of connections at once."""
    server = Roomy(BIG)
    yield server
    server.close()


def status(slow):
    """How one was answered, and how it ended."""
    return slow.received[9:12].decode(), slow.ended


def kib(running):
    """Resident memory of the gateway in KiB."""
    pages = Path(f"/proc/{running.process.popen.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() // 1024


def open_files(running):
    """Open files of the gateway."""
    return len(list(Path(f"/proc/{running.process.popen.pid}/fd").iterdir()))


def metric(running, name):
    """The sum of a metric's values."""
    text = running.ask("/metrics")[2].decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def eventually(holds):
    """Whether something holds soon."""
    return any(holds() or threading.Event().wait(0.1) for _ in range(10 * PATIENCE))


def logged(running):
    """How exchanges ended by the access log, counted: by the client's address, with status and who ended it."""
    lines = map(json.loads, (running.folder / "data" / "access.log").read_text().splitlines())
    return Counter((line["client"], (line["status"], line.get("refused_by"))) for line in lines)


def test_ten_thousand_slow_clients(files, roomy, node):
    """Each is held until its deadline and no longer, whatever it drips; others are served meanwhile; nothing stays."""
    running = node({"apis": [api(roomy.port)]}, gateway=DEADLINES)
    memory, files_before = kib(running), open_files(running)
    stop, statuses = threading.Event(), []

    def go_on():
        while not stop.is_set():
            statuses.append(running.get("/pets/1")[0])
            stop.wait(0.02)

    others = threading.Thread(target=go_on)
    others.start()
    crowd = Crowd(running.port)
    try:
        for way, count in CROWD.items():
            for number in range(count):
                crowd.join(way)
                if number % WAVE == 0 or number == count - 1:
                    crowd.pass_time(0)
                    statuses.append(running.get("/pets/1")[0])  # it is accepted after all before it
        held, most = metric(running, "twgw_client_connections"), kib(running) - memory
        in_time = [each for each in crowd.everyone if time.monotonic() - each.began < HELD[each.way]]
        end = time.monotonic() + 2 * max(HELD.values()) + PATIENCE
        while len(crowd) and time.monotonic() < end:
            crowd.pass_time(0.1)
            most = max(most, kib(running) - memory)
    finally:
        crowd.close()
        stop.set()
        others.join(PATIENCE)

    assert {way: {END[way]: count} for way, count in CROWD.items()} == {way: crowd.ends(way, status) for way in CROWD}
    assert held >= len(in_time)  # all of them, unless this machine needs longer than a deadline to connect them
    assert [] == [each for each in crowd.everyone if each.lasted < HELD[each.way] - 1]
    assert {200} == set(statuses)
    assert most < sum(count * ROOM[way] for way, count in CROWD.items())
    assert eventually(lambda: metric(running, "twgw_client_connections") == 0)
    kept = 1 + metric(running, "twgw_upstream_connections")  # the access log, and what waits for the next request
    assert eventually(lambda: open_files(running) <= files_before + kept)
    assert 0 == running.terminate()
    assert {(way.address, LOGGED[way]): count for way, count in CROWD.items()}.items() <= logged(running).items()
    assert not [line for line in running.process.lines if "Unhandled" in line or "Traceback" in line]
