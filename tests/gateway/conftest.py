"""A registry in a database, a gateway in memory that follows it, and threads that work when a test says so."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twgw.memory import MemoryGateway, digest
from twgw.memory_world import EPOCH
from twgw.model import Api, Credential, Lifecycle, Limit, Policy, Target, Tier, Upstream
from twgw.storage.apis import create_api, publish
from twgw.storage.applications import create_application
from twgw.storage.credentials import add_credential
from twgw.storage.reader import DatabaseReader
from twgw.storage.subscriptions import subscribe
from twgw.storage.tiers import create_tier

GUARDED = (Policy("key-auth"), Policy("subscription"), Policy("rate-limit"))


class Registry:
    """A registry that is filled in a few words, all of it when the clock of a MemoryGateway begins."""

    def __init__(self, database):
        self.database = database

    def write(self, function, *args, now=EPOCH, **kwargs):
        return self.database.call(function, *args, write=True, now=now, **kwargs)

    def api(self, name="pets", state=Lifecycle.PUBLISHED, **fields):
        """A live API that asks for a key, a subscription and a tier."""
        given = {"upstream": Upstream((Target(f"http://{name}.test"),)), "policies": GUARDED}
        api = Api(name, "1.0", f"/{name}", **{**given, **fields})
        self.write(create_api, api, owner="ann", state=state)
        self.write(publish, api.id, 1)
        return api

    def application(self, name="shop", *apis, tier="Gold"):
        """An application that is subscribed to APIs."""
        self.write(create_application, name, owner="bob")
        for api in apis or ("pets:1.0",):
            self.write(subscribe, name, api, tier=tier)

    def key(self, secret="secret", application="shop", user=None, **fields):
        """A key; its id is itself, unless another one is given."""
        credential = Credential(application=application, digest=digest(secret), **{"id": secret, **fields})
        return self.write(add_credential, credential, user=user)


class Threads:
    """In place of ``database.run``: reads and tells when the test says so, in the order in which it was asked."""

    def __init__(self, database):
        self._database = database
        self._asked = []
        self._read = []
        self.transactions = 0
        """How many were asked for."""

    def run(self, function, *args, **kwargs):
        done = Deferred()
        self._asked.append((done, function, args, kwargs))
        self.transactions += 1
        return done

    def read(self):
        """Do in the database what was asked; nobody is told yet."""
        while self._asked:
            done, function, args, kwargs = self._asked.pop(0)
            try:
                self._read.append((done, self._database.call(function, *args, **kwargs)))
            except Exception:  # noqa: BLE001 - handed on, as a thread does
                self._read.append((done, Failure()))

    def tell(self):
        """Tell what was read."""
        read, self._read = self._read, []
        for done, result in read:
            done.callback(result)  # a Failure too

    def work(self):
        """Read and tell until nothing is asked any more."""
        while self._asked or self._read:
            self.read()
            self.tell()

    def fail(self, error):
        """Let everything that was asked fail."""
        asked, self._asked = self._asked, []
        for done, *_ in asked:
            done.errback(error)


@pytest.fixture
def registry(sqlite):
    """A registry with a live API, and an application with the key ``secret`` that is subscribed to it in a tier."""
    made = Registry(sqlite)
    made.write(create_tier, Tier("Gold", (Limit(1000),)))
    made.api()
    made.application()
    made.key()
    return made


@pytest.fixture
def gateway(registry):
    """A gateway that follows it."""
    return MemoryGateway(registry.database)


@pytest.fixture
def threads(gateway, registry, monkeypatch):
    """The threads in which that gateway reads keys and subscriptions; its log it reads at once."""
    made = Threads(registry.database)
    monkeypatch.setattr(gateway.facts, "_reader", DatabaseReader(made))
    return made


@pytest.fixture
def begin(gateway):
    """Call an API with a key, and give back the connection."""

    def begin(secret="secret", path="/pets/7"):
        return gateway.begin("GET", path, headers={"X-API-Key": secret})

    return begin


@pytest.fixture
def call(gateway):
    """Call an API with a key, and give back the status of the answer."""

    def call(secret="secret", path="/pets/7"):
        return gateway.get(path, headers={"X-API-Key": secret}).status

    return call


@pytest.fixture
def leased(registry):
    """A gateway that may trust what is in force, for as long as the test says so."""
    gateway = MemoryGateway(registry.database)
    found = SimpleNamespace(gateway=gateway, trusted=True)
    gateway.follower._trusted = lambda: found.trusted
    gateway.follower.reload()
    return found


@pytest.fixture
def told_to(gateway):
    """The last report of the gateway, as one of a cluster."""
    said = []
    gateway.follower._trusted = lambda: True
    gateway.follower._advanced = lambda head, report: said.append((head.pos, report))
    gateway.follower.reload()
    return lambda: said[-1]
