"""A gateway without a database, and the key manager that it asks: real processes, real TLS."""

import http.client
import json
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep, time
from types import SimpleNamespace

import pytest

from tests.wire.processes import PATIENCE, PLAIN, Node, free_port
from twgw.cluster import authority
from twgw.cluster.authority import Identity
from twgw.credentials import Pepper, digest, mint
from twgw.model import Api, Credential, Lifecycle, Policy, Target, Upstream
from twgw.storage.apis import create_api, publish
from twgw.storage.applications import create_application
from twgw.storage.credentials import add_credential, revoke_credential
from twgw.storage.database import Database
from twgw.storage.keys import ensure_key, keys_of
from twgw.storage.subscriptions import subscribe

AUTHORITY = authority.new_authority("twgw", time())
NOTHING = {"listen": ""}
TWGW = str(Path(sys.executable).with_name("twgw"))


def certify(folder, node, *roles, signer=AUTHORITY, left=730):
    """Put the files of a node where it looks for them, good for so many days; returns those of certificate and key."""
    target = folder / "data" / "cluster"
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = authority.new_key()
    began, who = time() - (730 - left) * 86400, Identity("twgw", node, frozenset(roles))
    made = authority.issue(signer, authority.request(key, node), who, began)
    files = {"ca.pem": AUTHORITY.certificate, "node.pem": made, "node-key.pem": key}
    for name, text in files.items():
        (target / name).write_text(text)
        (target / name).chmod(0o600)
    return target / "node.pem", target / "node-key.pem"


def until(done):
    """Wait for something that another process does."""
    end = monotonic() + 4 * PATIENCE
    while not done():
        assert monotonic() < end
        sleep(0.05)


class Registry:
    """The database of the key manager, written to from outside."""

    def __init__(self, folder):
        self.database = Database(f"sqlite:///{folder}/data/twgw.db")
        self._pepper = Pepper.from_text(self.database.call(keys_of, "pepper", now=time())[0].material)

    def write(self, function, *args, **kwargs):
        return self.database.call(function, *args, write=True, now=time(), **kwargs)

    def api(self, name, upstream):
        """An API for whoever has a key and is subscribed."""
        api = Api(
            name, "1", f"/{name}", upstream=Upstream((Target(f"http://127.0.0.1:{upstream.port}"),)),
            policies=(Policy("key-auth"), Policy("subscription")),
        )  # fmt: skip
        self.write(create_api, api, owner="ann", state=Lifecycle.PUBLISHED)
        return self.write(publish, api.id, 1)

    def key(self, application, *apis):
        """A key of a new application that is subscribed to them."""
        self.write(create_application, application, owner="ann")
        for api in apis:
            self.write(subscribe, application, f"{api}:1")
        secret = mint()
        stored = digest(self._pepper, secret)
        self.write(add_credential, Credential(id=application, application=application, digest=stored))
        return secret


@pytest.fixture
def port():
    """Where the key manager answers other nodes."""
    return free_port()


@pytest.fixture
def key_manager(tmp_path, start, port):
    """Starts a node with every role and a database, that answers others."""
    registries = []

    def key_manager(left=730, **terms):
        folder = tmp_path / "km"
        folder.mkdir()
        certify(folder, "km1", "keymanager", "gateway", left=left)
        made = Node(
            folder, lambda *args: start(*args, folder=folder), None, node={"name": "km1", "data_dir": "data"},
            control=NOTHING, cluster={"listen": f"tcp:{port}:interface=127.0.0.1", **terms},
        ).ready()  # fmt: skip
        made.registry = Registry(folder)
        registries.append(made.registry)
        return made

    yield key_manager
    for registry in registries:
        registry.database.close()


@pytest.fixture
def km(key_manager):
    """One whose leases last for long."""
    return key_manager(lease=20, session=20)


@pytest.fixture
def gateway(tmp_path, start, port):
    """Starts a gateway without a database."""

    def gateway(name="gw1", roles=("gateway",), ports=(port,), left=730):
        folder = tmp_path / name
        folder.mkdir()
        _, key = certify(folder, name, *roles, left=left)
        first_key = key.read_text()  # it may have another one as soon as it is there
        made = Node(
            folder, lambda *args: start(*args, folder=folder), None, control=NOTHING,
            node={"name": name, "data_dir": "data", "roles": ["gateway", "admin"]},
            cluster={"keymanagers": [f"127.0.0.1:{each}" for each in ports]},
        ).ready()  # fmt: skip
        made.first_key = first_key
        return made

    return gateway


def status(node, path, key):
    return node.get(path, **{"X-API-Key": key})[0]


def test_what_is_done_at_the_key_manager_is_done_at_the_gateway(km, gateway, upstream):
    """A published API is live, a key works, a revoked one does not, on both; the gateway has no database."""
    km.registry.api("pets", upstream)
    key, other = km.registry.key("shop", "pets"), km.registry.key("toys")
    gw = gateway()
    until(lambda: gw.ask("/readyz")[0] == 200)
    until(lambda: status(km, "/pets/7", key) == 200)

    assert (200, 200) == (status(gw, "/pets/7", key), status(km, "/pets/7", key))
    assert (403, 401) == (status(gw, "/pets/7", other), status(gw, "/pets/7", mint()))
    assert not (gw.folder / "data" / "twgw.db").exists()

    km.registry.api("cats", upstream)
    km.registry.write(subscribe, "toys", "cats:1")
    until(lambda: status(gw, "/cats/1", other) == 200)

    revoked = km.registry.write(revoke_credential, "api-key", "shop")
    until(lambda: json.loads(gw.ask("/readyz")[2])["position"] >= revoked)
    assert 401 == status(gw, "/pets/7", key)
    until(lambda: status(km, "/pets/7", key) == 401)
    assert 200 == status(gw, "/cats/1", other)


def test_a_gateway_goes_on_while_its_key_manager_is_away(km, gateway, upstream, start):
    """Keys that it knows are served for a lease, others get 503; when the key manager is back, so is everything."""
    km.registry.api("pets", upstream)
    known, unknown = km.registry.key("shop", "pets"), km.registry.key("toys", "pets")
    gw = gateway()
    until(lambda: status(gw, "/pets/7", known) == 200)
    assert 0 == km.terminate()
    gw.process.wait_for("no key manager answers")

    assert (200, 503) == (status(gw, "/pets/7", known), status(gw, "/pets/7", unknown))
    until(lambda: "no key manager answers" in gw.ask("/readyz")[2].decode())

    start("--config", str(km.folder / "twgw.toml"), folder=km.folder).wait_for("memory only")
    until(lambda: status(gw, "/pets/7", unknown) == 200)
    assert 200 == status(gw, "/pets/7", known)


def test_a_gateway_that_finds_nobody_is_not_ready(gateway, km, upstream):
    """It answers 503 and says why; when somebody is there, it begins by itself."""
    km.registry.api("pets", upstream)
    key = km.registry.key("shop", "pets")
    km.process.signal(signal.SIGSTOP)
    gw = gateway()
    code, _, body = gw.ask("/readyz")

    assert (503, 503) == (code, status(gw, "/pets/7", key))
    assert "no state is deployed yet" in body.decode()

    km.process.signal(signal.SIGCONT)
    until(lambda: gw.ask("/readyz")[0] == 200)
    assert 200 == status(gw, "/pets/7", key)


def test_the_next_key_manager_is_asked(km, gateway, upstream, port):
    """When the first that is named does not answer."""
    km.registry.api("pets", upstream)
    key = km.registry.key("shop", "pets")
    gw = gateway(ports=(free_port(), port))

    until(lambda: status(gw, "/pets/7", key) == 200)


def test_a_certificate_without_the_role_ends_the_start(tmp_path, start, port):
    """In one line."""
    folder = tmp_path / "gw"
    folder.mkdir()
    certify(folder, "gw1", "admin")
    node = Node(
        folder, lambda *args: start(*args, folder=folder), None, control=NOTHING,
        node={"data_dir": "data", "roles": ["gateway"]}, cluster={"keymanagers": [f"127.0.0.1:{port}"]},
    )  # fmt: skip

    assert 1 == node.process.end()
    assert ["the certificate of this node gives it the roles admin, not gateway; make another with: "
            "twgw cluster init, or join"] == node.process.lines  # fmt: skip


# --- how a node joins, as a person types it ---


def typed(folder, *words, status=0):
    """What a command said."""
    done = subprocess.run(
        [TWGW, "cluster", *words, "--config", "twgw.toml"], cwd=folder, env=PLAIN, capture_output=True, text=True,
        check=False, timeout=8 * PATIENCE,
    )  # fmt: skip
    assert status == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_two_boxes_become_a_cluster(tmp_path, start, upstream, port):
    """With init on the one, join on the other, and a start of both; then status says how they stand."""
    one, two = tmp_path / "one", tmp_path / "two"
    places = {}
    for folder, name in ((one, "n1"), (two, "n2")):
        folder.mkdir()
        places[name] = free_port(), free_port()
        (folder / "twgw.toml").write_text(
            f"# {name} is mine\n[node]\nname = '{name}'\ndata_dir = 'data'\n\n[gateway]\n"
            f"listen = ['tcp:{places[name][0]}:interface=127.0.0.1']\n\n[admin]\n"
            f"listen = 'tcp:{places[name][1]}'\n\n[control]\nlisten = ''\n"
        )  # fmt: skip
    with (one / "twgw.toml").open("a") as file:
        file.write(f"[cluster]\nlisten = 'tcp:{port}:interface=127.0.0.1'\nadvertise = '127.0.0.1:{port}'\n")
    assert "no cluster; run: twgw cluster init" in typed(two, "status", status=1)
    said = typed(one, "init")
    token = said.partition("--token ")[2].split()[0]
    assert f"twgw cluster join 127.0.0.1:{port} --token twgwjoin_" in said
    started = start("--config", "twgw.toml", folder=one)
    started.wait_for("memory only")
    registry = Registry(one)
    registry.api("pets", upstream)
    key = registry.key("shop", "pets")

    assert "n2 joined the cluster twgw: gateway" in typed(two, "join", f"127.0.0.1:{port}", "--token", token)
    text = (two / "twgw.toml").read_text()
    assert text.startswith("# n2 is mine\n[node]\n")
    assert {"name": "twgw", "keymanagers": [f"127.0.0.1:{port}"]} == tomllib.loads(text)["cluster"]
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (two / "data/cluster").iterdir()}
    (two / "data" / "cluster").rename(two / "data" / "kept")
    assert "unknown, used, or older" in typed(two, "join", f"127.0.0.1:{port}", "--token", token, status=1)
    (two / "data" / "kept").rename(two / "data" / "cluster")
    assert "is there already" in typed(two, "join", f"127.0.0.1:{port}", "--token", token, status=1)

    start("--config", "twgw.toml", folder=two).wait_for("memory only")
    client = SimpleNamespace(host="127.0.0.1", port=places["n2"][0])
    until(lambda: Node.get(client, "/pets/7", **{"X-API-Key": key})[0] == 200)
    until(lambda: [0, 0] == [each["lag"] for each in json.loads(typed(one, "status", "--json"))["nodes"]])
    assert ["n2", "gateway"] in [line.split()[:2] for line in typed(two, "status").splitlines()]
    registry.database.close()


# --- certificates that end, and nodes that are taken out ---


def expires_at(node):
    """When its certificate ends, as it is measured."""
    lines = node.ask("/metrics")[2].decode().splitlines()
    (found,) = [line for line in lines if line.startswith("twgw_cluster_certificate_expires_at ")]
    return float(found.split()[1])


def test_certificates_that_are_about_to_end_renew_by_themselves(key_manager, gateway, upstream, start):
    """On a node with the database and on a gateway without; no request fails, and the next start has the new ones."""
    km = key_manager(left=2)
    km.registry.api("pets", upstream)
    km.registry.write(ensure_key, "authority", lambda: AUTHORITY.text)
    key = km.registry.key("shop", "pets")
    gw = gateway(left=1)
    until(lambda: (status(km, "/pets/7", key), status(gw, "/pets/7", key)) == (200, 200))
    answers = []

    def renewed():
        answers.append((status(km, "/pets/7", key), status(gw, "/pets/7", key)))
        return min(expires_at(km), expires_at(gw)) > time() + 700 * 86400

    until(renewed)
    assert {(200, 200)} == set(answers)
    for node in (km, gw):
        node.process.wait_for("the certificate for other nodes was renewed: 730 days")
    km.process.wait_for("gw1 has another certificate")
    assert gw.first_key != (gw.folder / "data/cluster/node-key.pem").read_text()

    assert 0 == gw.terminate()
    again = start("--config", str(gw.folder / "twgw.toml"), folder=gw.folder)
    until(lambda: [line for line in again.lines if "memory only" in line])
    until(lambda: status(gw, "/pets/7", key) == 200)
    assert expires_at(gw) > time() + 700 * 86400
    assert {} == refused(km)


def test_a_node_that_was_taken_out_speaks_no_more(key_manager, gateway, upstream, attack, start, port):
    """When the command returns it serves nothing, whatever certificate it shows; it comes back by a new token alone."""
    km = key_manager(lease=2, session=4)
    km.registry.api("pets", upstream)
    km.registry.write(ensure_key, "authority", lambda: AUTHORITY.text)
    key = km.registry.key("shop", "pets")
    gw1, gw2 = gateway(), gateway("gw2")
    until(lambda: [status(each, "/pets/7", key) for each in (km, gw1, gw2)] == [200] * 3)
    assert "known are gw1, gw2, km1" in typed(km.folder, "remove", "gw3", "--yes", status=1)
    assert "ask another one" in typed(km.folder, "remove", "km1", "--yes", status=1)

    said = typed(km.folder, "remove", "gw1", "--yes")
    assert [503, 200, 200] == [status(each, "/pets/7", key) for each in (gw1, gw2, km)]
    assert "gw1 is out of the cluster" in said
    assert "waited for the end of what gw1 held" in said
    before = refused(km).get("removed", 0)
    connection = attack("gw1")
    send(connection, hello(b"gw1") + box(_command=b"ReadKeys", _ask=b"2"))
    assert b"pepper" not in ends(connection)
    until(lambda: refused(km)["removed"] > before)
    gw1.process.wait_for("the node was taken out of the cluster; it comes back by: twgw cluster join")
    known = lambda: [each["node"] for each in json.loads(typed(gw2.folder, "status", "--json"))["nodes"]]
    until(lambda: ["gw2", "km1"] == known())

    assert 0 == gw1.terminate()
    (gw1.folder / "data/cluster").rename(gw1.folder / "data/old")
    token = typed(km.folder, "token", "--role", "gateway").partition("--token ")[2].split()[0]
    typed(gw1.folder, "join", f"127.0.0.1:{port}", "--token", token)
    again = start("--config", "twgw.toml", folder=gw1.folder)
    until(lambda: [line for line in again.lines if "memory only" in line])
    until(lambda: status(gw1, "/pets/7", key) == 200)
    assert 200 == status(gw2, "/pets/7", key)


# --- attacks, over sockets ---


@pytest.fixture
def attack(tmp_path, port):
    """Opens TLS to the key manager, with a certificate of our choice; gives the socket."""
    opened = []

    def attack(node="gw9", roles=("gateway",), signer=AUTHORITY, *, anonymous=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if not anonymous:
            context.load_cert_chain(*certify(tmp_path / f"attack-{len(opened)}", node, *roles, signer=signer))
        opened.append(context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE)))
        return opened[-1]

    yield attack
    for each in opened:
        each.close()


def box(**fields):
    """A box of AMP."""
    parts = [part for name, value in fields.items() for part in (name.encode(), value)]
    return b"".join(struct.pack("!H", len(part)) + part for part in parts) + b"\0\0"


def hello(node=b"gw9"):
    return box(
        _command=b"Hello", _ask=b"1", cluster=b"twgw", node=node, boot=b"x", link=b"control", oldest=b"1", newest=b"1"
    )


def ends(connection):
    """Whether the other side ends it, and what came before."""
    received = b""
    with suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(65536):
            received += piece
    return received


def send(connection, data):
    with suppress(ConnectionError, ssl.SSLError):
        connection.sendall(data)


def refused(km):
    """What the key manager counted, by reason."""
    lines = km.ask("/metrics")[2].decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("twgw_cluster_refused_total{")]
    return {name.partition('"')[2].partition('"')[0]: float(count) for name, _, count in found}


def test_whoever_is_not_of_the_cluster_is_refused(km, gateway, upstream, attack):
    """Without a certificate, with one of another authority, with garbage; and nobody else is disturbed."""
    km.registry.api("pets", upstream)
    key = km.registry.key("shop", "pets")
    gw = gateway()
    until(lambda: status(gw, "/pets/7", key) == 200)
    for connection in (
        attack(anonymous=True), attack("km1", ("keymanager",), authority.new_authority("twgw", time())),
    ):  # fmt: skip
        send(connection, hello())
        assert b"" == ends(connection)
    until(lambda: refused(km).get("tls") == 2)

    for data, reason in (
        (b"\xff" * 100, "garbage"),
        (b"\0\1a\xff\xff" + bytes(65535), "box"),
        (hello() + b"".join(b"\0\2%02d\xff\xff" % n + bytes(65535) for n in range(6)), "box"),
        (hello() + box(_answer=b"7"), "garbage"),
    ):
        before = refused(km).get(reason, 0)
        connection = attack()
        send(connection, data)
        ends(connection)
        until(lambda: refused(km).get(reason, 0) == before + 1)  # noqa: B023 - it is called here

    before = refused(km).get("command", 0)
    connection = attack()
    send(connection, hello() + box(_command=b"Advanced", epoch=b"1", position=b"99", _ask=b"2"))
    until(lambda: refused(km).get("command", 0) == before + 1)
    said = b""
    while b"_error" not in said:
        piece = connection.recv(65536)
        assert piece, said
        said += piece

    assert 200 == status(gw, "/pets/7", key)
    other = km.registry.key("toys", "pets")
    assert 200 == status(gw, "/pets/7", other)
    assert [] == [line for line in gw.process.lines if "no connection" in line]


def test_what_was_sent_before_does_not_count_again(km, gateway, upstream, attack):
    """Boxes that were recorded, on the same connection and on others; and those of key managers are refused."""
    km.registry.api("pets", upstream)
    key = km.registry.key("shop", "pets")
    gw = gateway()
    until(lambda: status(gw, "/pets/7", key) == 200)
    asked = json.dumps({"gateway": "g9", "number": 1, "applied": {"epoch": 1, "pos": 0}}).encode()
    back = json.dumps({"gateway": "g9", "number": 1}).encode()
    given = json.dumps({"gateway": "g9", "number": 1, "seconds": 60, "need": {"epoch": 1, "pos": 0}}).encode()
    recorded = [
        box(_command=b"Tell", kind=b"LeaseAsked", body=asked), box(_command=b"Tell", kind=b"LeaseReturned", body=back),
        box(_command=b"ReadNews", _ask=b"2", epoch=b"1", position=b"0"),
    ]  # fmt: skip
    of_key_managers = [
        box(_command=b"Tell", kind=b"LeaseGiven", body=given), box(_command=b"Advanced", epoch=b"1", position=b"9"),
    ]  # fmt: skip
    before = refused(km)
    for _ in range(3):
        connection = attack()
        send(connection, hello() + b"".join(recorded * 5 + of_key_managers))
    until(lambda: refused(km).get("command", 0) >= before.get("command", 0) + 6)
    connection = attack()
    send(connection, hello() + hello())
    until(lambda: refused(km) != before)
    km.process.wait_for("refused gw9")

    revoked = km.registry.write(revoke_credential, "api-key", "shop")
    until(lambda: json.loads(gw.ask("/readyz")[2])["position"] >= revoked)
    assert 401 == status(gw, "/pets/7", key)


def test_a_token_that_was_used_or_guessed_lets_nobody_in(km, gateway, upstream, tmp_path, port):
    """It is refused, counted and logged; whoever is in is served as before."""
    from twgw.cluster.joining import JoinToken, new_token

    km.registry.api("pets", upstream)
    key = km.registry.key("shop", "pets")
    gw = gateway()
    until(lambda: status(gw, "/pets/7", key) == 200)
    km.registry.write(ensure_key, "authority", lambda: AUTHORITY.text)
    good = km.registry.write(new_token, ["gateway"])
    guessed = JoinToken(bytes(20), good.fingerprint)
    for number, (token, code) in enumerate(((guessed, 1), (good, 0), (good, 1), (guessed, 1))):
        folder = tmp_path / f"new{number}"
        folder.mkdir()
        (folder / "twgw.toml").write_text(f"[node]\nname = 'new{number}'\ndata_dir = 'data'\n")
        said = typed(folder, "join", f"127.0.0.1:{port}", "--token", token.text, status=code)
        assert ("unknown, used, or older than 15 minutes" in said) == bool(code)
        assert (folder / "data/cluster/node.pem").exists() != bool(code)

    assert 3 == refused(km)["join"]
    km.process.wait_for("it wants to join: the token is unknown")
    assert 200 == status(gw, "/pets/7", key)


def tell(kind, **body):
    """A message, as a node sends it."""
    return box(_command=b"Tell", kind=kind.encode(), body=json.dumps(body).encode())


def test_what_a_gateway_may_not_say_is_refused(km, gateway, upstream, attack):
    """What only key managers say, a report without an end, and a word in the name of another node's gateway."""
    km.registry.api("pets", upstream)
    key = km.registry.key("shop", "pets")
    gw = gateway()
    until(lambda: status(gw, "/pets/7", key) == 200)
    head = {"epoch": 1, "pos": 0}
    nack = {"api": "a", "position": 1, "text": "x" * 100}
    asked = tell("LeaseAsked", gateway="x", number=1, applied=head)
    for node, data in (
        ("gw9", tell("LeaseGiven", gateway="x", number=1, seconds=9.0, need=head)),
        ("gw9", tell("Anew", gateway="x")),
        ("gw9", tell("RelayDone", session="x", done={"epoch": 9, "pos": 9})),
        ("gw9", tell("Ack", gateway="x", applied=head, report={"refused": [nack] * 100})),
        ("gw9", tell("Ack", gateway="x", applied=head, report={"unprepared": [{**nack, "text": "x" * 50_000}]})),
        ("gw9", tell("Ack", gateway="x", applied=head, report={"counters": "x" * 50_000})),
        ("gw9", asked + tell("LeaseGiven", gateway="x", number=1, seconds=9.0, need=head)),
        ("gw8", tell("Ack", gateway="x", applied={"epoch": 9, "pos": 9})),
    ):
        before = refused(km).get("command", 0)
        connection = attack(node)
        send(connection, hello(node.encode()) + data)
        until(lambda: refused(km).get("command", 0) == before + 1)  # noqa: B023 - it is called here

    assert 200 == status(gw, "/pets/7", key)
    assert [] == [line for line in (*gw.process.lines, *km.process.lines) if "Traceback" in line]


def test_plain_text_gets_nowhere(km, port):
    """AMP without TLS, and HTTP."""
    for data in (hello(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(data)
            assert b"_answer" not in ends(connection)
    until(lambda: refused(km).get("tls") == 2)
    client = http.client.HTTPConnection("127.0.0.1", km.port, timeout=PATIENCE)
    client.request("GET", "/nowhere")
    assert 404 == client.getresponse().status
    client.close()


def test_a_flood_that_reads_no_answers_is_cut_off(km, gateway, upstream, attack):
    """And a gateway beside it is served as before."""
    km.registry.api("pets", upstream)
    key = km.registry.key("shop", "pets")
    gw = gateway()
    until(lambda: status(gw, "/pets/7", key) == 200)
    connection = attack()
    send(connection, hello())
    connection.settimeout(1)
    flood = b"".join(box(_command=b"ReadAll", _ask=b"%x" % number) for number in range(2000))
    end = monotonic() + PATIENCE
    with suppress(ConnectionError, ssl.SSLError, TimeoutError):
        while monotonic() < end and not refused(km).get("slow"):
            connection.send(flood)
    until(lambda: refused(km).get("slow") == 1)

    other = km.registry.key("toys", "pets")
    until(lambda: status(gw, "/pets/7", other) == 200)
