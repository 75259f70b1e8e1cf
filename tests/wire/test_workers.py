"""A node with workers: real processes that share its listeners, are killed, stopped, and told to end."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.wire.members import certify, wait_for
from tests.wire.processes import PATIENCE, PLAIN, Node, api, free_port
from tests.wire.test_admin import Registry, an_api
from tests.wire.test_tls import certificate
from twgw.cluster import authority
from twgw.web.resource import REACHED

WHICH = '''"""Say which process answered."""

import os

from twgw import hookimpl


@hookimpl
def twgw_respond(exchange):
    """In a field."""
    exchange.response.headers.add("X-Process", str(os.getpid()))
'''
TWGW = str(Path(sys.executable).with_name("twgw"))
POLICIES = ("key-auth", "subscription", "which")


def children(pid):
    """The processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    """Whether a process runs still."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Workers(Registry):
    """A node with two workers on SQLite, an API and a key."""

    def __init__(self, folder, start, upstream, policies=POLICIES, **more):
        (folder / "plugins").mkdir()
        (folder / "plugins" / "which.py").write_text(WHICH)
        cluster = {"lease": 2.0, "session": 4.0, **more.pop("cluster", {})}
        self.node = Node(folder, start, None, gateway={"workers": 2}, cluster=cluster, **more)
        self.node.ready()
        self.secret = folder / "data" / "admin.secret"
        self.token = self.secret.read_text().strip()
        self.pid = self.node.process.popen.pid
        text = {**an_api(upstream.port), "policies": [{"name": each} for each in policies]}
        self.ask("POST", "/apis", {"api": text, "publish": True}, status=201)
        self.ask("POST", "/applications", {"name": "me", "subscribe": ["hello"]}, status=201)
        self.key = self.new_key()
        wait_for(lambda: self.ready() == 2)

    def new_key(self):
        return self.ask("POST", "/applications/me/keys", {}, status=201)["key"]

    def ready(self):
        """How many workers are ready."""
        return json.loads(self.node.ask("/readyz")[2])["workers"]["ready"]

    def asked(self, key=None):
        """Status, and which process answered, on a connection of its own."""
        status, fields, _ = self.node.get("/hello", **{"X-API-Key": key or self.key})
        return status, int(fields.get("X-Process", 0))

    def each(self, key):
        """The statuses that the workers answer with, each of them once at least."""
        return statuses(self.node, key)


def statuses(node, key):
    """Those with which all workers of a node answer."""
    found, wanted = {}, set(children(node.process.popen.pid))

    def ask():
        status, fields, _ = node.get("/hello", **{"X-API-Key": key})
        found[int(fields.get("X-Process", 0))] = status
        return wanted <= found.keys()

    wait_for(ask)
    return {found[pid] for pid in wanted}


@pytest.fixture
def workers(tmp_path, start, upstream):
    """A node with two workers."""
    return Workers(tmp_path, start, upstream)


class Load:
    """Clients that ask all the time, each on a connection that stays while it may."""

    def __init__(self, node, key, clients=4):
        self.node, self.key, self.going = node, key, True
        self.statuses, self.broken, self.processes = [], [], set()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for each in self.threads:
            each.start()

    def _run(self):
        connection = None
        while self.going:
            sent = False
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=PATIENCE)
                    connection.connect()
                sent = True
                connection.request("GET", "/hello", headers={"X-API-Key": self.key})
                answer = connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)
                self.processes.add(answer.getheader("X-Process"))
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                if sent:
                    self.broken.append(repr(error))
                connection.close()
                connection = None
                time.sleep(0.01)
        if connection is not None:
            connection.close()

    def end(self):
        self.going = False
        for each in self.threads:
            each.join(PATIENCE)
        return self


def test_workers_share_the_traffic(workers):
    """Both answer, on one port; the parent does not, and says how many are ready; its numbers are those of both."""
    pids = children(workers.pid)
    assert 2 == len(pids)
    load = Load(workers.node, workers.key)
    wait_for(lambda: len(load.processes) == 2)
    load.end()

    assert set(map(str, pids)) == load.processes
    assert {200} == set(load.statuses)
    status, _, text = workers.node.ask("/metrics")
    counted = [line for line in text.decode().splitlines() if line.startswith("twgw_requests_total{")]
    assert 200 == status
    assert len(load.statuses) == sum(float(line.rpartition(" ")[2]) for line in counted if 'api="hello' in line)
    log = workers.node.folder / "data" / "access.log"
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) >= len(load.statuses))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(load.statuses) == len([line for line in lines if line["path"] == "/hello"])


def test_what_is_revoked_or_published_is_so_in_all_workers(workers):
    """When the call returns."""
    for _ in range(5):
        key = workers.new_key()
        assert {200} == workers.each(key)
        workers.ask("POST", "/revocations", {"key": key}, status=200)
        assert [401] * 8 == [workers.asked(key)[0] for _ in range(8)]

    workers.ask("POST", "/apis/hello/moves", {"move": "block"}, status=200)
    assert [503] * 8 == [workers.asked()[0] for _ in range(8)]


def test_a_stopped_worker_holds_a_revocation_up_for_a_lease(workers):
    """Not for ever: who waits for more than some seconds is told so.  And it refuses, on a connection that it had."""
    first, _ = children(workers.pid)
    held = http.client.HTTPConnection("127.0.0.1", workers.node.port, timeout=PATIENCE)
    while True:
        held.request("GET", "/hello", headers={"X-API-Key": workers.key})
        answer = held.getresponse()
        answer.read()
        if answer.getheader("X-Process") == str(first):
            break
        held.close()
    os.kill(first, signal.SIGSTOP)
    began = time.monotonic()
    workers.ask("POST", "/revocations", {"key": workers.key}, status=200)
    took = time.monotonic() - began
    held.request("GET", "/hello", headers={"X-API-Key": workers.key})
    os.kill(first, signal.SIGCONT)

    assert took > 0.5, "or nobody waited for it"
    assert held.getresponse().status in {401, 503}
    held.close()


def test_a_killed_worker_is_started_again(workers):
    """What it was answering is lost, nothing else; no number goes back."""
    load = Load(workers.node, workers.key)
    wait_for(lambda: len(load.processes) == 2)
    before, old = requests(workers), children(workers.pid)
    os.kill(old[0], signal.SIGKILL)
    workers.node.process.wait_for("ended (killed by signal 9); another one begins")
    wait_for(lambda: workers.asked()[1] not in {0, *old})
    load.end()

    assert len(load.broken) <= 4, load.broken
    assert {200} == set(load.statuses)
    assert requests(workers) >= before
    wait_for(lambda: workers.ready() == 2)


def requests(workers):
    """How many were counted."""
    text = workers.node.ask("/metrics")[2].decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("twgw_requests_total{"))


def test_workers_end_with_their_parent(workers):
    """Also one that is stopped; nobody is left who serves."""
    pids = children(workers.pid)
    os.kill(pids[0], signal.SIGSTOP)
    workers.node.process.kill()
    wait_for(lambda: not any(map(is_alive, pids)))

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", workers.node.port), PATIENCE)


def test_workers_drain(workers):
    """SIGTERM to the parent, under load: every request that was begun is answered; exit status 0."""
    load = Load(workers.node, workers.key)
    wait_for(lambda: len(load.processes) == 2)
    pids = children(workers.pid)
    assert 0 == workers.node.terminate()
    load.end()

    assert [] == load.broken
    assert {200} == set(load.statuses)
    assert not any(map(is_alive, pids))


def test_workers_of_several_nodes_are_one_cluster(tmp_path, start, upstream):
    """Those of a key manager and those of a gateway without a database: revoked is revoked in all of them."""
    signer, port, folders = authority.new_authority("twgw", time.time()), free_port(), [tmp_path / "k", tmp_path / "g"]
    for folder, roles in zip(folders, (("keymanager", "gateway"), ("gateway",)), strict=True):
        folder.mkdir()
        certify(folder, folder.name, signer, *roles)
    begin = lambda folder: lambda *words: start(*words, folder=folder)
    manager = Workers(folders[0], begin(folders[0]), upstream, node={"data_dir": "data", "name": "k"},
                      cluster={"listen": f"tcp:{port}:interface=127.0.0.1"})  # fmt: skip
    shutil.copytree(folders[0] / "plugins", folders[1] / "plugins")
    gateway = Node(
        folders[1], begin(folders[1]), None, gateway={"workers": 2}, control={"listen": ""},
        node={"data_dir": "data", "name": "g", "roles": ["gateway", "admin"]},
        cluster={"keymanagers": [f"127.0.0.1:{port}"], "lease": 2.0, "session": 4.0},
    ).ready()  # fmt: skip
    wait_for(lambda: b'"ready": 2' in gateway.ask("/readyz")[2])
    for _ in range(3):
        key = manager.new_key()
        assert {200} == statuses(gateway, key)
        assert {200} == manager.each(key)
        told = reached(manager, key)
        assert [401] * 8 == [node.get("/hello", **{"X-API-Key": key})[0] for node in (gateway, manager.node) * 4]

    assert {"k.worker1", "k.worker2", "g"} == set(told["in_force"])
    asked = [TWGW, "cluster", "status", "--json", "--config", str(folders[0] / "twgw.toml")]
    shown = lambda: json.loads(subprocess.run(asked, capture_output=True, check=True, text=True, env=PLAIN).stdout)
    wait_for(lambda: {"k", "k.worker1", "k.worker2", "g"} == {each["node"] for each in shown()["nodes"]})


MANY = 1500


def test_very_many_apis_at_once_cost_nobody_a_call(tmp_path, start, upstream):
    """To read and to compile them takes longer than a lease lasts; all go on meanwhile, and somebody is revoked."""
    workers = Workers(tmp_path, start, upstream, cluster={"session": 15.0})
    file = tmp_path / "many.yaml"
    file.write_text(json.dumps({"apis": [api(upstream.port, f"many{number}") for number in range(MANY)]}))
    key = workers.new_key()
    assert {200} == workers.each(key)
    load = Load(workers.node, workers.key, clients=2)
    told = [TWGW, "config", "sync", str(file), "--tag", "many", "--config", str(tmp_path / "twgw.toml")]
    subprocess.run(told, check=True, capture_output=True, env=PLAIN)
    workers.ask("POST", "/revocations", {"key": key}, status=200)
    assert {401} == workers.each(key)
    for number in (0, MANY - 1):
        wait_for(lambda number=number: {workers.node.get(f"/many{number}/x")[0] for _ in range(4)} == {200})
    load.end()

    assert ([], {200}) == (load.broken, set(load.statuses))


def reached(manager, key):
    """Revoke a key, and say where that was in force."""
    connection = http.client.HTTPConnection("127.0.0.1", manager.node.admin, timeout=PATIENCE)
    fields = {"Authorization": f"Bearer {manager.token}", "Content-Type": "application/json"}
    connection.request("POST", "/admin/v1/revocations", json.dumps({"key": key}), fields)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert 200 == answer.status
    return json.loads(answer.getheader(REACHED))


def test_listeners_with_tls_are_shared_and_read_again(tmp_path, start, upstream):
    """Certificates and the state file, by SIGHUP to the parent; a second SIGTERM ends all at once."""
    file = certificate(tmp_path, "localhost")[2]
    port = free_port()
    node = Node(
        tmp_path, start, {"apis": [api(upstream.port, "hello")]}, [f"ssl:{port}:interface=127.0.0.1:certKey={file}"],
        gateway={"workers": 2},
    ).ready()  # fmt: skip
    wait_for(lambda: b'"ready": 2' in node.ask("/readyz")[2])
    pids = children(node.process.popen.pid)

    def asked():
        """The certificate that is shown, and the status."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"GET /new HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return secure.getpeercert(binary_form=True), secure.recv(12)

    ((before, status),) = {asked() for _ in range(6)}
    assert b"HTTP/1.1 404" == status
    certificate(tmp_path, "localhost", serial=2)
    node.write({"apis": [api(upstream.port, "new")]})
    node.process.signal(signal.SIGHUP)
    wait_for(lambda: {b"HTTP/1.1 200"} == {asked()[1] for _ in range(6)})
    wait_for(lambda: before not in {asked()[0] for _ in range(6)})

    stuck = socket.create_connection(("127.0.0.1", port), PATIENCE)
    stuck.send(b"\x16\x03\x01")
    node.process.signal(signal.SIGTERM)
    node.process.wait_for("exchanges may go on")
    node.process.signal(signal.SIGTERM)
    assert 1 == node.process.end()
    wait_for(lambda: not any(map(is_alive, pids)))
    stuck.close()


@pytest.mark.parametrize("counts", ["the parent", "memcached"])
def test_workers_count_limits_together(tmp_path, start, upstream, memcached, counts):
    """Exactly, with no memcached and with one; each lets pass what is left by the other."""
    state = {"apis": [api(upstream.port, "hello", policies=[
        {"name": "rate-limit", "settings": {"by": "api", "limits": [{"amount": 100, "period": 2592000}]}}
    ])]}  # fmt: skip
    servers = [memcached.name] if counts == "memcached" else []
    node = Node(tmp_path, start, state, gateway={"workers": 2}, memcached={"servers": servers, "timeout": 5}).ready()
    wait_for(lambda: b'"ready": 2' in node.ask("/readyz")[2])
    load = Load(node, "")
    wait_for(lambda: len(load.statuses) > 300)
    load.end()
    assert bool(servers) == bool(memcached.names())

    assert 100 == load.statuses.count(200)
    assert {200, 429} == set(load.statuses)
