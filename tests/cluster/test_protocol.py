"""A connection between two nodes: what it carries, what it refuses, and that nothing a peer does grows without end."""

import pytest
from twisted.internet.defer import Deferred
from twisted.protocols.amp import AmpBox, StartTLS
from twisted.python.failure import Failure

from tests.cluster.wires import Anonymous, Cable, Foreign, Node, Raw, tls
from twgw.cluster import protocol, turns
from twgw.cluster.commands import (
    Advanced,
    Away,
    Broken,
    Hello,
    Lost,
    Part,
    Ping,
    ReadAll,
    ReadFacts,
    ReadKeys,
    Refused,
    Tell,
)
from twgw.cluster.factory import PeerFactory
from twgw.cluster.tls import TlsFactory
from twgw.registry import Head

HELLO = {
    "cluster": b"c1", "node": b"gw1", "boot": b"b", "link": b"control", "oldest": b"1", "newest": b"1",
}  # fmt: skip


def box(name, ask=b"1", **arguments):
    """A question as it is on the wire."""
    found = {b"_command": name.encode(), **{key.encode(): value for key, value in arguments.items()}}
    return AmpBox({**found, **({b"_ask": ask} if ask else {})}).serialize()


def greeting(**changed):
    return box("Hello", **{**HELLO, **changed})


def outcome(deferred):
    """What came of it so far: a value, an exception, or None."""
    seen = []
    deferred.addBoth(seen.append)
    return seen[0].value if seen and isinstance(seen[0], Failure) else seen[0] if seen else None


@pytest.fixture
def answers():
    """What the key manager is asked for; tests put in what they need."""
    return {}


@pytest.fixture
def km(node, answers):
    """The node that listens."""
    return node("km1", "keymanager", "gateway", answers=answers)


@pytest.fixture
def gw(node):
    """The node that connects."""
    return node("gw1", "gateway")


@pytest.fixture
def raw(clock, km, wire):
    """Sends bytes to the key manager with the certificate of a gateway, or another one."""

    def raw(*pieces, secured=None):
        stranger = Node(secured or tls("gw1", "gateway"), None)
        return wire(km, stranger, Raw(*pieces))

    return raw


@pytest.fixture
def neighbour(km, node, wire):
    """Another gateway, which must notice nothing."""
    return wire(km, node("gw2", "gateway"))


def is_undisturbed(neighbour):
    """Whether it is answered as before."""
    asked = neighbour.client.ask(Ping)
    neighbour.pump()
    return {} == outcome(asked)


# --- who is there ---


def test_both_ends_know_each_other(km, gw, wire):
    """By their certificates; the version, which start of them it is and what else they can do they tell."""
    km.here.abilities, gw.here.abilities = ("a", "b"), ("b",)
    opened = wire(km, gw, link="bulk")

    assert opened.client is outcome(opened.client.ready)
    assert [opened.client] == gw.arrived
    assert [opened.server] == km.arrived
    assert "km1" == opened.client.identity.node == opened.client.name
    assert ("gw1", frozenset({"gateway"})) == (opened.server.identity.node, opened.server.identity.roles)
    assert ("boot-km1", "boot-gw1") == (opened.client.boot, opened.server.boot)
    assert (1, 1, "bulk") == (opened.client.version, opened.server.version, opened.server.link)
    assert ({"a", "b"}, {"b"}) == (opened.client.abilities, opened.server.abilities)
    assert "<Peer gw1>" == repr(opened.server)


@pytest.mark.parametrize(("theirs", "version"), [((1, 3), 2), ((2, 2), 2), ((1, 1), 1)])
def test_the_newest_version_that_both_speak_is_spoken(km, gw, wire, theirs, version):
    """So nodes of this and of the next version work together while they are upgraded."""
    km.here.versions, gw.here.versions = (1, 2), theirs
    opened = wire(km, gw)

    assert (version, version) == (opened.client.version, opened.server.version)


def test_without_a_version_in_common_there_is_no_connection(km, gw, wire):
    """And it is said which versions there are."""
    gw.here.versions = (5, 6)
    opened = wire(km, gw)

    assert not opened.is_open
    assert isinstance(error := outcome(opened.client.ready), Refused)
    assert "speaks version 1 to 1 of the protocol, and that one 5 to 6" in str(error)
    assert {"command": 1} == km.refused


def test_an_answer_in_a_version_that_was_not_offered_ends_it(km, gw, wire, monkeypatch):
    """Nothing is guessed."""
    km.here.versions, gw.here.versions = (7, 9), (1, 1)
    monkeypatch.setattr(
        protocol.Peer, "_hello", lambda self, **_hello: {"version": 9, "boot": "x", "abilities": []}
    )  # fmt: skip
    opened = wire(km, gw)

    assert not opened.is_open
    assert {"version": 1} == gw.refused


def test_both_hear_of_the_end(km, gw, wire):
    """Once, and whoever waits for an answer too."""
    km.here.answers = {ReadAll: lambda peer, most: Deferred()}
    opened = wire(km, gw)
    asked = opened.client.ask(ReadAll)
    opened.pump()
    opened.server.close()
    opened.pump()

    assert isinstance(outcome(asked), Lost)
    assert ([opened.client], [opened.server]) == (gw.left, km.left)
    assert (set(), set()) == (gw.here.peers, km.here.peers)
    assert isinstance(outcome(opened.client.ask(Ping)), Lost)
    opened.client.tell(Tell, kind="x", body=b"")
    assert {} == gw.refused == km.refused


# --- who is refused ---


def test_a_peer_without_a_certificate_is_refused(km, raw, neighbour):
    """Before it can send a box; counted and logged."""
    attack = raw(greeting(), secured=Anonymous())

    assert not attack.is_open
    assert b"" == attack.client.received
    assert {"tls": 1} == km.refused
    assert "refused 192.0.2.1:1234: no TLS between them: peer did not return a certificate" in km.lines
    assert is_undisturbed(neighbour)


def test_a_certificate_of_another_authority_is_refused(km, raw, neighbour):
    """Whatever name and roles stand in it."""
    attack = raw(greeting(), secured=Foreign())

    assert not attack.is_open
    assert {"tls": 1} == km.refused
    assert is_undisturbed(neighbour)


def test_plain_text_is_refused(clock, km, wire, neighbour):
    """There is no way around TLS, and no way to begin it later."""
    attack = wire(km, Node(tls("gw1", "gateway"), None), Raw())
    attack.ends[1].sent.clear()
    again = wire(km, Node(tls("gw1", "gateway"), None), Raw())
    again.ends[1].write(greeting())
    again.pump()

    assert not again.is_open
    assert is_undisturbed(neighbour)


def test_what_is_no_tls_is_counted(clock, km, neighbour):
    """Somebody scans ports, or means another one."""


    cable = Cable("192.0.2.7")
    accepting = TlsFactory(km.tls, False, PeerFactory(km.here), clock=clock).buildProtocol(None)
    accepting.makeConnection(cable)
    accepting.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    accepting.connectionLost(Failure(cable.ended or Exception("over")))

    assert {"tls": 1} == km.refused
    assert is_undisturbed(neighbour)


@pytest.mark.parametrize(
    ("secured", "reason"),
    [
        (lambda: tls("gw1", "gateway", cluster="c2"), "it is of the cluster c2, this is c1"),
        (lambda: tls("x" * 99, "gateway"), "the certificate names another node"),
    ],
)
def test_who_it_says_it_is_counts_for_nothing(km, raw, secured, reason):
    """Its certificate does."""
    raw(greeting(), secured=secured())

    assert 1 == sum(km.refused.values())
    assert reason in km.lines[-1]
    assert [] == km.arrived


@pytest.mark.parametrize(
    "changed", [{"node": b"km1"}, {"cluster": b"c2"}, {"link": b"x"}, {"boot": b""}, {"boot": b"b" * 65}]
)
def test_a_hello_that_does_not_agree_with_the_certificate_is_refused(km, raw, changed):
    """And one that nobody would send."""
    attack = raw(greeting(**changed))

    assert b"REFUSED" in attack.client.received
    assert {"command": 1} == km.refused
    assert [] == km.arrived


def test_nothing_is_answered_before_hello(km, answers, raw):
    """Nor after a second one."""
    answers[ReadKeys] = lambda peer: {"answer": 0, "size": 6, "piece": b"pepper"}
    attack = raw(box("ReadKeys"), greeting(), greeting())

    assert b"say hello first" in attack.client.received
    assert b"such a hello is not understood" in attack.client.received
    assert b"pepper" not in attack.client.received
    assert {"command": 2} == km.refused


def test_commands_of_key_managers_are_taken_from_their_certificates_alone(km, answers, raw, neighbour):
    """A gateway's is told so, and changes nothing; the connection goes on."""
    heard = []
    answers[Advanced] = lambda peer, **told: heard.append(told)
    told = {"epoch": b"1", "position": b"9"}
    attack = raw(greeting(), box("Advanced", **told), box("Advanced", b"", **told))

    assert [] == heard
    assert b"only a node with the role keymanager may send it" in attack.client.received
    assert {"command": 2} == km.refused
    assert "refused gw1: Advanced: only a node with the role keymanager may send it" in km.lines
    assert attack.is_open
    assert is_undisturbed(neighbour)


def test_secrets_are_for_gateways(km, answers, node, wire):
    """A certificate without a role gets nothing."""
    answers[ReadKeys] = lambda peer: {"answer": 0, "size": 6, "piece": b"pepper"}
    nobody = wire(km, node("x1"))
    admin = wire(km, node("x2", "admin"))

    assert not nobody.is_open
    assert not admin.is_open
    assert {"command": 2} == km.refused


def test_only_a_key_manager_is_believed_to_be_one(gw, node, wire):
    """A gateway that listens in its place is left before anything is said."""
    opened = wire(node("km1", "gateway"), gw)

    assert not opened.is_open
    assert {"role": 1} == gw.refused
    assert isinstance(outcome(opened.client.ready), Lost)


@pytest.mark.parametrize("command", [StartTLS.commandName.decode(), "protocol_switch", "unknown"])
def test_commands_that_nobody_knows_are_refused(km, raw, command):
    """Those of AMP itself are among them: nobody makes us begin TLS anew, or speak something else."""
    attack = raw(greeting(), box(command))

    assert b"UNHANDLED" in attack.client.received
    assert {"command": 1} == km.refused
    assert attack.is_open


# --- who was taken out ---


def taken_out(node, name):
    """Have a node know that another was taken out."""
    node.here.removals.saw(Head(1, 1), {name: frozenset()})


def test_a_node_that_was_taken_out_is_refused(km, answers, gw, raw, wire, neighbour):
    """Its certificate is that of the cluster, and good for long; it is told why, and whatever it asks is not done."""
    asked = []
    answers[ReadKeys] = lambda peer: asked.append(peer)
    taken_out(km, "gw1")
    opened = wire(km, gw)
    assert "comes back by: twgw cluster join" in str(outcome(opened.client.ready))
    assert not opened.is_open

    attack = raw(greeting(), box("ReadKeys", b"2"), greeting(), box("ReadKeys", b"3"))
    assert 2 == attack.client.received.count(b"say hello first")
    assert ([], {"removed": 3, "command": 2}) == (asked, km.refused)
    assert any("the node was taken out of the cluster" in line for line in km.lines)
    assert is_undisturbed(neighbour)


def test_a_connection_of_it_that_is_there_is_cut(km, answers, gw, raw, wire, neighbour):
    """With the next that it sends, before that is looked at; one that says nothing with the next look."""
    asked = []
    answers[ReadKeys] = lambda peer: asked.append(peer) or {"answer": 0, "size": 0, "piece": b""}
    opened, silent = wire(km, gw), wire(km, gw, link="bulk")
    taken_out(km, "gw1")
    answer = opened.client.ask(ReadKeys)
    opened.pump()
    assert ([], True) == (asked, isinstance(outcome(answer), Lost))
    assert (False, True) == (opened.is_open, silent.is_open)

    km.here.look()
    silent.pump()
    assert (False, {"removed": 2}) == (silent.is_open, km.refused)
    assert is_undisturbed(neighbour)


def test_a_key_manager_that_was_taken_out_is_believed_no_more(km, gw, wire):
    """Its answers are not taken, and no connection to it is used."""
    opened = wire(km, gw)
    answer = opened.client.ask(Ping)
    taken_out(gw, "km1")
    opened.pump()
    assert isinstance(outcome(answer), Lost)

    again = wire(km, gw)
    assert ({"removed": 2}, False) == (gw.refused, again.is_open)
    assert isinstance(outcome(again.client.ready), Lost)


def test_a_node_that_joined_anew_is_taken(km, gw, wire):
    """By the serial number of what it was given; what it had before stays refused."""
    old, new = tls("gw1", "gateway"), tls("gw1", "gateway")
    km.here.removals.saw(Head(1, 1), {"gw1": frozenset({new.identity.serial})})
    for secured, taken in ((old, False), (new, True)):
        gw.tls = secured
        assert taken == wire(km, gw).is_open


# --- what would grow ---


def test_a_box_that_does_not_end_is_cut_off(km, raw, neighbour):
    """At 256 KiB, whatever is in it."""
    keys = b"".join(b"\0\4%4d\xff\xff" % number + bytes(65535) for number in range(6))
    attack = raw(greeting(), keys)

    assert not attack.is_open
    assert {"box": 1} == km.refused
    assert is_undisturbed(neighbour)


def test_a_box_with_many_keys_is_cut_off(km, raw):
    """At 32, however small they are."""
    attack = raw(greeting(), b"".join(b"\0\2%2d\0\0" % number for number in range(33)))

    assert not attack.is_open
    assert {"box": 1} == km.refused


def test_a_stranger_may_send_little(km, raw):
    """Before hello a box has 4 KiB."""
    attack = raw(b"\0\1a\x20\0" + bytes(8192))

    assert not attack.is_open
    assert {"box": 1} == km.refused


def test_a_box_that_comes_slowly_does_not_wait_for_ever(clock, km, raw, neighbour):
    """Half a box is no sign of life."""
    attack = raw(greeting(), b"\0\1a")
    for _ in range(40):
        clock.advance(1)
        neighbour.client.ask(Ping)
        neighbour.pump()
        km.here.look()
        neighbour.client._here.look()
    attack.pump()

    assert not attack.is_open
    assert {"silent": 1} == km.refused
    assert is_undisturbed(neighbour)


def test_whoever_says_nothing_is_gone_after_ten_seconds(clock, km, raw):
    """Also before TLS."""
    attack = raw()
    clock.advance(protocol.HELLO_WITHIN + 1)
    km.here.look()
    attack.pump()

    assert not attack.is_open
    assert {"hello": 1} == km.refused


def test_a_flood_of_questions_is_answered_as_fast_as_it_can_be(km, answers, raw, neighbour):
    """Some at a time; the rest is not read before, and nothing of it is lost."""
    waiting = []
    answers[Part] = lambda peer, **_part: waiting.append(Deferred()) or waiting[-1]
    attack = raw(greeting(), *(box("Part", b"%d" % n, answer=b"1", offset=b"0") for n in range(1000)))

    assert turns.MOST_RUNNING == len(waiting)
    assert not attack.ends[0].reading
    assert is_undisturbed(neighbour)

    for asked in waiting:
        asked.callback({"piece": b""})
        attack.pump()

    assert 1000 == len(waiting)
    assert attack.is_open
    assert {} == km.refused


def test_answers_that_nobody_takes_end_the_connection(km, answers, raw, neighbour):
    """At 1 MiB."""
    answers[Part] = lambda peer, **_part: {"piece": bytes(60_000)}
    attack = raw(greeting())
    attack.ends[1].pauseProducing()
    attack.client.transport.write(b"".join(box("Part", b"%d" % n, answer=b"1", offset=b"0") for n in range(100)))
    attack.pump()

    assert not attack.is_open
    assert {"slow": 1} == km.refused
    assert is_undisturbed(neighbour)


def test_whoever_takes_nothing_for_two_seconds_is_dropped(clock, km, answers, raw):
    """However little it is."""
    answers[Part] = lambda peer, **_part: {"piece": bytes(60_000)}
    attack = raw(greeting())
    attack.ends[1].pauseProducing()
    attack.client.transport.write(b"".join(box("Part", b"%d" % n, answer=b"1", offset=b"0") for n in range(3)))
    attack.pump()
    clock.advance(protocol.STALLED + 1)
    km.here.look()
    attack.pump()

    assert not attack.is_open
    assert {"slow": 1} == km.refused


def test_a_slow_peer_that_goes_on_is_kept(clock, km, answers, raw):
    """When it takes what there is."""
    answers[Part] = lambda peer, **_part: {"piece": bytes(60_000)}
    attack = raw(greeting())
    attack.ends[1].pauseProducing()
    attack.client.transport.write(b"".join(box("Part", b"%d" % n, answer=b"1", offset=b"0") for n in range(3)))
    attack.pump()
    attack.ends[1].resumeProducing()
    attack.pump()
    clock.advance(protocol.STALLED + 1)
    km.here.look()

    assert attack.is_open
    assert {} == km.refused


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", b"\0\0", b"\0\1a\0\1b\0\0", b"\0\7_answer\0\1x\0\0",
        b"\0\7_answer\0\0\0\0", b"\0\6_error\0\1x\0\0",
    ],
)  # fmt: skip
def test_garbage_ends_the_connection(km, raw, neighbour, garbage):
    """What is no AMP, no question, and no answer to one of ours."""
    attack = raw(greeting(), garbage)

    assert not attack.is_open
    assert {"garbage": 1} == km.refused
    assert is_undisturbed(neighbour)


def test_an_error_without_its_fields_ends_the_connection(km, raw):
    """Even when it answers a question of ours."""
    attack = raw(greeting())
    attack.server.ask(Ping).addErrback(lambda _: None)
    attack.client.transport.write(b"\0\6_error\0\1" + b"1" + b"\0\0")
    attack.pump()

    assert {"garbage": 1} == km.refused


@pytest.mark.parametrize(
    "arguments", [{"answer": b"x", "offset": b"0"}, {"offset": b"0"}, {"answer": b"9" * 5000, "offset": b""}]
)
def test_arguments_that_are_not_understood_are_refused(km, answers, raw, arguments):
    """The connection goes on."""
    answers[Part] = lambda peer, **_part: {"piece": b""}
    attack = raw(greeting(), box("Part", **arguments))

    assert b"its arguments are not understood here" in attack.client.received
    assert {"command": 1} == km.refused
    assert attack.is_open


def test_what_is_unknown_in_a_question_is_passed_over(km, raw):
    """A later version may have put it there."""
    attack = raw(greeting(), box("Ping", b"2", later=b"yes"))

    assert b"_answer\0\x012" in attack.client.received
    assert {} == km.refused


# --- answers ---


def test_errors_of_an_answer_do_not_end_the_connection(km, answers, gw, wire):
    """Those that are meant are told; of others only that there was one, and our log has it."""
    secret = "the password is x"

    def answer(peer, most):
        raise errors.pop()

    answers[ReadAll] = answer
    errors = [ZeroDivisionError(secret), Away("the database does not answer"), Refused("not now"), Broken("no")]
    opened = wire(km, gw)
    told = []
    for _ in range(4):
        asked = opened.client.ask(ReadAll)
        opened.pump()
        told.append(outcome(asked))

    assert [Broken, Refused, Away, Broken] == [type(each) for each in told]
    assert ["no", "not now", "the database does not answer"] == [str(each) for each in told[:3]]
    assert secret not in str(told[3])
    assert any(secret in line for line in km.lines)
    assert opened.is_open


def test_what_no_box_takes_is_an_error(km, answers, gw, wire):
    """Of a question and of an answer; AMP would end the connection."""
    answers[Part] = lambda peer, **_part: {"piece": bytes(65_536)}
    answers[ReadFacts] = lambda peer, wanted: {}
    opened = wire(km, gw)
    asked = opened.client.ask(Part, answer=1, offset=0)
    asking = opened.client.ask(ReadFacts, wanted=bytes(65_536))
    opened.pump()

    assert "the answer has 65536 bytes, more than a box takes" == str(outcome(asked))
    assert "ReadFacts has a value of 65536 bytes, more than a box takes" == str(outcome(asking))
    assert opened.is_open


def test_a_command_that_the_peer_does_not_know_is_refused(km, gw, wire):
    """It is of an earlier version."""
    opened = wire(km, gw)
    asked = opened.client.ask(ReadAll)
    opened.pump()

    assert "the peer does not know this command" == str(outcome(asked))


def test_an_answer_that_makes_no_sense_is_no_answer(gw, node, wire):
    """And whatever AMP finds that nobody took care of is said in the log; the connection stays."""
    km = node("km1", "keymanager", answers={ReadAll: lambda peer, most: Deferred()})
    opened = wire(km, gw)
    asked = opened.client.ask(ReadAll)
    tag = next(iter(opened.client._outstandingRequests))
    opened.server.sendBox(AmpBox({b"_answer": tag, b"size": b"x"}))
    opened.pump()

    assert isinstance(outcome(asked), Lost)
    opened.client.unhandledError(Failure(ZeroDivisionError("by zero")))
    assert any("by zero" in line for line in gw.lines)
    assert opened.is_open


def test_a_peer_that_owes_an_answer_is_left(clock, gw, node, wire):
    """After ten seconds; whoever waits is told."""
    km = node("km1", "keymanager", answers={ReadAll: lambda peer, most: Deferred()})
    opened = wire(km, gw)
    answered = opened.client.ask(Ping)
    asked = opened.client.ask(ReadAll)
    opened.pump()
    clock.advance(protocol.PATIENCE + 1)
    gw.here.look()
    opened.pump()

    assert {} == outcome(answered)
    assert isinstance(outcome(asked), Lost)
    assert {"unanswered": 1} == gw.refused


def test_a_command_without_an_answer_has_none(km, answers, gw, wire):
    """Whatever becomes of it."""
    heard = []

    def answer(peer, kind, body):
        heard.append((peer.name, kind, body))
        raise ZeroDivisionError

    answers[Tell] = answer
    opened = wire(km, gw)
    opened.client.tell(Tell, kind="Ack", body=b"{}")
    opened.pump()

    assert [("gw1", "Ack", b"{}")] == heard
    assert opened.is_open


def test_a_flood_of_refusals_does_not_fill_the_log(km, raw):
    """A line in a second for each reason, which says how many there were."""
    raw(greeting(), *(box("unknown", b"%d" % n) for n in range(100)))

    assert {"command": 100} == km.refused
    assert 1 == len(km.lines)


@pytest.mark.parametrize("ask", [b"", b"1"])
@pytest.mark.parametrize("name", ["unknown", "x" * 65_000])
def test_a_flood_of_unknown_commands_does_not_fill_it_either(km, raw, ask, name):
    """Also of those that nobody waits for, and of names that AMP cannot repeat."""
    attack = raw(greeting(), *[box(name, ask)] * 50)

    assert {"command": 50} == km.refused
    assert 1 == len(km.lines)
    assert attack.is_open
    assert len(attack.client.received) < 10_000


def test_a_flood_of_questions_that_fail_does_not_fill_it_either(km, answers, gw, wire, raw):
    """Whatever the fault is, ours or of what was asked: a traceback a second; nor does it lie on the stack."""
    waiting = [Deferred()] * (turns.MOST_RUNNING - 1)
    answers[ReadFacts] = lambda peer, wanted: waiting.pop() if waiting else {}["wanted"]
    attack = raw(greeting(), *[box("ReadFacts", wanted=b"")] * 1000)

    assert {"fault": 1000 - turns.MOST_RUNNING + 1} == km.refused
    assert ["error"] == [level for level, _ in km.here.log.lines]
    assert attack.is_open


def test_the_connections_of_a_node_count_together(km, answers, raw, neighbour):
    """However many it opens: so many questions are answered at a time, the others of it wait, and nobody else."""
    waiting = []
    answers[Part] = lambda peer, **_part: waiting.append(Deferred()) or waiting[-1]
    flood = [box("Part", b"%d" % n, answer=b"1", offset=b"0") for n in range(1000)]
    attacks = [raw(greeting(), *flood) for _ in range(3)]
    neighbour.client.ask(Part, answer=1, offset=0)
    neighbour.pump()

    assert turns.MOST_RUNNING + 1 == len(waiting), "and the neighbour's"
    while waiting:
        waiting.pop().callback({"piece": b""})
        for attack in attacks:
            attack.pump()
    assert [1000] * 3 == [attack.client.received.count(b"_answer") - 1 for attack in attacks]


def test_a_node_has_its_share_of_each_second(clock, km, answers, raw, neighbour):
    """What it sends beyond waits for the next one, and nobody else does."""
    heard = []
    answers[Tell] = lambda peer, **_tell: heard.append(clock.advance(0.25)) or {}
    attack = raw(greeting(), *[box("Tell", b"", kind=b"x", body=b"")] * 20)

    assert 2 == len(heard)
    assert {"flood": 1} == km.refused
    assert is_undisturbed(neighbour)
    km.here.look()
    attack.pump()
    assert 4 == len(heard)


def test_a_node_has_so_many_connections(km, raw, neighbour, monkeypatch):
    """It takes no room of others."""
    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 2)
    attacks = [raw(greeting()) for _ in range(3)]

    assert b"2 connections of this node are open" in attacks[2].client.received
    assert [True, True, False] == [attack.server.greeted for attack in attacks]
    assert is_undisturbed(neighbour)


def test_hello_is_said_by_every_version(km):
    """Its name and arguments do not change."""
    assert b"Hello" == Hello.commandName
