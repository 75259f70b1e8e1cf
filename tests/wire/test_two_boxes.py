"""Two boxes become a cluster, as a person types it: what the first had moves along, and both serve it."""

import json
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest

from tests.wire.members import wait_for
from tests.wire.processes import PATIENCE, PLAIN, Node, Upstream, free_port
from tests.wire.test_admin import Registry, an_api
from twgw import __version__

TWGW = str(Path(sys.executable).with_name("twgw"))


def typed(folder, *words, status=0):
    """What a command said."""
    done = subprocess.run(
        [TWGW, *words, "--config", "twgw.toml"], cwd=folder, env=PLAIN, capture_output=True, text=True, check=False,
        timeout=4 * PATIENCE,
    )  # fmt: skip
    assert status == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


class Shop(Registry):
    """A node that began by itself, on SQLite, and has given out keys."""

    def __init__(self, folder, start):
        folder.mkdir()
        self._start = lambda *args: start(*args, folder=folder)
        self.node = Node(folder, self._start, None).ready()
        self.token = (folder / "data/admin.secret").read_text().strip()
        self.upstream = Upstream()
        self.ask("POST", "/apis", {"api": {**an_api(self.upstream.port), "tiers": []}}, status=201)
        self.ask("POST", "/apis/hello/moves", {"move": "publish"}, status=200)
        self.ask("POST", "/applications", {"name": "me", "subscribe": ["hello"]}, status=201)

    def key(self):
        """A new key of the application."""
        return self.ask("POST", "/applications/me/keys", {}, status=201)["key"]

    def again(self):
        """The same node, started once more."""
        self.node.process = self._start("--config", str(self.node.folder / "twgw.toml"))
        self.node.ready()
        wait_for(lambda: self.node.is_ready)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_what_a_node_had_moves_into_the_database_of_several(tmp_path, start, servers, kind):
    """Keys that were made before work, revoked ones do not, the admin is the same, the audit is whole."""
    servers(kind)
    url = servers.running[kind].make("boxes")
    shop = Shop(tmp_path / "a", start)
    kept, revoked = shop.key(), shop.key()
    shop.ask("POST", "/revocations", {"key": revoked}, status=200)
    assert "a node has it open: stop that first" in typed(shop.node.folder, "cluster", "init", "--db", url, status=1)
    assert 0 == shop.node.terminate()

    said = typed(shop.node.folder, "cluster", "init", "--db", url)
    assert "tables were moved and compared: from data/twgw.db to" in said
    assert not (shop.node.folder / "data/twgw.db").exists()
    shop.again()

    assert [200, 401] == [shop.call("/hello", key) for key in (kept, revoked)]
    assert 200 == shop.call("/hello", shop.key())
    shop.ask("POST", "/revocations", {"key": kept}, status=200)
    assert 401 == shop.call("/hello", kept)
    assert "" == shop.ask("GET", "/audit/verification", status=200).get("fault", "")
    shop.node.terminate()
    shop.upstream.close()


def test_the_second_box_is_told_what_it_needs(tmp_path, start, servers):
    """A token, and it is a node with every role: keys of the first work there, and what either revokes is refused."""
    servers("postgresql")
    url, ports = servers.running["postgresql"].make("joined"), (free_port(), free_port())
    shop = Shop(tmp_path / "a", start)
    key = shop.key()
    shop.node.terminate()
    here = f"[cluster]\nlisten = 'tcp:{ports[0]}:interface=127.0.0.1'\nsession = 10\n"
    with (tmp_path / "a/twgw.toml").open("a") as file:
        file.write(f"\n{here}")
    said = typed(tmp_path / "a", "cluster", "init", "--db", url, "--advertise", f"127.0.0.1:{ports[0]}")
    token = said.partition("--token ")[2].split()[0]
    shop.again()

    other = tmp_path / "b"
    other.mkdir()
    traffic, admin = free_port(), free_port()
    (other / "twgw.toml").write_text(
        f"[node]\nname = 'b'\ndata_dir = 'data'\n[gateway]\nlisten = ['tcp:{traffic}']\n"
        f"[admin]\nlisten = 'tcp:{admin}'\n[control]\nlisten = 'tcp:{free_port()}'\n"
        f"[cluster]\nlisten = 'tcp:{ports[1]}:interface=127.0.0.1'\n"
    )
    said = typed(other, "cluster", "join", f"127.0.0.1:{ports[0]}", "--token", token)
    assert "b joined the cluster twgw: gateway, keymanager" in said
    written = tomllib.loads((other / "twgw.toml").read_text())
    assert (url, 10) == (written["database"]["url"], written["cluster"]["session"])
    start("--config", "twgw.toml", folder=other).wait_for("memory only")
    b = SimpleNamespace(host="127.0.0.1", port=traffic, admin=admin)
    wait_for(lambda: Node.get(b, "/readyz", admin)[0] == 200)
    call = lambda one: Node.get(b, "/hello", **{"X-API-Key": one})[0]

    assert 200 == call(key)
    found = json.loads(typed(other, "doctor", "--json"))["findings"]
    assert [] == [each for each in found if each["state"] == "fail"]
    by_name = {each["what"]: each for each in found}
    assert f"lives, version {__version__}" == by_name["node " + socket.gethostname()]["text"]
    assert "ok" == by_name["clock of " + socket.gethostname()]["state"]
    assert "b of twgw, gateway, keymanager: " in by_name["cluster TLS"]["text"]
    with urlopen(f"http://127.0.0.1:{shop.node.admin}/metrics", timeout=PATIENCE) as answer:
        assert b"twgw_cluster_refused_total{" not in answer.read(), "doctor comes as a node does"
    late = shop.key()
    assert (200, 200) == (call(late), shop.call("/hello", late))
    shop.ask("POST", "/revocations", {"key": key}, status=200)
    assert (401, 401) == (call(key), shop.call("/hello", key))
    shop.node.admin = admin  # the admin of the first is known to the second
    shop.ask("POST", "/revocations", {"key": late}, status=200)
    assert (401, 401) == (call(late), shop.call("/hello", late))
    shop.upstream.close()
