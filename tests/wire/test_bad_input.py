"""Every bad request of ``tests/bad_input.py`` against a real process, whole, as raw bytes."""

import socket

import pytest

from tests.bad_input import REFUSED
from tests.wire.processes import PATIENCE, Node, Process, Upstream, api


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One gateway and its upstream for all vectors."""
    upstream = Upstream()
    started = []

    def start(*arguments):
        started.append(Process(folder, *arguments))
        return started[-1]

    folder = tmp_path_factory.mktemp("gateway")
    node = Node(folder, start, {"apis": [api(upstream.port)]}).ready()
    yield node, upstream
    for process in started:
        process.kill()
    upstream.close()


BEGUN_LAST = sorted(REFUSED, key=lambda each: each.begun)
"""What of a request was begun may come late at the upstream: it would count for the next one."""


@pytest.mark.parametrize("vector", BEGUN_LAST, ids=lambda each: f"{each.row}: {each.name}")
def test_refused(served, vector):
    """The right answer, and not one byte at the upstream (of a body that turns out bad, no end)."""
    node, upstream = served
    before = len(upstream.received)
    with socket.create_connection(("127.0.0.1", node.port), PATIENCE) as client:
        client.sendall(vector.data)
        answer = client.recv(65536)

    assert answer.startswith(f"HTTP/1.1 {vector.status} ".encode()), answer[:200]
    assert vector.keep == (b"\r\nConnection: close\r\n" not in answer)
    assert vector.begun or before == len(upstream.received)
