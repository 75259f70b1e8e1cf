"""The admin REST over a real database."""

import pytest

from tests.rest import World


@pytest.fixture
def world(sqlite):
    """One for each test, with the admin root."""
    return World(sqlite)
