"""Tests of twgw.cli_cluster; tests/wire/test_cluster.py types all of it against real nodes."""

import json
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
    assert 2 == cluster("token", "-c", config, "--role", "gatway")[0]


def test_a_node_of_no_cluster_says_so(config):
    """And how it becomes one of one."""
    status, said = cluster("status", "-c", config)

    assert (1, True) == (status, "this node is of no cluster; run: twgw cluster init, or twgw cluster join" in said)


def test_a_configuration_in_this_folder_that_was_not_named_is(config):
    """Whoever forgot it is not told to make a cluster."""
    status, said = cluster("status")

    assert (1, True) == (status, f"{config} in this folder was not named: --config {config}, or TWGW_CONFIG" in said)
    assert "init" not in said

    status, said = cluster("token")
    assert (1, True) == (status, f"{config} in this folder was not named" in said)
    assert not Path("twgw-data").exists()


NODES = [
    {"node": "a", "roles": ["gateway", "keymanager"], "position": 41, "lag": 0, "lease": "held",
     "digest": "0123456789ab", "drifted": False, "counters": "shared", "gateways": 2, "refused": []},
    {"node": "b", "roles": ["gateway"], "position": 40, "lag": 1, "lease": "ended", "digest": "ffff", "drifted": True,
     "counters": "m1:11211: it does not answer", "gateways": 1, "refused": [{"reason": "pets:1.0: no policy 'geo'"}]},
    {"node": "k", "roles": ["keymanager"], "position": 41, "lag": 0, "lease": "", "digest": "", "drifted": False,
     "counters": "", "gateways": 0, "refused": []},
]  # fmt: skip


def test_how_nodes_stand_is_a_table_with_what_is_to_be_looked_at(config, monkeypatch):
    """In words below it; or a document for programs."""
    Path(config).write_text("[node]\nroles = ['gateway']\n[cluster]\nkeymanagers = ['km1']\n")
    monkeypatch.setattr("twgw.cluster.tls.load", lambda *_: None)
    found = {"cluster": "c1", "nodes": NODES}
    monkeypatch.setattr("twgw.cli_cluster.answered", lambda places, _: (places[0], json.dumps(found).encode()))
    status, said = cluster("status", "-c", config)

    assert (0, "Cluster c1, as km1:8091 says:") == (status, said.splitlines()[0])
    assert "a (2 processes)  gateway, keymanager  41, up to date  0123456789ab  held   shared" in said
    assert "b                gateway              40, 1 behind    ffff          ended  degraded" in said
    assert [
        "b has no lease: it answers nothing until it has one again",
        "b serves something else than the database has: it reads everything anew",
        "b counts limits apart: m1:11211: it does not answer",
        "b does not have in force: pets:1.0: no policy 'geo'",
    ] == said.splitlines()[-4:]
    assert found == json.loads(cluster("status", "-c", config, "--json")[1])

    found["nodes"] = [NODES[1] | {"rejoined": True}]
    said = cluster("status", "-c", config)[1]
    assert "\nb joined anew after it was taken out: start it anew if it was not started since\n" in said


def test_a_node_that_is_not_there_is_said_to_be(config, monkeypatch):
    """Since when, where that is known, and what to do; of one that is cut off, why."""
    Path(config).write_text("[node]\nroles = ['gateway']\n[cluster]\nkeymanagers = ['km1']\n")
    monkeypatch.setattr("twgw.cluster.tls.load", lambda *_: None)
    gone = NODES[1] | {"position": 0, "there": False, "seen_at": 1_700_000_000.0}
    found = {"cluster": "c1", "cut_off": "", "nodes": [gone, gone | {"node": "c", "seen_at": None}]}
    monkeypatch.setattr("twgw.cli_cluster.answered", lambda places, _: (places[0], json.dumps(found).encode()))
    status, said = cluster("status", "-c", config)

    assert 0 == status
    assert "b     gateway  not there" in said
    assert [
        "b is not there since 2023-11-14 22:13:20 UTC: start it, or take it out by twgw cluster remove b",
        "c is not there: start it, or take it out by twgw cluster remove c",
    ] == said.splitlines()[-2:]

    found |= {"cut_off": "the database has not answered for 9 s"}
    said = cluster("status", "-c", config)[1]
    assert "It is cut off from the others: the database has not answered for 9 s.\n" in said


def test_what_a_node_does_not_have_is_said_once_for_each_reason(config, monkeypatch):
    """Many APIs that come later are one line; of a node that was taken out and runs still, that is all that is said."""
    Path(config).write_text("[node]\nroles = ['gateway']\n[cluster]\nkeymanagers = ['km1']\n")
    monkeypatch.setattr("twgw.cluster.tls.load", lambda *_: None)
    refused = [*({"api": f"a{number}", "reason": "being compiled"} for number in range(20)), *NODES[1]["refused"]]
    late = NODES[0] | {"refused": refused}
    document = json.dumps({"cluster": "c1", "nodes": [late, NODES[1] | {"removed": True}]}).encode()
    monkeypatch.setattr("twgw.cli_cluster.answered", lambda places, _: (places[0], document))
    said = cluster("status", "-c", config)[1]

    assert "b                gateway              taken out" in said
    assert [
        "a does not have in force: at least 20 APIs: being compiled",
        "a does not have in force: pets:1.0: no policy 'geo'",
        "b was taken out and runs still, serving nothing: stop it, then let it join anew or be",
    ] == said.splitlines()[-3:]


def test_what_other_nodes_say_of_themselves_does_not_reach_the_terminal_as_it_is(config, monkeypatch):
    """A node of an earlier version may pass on what a gateway said."""
    Path(config).write_text("[node]\nroles = ['gateway']\n[cluster]\nkeymanagers = ['km1']\n")
    monkeypatch.setattr("twgw.cluster.tls.load", lambda *_: None)
    evil = "\x1b]0;x\x07"
    node = NODES[1] | {"digest": evil, "counters": evil, "refused": [{"reason": evil}]}
    document = json.dumps({"cluster": evil, "nodes": [node]}).encode()
    monkeypatch.setattr("twgw.cli_cluster.answered", lambda places, _: (places[0], document))

    assert "\x1b" not in cluster("status", "-c", config)[1]
    assert "\x07" not in cluster("status", "-c", config, "--json")[1]


def test_status_needs_the_files_of_the_node(config):
    """They are named."""
    Path(config).write_text("[node]\nroles = ['gateway']\n[cluster]\nkeymanagers = ['km1']\n")
    status, said = cluster("status", "-c", config)

    assert (1, True) == (status, "cluster/ca.pem: is not there; make it with: twgw cluster init" in said)
