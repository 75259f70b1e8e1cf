"""Clients of the cluster, each a thread, and what they saw: a history that ``history.py`` can judge.

Tokens are issued, used at every gateway, and revoked; those that were revoked lately are used on and on.  An API is
published again and again; others have limits and more demand than these.
"""

import http.client
import json
import random
import threading
from base64 import b64encode
from collections import deque
from contextlib import suppress
from math import inf
from time import monotonic, time
from urllib.parse import urlencode

from tests.chaos.history import Call, Change
from tests.chaos.world import KEY_MANAGERS, LIMITS, NODES, REVISED
from tests.wire.test_oauth2 import SECRET

PATIENCE = 60.0
"""Seconds for an answer: longer than anything is held up, so that what a stopped process answers later is seen."""
KEPT = 40.0
"""Seconds for which what was revoked is used on."""
BASIC = "Basic " + b64encode(f"batch:{SECRET}".encode()).decode()
FORM = {"Authorization": BASIC, "Content-Type": "application/x-www-form-urlencoded", "Host": "localhost"}
"""Secrets are taken by https alone, or on the loopback address: so this is called, wherever it is."""


class Connection:
    """To one port, opened again when it ended."""

    def __init__(self, port, host="127.0.0.1"):
        self._connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)

    def ask(self, method, path, body=None, fields=None):
        """Status, fields and text; status 0 when no answer came."""
        try:
            self._connection.request(method, path, body, fields or {})
            answer = self._connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, {}, b""

    def close(self):
        self._connection.close()


def connected(world, name, listener="port"):
    """A connection to a node: its port for traffic, its ``admin`` or its ``control`` listener."""
    node = world[name].node
    return Connection(getattr(node, listener), node.host)


class Load:
    """All clients.  ``pace`` are the seconds between two calls of one of them."""

    def __init__(self, world, seed, pace=0.02, revokers=4, publishes=True):
        self.calls, self.changes = [], []
        self.wall = time() - monotonic()
        """What the time of day was when the clock was 0."""
        self.broken = []
        """Faults of the driver itself."""
        self._world, self._seed, self._pace = world, seed, pace
        self._live, self._gone = deque(), deque(maxlen=400)
        self._stop = threading.Event()
        jobs = [(self._caller, name, number) for name in NODES for number in (0, 1)]
        jobs += [(self._limited, name, 0) for name in NODES]
        jobs += [(self._revoker, "", number) for number in range(revokers)]
        jobs += [(self._publisher, "", 0)] if publishes else []
        self._threads = [threading.Thread(target=self._run, args=job, daemon=True) for job in jobs]

    def start(self):
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        """End, once everything is healed: each after the call under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)

    def _run(self, job, name, number):
        chance = random.Random(f"{self._seed} {job.__name__} {name} {number}")
        try:
            job(name, chance)
        except Exception as error:
            self.broken.append(repr(error))
            raise

    def _rest(self, seconds):
        self._stop.wait(seconds)

    # --- calls ---

    def _caller(self, name, chance):
        """Calls one gateway: with what is good, with what is not any more, and without anything."""
        connection = connected(self._world, name)
        while not self._stop.is_set():
            self._rest(self._pace * chance.uniform(0.5, 1.5))
            if chance.random() < 0.1:
                self._call(connection, name, REVISED)
            elif token := self._picked(self._live if chance.random() < 0.4 else self._gone, chance):
                self._call(connection, name, "pets", token)
        connection.close()

    @staticmethod
    def _picked(tokens, chance):
        """One of them, of the latest more often than of the others."""
        with suppress(IndexError):
            place = min(int(chance.expovariate(0.2)), len(tokens) - 1) if chance.random() < 0.7 else None
            token, since = tokens[-1 - place] if place is not None else chance.choice(tokens)
            return token if monotonic() - since < KEPT else None
        return None

    def _limited(self, name, chance):
        """Asks for more than is let pass."""
        connection = connected(self._world, name)
        while not self._stop.is_set():
            self._rest(self._pace * chance.uniform(0.5, 1.5))
            if name not in self._world.skewed:
                self._call(connection, name, chance.choice(LIMITS).api)
        connection.close()

    def _call(self, connection, name, api, token=""):
        fields = {"Authorization": f"Bearer {token}"} if token else {}
        skewed = name in self._world.skewed
        sent = monotonic()
        status, headers, body = connection.ask("GET", f"/{api}", fields=fields)
        came = monotonic() if status else inf
        if api != REVISED and not token and (skewed or name in self._world.skewed):
            return  # what window it was in, is not known
        self.calls.append(Call(
            sent, came, name, api, token, status,
            number=int(body) if api == REVISED and status == 200 else 0,
            alone="degraded" in headers.get("RateLimit-Policy", ""),
            why="" if status == 200 else body.decode(errors="replace")[:300],
        ))  # fmt: skip

    # --- changes ---

    def _change(self, kind, subject, node, ask, number=0):
        """Ask for a change, and write down what became of it; status and body."""
        began = monotonic()
        status, headers, body = ask()
        self.changes.append(Change(kind, subject, began, monotonic(), status in {200, 201}, number, node))
        return status, headers, body

    def _revoker(self, _name, chance):
        """Issues a token, lets it be used, and revokes it, at one key manager or another."""
        while not self._stop.is_set():
            token = self._issue(chance.choice(KEY_MANAGERS))
            if token is None:
                self._rest(0.2)
                continue
            entry = (token, monotonic())
            self._live.append(entry)
            self._rest(chance.uniform(0.1, 1.0))
            if chance.random() < 0.1:
                continue  # it stays good, and has to
            node = chance.choice(KEY_MANAGERS)
            connection = connected(self._world, node, "control")
            form = urlencode({"token": token})
            self._change("revoke", token, node, lambda c=connection, f=form: c.ask("POST", "/oauth2/revoke", f, FORM))
            connection.close()
            self._live.remove(entry)
            self._gone.append((token, monotonic()))

    def _issue(self, node):
        connection, began, skewed = connected(self._world, node, "control"), monotonic(), set(self._world.skewed)
        form = urlencode({"grant_type": "client_credentials"})
        status, _, body = connection.ask("POST", "/oauth2/token", form, FORM)
        connection.close()
        if status != 200 or node in skewed | self._world.skewed:  # nobody knows until when it is good
            return None
        token = json.loads(body)["access_token"]
        self.changes.append(Change("issue", token, began, monotonic(), ok=True, node=node))
        return token

    def _publisher(self, _name, chance):
        """Publishes one revision after the other, each of which answers with its number."""
        number = 1
        while not self._stop.is_set():
            self._rest(chance.uniform(0.2, 1.5))
            node = chance.choice(KEY_MANAGERS)
            connection = connected(self._world, node, "admin")
            fields = {"Authorization": f"Bearer {self._world.admin}", "Content-Type": "application/json"}
            status, headers, body = connection.ask("GET", f"/admin/v1/apis/{REVISED}:1", fields=fields)
            if status == 200:
                number += 1
                api = json.loads(body)["api"]
                api["policies"] = [{"name": "mock-response", "settings": {"status": 200, "body": str(number)}}]
                fields |= {"If-Match": headers["ETag"]}
                path, text = f"/admin/v1/apis/{REVISED}:1?publish=true", json.dumps(api)
                self._change(
                    "publish", REVISED, node,
                    lambda c=connection, p=path, t=text, f=fields: c.ask("PUT", p, t, f), number,
                )  # fmt: skip
            connection.close()

    def kept(self):
        """What was issued, and never revoked."""
        revoked = {each.subject for each in self.changes if each.kind == "revoke"}
        return [each.subject for each in self.changes if each.kind == "issue" and each.subject not in revoked]

    def verify(self):
        """Once it has stopped and all is well: use everything that was issued and never revoked at one gateway."""
        kept = self.kept()
        for number, token in enumerate(kept):
            name = NODES[number % len(NODES)]
            connection = connected(self._world, name)
            self._call(connection, name, "pets", token)
            connection.close()
        return len(kept)
