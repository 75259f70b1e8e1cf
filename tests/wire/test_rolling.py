"""Nodes are restarted one after the other behind a load balancer, as an upgrade does: no request fails."""

import pytest

from tests.chaos.load import FORM, connected
from tests.chaos.rolling import Balancer, Callers, roll
from tests.chaos.world import World

TIMES = 2


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two nodes with the database, and a gateway without one; a busy machine is no outage of memcached."""
    world = World(tmp_path_factory.mktemp("world"), patience=5)
    try:
        yield world.start()
    finally:
        world.end()


def token_of(world):
    """A token that opens the API."""
    connection = connected(world, "a", "control")
    _, _, body = connection.ask("POST", "/oauth2/token", "grant_type=client_credentials", FORM)
    connection.close()
    return body.decode().partition('access_token": "')[2].partition('"')[0]


def test_a_start_worries_nobody(world):
    """Where nothing is wrong, the log has neither warnings nor errors, and says once what is in force."""
    for name, member in world.members.items():
        lines = member.process.lines
        assert [] == [line for line in lines if "#warn" in line or "#error" in line or "Traceback" in line], name
        assert 1 == sum("APIs in force" in line for line in lines), name


def test_no_request_fails_while_nodes_are_restarted(world):
    """Neither one on a new connection nor one on a connection that was kept."""
    balancer = Balancer(world, ("a", "b"))
    callers = Callers(balancer.port, token_of(world))
    unclean = roll(world, TIMES)
    callers.stop()
    balancer.end()

    assert [] == callers.failed
    assert 0 == unclean
    assert callers.answered > 100
    assert min(balancer.given.values()) > 10
    assert [] == world.errors()
