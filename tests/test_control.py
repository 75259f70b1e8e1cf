"""Tests of twgw.control."""

import pytest
from twisted.internet.testing import MemoryReactorClock

from tests.rest import World
from twgw.control import ROLES, served, views_of
from twgw.web.settings import Control


@pytest.fixture
def world(sqlite):
    """The control plane of a node."""
    return World(sqlite)


@pytest.mark.parametrize(("roles", "prefixes"), [
    (ROLES, {"/publisher/v1", "/store/v1"}), (("gateway", "store"), {"/store/v1"}), (("keymanager",), set()),
])  # fmt: skip
def test_each_role_has_its_prefix(roles, prefixes):
    """And a login there."""
    found = [view for views in views_of(roles) for view in views.views]

    assert prefixes == {view.prefix for view in found} == {view.prefix for view in found if view.name == "log_in"}


def test_each_interface_is_described(world):
    """By itself, without a login; what is not on is not there."""
    made = served(MemoryReactorClock(), world.ground, lambda position: None, Control(), ("store",))
    client = made.application.test_client()

    told = client.get("/store/v1/openapi.json").json
    assert ("twgw store", "3.1.0") == (told["info"]["title"], told["openapi"])
    assert {"/store/v1/catalog", "/store/v1/login", "/store/v1/clients/{client}"} <= set(told["paths"])
    assert 404 == client.get("/publisher/v1/openapi.json").status_code
    assert 401 == client.get("/store/v1/catalog").status_code
