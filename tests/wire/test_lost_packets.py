"""A node is cut off from its database in the middle of a transaction, packets and all, as when its machine dies.

That takes network namespaces, which only root may make.
"""

import subprocess
import sys

import pytest

from tests.chaos.namespaces import Namespaces
from tests.databases import SERVERS
from twgw.storage.database import Database

HOLD = """
import sys, time
from twgw.storage.database import Database

def hold(connection):
    connection.exec_driver_sql("UPDATE held SET n = n + 1")
    print("holds", flush=True)
    time.sleep(120)

Database(sys.argv[1], statement_timeout=float(sys.argv[2])).call(hold, write=True)
"""
WHERE = [("postgresql", 60), ("mariadb", 5)]
"""Each server, and how long a statement of the node may take: PostgreSQL has to notice long before that."""


def fill(connection):
    connection.exec_driver_sql("CREATE TABLE held (n INTEGER)")
    connection.exec_driver_sql("INSERT INTO held VALUES (0)")


def add(connection):
    connection.exec_driver_sql("UPDATE held SET n = n + 1")


def read(connection):
    return connection.exec_driver_sql("SELECT n FROM held").scalar_one()


@pytest.mark.namespaces
@pytest.mark.parametrize(("kind", "seconds"), WHERE)
def test_what_a_node_has_locked_that_is_gone_is_let_go(kind, seconds):
    """Others wait for it no longer than a statement may take; what it had not committed was not done."""
    network = Namespaces(("node", "database"))
    server = SERVERS[kind](host=network.host("database"), within=network.within("database")).start()
    database = Database(server.make("apart"), statement_timeout=20)
    database.call(fill, write=True)
    link = network.link("node-database", server.port)
    url = f"{server.scheme}://{server.user}@{link.address}/apart"
    node = subprocess.Popen(
        [*network.within("node"), sys.executable, "-c", HOLD, url, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert node.stdout.readline() == "holds\n"
        link.cut()
        database.call(add, write=True)
        assert 1 == database.call(read)
    finally:
        node.kill()
        node.communicate()
        database.close()
        server.end()
        network.close()
