"""Tests of twgw.storage.vendors."""

import socket

import pytest

from tests.databases import SERVERS
from twgw.storage.database import Database
from twgw.storage.vendors import UNHEARD, address


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:////var/lib/twgw.db", "sqlite+pysqlite"),
        ("postgresql://gw@db/twgw", "postgresql+psycopg"),
        ("mariadb://gw@db/twgw", "mysql+pymysql"),
        ("mysql://gw@db/twgw", "mysql+pymysql"),
    ],
)
def test_the_driver_is_ours(url, driver):
    """Who writes a URL names the database, not a Python package."""
    assert driver == address(url).drivername


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "must be a URL"),
        ("oracle://gw@db/twgw", "must begin with sqlite:, postgresql:, mariadb: or mysql:, not oracle:"),
        ("sqlite://", "must name a file"),
        ("postgresql://gw@db", "must name a database"),
    ],
)
def test_a_url_that_cannot_be_is_said_to_be_so(url, said):
    """A wrong URL is found before anything is connected."""
    with pytest.raises(ValueError, match=said):
        address(url)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_connection_is_given_up_whose_other_end_is_gone(kind):
    """Not as late as the kernel would: what is sent into a cut is tried again ever more seldom, also after the cut."""
    server = SERVERS[kind](host="127.9.54.32").start()
    database = Database(f"{server.scheme}://{server.user}@{server.host}:{server.port}/{server.own}")
    try:
        driver = database.writing.raw_connection().driver_connection
        number = driver.fileno() if kind == "postgresql" else driver._sock.fileno()
        with socket.socket(fileno=number) as here:
            tcp = [here.getsockopt(socket.IPPROTO_TCP, it) for it in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)]
            assert ([UNHEARD * 1000, UNHEARD], 1) == (tcp, here.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            here.detach()
    finally:
        database.close()
        server.end()
