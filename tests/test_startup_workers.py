"""A node with workers, both ends of it in one process.  As real ones in tests/wire/test_workers.py."""

import os
from types import SimpleNamespace

import attrs
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.testing import MemoryReactorClock

from tests.cluster.test_protocol import outcome
from tests.cluster.wires import NOW, Wire
from tests.cluster.wires import Node as End
from twgw.admin.status import Status
from twgw.cluster.answers import in_pieces
from twgw.cluster.commands import Measure, Reserve
from twgw.config import load
from twgw.gateway.certificates import CertificateError
from twgw.memory_world import FakeClock, MemoryLog
from twgw.metrics import Registry
from twgw.startup import FromDatabase, FromFile
from twgw.startup_cluster import FromKeyManagers
from twgw.startup_workers import AT_THE_LATEST, FRESH, SOON, Work, Workers, name_of
from twgw.throttle.reservation import Add
from twgw.workers.reserving import read_replies, write_wanted
from twgw.workers.sums import written

STATE = {"TWGW_STATE_FILE": "apis.yaml"}


@pytest.fixture
def world():
    """A reactor, a clock and a log."""
    clock = FakeClock()
    clock.wall = lambda: NOW + clock.now()  # certificates are judged by the clock of the machine
    return SimpleNamespace(reactor=MemoryReactorClock(), clock=clock, log=MemoryLog())


@pytest.fixture
def parent(tmp_path, world):
    """The parent's side, with a file or a database."""

    def make(**environment):
        given = {"TWGW_NODE_DATA_DIR": str(tmp_path), "TWGW_NODE_NAME": "n", "TWGW_GATEWAY_WORKERS": "2", **environment}
        config, metrics = load(None, given, {}), Registry()
        if config.state.file:
            backing = FromFile(config, world.clock, execute)
        else:
            backing = FromDatabase(config, world.clock, execute, world.log, metrics, world.reactor)
        made = Workers(world.reactor, config, backing, world.clock, world.log, metrics, execute)
        made.listening._port = SimpleNamespace(getHost=lambda: SimpleNamespace(port=4711), stopListening=lambda: None)
        return made

    return make


def handed(parent, number=1):
    """What a worker is handed."""
    return parent._hand(number, (3, 4))


def test_a_worker_is_handed_what_it_needs(parent):
    """With a certificate of its own, by which the parent knows it; it is a gateway, and no more."""
    made = parent(**STATE)
    first, second = handed(made, 1), handed(made, 2)

    assert (made.config, 1, 2, 4711, (4,), 3) == attrs.astuple(first, recurse=False)[:6]
    assert not first.is_key_manager
    assert first.key != second.key
    identity = first.tls.identity
    assert (name_of("n", 1), frozenset({"gateway"})) == (identity.node, identity.roles)
    assert first.ca == made._signer.certificate


def test_a_parent_with_a_database_is_asked_for_the_state(parent, world):
    """As a key manager is, by a gateway without one; as such it gives leases, also in no cluster."""
    made = parent()
    worker = Work(world.reactor, handed(made), world.clock, world.log, Registry())
    backing = FromKeyManagers(
        worker.config, world.clock, execute, world.log, Registry(), world.reactor, worker.tls
    )  # fmt: skip

    assert made.backing.membership is not None
    assert "key manager 127.0.0.1:4711" == backing.reader.name
    assert backing.isolated
    assert worker.tls.identity.cluster == made.config.cluster.name
    made.backing.close()


def test_other_key_managers_are_asked_by_workers_themselves(parent, world):
    """And a file is read by them."""
    made = parent(**STATE)
    worker = Work(world.reactor, handed(made), world.clock, world.log, Registry())

    assert (made.config, None) == (worker.config, None if worker.tls is None else 1)


def test_a_certificate_that_cannot_be_used_ends_the_start(parent, world, tmp_path):
    """Before any worker begins, with the file."""
    made = parent(**STATE, TWGW_GATEWAY_LISTEN=f"ssl:0:certKey={tmp_path}/none.pem")

    with pytest.raises(CertificateError, match=r"none\.pem"):
        made.hold()


def test_what_workers_say_of_themselves_holds_for_a_while(parent, world):
    """One that says nothing is not ready."""
    made, own = parent(**STATE), Status("n", 1, 1)
    assert (0, 2) == made.status(own).workers
    for number in (1, 2):
        peer = SimpleNamespace(identity=SimpleNamespace(node=name_of("n", number)), greeted=True, link="control")
        made._hear(peer, Status("n", 1, 1))
        world.clock.advance(FRESH / 2 + 0.1)
    stranger = SimpleNamespace(identity=SimpleNamespace(node="parent"), greeted=True, link="control")
    made._hear(stranger, Status("n", 1, 1))

    assert (1, 2) == made.status(own).workers
    made._left(2)
    assert (0, 2) == made.status(own).workers


def connected(made, world, **answers):
    """A worker on the other end of a connection for what is large."""
    server = End(made.listening.tls, made.listening.here)
    client = End.make(world.clock, name_of("n", 1), "gateway", answers=answers)
    given = handed(made)
    client.tls, client.here.identity = given.tls, given.tls.identity
    return Wire(world.clock, server, client, link="bulk")


def test_a_scrape_shows_what_all_processes_counted(parent, world):
    """Once the workers have told it; one that does not answer counts as it was."""
    made, told, answer = parent(**STATE), Registry(), [None]
    told.counter("asked", "Asked.").add((), 3)
    made.metrics.counter("asked", "Asked.").add((), 1)

    def measure(peer):
        return answer[0] or in_pieces(peer, written(told.collect(), told.of_all))

    wire = connected(made, world)
    wire.client._here.answers = {Measure: measure}
    own = CollectorRegistry()
    own.register(made.metrics)
    exposed = made.exposed(own)
    for count in (4.0, 5.0):
        done = made.measure()
        wire.pump()
        assert done.called
        assert f"asked_total {count}" in generate_latest(exposed).decode()
        told.counter("asked", "Asked.").add()
    answer[0] = Deferred()
    done = made.measure()
    wire.pump()
    assert not done.called
    world.reactor.advance(1)

    assert done.called
    assert "asked_total 5.0" in generate_latest(exposed).decode()
    assert "twgw_workers 2.0" in generate_latest(exposed).decode()


def test_a_worker_reserves_numbers_with_its_parent(parent, world):
    """And every other one hears of it."""
    made = parent(**STATE)
    wire = connected(made, world)
    asked = wire.client.ask(Reserve, wanted=write_wanted([Add("a", 7, 1, 60), Add("a", 7, 1, 60)]))
    wire.pump()

    assert [7, 8] == [it.value for it in read_replies(outcome(asked)["replies"])]
    assert 1 == len(made.numbers)


def test_a_worker_begins_when_it_is_ready(parent, world):
    """When it is connected with its parent, too; it says so at once, and then every second."""
    given = handed(parent(**STATE))
    worker = Work(world.reactor, given, world.clock, world.log, Registry())
    board = os.memfd_create("test")
    os.truncate(board, 16)
    worker.handed = attrs.evolve(given, board=board)
    assert ["tcp"] == [where.kind for where, _ in worker.listeners(lambda: 5)]
    node, status, begun, said = MultiService(), [Status("n", 0, 0, reasons=("x",))], [], []
    worker._carrier = SimpleNamespace(tell=lambda peer, it: said.append((peer, it)))
    worker.join(node, None, lambda: status[0], lambda: begun.append(1))
    peers = []
    worker.links.disownServiceParent()
    worker.links = SimpleNamespace(peers=lambda link: peers)
    node.startService()
    world.reactor.advance(1)
    status[0] = Status("n", 1, 1)
    world.reactor.advance(1)
    assert [] == begun
    peers.append("parent")
    world.reactor.advance(SOON)
    world.reactor.pump([SOON] * 40)

    assert [1] == begun
    assert ("parent", status[0]) == said[0]
    assert 3 == len(said)
    assert 5 == worker.balance.numbers[0]
    node.stopService()
    os.close(board)


def test_a_worker_that_is_not_ready_begins_in_the_end(parent, world):
    """Clients are to be told why."""
    worker = Work(world.reactor, handed(parent(**STATE)), world.clock, world.log, Registry())
    worker.balance = SimpleNamespace(tell=lambda: None)
    begun, node = [], MultiService()
    worker.join(node, None, lambda: Status("n", 0, 0, reasons=("x",)), lambda: begun.append(1))
    worker.links.disownServiceParent()
    node.startService()
    world.clock.advance(AT_THE_LATEST + 0.1)
    world.reactor.advance(SOON)

    assert [1] == begun
    node.stopService()


def test_a_parent_lets_its_listeners_go_before_workers_do(parent, world):
    """One after the other."""
    made, gone = parent(**STATE), []
    made._held = [SimpleNamespace(stopListening=lambda n=n: succeed(gone.append(n))) for n in range(2)]

    outcome(Deferred.fromCoroutine(made.let_go()))

    assert ([0, 1], []) == (gone, made.addresses)
