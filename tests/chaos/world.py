"""A cluster of real processes in one folder: a database, memcached, two nodes with every role, and a gateway without a
database; between them is a network that can be cut.

``faults.py`` does things to it, ``load.py`` asks it, ``run.py`` and ``wire/test_chaos.py`` start it.
"""

import json
import signal
import sys
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time

from tests.chaos.history import Limit
from tests.chaos.links import Network
from tests.chaos.namespaces import Namespaces
from tests.databases import SERVERS, PostgreSQL
from tests.memcached_server import MemcachedServer
from tests.wire.members import certify
from tests.wire.processes import TWISTD, Node, Process, free_port
from tests.wire.test_oauth2 import NOW, PEPPER, fill
from twgw.cluster import authority
from twgw.credentials import digest
from twgw.model import Algorithm, Api, Lifecycle, Policy
from twgw.storage import apis, keys
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade
from twgw.web.login import first_admin

NODES = ("a", "b", "g")
KEY_MANAGERS = ("a", "b")
LIMITS = (
    Limit("fixed", "fixed", 20, 2.0),
    Limit("sliding", "sliding", 20, 2.0),
    Limit("bucket", "bucket", 10, 1.0, burst=10),
)
ALGORITHMS = {"fixed": Algorithm.FIXED_WINDOW, "sliding": Algorithm.SLIDING_WINDOW, "bucket": Algorithm.TOKEN_BUCKET}
REVISED = "revised"
"""The API that is published again and again, and answers with the number of its revision."""
COUNTERS = "/proc/self/cwd/memcached"
"""How every node names memcached, in the same words, where each has a link of its own: it finds that there."""
NETWORKS = {"links": Network, "namespaces": Namespaces}
BACK_WITHIN = 240.0
"""Seconds in which a process that was killed serves again, and everything is well once it is healed."""


class Member:
    """A node, which may be killed and started anew.  ``program`` is what is started in place of twistd."""

    def __init__(self, folder, name, program, sections, host):
        self.name, self.folder = name, folder / name
        self.errors = []
        """Lines of processes that have ended, which say that something broke."""
        self._program = program
        self.process = None
        self.node = Node(self.folder, lambda *arguments: arguments, None, host=host, **sections)
        self._arguments = self.node.process

    def start(self, environment=None):
        """Start it, as often as that takes: it ends by itself where it finds no database."""
        end = monotonic() + BACK_WITHIN
        while True:
            self.process = Process(
                self.folder, *self._arguments, environment=environment, program=self._program
            )
            try:
                self.process.wait_for("memory only", within=BACK_WITHIN)
            except AssertionError:
                if monotonic() > end:
                    raise
                self.process.kill()
                sleep(0.2)
            else:
                return self

    def kill(self):
        """At once."""
        self.errors += broken(self.process.lines)
        self.process.kill()

    def terminate(self):
        """As it should, by SIGTERM; the exit status."""
        self.process.signal(signal.SIGTERM)
        status = self.process.end()
        self.kill()
        return status

    def status(self, path="/readyz"):
        """Status and text of its admin listener; 0 when it does not answer."""
        try:
            status, _, body = self.node.ask(path)
        except OSError:
            return 0, b""
        return status, body

    @property
    def well(self):
        """Whether it says that it serves, and that nothing is wrong."""
        status, body = self.status()
        return status == 200 and not json.loads(body)["warnings"]


def broken(lines):
    """What a log says that nothing excuses, with the lines around it."""
    places = [place for place, line in enumerate(lines) if "Traceback" in line or "Unhandled" in line]
    return ["\n".join(lines[max(0, place - 2) : place + 40]) for place in places]


class World:
    """All of it, or some of the nodes.  ``mutant`` is the name of a rule that is taken out of them (``mutant.py``),
    ``patience`` the seconds for which they wait for memcached.
    """

    def __init__(
        self, folder, lease=4.0, session=15.0, mutant=None, *, database="postgresql", network="links", standby=False,
        nodes=NODES, patience=0.25,
    ):  # fmt: skip
        self.folder, self.lease, self.session = Path(folder), lease, session
        self.skewed = set()
        """Nodes whose clock is wrong just now: what time it is there, the driver does not know."""
        self.admin = ""
        """The token of an admin."""
        self.network = NETWORKS[network]()
        self.apart = network == "namespaces"
        """Whether every member has an address of its own."""
        self.database = SERVERS[database](durable=True, **self._place("database"))
        self.standby = None
        """A PostgreSQL that has everything that was committed, and takes over when it is told to."""
        self._stands_by, self._nodes, self._patience = standby, nodes, patience
        self.memcached = MemcachedServer(**self._place("memcached"))
        self.members = {}
        self._program = (TWISTD,) if mutant is None else (
            sys.executable, str(Path(__file__).with_name("mutant.py")), mutant,
        )  # fmt: skip

    def _url(self, name):
        """How a node finds the database: whichever of two may be written to, where there is a standby."""
        server, place = self.database, self.database.port if self.apart else self.database.socket
        address = self.network.link(f"{name}-database", place).address
        if not self._stands_by:
            return f"{server.scheme}://{server.user}@{address}/chaos"
        other = self.network.link(f"{name}-standby", place).address
        return f"{server.scheme}://{server.user}@/chaos?host={address}&host={other}&target_session_attrs=primary"

    def follow(self, place):
        """A standby that is synchronous: nothing counts as committed that it has not."""
        self.standby = PostgreSQL(durable=True, following=self.database, **place).start()
        self.database.do("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        end = monotonic() + BACK_WITHIN
        while self.database.do("SELECT sync_state FROM pg_stat_replication") != "sync":
            assert monotonic() < end, "the standby does not follow"
            sleep(0.1)

    def take_over(self):
        """What was the primary is gone for good; its standby is told to be the primary.  Where the next one may be."""
        gone, self.database, self.standby = self.database, self.standby, None
        self.database.do("SELECT pg_promote()")
        links = self.network.links
        for name in KEY_MANAGERS:
            here, there = f"{name}-database", f"{name}-standby"
            links[here], links[there] = links[there], links[here]
        gone.end()
        return {"host": gone.host, "within": gone.within}

    def _place(self, name):
        """Where a server is started, and listens."""
        return {"host": self.network.host(name), "within": self.network.within(name)} if self.apart else {}

    def __getitem__(self, name):
        return self.members[name]

    def start(self):
        """Start everything, one after the other."""
        self.database.start()
        self.memcached.start()
        self.database.make("chaos")
        self._fill(self.database.url("chaos"))
        if self._stands_by:
            self.follow(self._place("standby"))
        signer = authority.new_authority("twgw", time())
        listening = {name: free_port() for name in KEY_MANAGERS}
        for name in self._nodes:
            (self.folder / name).mkdir()
            counters = self.network.link(f"{name}-memcached", self.memcached.port, self.folder / name / "memcached")
            memcached = {"servers": [counters.address if self.apart else COUNTERS], "timeout": self._patience}
            host = self.network.host(name)
            if name in KEY_MANAGERS:
                certify(self.folder / name, name, signer, "keymanager", "gateway")
                sections = {
                    "node": {"data_dir": "data", "name": name}, "memcached": memcached,
                    "database": {"url": self._url(name)},
                    "cluster": {
                        "listen": f"tcp:{listening[name]}:interface={host}",
                        "lease": self.lease, "session": self.session,
                    },
                }  # fmt: skip
            else:
                certify(self.folder / name, name, signer, "gateway")
                asked = [self.network.link(f"{name}-{it}", listening[it]) for it in KEY_MANAGERS]
                sections = {
                    "node": {"data_dir": "data", "name": name, "roles": ["gateway", "admin"]}, "memcached": memcached,
                    "control": {"listen": ""},
                    "cluster": {"keymanagers": [link.address for link in asked]},
                }  # fmt: skip
            program = (*self.network.within(name), *self._program)
            self.members[name] = Member(self.folder, name, program, sections, host).start()
        self.until_well()
        return self

    def _fill(self, url):
        database = Database(url)
        upgrade(database)

        def write(function, *args, **kwargs):
            database.call(function, *args, now=NOW, write=True, **kwargs)

        write(keys.ensure_key, "pepper", lambda: PEPPER.text)
        self.admin = first_admin(database, self.folder, partial(digest, PEPPER), time()).read_text().strip()
        fill(database)
        limited = [Api(it.api, "1", f"/{it.api}", policies=(_limiting(it), _saying("ok"))) for it in LIMITS]
        for api in (*limited, Api(REVISED, "1", f"/{REVISED}", policies=(_saying("1"),))):
            write(apis.create_api, api, owner="bob")
            write(apis.publish, api.id, 1)
            write(apis.set_state, api.id, Lifecycle.PUBLISHED, actor="bob")
        database.close()

    def until_well(self):
        """Wait until every node says so."""
        end = monotonic() + BACK_WITHIN
        while not all(self.members[name].well for name in self.members):
            assert monotonic() < end, [self.members[name].status() for name in self.members]
            sleep(0.1)

    def heal(self):
        """Every link lets everything through."""
        for link in self.network.links.values():
            link.heal()

    def errors(self):
        """Lines in the logs of nodes that should not be there."""
        return [
            f"{member.name}: {line}"
            for member in self.members.values() for line in (*member.errors, *broken(member.process.lines))
        ]  # fmt: skip

    def end(self):
        """Stop everything."""
        for member in self.members.values():
            member.process.kill()
        self.network.close()
        self.memcached.stop()
        for server in filter(None, (self.standby, self.database)):
            server.end()


def _limiting(limit):
    settings = {"by": "api", "amount": limit.amount, "period": limit.period, "algorithm": ALGORITHMS[limit.kind]}
    if limit.burst:
        settings["burst"] = limit.burst
    return Policy("rate-limit", {name: getattr(it, "value", it) for name, it in settings.items()})


def _saying(text):
    return Policy("mock-response", {"status": 200, "body": text})
