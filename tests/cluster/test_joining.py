"""A node joins by a token: once, in time, and only the cluster that the token is of."""

import pytest
from twisted.internet.defer import Deferred, fail

from tests.cluster.test_protocol import box, outcome
from tests.cluster.wires import NOW, OTHER_AUTHORITY, Anonymous, Node, Raw, certified
from twgw.cluster import authority, protocol
from twgw.cluster.commands import Away, Join, Ping, ReadKeys, Refused
from twgw.cluster.joining import LASTS, Door, JoinError, JoinToken, ensure_authority, join, new_token
from twgw.cluster.tls import Stranger, Tls
from twgw.memory_world import MemoryLog
from twgw.storage.errors import Unavailable
from twgw.storage.keys import KEPT, prune_keys


class Time:
    """UNIX time, as the key manager has it."""

    now = NOW

    def wall(self):
        return self.now


@pytest.fixture
def time():
    """Time that stands still."""
    return Time()


@pytest.fixture
def signer(sqlite):
    """The authority of the cluster, in its database."""
    return sqlite.call(ensure_authority, "c1", now=NOW, write=True)


@pytest.fixture
def there():
    """Names of nodes that are there."""
    return {"km1"}


@pytest.fixture
def km(sqlite, signer, node, time, there):
    """A key manager that lets strangers in who have a token."""
    made = node("km1", "keymanager", answers={ReadKeys: lambda peer: {"answer": 1, "size": 1, "piece": b"secret"}})
    made.tls = Tls(signer.certificate, *certified("km1", "keymanager", signer=signer))
    made.tls.let_strangers_join()
    door = Door(
        sqlite, "c1", time.wall, made.here.refusals, MemoryLog(), lambda roles: " ".join(sorted(roles)), lambda: there
    )
    made.here.answers[Join] = door.answer
    return made


@pytest.fixture
def token(sqlite, signer):
    """A token for a gateway."""
    return sqlite.call(new_token, ["gateway"], now=NOW, write=True)


@pytest.fixture
def new(node):
    """A node that has no certificate."""
    made = node("gw1")
    made.tls = Stranger()
    return made


@pytest.fixture
def joined(km, new, wire):
    """Joins; gives what came of it."""

    def joined(token, roles=("gateway",), at=km, name="gw1", **more):
        opened = wire(at, new, link="join")
        asked = Deferred.fromCoroutine(join(opened.client, token, authority.new_key(), name, roles, NOW, **more))
        opened.pump()
        opened.client.close()
        opened.pump()
        return outcome(asked)

    return joined


def test_a_node_with_a_token_gets_a_certificate(km, joined, token, signer, node, wire):
    """With its name and the roles that it asked for; with that it is a node like any other."""
    made = joined(token)

    assert ("c1", "gw1", {"gateway"}) == (made.identity.cluster, made.identity.node, made.identity.roles)
    assert signer.certificate == made.ca
    assert made.identity == authority.identity_of(authority.read(made.certificate))
    assert {} == km.refused


def test_what_is_typed_is_the_token(token):
    """It shows nothing of itself elsewhere, and one that was not copied whole is none."""
    assert token == JoinToken.from_text(f" {token.text}\n")
    assert token == JoinToken.from_text(f"{token.text[:40]}\n  {token.text[40:]}"), "a mail broke it into lines"
    assert str(token.secret) not in repr(token)
    for text in ("", "x", token.text[:-4], token.text[9:], token.text + "AAAA", token.text.replace("_", "?")):
        with pytest.raises(JoinError, match="copied whole"):
            JoinToken.from_text(text)


def test_a_token_is_good_once(km, joined, token):
    """The second who shows it is refused, counted and logged."""
    joined(token)
    again = joined(token)

    assert isinstance(again, Refused)
    assert "unknown, used, or older than 15 minutes" in str(again)
    assert 1 == km.refused["join"]
    assert any("it wants to join" in line for line in km.lines)


def test_a_name_that_somebody_has_is_given_to_nobody(there, joined, token):
    """Two machines may be called the same; the token is good still, and only whoever has one learns of names."""
    there.add("gw1")
    assert "a node called gw1 is there; give this one another name" in str(joined(token))
    assert "unknown, used" in str(joined(JoinToken(b"x" * 20, token.fingerprint)))

    assert "gw2" == joined(token, name="gw2").identity.node


def test_two_at_once_are_one(km, token, sqlite):
    """In the database, whoever deletes it has used it."""
    from twgw.storage.joins import use_join

    assert [True, False] == [sqlite.call(use_join, token.digest, now=NOW, write=True) for _ in range(2)]


def test_a_token_ends_after_fifteen_minutes(km, joined, token, time, sqlite):
    """And goes with the next pruning."""
    time.now = NOW + LASTS

    assert isinstance(joined(token), Refused)
    assert 1 == km.refused["join"]
    assert 1 == sqlite.call(prune_keys, NOW + LASTS + KEPT, write=True)


def test_a_token_that_is_guessed_is_refused(km, joined, token):
    """With one attempt for each connection."""
    assert isinstance(joined(JoinToken(bytes(20), token.fingerprint)), Refused)
    assert 1 == km.refused["join"]


def test_a_connection_has_one_attempt(km, wire, token):
    """Whoever guesses has to come anew each time."""
    ask = {"secret": bytes(20), "request": b"x", "node": b"gw1", "roles": b"\0\7gateway"}
    guess = wire(km, Node(Stranger(), None), Raw(*(box("Join", b"%d" % n, **ask) for n in range(3))))

    assert b"one attempt for each connection" in guess.client.received
    assert 1 == km.refused["join"]


@pytest.mark.parametrize("roles", [("keymanager",), ("gateway", "keymanager"), ("admin",)])
def test_a_token_gives_no_more_than_it_was_made_for(km, joined, token, roles):
    """It is not used up by that, and it is said how another is made."""
    refused = joined(token, roles)

    assert "make one with: twgw cluster token --role" in str(refused)
    assert 1 == km.refused["join"]
    assert "gw1" == joined(token).identity.node


def test_a_node_may_take_what_there_is(km, joined, token, sqlite):
    """As much as the token allows of what it can be, and it is told what belongs to that; but never nothing."""
    made = joined(token, ("gateway", "keymanager"), most=True)
    assert ({"gateway"}, "gateway") == (made.identity.roles, made.settings)

    both = sqlite.call(new_token, ["gateway", "keymanager"], now=NOW, write=True)
    refused = joined(both, ("admin",), most=True)
    assert "the token is not for admin" in str(refused)
    made = joined(both, ("gateway", "keymanager"), most=True)
    assert ({"gateway", "keymanager"}, "gateway keymanager") == (made.identity.roles, made.settings)
    assert "gateway keymanager" not in repr(made)


@pytest.mark.parametrize("roles", [(), ("A",), ("x" * 21,), ("a\nb",), tuple("abcdefghijk")])
def test_roles_that_nobody_has_are_refused(km, joined, token, roles):
    """They would stand in the log and in a certificate."""
    assert "such roles are not known" in str(joined(token, roles))


def test_a_name_that_a_certificate_cannot_hold_is_refused(km, joined, token):
    """The token is not used up."""
    assert isinstance(joined(token, name="gw 1"), Refused)
    assert "gw1" == joined(token).identity.node


# --- the new node trusts nobody ---


def test_another_cluster_does_not_see_the_secret(joined, token, node):
    """Whoever answers there must be of the authority that the token names."""
    other = node("km1", "keymanager")
    other.tls = Tls(OTHER_AUTHORITY.certificate, *certified("km1", "keymanager", signer=OTHER_AUTHORITY))
    other.tls.let_strangers_join()
    seen = []
    other.here.answers = {Join: lambda peer, **asked: seen.append(asked)}
    refused = joined(token, at=other)

    assert "whoever answers there is no node of the cluster that the token is for" == str(refused)
    assert [] == seen


def test_a_node_that_is_no_key_manager_does_not_see_it(joined, token, node, signer):
    """Though it is of the cluster."""
    other = node("gw9", "gateway")
    other.tls = Tls(signer.certificate, *certified("gw9", "gateway", signer=signer))
    other.tls.let_strangers_join()

    assert "whoever answers there is no key manager" == str(joined(token, at=other))


def test_a_certificate_for_another_key_is_not_taken(km, joined, token, signer):
    """Nor one that another authority signed."""
    km.here.answers[Join] = lambda peer, **_asked: {"certificate": certified("gw1", signer=signer)[0]}
    assert "the certificate that came is for another key" == str(joined(token))
    km.here.answers[Join] = lambda peer, **_asked: {"certificate": certified("gw1", signer=OTHER_AUTHORITY)[0]}
    assert "did not sign" in str(joined(token))


# --- strangers ---


def test_a_stranger_may_join_and_nothing_else(km, wire):
    """No hello, no secrets, no ping."""
    stranger = wire(km, Node(Stranger(), None), Raw(box("ReadKeys"), box("Ping", b"2"), box("Hello", b"3")))

    assert b"secret" not in stranger.client.received
    assert 3 == stranger.client.received.count(b"REFUSED")
    assert {"command": 3} == km.refused


def test_a_stranger_is_not_told_where_the_database_is(joined, token, sqlite, monkeypatch):
    """When that does not answer, either."""
    why = Unavailable("postgresql://twgw@10.0.0.5/twgw: connection refused")
    monkeypatch.setattr(sqlite, "run", lambda *_, **__: fail(why))
    told = joined(token)

    assert isinstance(told, Away)
    assert "postgresql" not in str(told)


def test_a_stranger_does_not_stay(clock, km, wire, token):
    """Ten seconds are enough to join."""
    stranger = wire(km, Node(Stranger(), None), Raw())
    clock.advance(protocol.HELLO_WITHIN + 1)
    km.here.look()
    stranger.pump()

    assert not stranger.is_open


def test_who_does_not_say_that_it_joins_needs_a_certificate(km, wire):
    """As before."""
    stranger = wire(km, Node(Anonymous(), None), Raw(box("Join")))

    assert not stranger.is_open
    assert {"tls": 1} == km.refused


def test_a_member_does_not_join(km, node, wire, signer):
    """It has a certificate."""
    member = node("gw1", "gateway")
    member.tls = Tls(signer.certificate, *certified("gw1", "gateway", signer=signer))
    opened = wire(km, member)
    asked = opened.client.ask(Join, secret=b"", request="", node="gw1", roles=["gateway"])
    still = opened.client.ask(Ping)
    opened.pump()

    assert "only a node with the role stranger may send it" in str(outcome(asked))
    assert {} == outcome(still)


def test_a_listener_without_the_door_lets_no_stranger_in(node, wire):
    """It is closed unless it was opened."""
    closed = node("km1", "keymanager")
    stranger = wire(closed, Node(Stranger(), None), Raw(box("Join")))

    assert not stranger.is_open
    assert {"tls": 1} == closed.refused


def test_there_is_no_token_without_a_cluster(sqlite):
    """And it is said how one is made."""
    with pytest.raises(JoinError, match="twgw cluster init"):
        sqlite.call(new_token, ["gateway"], now=NOW, write=True)


def test_an_authority_is_made_once(sqlite, signer):
    """Whoever comes later has the same."""
    assert signer == sqlite.call(ensure_authority, "other", now=NOW, write=True)
