"""Tests of twgw.storage.vendors."""

import pytest

from twgw.storage.vendors import address


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
