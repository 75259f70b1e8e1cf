"""The publisher over a real database, and the admin's way to it."""

import pytest

from tests.rest import World


@pytest.fixture
def world(sqlite):
    """One for each test, with the admin root."""
    return World(sqlite)
