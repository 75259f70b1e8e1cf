"""TCP in memory behaves as Twisted's TCP does."""

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from twgw.memory_network import BUFFER_SIZE, MemoryNetwork, Wire, join
from twgw.model import UpstreamTls


def pair(*, stays=False, heard=None):
    clock = Clock()
    near, far = Wire(clock, stays=stays), Wire(clock, heard)
    join(clock, near, far, from_=("10.0.0.1", 5), to=("10.0.0.2", 80))
    return near, far


class Producer:
    def __init__(self):
        self.calls = []

    def pauseProducing(self):  # noqa: N802 - Twisted's name
        self.calls.append("pause")

    def resumeProducing(self):  # noqa: N802 - Twisted's name
        self.calls.append("resume")

    def stopProducing(self):  # noqa: N802 - Twisted's name
        self.calls.append("stop")


class Failing(Protocol):
    def __init__(self):
        self.problems = []

    def connect_failed(self, problem):
        self.problems.append(problem)


def test_bytes_arrive_in_order_and_later():
    """Bytes arrive in order, in a later turn, never inside write."""
    near, far = pair()
    near.transport.write(b"a")
    near.transport.writeSequence([b"b", b"c"])
    assert b"" == far.received
    near.settle()
    assert b"abc" == far.received
    assert ("10.0.0.2", 80) == (near.transport.getPeer().host, near.transport.getPeer().port)
    assert "10.0.0.2" == far.transport.getHost().host


def test_only_bytes_are_written():
    """Text is refused, as by Twisted."""
    near, _ = pair()
    with pytest.raises(TypeError, match="must be bytes"):
        near.transport.write("text")


def test_answers_from_inside():
    """A protocol that answers at once is not entered again."""
    near, far = pair(heard=lambda wire: wire.transport.write(wire.received[-1:].upper()))
    near.send(b"x")
    assert (b"X", b"x") == (near.received, far.received)


def test_close_in_order():
    """What was written before a close arrives, then the end."""
    near, far = pair()
    near.transport.write(b"last words")
    near.lose()
    assert (b"last words", True, False) == (far.received, far.closed, far.reset)
    assert (True, False) == (near.closed, near.reset)


def test_abort():
    """A cut connection loses what was not taken, and both ends hear of it."""
    near, far = pair()
    near.transport.write(b"last words")
    near.abort()
    assert (b"", True, True) == (far.received, far.closed, far.reset)
    near.transport.write(b"more")
    near.settle()
    assert b"" == far.received


def test_close_with_unread_bytes_is_a_reset():
    """Who closes although bytes wait for him resets the connection."""
    near, far = pair()
    far.pause()
    near.send(b"unread")
    far.lose()
    assert (True, True) == (near.closed, near.reset)


def test_half_close():
    """Half a close ends one direction; who stays may go on sending."""
    near, far = pair(stays=True)
    far.finish()
    assert (True, False) == (near.closed, near.reset)
    near.send(b"still here")
    assert b"still here" == far.received
    far.send(b"nothing goes out any more")
    assert b"" == near.received
    far.lose()
    assert far.closed


def test_pause():
    """Who pauses gets nothing, not even the end, until he resumes."""
    near, far = pair()
    far.pause()
    near.send(b"x")
    near.lose()
    assert (b"", False) == (far.received, far.closed)
    far.resume()
    assert (b"x", True) == (far.received, far.closed)


def test_take():
    """Who takes one piece leaves the rest where it was."""
    near, far = pair()
    far.pause()
    near.send(bytes(3 * BUFFER_SIZE))
    far.take()
    assert (BUFFER_SIZE, 2 * BUFFER_SIZE) == (len(far.received), len(near.transport.unsent))


def test_writing_to_who_has_gone():
    """Bytes for an end that is gone are answered by a reset."""
    near, far = pair()
    far.pause()
    near.lose()
    near.settle()
    far.transport.write(b"x")
    far.settle()
    assert (True, True) == (far.closed, far.reset)


def test_a_full_buffer_pauses_its_producer():
    """A producer is paused over a full buffer, resumed when all of it is gone, stopped when the connection ends."""
    near, far = pair()
    producer = Producer()
    near.transport.registerProducer(producer, True)
    with pytest.raises(RuntimeError):
        near.transport.registerProducer(producer, True)
    far.pause()
    near.send(bytes(BUFFER_SIZE))
    assert [] == producer.calls
    near.send(b"x")
    assert ["pause"] == producer.calls
    far.resume()
    assert ["pause", "resume"] == producer.calls
    far.abort()
    assert ["pause", "resume", "stop"] == producer.calls
    near.transport.registerProducer(producer, True)
    assert "stop" == producer.calls[-1]


def test_a_pulled_producer_is_asked_for_more():
    """A producer that does not stream is asked whenever the buffer is empty."""
    near, _ = pair()
    producer = Producer()
    near.transport.registerProducer(producer, False)
    near.send(b"x")
    assert ["resume", "resume"] == producer.calls
    near.transport.unregisterProducer()
    near.send(b"y")
    assert 2 == len(producer.calls)


def test_network():
    """An address answers, refuses or is silent, as it is told; names resolve as they are told."""
    clock = Clock()
    accepted = []

    def accept(address, port):
        accepted.append(Wire(clock))
        return accepted[-1]

    network = MemoryNetwork(clock, accept)
    network.refusing.add("10.0.0.2")
    network.silent.add("10.0.0.3")
    near, refused, silent = Wire(clock), Failing(), Failing()
    network.connect("10.0.0.1", 80, near, None, 3)
    network.connect("10.0.0.2", 80, refused, None, 3)
    network.connect("10.0.0.3", 80, silent, None, 3)
    clock.advance(2)
    assert (1, 1, 0) == (len(accepted), len(refused.problems), len(silent.problems))
    clock.advance(1)
    assert ["TimeoutError: no answer"] == silent.problems
    assert [("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 80)] == network.attempts


def test_names():
    """A name has the addresses it was given, others one, and none is an error."""
    network = MemoryNetwork(Clock(), lambda address, port: Wire(Clock()))
    network.names = {"a.test": ["10.0.0.1", "10.0.0.2"], "none.test": []}
    for name, expected in (("a.test", ["10.0.0.1", "10.0.0.2"]), ("b.test", ["192.0.2.80"])):
        with pytest.raises(StopIteration) as found:
            network.resolve(name).send(None)
        assert expected == found.value.value
    with pytest.raises(OSError, match="no address"):
        network.resolve("none.test").send(None)


def test_tls():
    """In memory a TLS handshake always succeeds."""
    clock = Clock()
    network = MemoryNetwork(clock, lambda address, port: Wire(clock))
    shaken = []
    near = Wire(clock)
    near.handshakeCompleted = lambda: shaken.append(True)
    network.connect("10.0.0.1", 443, near, network.client_tls(UpstreamTls(), "a.test"), 3)
    clock.advance(0)
    assert [True] == shaken
