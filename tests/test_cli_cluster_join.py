"""Tests of twgw.cli_cluster_join; tests/wire/ types it at real nodes."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.test_cli_cluster import cluster
from twgw import cli_cluster_join
from twgw.cluster.authority import Identity
from twgw.cluster.joining import Joined, JoinToken
from twgw.config import load

TOKEN = JoinToken(bytes(20), bytes(32)).text
BOTH = frozenset({"gateway", "keymanager"})
SHARED = {"database": {"url": "postgresql://gw@db/twgw", "password": "s3cret"}, "memcached": {"servers": ["a", "b"]},
          "cluster": {"lease": 6}}  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def join(monkeypatch):
    """Joins a node; what it is told and given is up to the test.  Gives the configuration that it has afterwards."""

    def join(roles, settings, before="", *more):
        Path("twgw.toml").write_text(f"[node]\nname = 'n2'\ndata_dir = 'data'\n{before}")
        found = Joined(Identity("c1", "n2", frozenset(roles)), "certificate", "ca", json.dumps(settings))
        monkeypatch.setattr(cli_cluster_join, "answered", lambda places, ask: (places[0], found))
        status, said = cluster("join", "a:8091", "--token", TOKEN, *more)
        assert 0 == status, said
        join.said = said
        assert "twistd -n --pidfile= twgw --config twgw.toml\n\nThen: twgw doctor --config twgw.toml\n" in said
        assert "n2 joined the cluster c1: " + ", ".join(sorted(roles)) in said
        assert "s3cret" not in said + Path("twgw.toml").read_text()
        return load(Path("twgw.toml"), {}, {})

    return join


def test_a_node_is_told_what_all_have(join):
    """The database with its password, in a file for its owner, memcached and times; and is a node like the first."""
    found = join(BOTH, SHARED, "", "--advertise", "n2.lan:8091")
    path = Path("data/database-password")

    assert ("postgresql://gw@db/twgw", "s3cret") == (str(found.database.url), found.database.password)
    assert 0o700 == Path("data").stat().st_mode & 0o777
    assert (0o600, "s3cret\n") == (path.stat().st_mode & 0o777, path.read_text())
    assert ["a:11211", "b:11211"] == list(map(str, found.memcached.servers))
    assert ("c1", 6, "n2.lan:8091") == (found.cluster.name, found.cluster.lease, str(found.cluster.advertise))
    assert (8091, ()) == (found.cluster.listen.port, found.cluster.keymanagers)
    assert "keymanager" in found.node.roles


def test_a_token_that_is_not_given_is_asked_for():
    """By its name."""
    assert "Token: " in cluster("join", "a:8091")[1]


def test_what_a_node_had_by_itself_is_said_to_stay(join):
    """It is not brought into the database of all."""
    note = "Note: what this node had by itself stays in data/twgw.db, and is served no more."
    join(BOTH, SHARED)
    assert note not in join.said
    shutil.rmtree("data")
    Path("data").mkdir()
    Path("data/twgw.db").touch()
    join(BOTH, SHARED)
    assert note in join.said


def test_a_node_joins_anew_when_its_certificates_are_taken_away(join):
    """Its configuration names the database by then, and the password is where it was."""
    join(BOTH, SHARED)
    before = Path("twgw.toml").read_text().partition("data_dir = 'data'\n")[2]
    assert "database-password" in before
    shutil.rmtree("data/cluster")
    found = join(BOTH, SHARED, before)

    assert "s3cret" == found.database.password


def test_a_node_without_the_database_asks_all_that_have_it(join):
    """It is no key manager, whatever its file said before, and counts where the others do."""
    told = {"memcached": SHARED["memcached"], "cluster": {"keymanagers": ["a:8091", "c:8091"]}}
    found = join({"gateway"}, told)

    assert (["a:8091", "c:8091"], None) == (list(map(str, found.cluster.keymanagers)), found.cluster.listen)
    assert "keymanager" not in found.node.roles
    assert ["a:11211", "b:11211"] == list(map(str, found.memcached.servers))


def test_what_stands_in_the_configuration_counts(join):
    """Another name of the same database may be needed here."""
    before = (
        "[database]\nurl = 'postgresql://gw@127.0.0.1/twgw'\n[memcached]\nservers = ['c']\n"
        "[cluster]\nlisten = 'tcp:9000'\n"
    )
    found = join(BOTH, SHARED, before)

    assert "postgresql://gw@127.0.0.1/twgw" == str(found.database.url)
    assert not Path("data/database-password").exists()
    assert (["c:11211"], 9000) == (list(map(str, found.memcached.servers)), found.cluster.listen.port)


def test_what_is_told_wrongly_is_said(join):
    """Nothing of it is written; the certificate is there."""
    with pytest.raises(AssertionError, match="what it told of its settings has no settings under memcached"):
        join({"gateway"}, {"memcached": ["x"]})

    assert ["node"] == list(tomllib.loads(Path("twgw.toml").read_text()))
    assert Path("data/cluster/node.pem").exists()


@pytest.mark.parametrize(
    ("words", "toml", "said"),
    [
        (("km1", "--token", "x"), "[node]\nroles = ['admin']\n", "[node] roles: a node of a cluster is a gateway"),
        (("km1", "--token", "x"), "[state]\nfile = 'apis.yaml'\n", "in a cluster a database is"),
        (("km1", "--token", "x"), "", "no token of twgw cluster: it begins with twgwjoin_"),
        (("km1:x", "--token", TOKEN), "", "HOST: must be HOST or HOST:PORT"),
        (("km1", "--token", TOKEN, "--advertise", "x y"), "", "--advertise: must be HOST or HOST:PORT"),
    ],
)
def test_what_is_typed_wrongly_is_said(words, toml, said):
    """Before anybody is asked."""
    Path("twgw.toml").write_text(toml)
    status, told = cluster("join", *words, "-c", "twgw.toml")

    assert (1, True) == (status, said in told), told
    assert toml == Path("twgw.toml").read_text()
