"""Links that fail when they are told to: what was sent meanwhile waits, and comes when they are healed."""

import socket
import threading

import pytest

from tests.chaos.links import BACK, THERE, Network


@pytest.fixture
def link():
    """To a server that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))
    network = Network()

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                while piece := client.recv(100):
                    client.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield network.link("x", server.getsockname()[1])
    network.close()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def opened(link):
    return socket.create_connection(("127.0.0.1", link.port), 10)


def answered(client, text, within=10):
    """What comes back, if anything does in time."""
    client.settimeout(within)
    client.sendall(text)
    try:
        return client.recv(100)
    except TimeoutError:
        return None


def ends(client):
    client.settimeout(10)
    try:
        return client.recv(100) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("ways", [(), (THERE,), (BACK,)])
def test_what_is_sent_while_a_link_is_cut_comes_when_it_is_healed(link, ways):
    """One way is enough; the connection stays, and it is counted that something waited."""
    with opened(link) as client:
        assert b"1" == answered(client, b"1")
        assert 0 == link.held
        link.cut(*ways)
        assert answered(client, b"2", 0.1) is None
        for _ in range(100):  # until it has heard of it
            if not link.held:
                assert answered(client, b"", 0.1) is None
        assert 1 == link.held
        link.heal()
        client.settimeout(10)
        assert b"2" == client.recv(100)


def test_nobody_connects_through_a_cut(link):
    """Until it is healed."""
    link.cut()
    with opened(link) as client:
        assert answered(client, b"1", 0.1) is None
        link.heal()
        client.settimeout(10)
        assert b"1" == client.recv(100)


def test_a_slow_link_lets_through_later(link):
    """And counts that."""
    with opened(link) as client:
        assert b"1" == answered(client, b"1")
        link.delay(0.2)
        assert answered(client, b"2", 0.1) is None
        client.settimeout(10)
        assert b"2" == client.recv(100)
        assert link.held


def test_a_server_that_is_gone_is_gone_through_a_link(link):
    """The connection ends at once."""
    link.target = 1
    with opened(link) as client:
        assert ends(client)
