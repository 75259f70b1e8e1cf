"""A key manager and a gateway in memory, and two clocks that are set by hand."""

import pytest
from twisted.internet.task import Clock

from tests.cluster.wires import Node, Wire
from twgw.cluster.clocks import Terms

EXACT = Terms(lease=4, session=15, rate_error=0, margin=0)
"""Of clocks that are right."""


class HandClocks:
    """Two clocks that go on when a test says so."""

    def __init__(self):
        self.raw_time = self.boot_time = 1000.0

    def raw(self):
        return self.raw_time

    def boot(self):
        return self.boot_time

    def go(self, seconds, boot=None):
        """On both, or differently on the second."""
        self.raw_time += seconds
        self.boot_time += seconds if boot is None else boot


@pytest.fixture
def clocks():
    return HandClocks()


@pytest.fixture
def clock():
    """Time that stands still."""
    return Clock()


@pytest.fixture
def node(clock):
    """Makes a node."""
    return lambda name, *roles, **more: Node.make(clock, name, *roles, **more)


@pytest.fixture
def wire(clock):
    """Connects two nodes, the first being the one that listens; or a protocol in place of the second's own."""
    return lambda server, client, *more, **named: Wire(clock, server, client, *more, **named)
