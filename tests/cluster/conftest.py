"""A key manager and a gateway in memory."""

import pytest
from twisted.internet.task import Clock

from tests.cluster.wires import Node, Wire


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
