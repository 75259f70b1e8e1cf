"""Bodies on their way: held a little, paced by the slower side, lost together."""

from types import SimpleNamespace

import pytest

from twgw.gateway.problems import BodyLost, BodyTooLarge
from twgw.gateway.relay import HELD, Stream


class End:
    """Either side of a stream: notes what it is told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *arguments: self.told.append((name, *arguments))


def stream(**more):
    source = End()
    return Stream(source, None, **more), source


def test_a_sink_gets_everything_in_order():
    """What was held, what comes, and the end."""
    body, source = stream()
    sink = End()
    body.feed(b"a")
    body.attach(sink)
    body.feed(b"b")
    body.finish()

    assert [("body_data", b"a"), ("body_data", b"b"), ("body_end",)] == sink.told
    assert [("demand",), ("resume",)] == source.told


def test_little_is_held_without_a_sink():
    """Then the source is paused, and resumed when somebody takes it."""
    body, source = stream()
    body.feed(b"x" * HELD)
    assert [] == source.told
    body.feed(b"x")
    assert [("pause",)] == source.told
    body.attach(End())
    assert [("pause",), ("demand",), ("resume",)] == source.told


def test_the_sink_sets_the_pace():
    """As an IPushProducer."""
    body, source = stream()
    body.attach(End())
    body.pauseProducing()
    body.resumeProducing()

    assert [("pause",), ("resume",)] == source.told[-2:]


def test_a_loss_is_told_once():
    """To the sink that is there, or to the one that comes."""
    error = BodyLost(499, "gone")
    first, late = End(), End()
    body, _ = stream()
    body.attach(first)
    body.lose(error)
    body.lose(BodyLost(499, "again"))
    other, _ = stream()
    other.lose(error)
    other.attach(late)

    assert [("body_lost", error)] == first.told == late.told


def test_a_kept_body_has_a_second_try():
    """Up to what is held; a larger one cannot be sent again."""
    body, _ = stream(keep=True)
    first, second = End(), End()
    body.feed(b"a")
    body.attach(first)
    body.feed(b"b")
    assert body.replayable
    body.detach()
    body.attach(second)
    body.feed(b"x" * HELD)

    assert [("body_data", b"a"), ("body_data", b"b"), ("body_data", b"x" * HELD)] == second.told
    assert not body.replayable


def test_limits():
    """More than allowed is refused, as it comes or when somebody reads it."""
    body, _ = stream(limit=3)
    body.feed(b"abc")
    with pytest.raises(BodyTooLarge):
        body.feed(b"d")
    other, _ = stream()
    other.feed(b"abcd")
    with pytest.raises(BodyTooLarge):
        other.read(3).send(None)


def test_a_reader_waits_for_the_end():
    """And gets the whole."""
    body, source = stream()
    body.feed(b"a")
    reading = body.read(0)
    pause = reading.send(None)
    assert [("demand",), ("resume",)] == source.told
    body.feed(b"b")
    assert not pause.done
    body.finish()
    with pytest.raises(StopIteration) as end:
        reading.send(None)

    assert b"ab" == end.value.value


def test_nobody_wants_the_rest():
    """The source is told, and nothing is kept."""
    body, source = stream()
    body.attach(SimpleNamespace(body_data=lambda data: None))
    body.abandon()

    assert ("abandon",) == source.told[-1]
