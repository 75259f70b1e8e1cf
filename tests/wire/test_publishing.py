"""Two nodes on one PostgreSQL, and a gateway without it: what is published is in force on all of them, or is said."""

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep, time

import pytest

from tests.databases import PostgreSQL
from tests.wire.members import certify
from tests.wire.processes import PATIENCE, PLAIN, Node, free_port
from twgw.cluster import authority
from twgw.storage.database import Database
from twgw.storage.schema import api as table

TWGW = str(Path(sys.executable).with_name("twgw"))
POLICY = '''"""A policy that is only on some nodes."""

from twgw import hookimpl


@hookimpl
def twgw_receive(exchange):
    """Called first."""
'''


class Member:
    """A node, and its admin."""

    def __init__(self, folder, start, signer, *, geo=False, url=None, asks=()):
        (folder / "plugins").mkdir(parents=True)
        self.folder, self.name, self.port = folder, folder.name, free_port()
        self._start, self._geo = start, geo
        if geo:
            self.install()
        roles = ["gateway", "admin", *(["keymanager", "publisher", "store"] if url else [])]
        certify(folder, self.name, signer, *(role for role in roles if role in ("gateway", "keymanager")))
        cluster = {"lease": 2.0, "session": 4.0}
        cluster |= {"listen": f"tcp:{self.port}:interface=127.0.0.1"} if url else {
            "keymanagers": [f"127.0.0.1:{each.port}" for each in asks]
        }
        self.node = Node(
            folder, self.begin, None, node={"data_dir": "data", "name": self.name, "roles": roles}, cluster=cluster,
            **({"database": {"url": url}} if url else {"control": {"listen": ""}}),
        ).ready()  # fmt: skip
        self.process = self.node.process

    def begin(self, *arguments):
        """Start the process, also once more."""
        self.process = self._start(*arguments, folder=self.folder)
        return self.process

    def install(self):
        """Put the policy there."""
        (self.folder / "plugins" / "geo.py").write_text(POLICY)

    def ask(self, token, method, path, body=None, **fields):
        """Status, fields and body of what the admin REST answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.node.admin, timeout=2 * PATIENCE)
        fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **fields}
        try:
            connection.request(method, f"/admin/v1{path}", None if body is None else json.dumps(body), fields)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if text else None
        finally:
            connection.close()

    def says(self, path="/pets/7"):
        """What an API answers here."""
        status, _, body = self.node.get(path)
        return body.decode() if status == 200 else status

    def readiness(self):
        """What /readyz says."""
        status, _, text = self.node.ask("/readyz")
        return status, json.loads(text)


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of one's own."""
    running = PostgreSQL().start()
    yield running
    running.end()


class Cluster:
    """Nodes a (which has the policy geo) and b (which has not), and more."""

    def __init__(self, folder, start, url):
        self.folder, self.start, self.url = folder, start, url
        self.signer = authority.new_authority("twgw", time())
        self.a = self.join("a", geo=True)
        self.token = (self.a.folder / "data" / "admin.secret").read_text().strip()
        self.b = self.join("b")

    def join(self, name, **more):
        """One more node with the database, or a gateway without it."""
        more = more if "asks" in more else {"url": self.url, **more}
        member = Member(self.folder / name, self.start, self.signer, **more)
        wait_for(lambda: member.readiness()[0] == 200)  # until then it answers 503, and nobody waits for it
        return member

    def publish(self, body, *policies, by=None, **fields):
        """Save and publish a revision that answers this."""
        node = by or self.a
        api = {
            "name": "pets", "version": "1", "base_path": "/pets", "anonymous": True, "policies": [
                *({"name": each} for each in policies),
                {"name": "mock-response", "settings": {"body": body}},
            ],
        }  # fmt: skip
        status, headers, _ = node.ask(self.token, "GET", "/apis/pets:1")
        if status == 404:
            return node.ask(self.token, "POST", "/apis", {"api": api, "publish": True}, **fields)
        fields["If-Match"] = headers["ETag"]
        return node.ask(self.token, "PUT", "/apis/pets:1?publish=true", api, **fields)


@pytest.fixture
def cluster(tmp_path, start, server):
    """Two nodes on one database."""
    return Cluster(tmp_path, start, server.make(f"publish_{tmp_path.name[-12:].lower().strip('_')}"))


def reached(answer):
    """Where it is in force, as the answer says."""
    return json.loads(answer[1]["Twgw-Reached"])


def wait_for(done):
    """Until something is so that another process does."""
    end = monotonic() + PATIENCE
    while not done():
        assert monotonic() < end
        sleep(0.02)


WHY = "pets:1: policies[0].name: no policy 'geo' is installed"


def test_what_is_published_is_in_force_on_every_node_when_the_call_returns(cluster):
    """Each time, whichever node was asked; the answer names them."""
    a, b = cluster.a, cluster.b
    g = cluster.join("g", asks=(a, b))
    for number in range(6):
        answer = cluster.publish(f"text {number}", by=(a, b)[number % 2])

        assert answer[0] in (200, 201), answer[2]
        assert [f"text {number}"] * 3 == [each.says() for each in (b, a, g)]
        told = reached(answer)
        assert (["a", "b", "g"], [], []) == (told["in_force"], told["lease_ended"], told["refused"])


def test_what_one_node_cannot_have_is_published_nowhere(cluster):
    """Node and reason are named, what was in force stays everywhere, and nobody loses a lease by it."""
    a, b = cluster.a, cluster.b
    g = cluster.join("g", asks=(a,))
    cluster.publish("one")
    status, _, problem = cluster.publish("two", "geo")

    assert (409, "Not on every node") == (status, problem["title"])
    assert ["b", "g"] == sorted(each["node"] for each in problem["nodes"])
    assert all(each["reason"].startswith(WHY) for each in problem["nodes"])
    assert ["one"] * 3 == [each.says() for each in (a, b, g)]
    assert 1 == a.ask(cluster.token, "GET", "/apis/pets:1")[2]["latest"]
    sleep(2.5)  # longer than a lease
    assert ["one"] * 3 == [each.says() for each in (a, b, g)]
    assert [200] * 3 == [each.readiness()[0] for each in (a, b, g)]

    assert 200 == cluster.publish("three")[0]
    assert ["three"] * 3 == [each.says() for each in (a, b, g)]


def test_it_may_be_put_in_force_where_it_can_be(cluster):
    """Then the answer says where it is not; a rollback, or the policy on that node, ends it."""
    a, b = cluster.a, cluster.b
    cluster.publish("one")
    answer = cluster.publish("two", "geo", Prefer="handling=lenient")

    assert 202 == answer[0]
    assert [("b", "pets:1")] == [(each["node"], each["api"]) for each in reached(answer)["refused"]]
    assert ["two", "one"] == [a.says(), b.says()]
    sleep(2.5)
    assert ["two", "one"] == [a.says(), b.says()]
    status, said = b.readiness()
    assert (200, True) == (status, any(WHY in each for each in said["warnings"]))

    back = a.ask(cluster.token, "POST", "/apis/pets:1/rollback", {"revision": 1})
    assert (200, ["a", "b"]) == (back[0], reached(back)["in_force"])
    assert ["one", "one"] == [a.says(), b.says()]
    assert [] == b.readiness()[1]["warnings"][1:]

    cluster.publish("three", "geo", Prefer="handling=lenient")
    b.install()
    b.process.signal(signal.SIGHUP)
    wait_for(lambda: b.says() == "three")
    assert 200 == cluster.publish("four", "geo", by=b)[0]
    assert ["four", "four"] == [a.says(), b.says()]


def test_who_comes_late_has_all_of_it_before_it_is_ready(cluster):
    """An API that it cannot have is refused there with 503, and said; nobody else is touched."""
    cluster.publish("one")
    late = cluster.join("c", geo=True)
    wait_for(lambda: late.readiness()[0] == 200)
    assert "one" == late.says()

    cluster.publish("two", "geo", Prefer="handling=lenient")
    assert "two" == late.says()
    last = cluster.join("d")
    wait_for(lambda: last.readiness()[0] == 200)

    assert (503, "two") == (last.says(), late.says())
    (refused,) = (each for each in last.readiness()[1]["warnings"] if WHY in each)
    assert refused.endswith("; its calls are answered with 503")
    assert b"twgw_apis_refused 1.0" in last.node.ask("/metrics")[2]
    assert b"twgw_apis_refused 0.0" in late.node.ask("/metrics")[2]
    wait_for(lambda: standing(late).get("d", {}).get("refused"))  # whoever is asked hears of it within a second
    assert standing(late)["d"]["refused"][0]["reason"].startswith(WHY)


def test_a_node_that_does_not_answer_holds_a_publication_up_for_its_lease(cluster):
    """It is named, and has the new revision, or none, when it goes on."""
    b = cluster.b
    cluster.publish("one")
    b.process.signal(signal.SIGSTOP)
    began = monotonic()
    answer = cluster.publish("two")
    took = monotonic() - began
    b.process.signal(signal.SIGCONT)

    assert b.says() in {503, "two"}
    assert 200 == answer[0]
    assert (["a"], ["b"]) == (reached(answer)["in_force"], reached(answer)["lease_ended"])
    assert took > 2, "or nobody waited for it"
    wait_for(lambda: b.says() == "two")


def test_a_revocation_says_who_acknowledged_it(cluster):
    """By the admin REST, as any change that is waited for."""
    a = cluster.a
    a.ask(cluster.token, "POST", "/applications", {"name": "me"})
    key = a.ask(cluster.token, "POST", "/applications/me/keys", {})[2]
    answer = a.ask(cluster.token, "POST", "/revocations", {"key": key["key"]})

    assert (200, ["a", "b"]) == (answer[0], reached(answer)["in_force"])
    assert 0 < reached(answer)["milliseconds"] < 15_000


def standing(node):
    """How every node stands, as a command says it beside one of them."""
    done = subprocess.run(
        [TWGW, "cluster", "status", "--config", "twgw.toml", "--json"], cwd=node.folder, env=PLAIN, text=True,
        capture_output=True, check=True, timeout=2 * PATIENCE,
    )  # fmt: skip
    return {each["node"]: each for each in json.loads(done.stdout)["nodes"]}


def test_whoever_serves_something_else_is_found_out_and_mended(cluster, server):
    """Somebody has changed the database by hand: no record says so, and a digest does."""
    a, b = cluster.a, cluster.b
    g = cluster.join("g", asks=(a,))
    cluster.publish("one")
    cluster.publish("two")
    wait_for(lambda: {"a", "b", "g"} == standing(g).keys())
    wait_for(lambda: 1 == len({each["digest"] for each in standing(g).values()}))  # sessions tell it within a second
    agreed = {("held", False, 0)}
    wait_for(lambda: agreed == {(each["lease"], each["drifted"], each["lag"]) for each in standing(g).values()})
    assert ["gateway"] == standing(g)["g"]["roles"]
    assert ["two"] * 3 == [each.says() for each in (a, b, g)]
    database = Database(cluster.url)
    database.call(lambda c: c.execute(table.update().values(live=1)), write=True)
    database.close()

    wait_for(lambda: ["one"] * 3 == [each.says() for each in (a, b, g)])

    wait_for(lambda: {False} == {each["drifted"] for each in standing(a).values()})
    wait_for(lambda: 1 == len({each["digest"] for each in standing(a).values()}))
    text = "serves something else than the database"
    wait_for(lambda: sum(text in line for node in (a, b) for line in node.process.lines) >= 3)


def test_a_start_after_a_crash_serves_what_was_published_meanwhile(cluster):
    """Nothing of it is lost."""
    cluster.publish("one")
    cluster.b.process.kill()
    cluster.publish("two")
    cluster.b.begin("--config", str(cluster.b.folder / "twgw.toml"))
    cluster.b.process.wait_for("memory only")
    wait_for(lambda: cluster.b.node.is_ready)

    assert "two" == cluster.b.says()
