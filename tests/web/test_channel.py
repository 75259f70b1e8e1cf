"""Tests of twgw.web.channel."""

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from twgw.web.channel import site


class Hello(Resource):
    """Answers, and counts."""

    isLeaf = True  # noqa: N815 - Twisted's name
    asked = 0

    def render_GET(self, request):  # noqa: N802 - Twisted's name
        self.asked += 1
        if request.path == b"/broken":
            raise ZeroDivisionError
        return b"hello"


@pytest.fixture
def ask():
    """What is answered to some bytes on a connection."""
    root, ended = Hello(), []

    def ask(data):
        transport, channel = StringTransport(), site(root, reactor=Clock()).buildProtocol(None)
        channel.makeConnection(transport)
        channel.dataReceived(data)
        ended.append(channel)
        return transport, root

    yield ask
    for channel in ended:
        channel.connectionLost(Failure(ConnectionDone()))


@pytest.mark.parametrize("blank", [b" ", b"\t"])
@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n%bc\r\n\r\n", b"GET / HTTP/1.1\r\n%bHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n%bchunked\r\n\r\n",
    b"%bGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n",
])  # fmt: skip
def test_a_line_that_goes_on_with_the_one_above_is_refused(ask, head, blank):
    """Nobody is asked, and nothing that follows is read."""
    transport, root = ask(head % blank + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b"HTTP/1.1 400 Bad Request\r\n\r\n" == transport.value()
    assert transport.disconnecting
    assert 0 == root.asked


def test_blanks_elsewhere_are_as_they_were(ask):
    """Behind a field, and in a body."""
    transport, root = ask(b"GET / HTTP/1.1\r\nHost: a \r\nContent-Length: 6\r\n\r\n b\r\n c" * 2)

    assert (2, 2) == (root.asked, transport.value().count(b"HTTP/1.1 200 OK"))


def test_nothing_of_the_code_is_told(ask):
    """When it breaks."""
    transport, _ = ask(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b"500" in transport.value()
    assert b"ZeroDivision" not in transport.value()
