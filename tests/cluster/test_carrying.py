"""Messages come as they were, from whoever may send them, and from nobody else."""

import pytest
from attrs import frozen

from tests.cluster.test_protocol import outcome
from twgw.cluster.carrying import Carrier
from twgw.cluster.commands import GATEWAY, KEY_MANAGER, Ping, Tell
from twgw.registry import Head


@frozen
class Asked:
    """What a gateway says."""

    gateway: str
    seconds: float
    applied: Head


@frozen
class Given:
    """What a key manager says."""

    number: int


SENDERS = {Asked: GATEWAY, Given: KEY_MANAGER}
ASKED = Asked("gw1", 1.5, Head(2, 1 << 40))


@pytest.fixture
def heard():
    """What the key manager heard."""
    return []


@pytest.fixture
def carrier(heard):
    """Carries on both sides."""
    return Carrier(SENDERS, lambda peer, message: heard.append((peer.name, message)))


@pytest.fixture
def km(node, carrier):
    """The key manager."""
    return node("km1", "keymanager", answers=dict(carrier.answers))


@pytest.fixture
def opened(km, node, wire, carrier):
    """A gateway is connected to it."""
    return wire(km, node("gw1", "gateway", answers=dict(carrier.answers)))


def test_a_message_comes_as_it_was(opened, carrier, heard):
    """In both directions, with who sent it, in the order in which it was sent."""
    carrier.tell(opened.client, ASKED)
    carrier.tell(opened.client, Asked("gw1", 2.0, Head(0, 0)))
    opened.pump()
    carrier.tell(opened.server, Given(7))
    opened.pump()

    assert [("gw1", ASKED), ("gw1", Asked("gw1", 2.0, Head(0, 0))), ("km1", Given(7))] == heard


def test_a_gateway_does_not_speak_as_a_key_manager(opened, carrier, heard, km):
    """Refused, counted, logged; nobody hears of it."""
    carrier.tell(opened.client, Given(7))
    opened.pump()

    assert ([], {"command": 1}) == (heard, km.refused)
    assert "refused gw1: Tell: a Given is for a keymanager to send" in km.lines


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("Later", b"{}"), ("Asked", b""), ("Asked", b"[]"), ("Asked", b'{"gateway": "x"}'), ("Asked", b"\xff"),
        ("Asked", b'{"gateway": "x", "seconds": 1, "applied": {"epoch": "1", "pos": 2}}'), ("__class__", b"{}"),
        ("Asked", b"[" * 60_000),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(opened, heard, km, kind, body):
    """The connection goes on: a later version may say more."""
    opened.client.tell(Tell, kind=kind, body=body)
    still = opened.client.ask(Ping)
    opened.pump()

    assert ([], {"command": 1}, {}) == (heard, km.refused, outcome(still))
    assert [] == [line for line in km.lines if "Traceback" in line], "or whoever likes fills the log"


def test_what_a_later_version_adds_is_passed_over(opened, heard, km):
    """So messages may grow while nodes are upgraded one after the other, wherever something is added."""
    body = b'{"gateway": "x", "seconds": 1, "applied": {"epoch": 1, "pos": 2, "term": 3}, "mood": [{"a": 1}]}'
    opened.client.tell(Tell, kind="Asked", body=body)
    opened.pump()

    assert ([("gw1", Asked("x", 1.0, Head(1, 2)))], {}) == (heard, km.refused)


def test_a_connection_that_is_gone_takes_nothing(opened, carrier, heard):
    """Who follows positions sends again when there is another."""
    opened.client.close()
    opened.pump()
    carrier.tell(opened.client, ASKED)
    opened.pump()

    assert [] == heard


def test_whoever_hears_wrongly_ends_no_connection(opened, carrier, km):
    """It is said in the log."""
    carrier.hear = lambda *_what: 1 / 0
    carrier.tell(opened.client, ASKED)
    opened.pump()

    assert opened.is_open
    assert any("ZeroDivisionError" in line for line in km.lines)
