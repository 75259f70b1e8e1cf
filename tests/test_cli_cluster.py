"""Tests of twgw.cli_cluster; tests/wire/test_cluster.py types all of it against real nodes."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw import cli_cluster
from twgw.cli import main
from twgw.cluster.joining import JoinToken
from twgw.cluster.settings import Address


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
