"""Tests of twgw.cli_cluster_demo: each promise that is broken is seen.  tests/wire/test_demo.py runs the real one."""

from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from twgw import cli_cluster_demo
from twgw.cli import main
from twgw.cli_cluster_stage import StageError

KEYS = {"free": "k1", "busy": "k2", "known": "k3"}


class Box:
    """A node that says what the cluster knows; ``stale``: what it goes on serving."""

    def __init__(self, name, cluster):
        self.name, self.cluster, self.port, self.stale, self.stopped = name, cluster, 1, set(), False

    def call(self, path, key=""):
        if path not in self.cluster.published and self.name not in self.cluster.early:
            return 404
        if not key:
            return 401
        return 200 if key not in self.cluster.revoked or key in self.stale else 401

    def is_ready(self, seconds=1):
        return True

    def stop(self):
        self.stopped = True

    def go_on(self):
        self.stopped = False


class Cluster:
    """A stage on which nothing is real, and each promise can be broken."""

    def __init__(self):
        self.published, self.revoked, self.early, self.late = set(), set(), set(), set()
        self.passes, self.keys, self.waiting = 20, 0, 503
        self.boxes = [Box(name, self) for name in "ab"]
        self.balancer = SimpleNamespace(port=0, given=Counter(), sees=lambda *_: True)

    def admin(self, box):
        return self

    def post(self, *path, body):
        if path == ("apis",):
            self.published.add(f"/{body['api']['name']}")
        if path == ("revocations",):
            self.revoked.add(body["key"])
            for box in self.boxes:
                if box.name in self.late:
                    box.stale.add(body["key"])
        self.keys += path[-1] == "keys"
        return {"key": f"k{self.keys}"}

    def wait(self, done, what, seconds=0):
        for _ in range(10_000):
            if done():
                return
        raise StageError(what)

    def call(self, port, path, key):
        self.balancer.given["ab"[sum(self.balancer.given.values()) % 2]] += 1
        if path == "/few":
            self.passes -= 1
            return 200 if self.passes >= 0 else 429
        return max(box.call(path, key) for box in self.boxes) if not key else self.boxes[0].call(path, key)


@pytest.fixture
def demo(monkeypatch):
    """Runs the demo on such a stage; its status and what it said."""
    cluster = Cluster()

    @contextmanager
    def callers(port, key):
        seen = Callers(cluster, key)
        yield seen

    @contextmanager
    def stage():
        yield cluster

    monkeypatch.setattr(cli_cluster_demo, "Stage", stage)
    monkeypatch.setattr(cli_cluster_demo, "call", cluster.call)
    monkeypatch.setattr(cli_cluster_demo, "_callers", callers)
    monkeypatch.setattr(cli_cluster_demo, "_waiting", lambda box, path, key: cluster.waiting)

    def run():
        done = CliRunner().invoke(main, ["cluster", "demo"])
        return done.exit_code, done.output

    run.cluster = cluster
    return run


class Callers(list):
    """Callers that call each time somebody looks."""

    def __init__(self, cluster, key):
        self._call = lambda: (cli_cluster_demo.monotonic(), cluster.call(0, "/news", key))
        super().__init__(self._call() for _ in range(30))

    def __iter__(self):
        self.append(self._call())
        return super().__iter__()


def test_a_cluster_that_keeps_its_promises_is_praised(demo):
    """With status 0, and a line for each."""
    status, said = demo()

    assert 0 == status, said
    assert 4 == said.partition("Summary")[2].count("held  ")
    assert "BROKEN" not in said


@pytest.mark.parametrize(
    ("break_it", "which"),
    [
        (lambda it: it.early.add("b"), "Published once, live on both"),
        (lambda it: setattr(it, "passes", 21), "A limit of 20 lets 20 pass"),
        (lambda it: setattr(it, "passes", 19), "A limit of 20 lets 20 pass"),
        (lambda it: it.late.add("b"), "Revoked on one, refused by both"),
        (lambda it: it.late.add("a"), "Revoked on one, refused by both"),
        (lambda it: setattr(it, "waiting", 200), "Nor by a node that was stopped"),
    ],
)
def test_a_promise_that_is_broken_is_seen(demo, break_it, which):
    """It is named, and the status is 1."""
    break_it(demo.cluster)
    status, said = demo()

    assert 1 == status, said
    assert f"BROKEN  {which}" in said.partition("Summary")[2]


def test_a_demo_that_cannot_begin_says_why(monkeypatch):
    """Status 1."""

    @contextmanager
    def nowhere():
        raise StageError("memcached is missing")
        yield

    monkeypatch.setattr(cli_cluster_demo, "Stage", nowhere)
    done = CliRunner().invoke(main, ["cluster", "demo"])

    assert (1, True) == (done.exit_code, "Error: memcached is missing" in done.output)
