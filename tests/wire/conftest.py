"""Fixtures of the tests with real processes: started for a test, gone after it."""

import pytest

from tests.databases import SERVERS, PostgreSQL
from tests.wire.members import begin, two
from tests.wire.processes import Node, Process, Upstream


@pytest.fixture(scope="package")
def killable():
    """Start servers that keep what they acknowledge, and may be killed: nobody else uses them meanwhile."""
    running = {}

    def server(kind):
        if kind not in running:
            running[kind] = SERVERS[kind](durable=True).start()
        return running[kind]

    yield server
    for each in running.values():
        each.end()


@pytest.fixture
def start(tmp_path):
    """Start gateways, which are gone after the test."""
    started = []

    def start(*arguments, folder=tmp_path, environment=None):
        started.append(Process(folder, *arguments, environment=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def upstream():
    """An upstream that says so."""
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def node(tmp_path, start):
    """Make a node from a state and start it."""
    return lambda state, **more: Node(tmp_path, start, state, **more).ready()


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of one's own."""
    running = PostgreSQL().start()
    yield running
    running.end()


@pytest.fixture
def pair(tmp_path, start, server):
    """Two nodes on one database."""
    return two(tmp_path, start, begin(server.make(f"pair_{tmp_path.name[-12:].lower().strip('_')}")))
