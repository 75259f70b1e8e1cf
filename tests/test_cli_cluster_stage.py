"""Tests of twgw.cli_cluster_stage; tests/wire/test_demo.py builds all of it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wire.processes import Upstream
from twgw import cli_cluster_stage
from twgw.cli_cluster_stage import Balancer, Box, Stage, StageError, call
from twgw.config import load


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Where the stage is built."""
    monkeypatch.setattr(cli_cluster_stage.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def answering(status):
    return Upstream(lambda head: f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


@pytest.fixture
def boxes():
    """Two nodes: both serve, one of them says that it is not ready."""
    servers = [Upstream(), answering(418), answering(200), answering(503)]
    yield [Box("a", Path(), servers[0].port, servers[2].port), Box("b", Path(), servers[1].port, servers[3].port)]
    for each in servers:
        each.close()


def test_a_call_gives_a_status_or_nothing(boxes):
    """Also when nobody is there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert (418, 0) == (boxes[1].call("/"), call(port, "/"))
    assert (True, False) == (boxes[0].is_ready(), boxes[1].is_ready())


def test_a_balancer_takes_turns_and_leaves_out_who_is_not_ready(boxes, monkeypatch):
    """As soon as it has looked."""
    monkeypatch.setattr(cli_cluster_stage, "LOOK", 3600)
    balancer = Balancer(boxes)
    found = [call(balancer.port, "/x") for _ in range(4)]
    assert ([200, 200, 418, 418], {"a": 2, "b": 2}) == (sorted(found), dict(balancer.given))
    balancer.end()

    monkeypatch.setattr(cli_cluster_stage, "LOOK", 0.01)
    balancer = Balancer(boxes)
    Stage().wait(lambda: balancer.sees(boxes[0]), "it looks", 20)
    assert {200} == {call(balancer.port, "/x") for _ in range(4)}
    balancer.end()


def test_without_memcached_there_is_no_stage(monkeypatch, temporary):
    """It is said how to get it, and nothing is left."""
    monkeypatch.setattr(cli_cluster_stage.shutil, "which", lambda *_, **__: None)

    with pytest.raises(StageError, match="apt-get install memcached"), Stage():
        raise AssertionError
    assert [] == list(temporary.iterdir())


def test_a_node_that_ends_is_heard(monkeypatch, temporary):
    """With what it said last; and whatever was started is gone."""
    started = []

    def failing(self, box):
        with (box.folder / "log").open("w") as log:
            box.process = subprocess.Popen([sys.executable, "-c", "print('no luck')"], stdout=log)

    begin = Stage._memcached
    monkeypatch.setattr(Stage, "_start", failing)
    monkeypatch.setattr(Stage, "_memcached", lambda self: (begin(self), started.extend(self._others))[0])

    with pytest.raises(StageError, match=r"node a has ended:\nno luck"), Stage():
        raise AssertionError
    assert [-9] == [each.poll() for each in started]
    assert [] == list(temporary.iterdir())


def test_what_takes_too_long_is_given_up():
    """It is named."""
    with pytest.raises(StageError, match="rain: not within 0 s"):
        Stage().wait(lambda: False, "rain", 0)


def test_the_nodes_are_configured_as_a_person_would(tmp_path):
    """One database and one memcached for both, no two listeners in one place."""
    stage = Stage()
    found = [load(stage._box(name, tmp_path / "m").settings, {}, {}) for name in "ab"]

    assert found[0].database_url == found[1].database_url
    assert found[0].memcached == found[1].memcached
    ports = [each.port for config in found for each in (config.gateway.listen[0], config.admin.listen,
             config.control.listen, config.cluster.listen)]  # fmt: skip
    assert 8 == len(set(ports))
