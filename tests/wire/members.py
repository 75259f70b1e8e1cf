"""Nodes of a cluster as processes, on one PostgreSQL.  Used by the tests that need two of them and more."""

import http.client
import json
from base64 import b64encode
from time import monotonic, sleep, time
from urllib.parse import urlencode

from tests.wire.processes import PATIENCE, Node, free_port
from tests.wire.test_oauth2 import NOW, PEPPER, SECRET, fill
from twgw.cluster import authority
from twgw.cluster.authority import Identity
from twgw.storage import keys
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade

LEASE, SESSION = 2.0, 4.0
"""Shorter than by default, so that a test that waits for their end does not take long."""
END = SESSION * 1.03 + 0.05
"""When everything has ended that a stopped node held."""


def certify(folder, node, signer, *roles):
    """Put the files of a node where it looks for them."""
    target = folder / "data" / "cluster"
    target.mkdir(mode=0o700, parents=True)
    key = authority.new_key()
    who = Identity("twgw", node, frozenset(roles))
    made = authority.issue(signer, authority.request(key, node), who, time())
    for name, text in {"ca.pem": signer.certificate, "node.pem": made, "node-key.pem": key}.items():
        (target / name).write_text(text)
        (target / name).chmod(0o600)


class Member:
    """A node with every role."""

    def __init__(self, folder, start, url, signer, *, lease=LEASE, session=SESSION, **more):
        self.control = free_port()
        folder.mkdir()
        self.signer, self.url, self.port = signer, url, free_port()
        certify(folder, folder.name, signer, "keymanager", "gateway")
        self.node = Node(
            folder, lambda *args: start(*args, folder=folder), None,
            node={"data_dir": "data", "name": folder.name}, database={"url": url},
            control={"listen": f"tcp:{self.control}:interface=127.0.0.1"},
            cluster={"listen": f"tcp:{self.port}:interface=127.0.0.1", "lease": lease, "session": session}, **more,
        ).ready()  # fmt: skip
        self.process = self.node.process
        wait_for(lambda: self.node.is_ready)

    def ask(self, path, form):
        """Status and what the body says, of its control listener."""
        pair = b64encode(f"batch:{SECRET}".encode()).decode()
        fields = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=PATIENCE)
        try:
            connection.request("POST", path, urlencode(form), fields)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None
        finally:
            connection.close()

    def token(self):
        """A new access token."""
        return self.ask("/oauth2/token", {"grant_type": "client_credentials"})[1]["access_token"]

    def revoke(self, token):
        """The status, and after how many seconds it came."""
        began = monotonic()
        return self.ask("/oauth2/revoke", {"token": token})[0], monotonic() - began

    def call(self, token):
        """The status of a call of an API."""
        return self.node.get("/pets", Authorization=f"Bearer {token}")[0]


def wait_for(done):
    """Until something is so that another process does."""
    end = monotonic() + PATIENCE
    while not done():
        assert monotonic() < end
        sleep(0.02)


def begin(url):
    """Give a new database its tables, the pepper, and an API with a client."""
    database = Database(url)
    upgrade(database)
    database.call(keys.ensure_key, "pepper", lambda: PEPPER.text, now=NOW, write=True)
    fill(database)
    database.close()
    return url


def two(folder, start, url, **more):
    """Two nodes, a and b."""
    signer = authority.new_authority("twgw", time())
    return [Member(folder / name, start, url, signer, **more) for name in ("a", "b")]
