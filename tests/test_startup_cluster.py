"""What stands behind a node in a cluster: key managers that it asks, or a listener for those that ask it."""

from types import SimpleNamespace

import pytest
from twisted.application.service import MultiService
from twisted.internet.defer import execute
from twisted.internet.task import Clock

from tests.cluster.wires import AUTHORITY, NOW, certified
from twgw.cluster.authority import CertificateError, Identity
from twgw.cluster.commands import Advanced
from twgw.cluster.lease import UNKNOWN
from twgw.cluster.messages import Ack, Anew, LeaseAsked, LeaseGiven, LeaseReturned
from twgw.cluster.removals import REPLACED, TAKEN_OUT
from twgw.cluster.renewing import Rounds
from twgw.cluster.reports import Report
from twgw.cluster.tls import Tls
from twgw.config import load
from twgw.memory_world import EPOCH, FakeClock, MemoryLog
from twgw.metrics import Registry
from twgw.policy.registry import find_plugins
from twgw.reader import Secrets
from twgw.registry import Head, SecretKey
from twgw.startup import SHORT_NOT_KEPT, FromDatabase
from twgw.startup_cluster import Asking, FromKeyManagers, listening, preparing, renewing, take_part, tell_counters
from twgw.storage.nodes import give_certificate, remove_node
from twgw.testing import gateway as lent
from twgw.throttle.others import Others


@pytest.fixture
def config(tmp_path):
    """A node of the cluster c1, with a certificate for some roles."""

    def config(*roles, **environment):
        folder = tmp_path / "data" / "cluster"
        folder.mkdir(parents=True)
        for name, text in zip(
            ("ca.pem", "node.pem", "node-key.pem"), (AUTHORITY.certificate, *certified("n1", *roles)), strict=True
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        given = {"TWGW_NODE_DATA_DIR": str(tmp_path / "data"), "TWGW_CLUSTER_NAME": "c1", **environment}
        return load(None, given, {})

    return config


ASKING = {"TWGW_NODE_ROLES": "gateway", "TWGW_CLUSTER_KEYMANAGERS": "km1,km2:9000"}


@pytest.fixture
def gateway(config):
    """A gateway without a database, before it is connected."""
    made = FromKeyManagers(config("gateway", **ASKING), FakeClock(), execute, MemoryLog(), Registry(), Clock())
    source = made.make_source(lambda: dict(find_plugins()), lent(), lambda _upstream: lambda _exchange: None, [].append)
    made.begin()
    source.load()
    return made


def test_a_gateway_without_a_database_begins_with_nothing(gateway):
    """Nobody is asked before the connections are there."""
    assert (None, 0) == (gateway.follower.deployment, gateway.follower.applied)
    assert "key manager km1:8091, km2:9000" == gateway.reader.name
    assert [] == gateway.links.peers("bulk")
    assert [SHORT_NOT_KEPT] == gateway.lines("")
    gateway.close()


def test_it_takes_peppers_and_keys_of_the_cluster(gateway, monkeypatch):
    """And signs in the name of the cluster, so that its tokens are those of every node."""
    from twisted.internet.defer import Deferred, succeed

    from tests.cluster.test_protocol import outcome

    pepper = SecretKey("pepper", 1, "v1:" + "70" * 32, EPOCH, None)
    monkeypatch.setattr(type(gateway.reader), "secrets", lambda _self, _now: succeed(Secrets((pepper,), (), "https://us")))
    outcome(Deferred.fromCoroutine(gateway._read_keys()))

    assert ("v1", "https://us") == (gateway.peppers.known[0].version, gateway.issuer.name)


def test_it_hears_who_was_taken_out(gateway, monkeypatch):
    """With the secrets, as of a position; where a key manager of an earlier version says nothing, nothing changes."""
    from twisted.internet.defer import Deferred, succeed

    from tests.cluster.test_protocol import outcome

    km = Identity("c1", "km1", frozenset({"keymanager"}), "a1")
    said = [Secrets((), (), head=Head(1, 3), removed={"km1": frozenset()}), Secrets((), ())]
    for secrets in said:
        monkeypatch.setattr(type(gateway.reader), "secrets", lambda _self, _now, found=secrets: succeed(found))
        outcome(Deferred.fromCoroutine(gateway._read_keys()))
        assert gateway.links.here.removals.refuses(km)


def test_a_worker_knows_its_parent_whatever_it_is_called(config):
    """Its parent has a certificate of an authority of its own; nodes that are taken out are others."""
    parent = Tls(AUTHORITY.certificate, *certified("n1.worker1", "gateway"))
    made = FromKeyManagers(
        config("gateway", **ASKING), FakeClock(), execute, MemoryLog(), Registry(), Clock(), parent, renews=False
    )  # fmt: skip
    made.removals.saw(Head(1, 1), {"parent": frozenset()})
    node = MultiService()
    take_part(node, Clock(), made, FakeClock(), execute, MemoryLog(), Registry())

    assert not made.links.here.removals.refuses(Identity("c1", "parent"))
    assert not [service for service in node.services if isinstance(service, Rounds)]


def test_who_renews_the_certificate(config, gateway):
    """A node with the database by itself, a gateway by a key manager; a worker only reads what its parent has made."""
    backing = FromDatabase(
        load(None, {"TWGW_NODE_DATA_DIR": str(gateway.config.node.data_dir), "TWGW_CLUSTER_NAME": "c1"}, {}),
        FakeClock(), execute, MemoryLog(), Registry(), None,
    )  # fmt: skip
    asks = []
    for each in (gateway, backing):
        asks.append(renewing(each, gateway.links, None, FakeClock(), execute, MemoryLog())._renewal.ask)
    gateway.renews = False
    worker = renewing(gateway, gateway.links, None, FakeClock(), execute, MemoryLog())._renewal
    backing.close()

    assert (gateway.reader.certificate, None, True) == (asks[0], worker.ask, callable(asks[1]))


def test_a_key_manager_that_was_taken_out_gives_no_leases(config):
    """Not to its own gateway either; it says so."""
    backing = FromDatabase(
        config("keymanager", "gateway", TWGW_CLUSTER_LISTEN="tcp:0"), FakeClock(), execute, log := MemoryLog(),
        Registry(), Clock(),
    )  # fmt: skip
    backing.begin()
    listening(backing, FakeClock(), execute, MemoryLog(), Registry())
    member = backing.membership
    backing.database.run = lambda function, *args, **more: execute(backing.database.call, function, *args, **more)
    asked = LeaseAsked("g", 1, Head(1, 0))
    assert member.heard(asked, "gw1") is not None
    assert UNKNOWN == backing.isolated
    backing.database.call(remove_node, "n1", now=EPOCH, write=True)
    member.renew()
    member.look()
    assert member.heard(asked, "gw1") is None
    assert [line for level, line in log.lines if line == f"this node serves nothing: {TAKEN_OUT}"]
    assert TAKEN_OUT == backing.isolated

    backing.database.call(give_certificate, "b2", "n1", EPOCH + 1e6, now=EPOCH, write=True)
    member.renew()
    member.look()
    assert (None, REPLACED) == (member.heard(asked, "gw1"), backing.isolated)
    assert ("error", f"this node serves nothing: {REPLACED}") == log.lines[-1]
    backing.close()


def test_it_reads_when_the_log_went_on(gateway, monkeypatch):
    """And when a connection is made; what it has already, it does not read again."""
    polls = []
    monkeypatch.setattr(gateway.follower, "poll", lambda: polls.append(1))
    heard = gateway.links.here.answers[Advanced]
    assert {} == heard(None, 0, 0) == heard(None, 0, 3) == heard(None, 1, 0)
    gateway._connected()

    assert 3 == len(polls)


def test_a_node_that_may_not_be_a_gateway_does_not_begin(config):
    """Its certificate says so; and so does one of another cluster."""
    with pytest.raises(CertificateError, match="gives it the roles admin, not gateway"):
        FromKeyManagers(config("admin", **ASKING), FakeClock(), execute, MemoryLog(), Registry(), Clock())


def test_a_certificate_of_another_cluster_is_said(config):
    """With what to do."""
    made = config("gateway", **ASKING, TWGW_CLUSTER_NAME="c2")
    with pytest.raises(CertificateError, match="is of the cluster c1; name that in"):
        FromKeyManagers(made, FakeClock(), execute, MemoryLog(), Registry(), Clock())


def test_a_key_manager_listens_where_it_is_told_to(config):
    """It tells its gateways of each write of its own at once."""
    backing = FromDatabase(
        config("keymanager", TWGW_CLUSTER_LISTEN="tcp:0", TWGW_NODE_ROLES="keymanager"), FakeClock(), execute,
        MemoryLog(), Registry(), None,
    )  # fmt: skip
    backing.begin()
    found, told = listening(backing, FakeClock(), execute, MemoryLog(), Registry()), []
    found.gateways = lambda: [SimpleNamespace(tell=lambda _command, **fields: told.append(fields))]
    backing.reached(1)

    assert found.head.pos > 0
    assert [{"epoch": found.head.epoch, "position": found.head.pos}] == told
    backing.close()


def test_a_key_manager_says_when_it_is_cut_off(config):
    """By what the database answered last, or by how long it has answered nothing."""
    backing = FromDatabase(
        config("keymanager", TWGW_CLUSTER_LISTEN="tcp:0", TWGW_NODE_ROLES="keymanager"), FakeClock(), execute,
        MemoryLog(), Registry(), None,
    )  # fmt: skip
    backing.begin()
    found = listening(backing, FakeClock(), execute, MemoryLog(), Registry())
    assert "" == found.cut_off()
    assert backing.membership.grants.known == found.known()
    backing.membership.grants.left = lambda: 5.0
    assert "the database has not answered for 10 s" == found.cut_off()
    backing.membership.outage = "refused"
    assert "refused" == found.cut_off()

    backing.database.call(give_certificate, "1", "n2", NOW + 1, now=NOW, write=True)
    found.cut_off = str
    found.look()
    assert {"n2"} == found.attendance.nodes
    backing.close()


def test_without_a_listener_nothing_changes(config):
    """A node by itself needs no certificate."""
    backing = FromDatabase(config(), FakeClock(), execute, MemoryLog(), Registry(), None)

    node = MultiService()
    take_part(node, Clock(), backing, FakeClock(), execute, MemoryLog(), Registry())
    backing.close()

    assert [] == node.services


def test_a_node_in_a_cluster_looks_after_its_connections(gateway):
    """Every second, as part of it; how many there are is measured."""
    node, metrics = MultiService(), Registry()
    take_part(node, Clock(), gateway, FakeClock(), execute, MemoryLog(), metrics)

    assert gateway.links is node.services[0]
    assert 5 == len(node.services), "its certificate and its lease are looked at, too"
    found = {family.name: family.samples[0].value for family in metrics.collect() if family.samples}
    assert 0 == found["twgw_cluster_connections"]
    assert gateway.links.tls.ends_at == found["twgw_cluster_certificate_expires_at"]
    assert "twgw_cluster_lease_seconds" in found


def test_a_gateway_trusts_what_it_knows_by_leases_of_key_managers(gateway):
    """It is cut off until it is given one; it says what it has in force, and gives its leases back when it stops."""
    told = []
    gateway.links = SimpleNamespace(peers=lambda link: [link], why=f"km1:8091: {TAKEN_OUT}")
    gateway.carrier = SimpleNamespace(tell=lambda peer, message: told.append((peer, message)))
    gateway.reactor = Clock()
    service = Asking(gateway)
    report = Report("d")
    service.startService()
    gateway._in_force(Head(1, 7), report)
    first, said, asked = (message for _, message in told)

    assert gateway.isolated
    assert Ack(gateway.lease.gateway, Head(1, 7), report) == said
    assert [Head(0, 0), Head(1, 7)] == [first.applied, asked.applied], "it asks at once when it has caught up"

    assert not gateway.others().share
    gateway._told(LeaseGiven(asked.gateway, asked.number, 4.0, Head(1, 7), Others(3)))

    assert not gateway.isolated
    assert Others(3) == gateway.others()

    service.stopService()

    assert TAKEN_OUT == gateway.isolated
    gateway.links.why = f"km1:8091: {REPLACED}"
    assert REPLACED == gateway.isolated
    gateway.links.why = "km1:8091: refused"
    assert UNKNOWN == gateway.isolated
    assert not gateway.others().share
    assert ("control", LeaseReturned(gateway.lease.gateway, 2)) == told[-1]

    gateway._in_force(Head(1, 8), report)
    gateway.look()
    assert ("control", Ack(gateway.lease.gateway, Head(1, 8), report)) == told[-1], "it asks for none after that"


def test_a_gateway_reads_everything_anew_when_it_is_told_to(gateway, monkeypatch):
    """By a key manager that has seen that it serves something else; what is meant for another is let be."""
    rereads = []
    monkeypatch.setattr(gateway.follower, "reload", lambda: rereads.append(1))
    gateway._told(Anew("another"))
    gateway._told(Anew(gateway.lease.gateway))

    assert [1] == rereads


def test_a_key_manager_tells_its_gateways_to_read_everything_anew(config):
    """Those elsewhere over their connections, its own at once."""
    backing = FromDatabase(
        config("keymanager", "gateway", TWGW_CLUSTER_LISTEN="tcp:0"), FakeClock(), execute, MemoryLog(), Registry(),
        None,
    )  # fmt: skip
    backing.begin()
    found, told, rereads = listening(backing, FakeClock(), execute, MemoryLog(), Registry()), [], []
    found.gateways = lambda: [SimpleNamespace(tell=lambda command, **said: told.append(said))]
    backing.membership.reread = lambda: rereads.append(1)
    backing.membership.anew("g")
    backing.membership.anew(backing.membership.lease.gateway)

    assert ([{"kind": "Anew", "body": b'{"gateway": "g"}'}], [1]) == (told, rereads)
    assert {backing.config.node.name} == {each.node for each in found.roll().values()}
    backing.close()


def test_how_limits_are_counted_is_told(gateway):
    """With every question for a lease; by a node with the database, too."""
    told = []
    tell_counters(gateway, lambda: "shared")
    gateway.links = SimpleNamespace(peers=lambda link: [link])
    gateway.carrier = SimpleNamespace(tell=lambda _peer, message: told.append(message))
    gateway.look()

    assert "shared" == told[0].report.counters


def test_changes_are_prepared_where_there_are_others(config):
    """A node by itself has tried them already."""
    alone = FromDatabase(config(), FakeClock(), execute, MemoryLog(), Registry(), None)
    tell_counters(alone, str)

    assert preparing(alone) is None
    alone.close()


def test_changes_are_prepared_in_a_cluster(config):
    """By what the membership knows."""
    member = FromDatabase(
        config("keymanager", "gateway", TWGW_CLUSTER_LISTEN="tcp:0"), FakeClock(), execute, MemoryLog(), Registry(),
        None,
    )  # fmt: skip
    tell_counters(member, lambda: "m1 is down")

    assert callable(preparing(member))
    assert "m1 is down" == member.membership.counters()
    member.close()
