"""Tests of twgw.cli_cluster; tests/wire/test_cluster.py types all of it against real nodes."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw import cli_cluster
from twgw.cli import main
from twgw.cluster.authority import Identity
from twgw.cluster.joining import JoinToken
from twgw.cluster.settings import Address
from twgw.cluster.tls import load


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def cluster(*words, **environment):
    """Run a command; its status and what it said."""
    done = CliRunner().invoke(main, ["cluster", *words], env=environment)
    return done.exit_code, done.output


@pytest.fixture
def config():
    """A file with a comment."""
    path = Path("twgw.toml")
    path.write_text("# mine\n[node]\nname = 'n1'\ndata_dir = 'data'\n")
    return str(path)


def test_a_cluster_is_made_once(config):
    """The node has a certificate for its roles and listens; whoever runs it again gets a token only."""
    status, said = cluster("init", "-c", config)
    found = load(*(Path("data/cluster") / name for name in ("ca.pem", "node.pem", "node-key.pem")))
    before = Path("data/cluster/node.pem").read_text()

    assert 0 == status
    assert "n1 is of the cluster twgw: gateway, keymanager" in said
    assert Identity("twgw", "n1", frozenset({"gateway", "keymanager"})) == found.identity
    assert "# mine\n[node]\n" == Path(config).read_text()[:14]
    assert {"listen": "tcp:8091"} == tomllib.loads(Path(config).read_text())["cluster"]
    token = re.search(r"twgw cluster join n1:8091 --token (\S+)", said)[1]
    assert JoinToken.from_text(token)
    assert 0o600 == Path("data/cluster/node-key.pem").stat().st_mode & 0o777

    status, again = cluster("init", "-c", config)
    assert (0, before) == (status, Path("data/cluster/node.pem").read_text())
    assert token not in again
    assert "twgw cluster join n1:8091" in again


def test_without_a_file_it_is_said_what_to_write():
    """Nothing is made that nobody asked for."""
    status, said = cluster("init", TWGW_NODE_NAME="n1")

    assert 0 == status
    assert 'Put this into the configuration of the node:\n\n  [cluster]\n  listen = "tcp:8091"' in said


def test_a_file_that_cannot_be_changed_stays(config):
    """And it is said what to write there."""
    Path(config).write_text("node = {name = 'n1', data_dir = 'data'}\ncluster = {name = 'c7'}\n")
    status, said = cluster("init", "-c", config)

    assert 0 == status
    assert "cannot be changed without changing more; put this there:\n\n  [cluster]\n" in said
    assert "c7" in Path(config).read_text()


def test_a_token_names_what_it_is_for(config):
    """There is none before there is a cluster."""
    CliRunner().invoke(main, ["db", "upgrade", "-c", config])
    assert (1, "Error: this database has no cluster yet; run: twgw cluster init\n") == cluster("token", "-c", config)
    cluster("init", "-c", config)
    status, said = cluster("token", "-c", config, "--role", "gateway", "--role", "keymanager")

    assert 0 == status
    assert "within 15 minutes (gateway, keymanager):" in said


def test_a_cluster_is_made_where_the_database_is(config):
    """Not on a node that has none."""
    Path(config).write_text("[node]\nroles = ['gateway']\n")

    assert (1, True) == ((found := cluster("init", "-c", config))[0], "with the role keymanager" in found[1])
    Path(config).write_text("[state]\nfile = 'apis.yaml'\n")
    assert (1, True) == ((found := cluster("init", "-c", config))[0], "it has no database" in found[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("join", "km1", "-c", "admin.toml", "--token", "x"), "[node] roles: a node of a cluster is a gateway"),
        (("join", "km1", "--token", "x"), "no token of twgw cluster: it begins with twgwjoin_"),
        (("join", "km1:x", "--token", JoinToken(bytes(20), bytes(32)).text), "must be HOST or HOST:PORT"),
        (("status",), "this node is of no cluster; run: twgw cluster init, or twgw cluster join"),
    ],
)
def test_what_is_typed_wrongly_is_said(config, words, said):
    """Before anybody is asked."""
    Path("admin.toml").write_text("[node]\nroles = ['admin']\n")
    status, told = cluster(*words, *([] if "-c" in words else ["-c", config]))

    assert (1, True) == (status, said in told)


def test_status_needs_the_files_of_the_node(config):
    """They are named."""
    Path(config).write_text("[node]\nroles = ['gateway']\n[cluster]\nkeymanagers = ['km1']\n")
    status, said = cluster("status", "-c", config)

    assert (1, True) == (status, "cluster/ca.pem: is not there; make it with: twgw cluster init" in said)


def test_a_command_waits_for_no_answer_for_ever(monkeypatch):
    """What goes wrong names who was asked."""
    import click
    from twisted.internet.task import Clock

    def reacting(main):
        clock = Clock()
        done = main(clock)
        clock.advance(cli_cluster.WAIT)
        assert done.called
        raise SystemExit(0)

    monkeypatch.setattr("twisted.internet.task.react", reacting)

    async def never(_reactor):
        from twisted.internet.defer import Deferred

        return await Deferred()

    with pytest.raises(click.ClickException, match="km1:8091: no answer in 15 s"):
        cli_cluster._answered(Address("km1"), never)
