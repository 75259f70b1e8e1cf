"""Databases and other servers for every test that wants one.

``database`` runs a test on SQLite, PostgreSQL and MariaDB; ``sqlite`` is for tests of which one database is enough.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import slapd as ldap_server
from tests.chaos.namespaces import forbidden
from tests.databases import MEMORY, SERVERS, clear, sqlite_copy, sqlite_template
from tests.memcached_server import MemcachedServer
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade

settings.register_profile("twgw", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twgw")  # how long something takes says more of the machine than of what is tested


def pytest_collection_modifyitems(config, items):
    """What needs network namespaces is left out where nobody may make them: chaos has links there, which are tested."""
    apart = [item for item in items if item.get_closest_marker("namespaces")]
    if apart and (why := forbidden()):
        items[:] = [item for item in items if item not in apart]
        config.hook.pytest_deselected(items=apart)
        config.get_terminal_writer().line(f"\n{len(apart)} tests are left out: {why}")


@pytest.fixture(scope="session")
def memory():
    """A folder whose files are in memory: nothing waits for a disk there."""
    with tempfile.TemporaryDirectory(prefix="twgw-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def servers():
    """A server of each kind, started when it is asked for, with a database that has its tables."""
    running, databases = {}, {}

    def database(kind):
        if kind not in databases:
            running[kind] = SERVERS[kind]().start()
            databases[kind] = Database(running[kind].make("twgw"))
            upgrade(databases[kind])
        return databases[kind]

    database.running = running
    yield database
    for each in databases.values():
        each.close()
    for each in running.values():
        each.end()


@pytest.fixture(scope="session")
def template(memory):
    """A SQLite file that went through the migrations once."""
    return sqlite_template(memory)


@pytest.fixture
def sqlite(template, memory):
    """A database in a file of its own, with the tables of this version and nothing in them."""
    with sqlite_copy(template, memory) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request):
    """A database of each kind, with the tables of this version and nothing in them."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite")
    else:
        database = request.getfixturevalue("servers")(request.param)
        yield database
        database.call(clear, write=True)


@pytest.fixture(scope="session")
def slapd(tmp_path_factory):
    """An LDAP server with some thousand users; a test that stops it starts one of its own."""
    server = ldap_server.make(tmp_path_factory.mktemp("slapd"))
    yield server
    server.stop()


@pytest.fixture
def memcached():
    """A memcached with nothing in it."""
    server = MemcachedServer().start()
    yield server
    server.stop()


@pytest.fixture
def desk(sqlite, tmp_path, monkeypatch):
    """Somebody at a terminal, in an empty folder, and a node to ask."""
    from tests import desk as terminal  # not every test wants to wait for what it imports

    monkeypatch.chdir(tmp_path)
    made = terminal.make(sqlite, tmp_path)
    yield made
    made.close()
