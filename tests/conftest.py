"""Databases for every test that wants one."""

import pytest

from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade


@pytest.fixture
def sqlite(tmp_path):
    """A database of one's own, in a file, with the tables of this version."""
    database = Database(f"sqlite:///{tmp_path}/twgw.db")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def database(sqlite):
    """A database with the tables of this version and nothing in them."""
    return sqlite
