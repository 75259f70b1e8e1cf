"""Tests of twgw.cli_doctor_cluster: what is wrong with a cluster, thing by thing."""

import socket
from types import SimpleNamespace

import pytest
from attrs import evolve

from tests.cluster.wires import NOW
from tests.memcached_server import MemcachedServer
from tests.wire.processes import free_port
from twgw import __version__, cli_doctor_cluster
from twgw.cli_doctor_cluster import NEAR, Other, certificate, counters, key_managers, nodes, watched
from twgw.cli_finding import FAIL, OK, WARN
from twgw.cluster import authority
from twgw.cluster.authority import Identity
from twgw.cluster.completion import Session
from twgw.cluster.reports import About, Told, write
from twgw.config import load
from twgw.registry import Head
from twgw.throttle.others import CountsOn, digest_of

DAY = 86400


def config(tmp_path, **settings):
    """Of a node called a."""
    given = {"node.name": "a", "node.data_dir": str(tmp_path), "cluster.listen": "tcp:8091"}
    return load(None, {}, {**given, **{name.replace("__", "."): text for name, text in settings.items()}})


def other(name="b", skew=0.1, gateways=None, **about):
    return Other(name, About(**{"version": __version__, "at": NOW, **about}), gateways or {}, skew)


def said(findings):
    return [(each.state, each.what, each.text) for each in findings]


# --- TLS ---


@pytest.fixture
def certified(tmp_path):
    """Gives a node a certificate."""
    made = config(tmp_path)
    signer, key = authority.new_authority("twgw", NOW), authority.new_key()
    signed = authority.issue(signer, authority.request(key, "a"), Identity("twgw", "a", frozenset({"gateway"})), NOW)
    for path, text in zip(made.cluster.files, (signer.certificate, signed, key), strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return made


def test_a_certificate_has_an_end(certified):
    """It is told in time, and how another one is had."""
    (good,) = certificate(certified, NOW)
    days = int(good.text.rpartition(": ")[2].split()[0])
    (due,) = certificate(certified, NOW + days * 0.68 * DAY)
    (near,) = certificate(certified, NOW + (days - 29) * DAY)
    (over,) = certificate(certified, NOW + (days + 2) * DAY)

    assert days > 600
    assert (OK, OK, WARN, FAIL) == (good.state, due.state, near.state, over.state)
    assert "a of twgw, gateway: " in good.text
    assert ("ends in 29 days", "has ended") == (near.text[-15:], over.text[-9:])
    assert ("renews it by itself", "start the node") == (near.hint[17:36], over.hint[:14])


def test_the_authority_has_an_end(certified):
    """Two years before, as certificates that are made then end with it."""
    (_, near), (_, over) = (list(certificate(certified, NOW + days * DAY)) for days in (3650 - NEAR + 1, 3651))

    assert (WARN, "ends in 729 days") == (near.state, near.text[-16:])
    assert (FAIL, "has ended: no node speaks with another") == (over.state, over.text[29:])
    assert "Certificates of nodes" in near.hint


def test_files_that_are_missing_are_named(tmp_path):
    """A node of no cluster needs none."""
    assert [FAIL] == [each.state for each in certificate(config(tmp_path), NOW)]
    assert [] == list(certificate(config(tmp_path, cluster__listen=""), NOW))


def test_key_managers_are_reached(tmp_path):
    """Or it is said what to look at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        asks = {"cluster__listen": "", "cluster__keymanagers": f"{place},127.0.0.1:1", "node__roles": "gateway"}
        good, bad = key_managers(config(tmp_path, **asks))

    assert (OK, f"key manager {place}", "answers") == (good.state, good.what, good.text)
    assert (FAIL, "Connection refused", True) == (bad.state, bad.text, "firewall" in bad.hint)


# --- memcached ---


def test_nodes_that_see_the_same_counters_are_well(tmp_path, memcached):
    """Each server answers, keeps its data, and has one mark for all."""
    memcached.ask("set twgw:mark 0 0 3\r\n123\r\n")
    here = config(tmp_path, memcached__servers=memcached.name)
    counting = {"g": CountsOn("b", digest_of(here.memcached))}
    found = said(counters(here, [other(gateways=counting, counters={memcached.name: "123"}), other("a")]))

    assert [OK, OK, OK] == [state for state, *_ in found]
    assert [f"memcached {memcached.name}"] * 2 + ["limits"] == [what for _, what, _ in found]
    assert ("b sees the same counters", "a, b count together") == (found[1][2], found[2][2])


@pytest.mark.parametrize(
    ("theirs", "text"),
    [("999", "is another server for b: they do not count together"), ("", "does not answer b")],
)
def test_the_same_words_may_mean_another_machine(tmp_path, memcached, theirs, text):
    """As localhost does; or a network is cut between the two."""
    memcached.ask("set twgw:mark 0 0 3\r\n123\r\n")
    here, there = config(tmp_path, memcached__servers=memcached.name), other(counters={memcached.name: theirs})
    found = said(counters(here, [there]))

    assert (FAIL, f"memcached {memcached.name}", text) in found


def test_other_lists_are_told(tmp_path, memcached):
    """With the nodes that have them, and what stands here."""
    here = config(tmp_path, memcached__servers=memcached.name)
    counting = {"g": CountsOn("b", "x"), "h": CountsOn("c", digest_of(here.memcached))}
    (*_, found) = counters(here, [other(gateways=counting)])

    assert (FAIL, "b: other servers of memcached are named there") == (found.state, found.text)
    assert memcached.name in found.hint


def test_a_cluster_that_counts_nowhere_is_told(tmp_path):
    """Each node by itself lets pass what a limit says."""
    assert [(WARN, "limits", "a, b count each for itself: no memcached is named")] == said(
        counters(config(tmp_path), [other(gateways={"g": CountsOn("b", "")})])
    )
    assert [] == said(counters(config(tmp_path), []))


def test_a_server_that_forgets_is_told(tmp_path):
    """And one that does not answer."""
    forgetting = MemcachedServer("-m", "16").start()
    try:
        (found,) = counters(config(tmp_path, memcached__servers=forgetting.name), [])
        assert (WARN, True) == (found.state, "memcached -M" in found.hint)
    finally:
        forgetting.stop()
    (found,) = counters(config(tmp_path, memcached__servers=forgetting.name), [])
    assert (FAIL, True) == (found.state, "degraded" in found.hint)


# --- nodes ---


@pytest.mark.parametrize(
    ("one", "state", "text"),
    [
        (other(), OK, f"lives, version {__version__}"),
        (other(skew=None), WARN, "has not renewed its session for 3 s"),
        (other(version="0.0.1"), WARN, f"is of version 0.0.1, this is {__version__}"),
        (other(version=""), WARN, "is of a version that does not say"),
    ],
)
def test_how_a_node_stands(tmp_path, one, state, text):
    """Its life, its version, its clock; this one is looked at elsewhere."""
    first, *more = nodes(config(tmp_path), [one, other("a", version="0.0.1")])

    assert (state, "node b", text) == (first.state, first.what, first.text)
    assert (state != OK) == bool(first.hint)
    assert ([] if one.skew is None else ["clock of b"]) == [each.what for each in more]


def test_two_of_one_name_are_told(tmp_path):
    """A copied configuration; one that was killed and began anew is none."""
    found = said(nodes(config(tmp_path), [other("a"), other("a"), other("b"), other("b", skew=None)]))

    assert (FAIL, "node a", "2 nodes have this name") == found[0]
    assert 1 == len([state for state, *_ in found if state == FAIL])


def test_a_node_that_should_be_there_and_is_not(tmp_path):
    """It has neither a session nor a lease of anybody; this one may be stopped just now."""
    there = [other("b", gateways={"x": CountsOn("g", "")})]
    (found,) = [each for each in nodes(config(tmp_path), there, {"a", "b", "c", "g"}) if each.what == "node c"]

    assert (WARN, "is not there") == (found.state, found.text)
    assert found.hint.endswith("twgw cluster remove c")
    assert ["node b", "clock of b"] == [each.what for each in nodes(config(tmp_path), there, {"a", "b", "g"})]


def test_a_node_that_is_not_where_it_says_is_told(tmp_path):
    """Its name means nothing here, or a firewall is between: others hear of its changes later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there, closed = f"127.0.0.1:{listener.getsockname()[1]}", f"127.0.0.1:{free_port()}"
        reached = [evolve(other(name), address=where) for name, where in (("b", there), ("c", closed), ("d", "a b"))]
        found = said(nodes(config(tmp_path), reached))
    told = [text for state, _, text in found if state == WARN]

    assert [f"is not reached at {closed}: Connection refused", "is not reached at a b: must be HOST"] == [
        text.partition(" or HOST")[0] for text in told
    ]


class Watched:
    """A database whose sessions go on with time: b renews after a second, c never does."""

    def __init__(self):
        self.now = 100.0

    def call(self, _function):
        beats = 1 + (self.now >= 101)
        told = write(Told(about=About("1", NOW + 7)))
        return (
            Session("s1", "b", beats, Head(1, 1), {"g": CountsOn("b", "x")}, told, "b:8091"),
            Session("s2", "c", 5, Head(1, 1), None, told),
        )

    def pause(self, seconds):
        self.now += seconds


def test_clocks_are_compared_when_a_node_says_its_time():
    """In the moment in which its session changes; nobody is waited for longer than a node may take."""
    world = Watched()
    b, c = watched(world, lambda: NOW, lambda: world.now, world.pause)

    assert ("b", 7, {"g": CountsOn("b", "x")}, "b:8091") == (b.name, b.skew, b.gateways, b.address)
    assert ("c", None, {}) == (c.name, c.skew, c.gateways)
    assert world.now == pytest.approx(100 + cli_doctor_cluster.RENEWED_WITHIN, abs=0.2)


def test_nobody_is_waited_for_when_all_have_said_so():
    """Nor where nobody is."""
    assert [] == watched(SimpleNamespace(call=lambda _: ()), lambda: NOW, lambda: 0.0, None)
