"""Certificates renew by themselves: for whom, when, by whom, and what stands on the disk whatever happens meanwhile."""

import re
from types import SimpleNamespace

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.task import Clock

from tests.cluster.test_protocol import box, greeting, outcome
from tests.cluster.wires import NOW, OTHER_AUTHORITY, Node, Raw
from twgw.cluster import authority, renewing
from twgw.cluster.authority import CertificateError, Identity
from twgw.cluster.commands import RENEWS, Away, Refused, Removed, Renew
from twgw.cluster.joining import ensure_authority, note
from twgw.cluster.remote import Remote
from twgw.cluster.renewing import APART, DAY, MINUTE, Renewal, Renewals, Rounds, keep, renew
from twgw.cluster.tls import Tls, load
from twgw.memory_world import MemoryLog
from twgw.storage.errors import Unavailable
from twgw.storage.nodes import count_given, list_removed, remove_node

LEFT = 30
"""Days."""


@pytest.fixture
def signer(sqlite):
    """The authority of the cluster, in its database; it was made long ago."""
    return sqlite.call(ensure_authority, "c1", now=NOW - 800 * DAY, write=True)


def made(signer, left=LEFT, node="gw1", roles=("gateway",)):
    """A certificate, of which so many days are left, and its key."""
    key, who = authority.new_key(), Identity("c1", node, frozenset(roles))
    return authority.issue(signer, authority.request(key, node), who, NOW - (730 - left) * DAY), key


@pytest.fixture
def files(tmp_path, signer):
    """Those of a node whose certificate ends in a month."""
    paths = tuple(tmp_path / name for name in ("ca.pem", "node.pem", "node-key.pem"))
    for path, text in zip(paths, (signer.certificate, *made(signer)), strict=True):
        path.write_text(text)
        path.chmod(0o600)
    return paths


@pytest.fixture
def log():
    return MemoryLog()


@pytest.fixture
def renewals(sqlite, log):
    """What a key manager gives them by."""
    return Renewals(sqlite, lambda: NOW, log)


@pytest.fixture
def renewal(files, log, renewals):
    """What keeps that of a node good which has the database."""
    tls = load(*files)
    return Renewal(tls, files, lambda request: renewals.give(tls.identity, request), execute, lambda: NOW, log)


def looked(renewal):
    """What came of a look: nothing, as it takes care of what goes wrong."""
    return outcome(Deferred.fromCoroutine(renewal.look()))


def days(tls):
    return round((tls.ends_at - NOW) / DAY)


# --- at the node ---


def test_a_certificate_of_which_less_than_a_third_is_left_is_renewed(renewal, files):
    """It has another key, the same name and roles, and is what the node begins with next; it is noted, and said."""
    before = [path.read_text() for path in files]
    looked(renewal)

    assert (730, 730) == (days(renewal.tls), days(load(*files)))
    assert Identity("c1", "gw1", frozenset({"gateway"})) == renewal.tls.identity == load(*files).identity
    assert before[0] == files[0].read_text()
    assert before[2] not in files[1].read_text() + files[2].read_text()
    assert {0o600} == {path.stat().st_mode & 0o777 for path in files}
    assert "the certificate for other nodes was renewed: 730 days" in [line for _, line in renewal.log.lines]
    assert (0, DAY) == (renewal.failures, renewal.pause)


def test_connections_after_that_show_the_new_one_and_those_before_go_on(renewal, signer, node, wire):
    """Nobody is disturbed by it; strangers may join as before."""
    km, gw = node("km1", "keymanager"), node("gw1", "gateway")
    km.tls = Tls(signer.certificate, *made(signer, 700, "km1", ("keymanager",)))
    gw.tls = renewal.tls
    first = wire(km, gw)
    looked(renewal)
    second = wire(km, gw, link="bulk")

    assert (first.is_open, second.is_open) == (True, True)
    ends = [each.server.identity.lasts[1] for each in (first, second)]
    assert [LEFT, 730] == [round((end - NOW) / DAY) for end in ends]
    assert first.server.identity.serial != second.server.identity.serial


def test_one_that_is_good_for_long_is_let_alone(files, log, signer):
    """Nobody is asked."""
    certificate, key = made(signer, 300)
    keep(files, certificate, key)
    asked = []
    looked(Renewal(load(*files), files, asked.append, execute, lambda: NOW, log))

    assert ([], []) == (asked, log.lines)


def test_what_cannot_be_had_is_tried_again(files, log, signer):
    """After a minute, later after an hour at the most, and said with the days that are left."""
    answers = [Unavailable("no key manager answers"), Refused("not now"), Away("no database"), OSError(28, "full")]
    it = Renewal(load(*files), files, lambda _request: fail(answers.pop(0)), execute, lambda: NOW, log)
    pauses = []
    for _ in range(4):
        looked(it)
        pauses.append(it.pause)

    assert [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE] == pauses
    it.failures = 99
    assert APART == it.pause
    assert "ends in 30 days, was not renewed: no key manager answers; it is tried again" in log.lines[0][1]
    assert LEFT == days(load(*files))


def test_what_is_not_ours_is_not_taken(files, log, signer):
    """A certificate of another authority, for another node, other roles, another key, or no later one."""

    def answering(sign=signer, who=None, key=None, left=730):
        def answer(request):
            wanted = authority.request(key, "x") if key else request
            who_ = who or Identity("c1", "gw1", frozenset({"gateway"}))
            done = Deferred()
            done.callback(authority.issue(sign, wanted, who_, NOW - (730 - left) * DAY))
            return done

        return answer

    other = Identity("c1", "gw1", frozenset({"gateway", "keymanager"}))
    for ask in (
        answering(OTHER_AUTHORITY), answering(who=other), answering(who=evolve(other, node="gw2")),
        answering(key=authority.new_key()), answering(left=LEFT - 1),
    ):  # fmt: skip
        it = Renewal(load(*files), files, ask, execute, lambda: NOW, log)
        looked(it)
        assert (1, LEFT) == (it.failures, days(it.tls))
    assert LEFT == days(load(*files))


def test_a_later_one_in_the_files_is_taken(renewal, files, signer, log):
    """As of a parent, or of a person; by a worker, which asks nobody and looks each hour."""
    worker = Renewal(load(*files), files, None, execute, lambda: NOW, log)
    looked(worker)
    assert (LEFT, APART) == (days(worker.tls), worker.pause)

    looked(renewal)
    looked(worker)
    assert 730 == days(worker.tls)


def test_the_certificate_of_another_node_in_the_files_is_not(renewal, files, signer, log):
    """It counts from the next start: this process is who it is."""
    worker = Renewal(load(*files), files, None, execute, lambda: NOW, log)
    keep(files, *made(signer, 700, "gw2"))
    looked(worker)

    assert ("gw1", LEFT) == (worker.tls.identity.node, days(worker.tls))


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_whenever_it_is_killed_there_is_a_pair_that_fits(files, signer, monkeypatch, writes):
    """Before the first file is there, between the two, and after both."""
    count, replace = [], renewing.replace

    def killed(*args):
        if len(count) == writes:
            raise KeyboardInterrupt
        count.append(1)
        replace(*args)

    monkeypatch.setattr(renewing, "replace", killed)
    certificate, key = made(signer, 700)
    if writes < 2:
        with pytest.raises(KeyboardInterrupt):
            keep(files, certificate, key)
    else:
        keep(files, certificate, key)

    assert (LEFT if writes == 0 else 700) == days(load(*files))
    if writes == 2:
        Tls(signer.certificate, files[1].read_text(), files[2].read_text())  # as an earlier version reads them


def test_a_key_in_the_certificate_is_for_its_owner(files, signer):
    """As in a file of its own."""
    keep(files, *made(signer, 700))
    files[1].chmod(0o644)
    with pytest.raises(CertificateError, match=r"node\.pem: other users may read it"):
        load(*files)


# --- at the key manager ---


def identity(certificate):
    return authority.identity_of(authority.read(certificate))


def test_whoever_has_one_gets_another_for_the_same(sqlite, signer):
    """Whatever stands in the request."""
    old = identity(made(signer)[0])
    new = sqlite.call(renew, old, authority.request(authority.new_key(), "km1"), NOW, write=True)

    assert (old, 730) == (identity(new), round((identity(new).lasts[1] - NOW) / DAY))
    assert sqlite.call(count_given, "gw1", NOW - 1)


def test_a_node_gets_one_an_hour(sqlite, signer):
    """So that nobody fills the database; and none while its own is good for long."""
    old, request = identity(made(signer)[0]), authority.request(authority.new_key(), "gw1")
    sqlite.call(renew, old, request, NOW, write=True)

    with pytest.raises(Refused, match="less than an hour ago"):
        sqlite.call(renew, old, request, NOW + APART - 1, write=True)
    sqlite.call(renew, old, request, NOW + APART + 1, write=True)
    with pytest.raises(Refused, match="good for long still"):
        sqlite.call(renew, identity(made(signer, 600)[0]), request, NOW + 3 * APART, write=True)


def test_none_lasts_longer_than_the_authority(sqlite, signer):
    """When that is near its end, there is nothing to be gained."""
    end = NOW + (3650 - 800 - 10) * DAY
    key = authority.new_key()
    short = authority.issue(signer, authority.request(key, "gw1"), Identity("c1", "gw1"), end)

    assert 0 <= authority.ends_at(signer.certificate) - authority.ends_at(short) <= 1
    assert not authority.is_due(identity(short).lasts, signer.certificate, end + 9 * DAY)


@pytest.mark.parametrize("request_", ["", "x", "x" * 5000])
def test_what_is_no_request_is_refused(sqlite, signer, request_):
    """Nothing is noted."""
    with pytest.raises(Refused):
        sqlite.call(renew, identity(made(signer)[0]), request_, NOW, write=True)
    assert not sqlite.call(count_given, "gw1", 0)


def test_a_database_without_the_authority_signs_nothing(sqlite):
    """And says how there is one."""
    with pytest.raises(Refused, match="run: twgw cluster init"):
        sqlite.call(renew, identity(made(OTHER_AUTHORITY)[0]), "x", NOW, write=True)


def test_a_node_that_was_taken_out_gets_none(sqlite, signer, renewals):
    """Also when nobody has told this process yet; once it is in again, it does."""
    old, request = identity(made(signer)[0]), authority.request(authority.new_key(), "gw1")
    sqlite.call(remove_node, "gw1", now=NOW, write=True)
    with pytest.raises(Removed):
        sqlite.call(renew, old, request, NOW, write=True)

    again = made(signer, LEFT)[0]
    sqlite.call(note, again, now=NOW - 2 * APART, write=True)
    new = sqlite.call(renew, identity(again), request, NOW, write=True)
    assert {identity(again).serial, identity(new).serial} == sqlite.call(list_removed)["gw1"]


@pytest.fixture
def km(node, signer, renewals):
    """A key manager that answers."""
    found = node("km1", "keymanager", answers={Renew: renewals.answer}, abilities=(RENEWS,))
    found.tls = Tls(signer.certificate, *made(signer, 700, "km1", ("keymanager",)))
    return found


def test_a_gateway_asks_a_key_manager_that_knows_how(km, files, node, wire, signer):
    """The others are passed over, and nothing is refused there."""
    gw, old = node("gw1", "gateway"), node("km0", "keymanager")
    gw.tls = load(*files)
    old.tls = Tls(signer.certificate, *made(signer, 700, "km0", ("keymanager",)))
    wires = [wire(each, gw, link="bulk") for each in (old, km)]
    peers = [wires[0].client]
    remote = Remote("km", lambda: peers, lambda: "nobody", execute)
    request = authority.request(authority.new_key(), "gw1")
    asked = outcome(Deferred.fromCoroutine(remote.certificate(request)))
    assert isinstance(asked, Unavailable)
    assert "km0: its version does not know how" in str(asked)

    peers.append(wires[1].client)
    asked = Deferred.fromCoroutine(remote.certificate(request))
    wires[1].pump()

    assert Identity("c1", "gw1", frozenset({"gateway"})) == identity(outcome(asked))
    assert ({}, {}) == (km.refused, old.refused)


def test_who_asks_for_another_name_gets_its_own(km, signer, wire):
    """A gateway that would be a key manager: the request does not count, the certificate that it shows does."""
    attacker = Node(Tls(signer.certificate, *made(signer)), None)
    request = authority.request(authority.new_key(), "km1").encode()
    attack = wire(km, attacker, Raw(greeting(), box("Renew", request=request), box("Renew", b"2", request=request)))

    found = re.search(rb"-----BEGIN.*END CERTIFICATE-----", attack.client.received, re.DOTALL)
    assert Identity("c1", "gw1", frozenset({"gateway"})) == identity(found[0].decode())
    assert b"less than an hour ago" in attack.client.received
    assert {"command": 1} == km.refused


def test_who_is_no_gateway_gets_none(km, signer, wire):
    """A key manager has the database, and signs itself; a certificate without a role is good for nothing."""
    for roles in ((), ("keymanager",)):
        attacker = Node(Tls(signer.certificate, *made(signer, roles=roles)), None)
        attack = wire(km, attacker, Raw(greeting(), box("Renew", request=b"x")))
        assert b"only a node with the role gateway" in attack.client.received


def test_a_database_that_is_away_is_no_end(renewals, signer, monkeypatch):
    """It is asked again."""
    monkeypatch.setattr(type(renewals.database), "run", lambda *_args, **_more: fail(Unavailable("away")))
    answer = outcome(Deferred.fromCoroutine(renewals.give(identity(made(signer)[0]), "x")))

    assert isinstance(answer, Away)


# --- time ---


def test_it_is_looked_at_soon_after_the_start_and_each_day(log):
    """Not by all nodes at once; and no more after the stop."""
    clock = Clock()
    looks = []

    async def look():
        looks.append(clock.seconds())
        if len(looks) == 2:
            raise ZeroDivisionError("by zero")

    rounds = Rounds(SimpleNamespace(look=look, pause=DAY, log=log), clock, lambda: 0.5)
    rounds.startService()
    for seconds in (5, DAY * 1.05, DAY * 1.05):
        clock.advance(seconds)
    rounds.stopService()
    clock.advance(2 * DAY)

    assert [5, 5 + DAY * 1.05, 5 + DAY * 2.1] == looks
    assert any("by zero" in line for level, line in log.lines if level == "error")
    assert not clock.getDelayedCalls()
