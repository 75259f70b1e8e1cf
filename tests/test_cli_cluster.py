"""Tests of twgw.cli_cluster; tests/wire/test_cluster.py types all of it against real nodes."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw.cli import main


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


def test_a_token_names_what_it_is_for(config):
    """There is none before there is a cluster."""
    CliRunner().invoke(main, ["db", "upgrade", "-c", config])
    assert (1, "Error: this database has no cluster yet; run: twgw cluster init\n") == cluster("token", "-c", config)
    cluster("init", "-c", config)
    status, said = cluster("token", "-c", config, "--role", "gateway", "--role", "keymanager")

    assert 0 == status
    assert "within 15 minutes (gateway, keymanager):" in said
    assert "within 15 minutes (gateway):" in cluster("token", "-c", config)[1], "SQLite is for one node"


def test_a_node_of_no_cluster_says_so(config):
    """And how it becomes one of one."""
    status, said = cluster("status", "-c", config)

    assert (1, True) == (status, "this node is of no cluster; run: twgw cluster init, or twgw cluster join" in said)


def test_status_needs_the_files_of_the_node(config):
    """They are named."""
    Path(config).write_text("[node]\nroles = ['gateway']\n[cluster]\nkeymanagers = ['km1']\n")
    status, said = cluster("status", "-c", config)

    assert (1, True) == (status, "cluster/ca.pem: is not there; make it with: twgw cluster init" in said)
