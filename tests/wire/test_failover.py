"""A PostgreSQL whose standby takes over: with a synchronous one nothing that was revoked comes back (A5)."""

import http.client
import signal
import threading
from time import monotonic, sleep, time

import pytest

from tests.databases import PostgreSQL
from tests.wire.members import begin, two
from tests.wire.processes import PATIENCE
from twgw.registry import Head, Record
from twgw.storage.database import Database
from twgw.storage.log import append, head

LOST = "the database has lost what it had committed"


def until(found, what):
    """Wait for something that takes its time."""
    deadline = monotonic() + PATIENCE
    while not found():
        assert monotonic() < deadline, what
        sleep(0.05)


class Servers:
    """A primary, its standby, and two nodes that look for whichever may be written to."""

    def __init__(self, folder, start, *, synchronous):
        self.primary = PostgreSQL(durable=True).start()
        self.name = "failover"
        begin(self.primary.make(self.name))
        self.standby = PostgreSQL(durable=True, following=self.primary).start()
        if synchronous:
            self.primary.do("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        state = "sync" if synchronous else "async"
        until(lambda: self.primary.do("SELECT sync_state FROM pg_stat_replication") == state, "nobody follows")
        both = f"host={self.primary.folder}&host={self.standby.folder}"
        url = f"postgresql://postgres@/{self.name}?{both}&target_session_attrs=primary"
        self.nodes = two(folder, start, url)

    def head(self, server):
        """How far the log of one of them is."""
        database = Database(server.url(self.name))
        try:
            return database.call(head)
        finally:
            database.close()

    def append(self, server, count):
        """Somebody else writes, who knows of nothing that was lost."""
        database = Database(server.url(self.name))
        try:
            for _ in range(count):
                database.call(append, [Record("token", "tok:of somebody else")], time(), write=True)
        finally:
            database.close()

    def take_over(self):
        """The primary dies, as a machine that loses its power does; the standby is told that it is the primary now."""
        self.primary.kill()
        self.standby.do("SELECT pg_promote()")

    def end(self):
        for server in (self.standby, self.primary):
            server.end()


@pytest.fixture
def servers(tmp_path, start):
    """Makes them."""
    made = []

    def make(**options):
        made.append(Servers(tmp_path, start, **options))
        return made[0]

    yield make
    for each in made:
        each.end()


def revoked(node, token):
    """Whether a revocation succeeded; what is not sure counts as not."""
    try:
        return node.revoke(token)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def said(node, text):
    """Whether it stands in the log of a node."""
    return any(text in line for line in node.process.lines)


def test_what_was_revoked_stays_revoked_when_a_synchronous_standby_takes_over(servers):
    """Whatever call returned success before, meanwhile or after; tokens that were not revoked stay good."""
    made = servers(synchronous=True)
    a, b = made.nodes
    kept, tokens = [a.token() for _ in range(3)], [a.token() for _ in range(60)]
    assert {200} == {b.call(token) for token in (*kept, *tokens)}
    done, before = [], made.head(made.primary)

    def revoke():
        for token in tokens[:-1]:
            if revoked(a, token):
                done.append(token)

    thread = threading.Thread(target=revoke)
    thread.start()
    until(lambda: len(done) >= 10, "nothing is revoked")
    made.take_over()
    acknowledged = len(done)
    thread.join()
    until(lambda: revoked(b, tokens[-1]), "nothing can be revoked any more")

    assert acknowledged >= 10
    until(lambda: [200, 200] == [node.call(kept[0]) for node in made.nodes], "nobody serves")
    assert {401} == {node.call(token) for node in made.nodes for token in (*done, tokens[-1])}
    assert {200} == {node.call(token) for node in made.nodes for token in kept}
    now = made.head(made.standby)
    assert (now.epoch, now.pos >= before.pos + len(done)) == (before.epoch, True)
    assert not said(a, LOST)
    assert not said(b, LOST)


@pytest.mark.parametrize("again", [0, 1, 3])
def test_a_standby_that_was_behind_is_noticed_and_said(servers, again):
    """It was not synchronous: a revocation is lost with the primary.  The log says what to do, and doing it helps.

    Also when as much as was lost, or more, is appended before any node looks.
    """
    made = servers(synchronous=False)
    a, b = made.nodes
    token = a.token()
    assert (200, 200) == (a.call(token), b.call(token))
    before = made.head(made.primary)
    until(lambda: made.head(made.standby) == before, "the standby does not follow")
    made.standby.kill()
    assert revoked(a, token)
    for node in made.nodes:
        node.process.popen.send_signal(signal.SIGSTOP)
    made.primary.kill()
    made.standby.start()
    made.standby.do("SELECT pg_promote()")
    made.append(made.standby, again)
    assert made.head(made.standby) == Head(before.epoch, before.pos + again)
    for node in made.nodes:
        node.process.popen.send_signal(signal.SIGCONT)
    until(lambda: said(a, LOST) or said(b, LOST), "nobody says it")
    until(lambda: revoked(b, token), "nothing can be revoked any more")

    assert (401, 401) == (a.call(token), b.call(token))
    assert made.head(made.standby).epoch > before.epoch
