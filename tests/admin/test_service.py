"""Tests of twgw.admin.service."""

import pytest
from twisted.internet.testing import MemoryReactorClock

from tests.rest import an_api
from twgw.admin import service
from twgw.admin.service import PREFIX, check_by, served
from twgw.model import Api, Policy
from twgw.policy.registry import find_plugins
from twgw.settings import structure
from twgw.testing import MemoryGateway


def api(**fields):
    return structure(Api, an_api(**fields))


@pytest.fixture(scope="module")
def check():
    """As of a gateway with the bundled policies."""
    gateway = MemoryGateway(Api("pets", "1.0", "/pets"))
    return check_by(lambda: find_plugins(()), gateway.gateway, lambda upstream: lambda exchange: None)


def test_an_api_is_compiled_as_the_gateway_does(check):
    """What is wrong is told with the path inside the API."""
    wrong = api(policies=[{"name": "no-such"}])

    assert () == check((), api())
    assert ["policies[0].name"] == [fault.path for fault in check((), wrong)]
    assert ["policies[0].name"] == [fault.path for fault in check([Policy("no-such")], None)]


def test_what_was_right_is_not_compiled_again(monkeypatch):
    """As long as the policies are the same that it was right under; what is wrong is told each time."""
    gateway, seen = MemoryGateway(Api("pets", "1.0", "/pets")), []
    deploy = service.deploy
    monkeypatch.setattr(service, "deploy", lambda *args: seen.append(args[0].apis) or deploy(*args))
    installed = dict(find_plugins(()))
    check = check_by(lambda: installed, gateway.gateway, lambda upstream: lambda exchange: None)
    wrong = api(policies=[{"name": "no-such"}])

    assert [(), ()] == [check((), api()) for _ in range(2)]
    assert [(api(),)] == seen
    assert [1, 1] == [len(check((), wrong)) for _ in range(2)]
    assert 3 == len(seen)

    installed = {name: each for name, each in installed.items() if name != "key-auth"}

    assert () == check((), api(policies=[]))
    assert 4 == len(seen)


def test_it_is_described(world):
    """The document is there for whoever wants to write a client, without a login."""
    told = world.client.get(f"{PREFIX}/openapi.json").json

    assert ("3.1.0", "twgw") == (told["openapi"], told["info"]["title"])
    assert {"/admin/v1/apis", "/admin/v1/login"} <= set(told["paths"])


def test_it_answers_from_threads_of_its_own(world):
    """And none is there before the node starts."""
    answers = served(MemoryReactorClock(), world.ground, lambda position: None)

    assert (0, False) == (answers.calls, answers.stopping)
    assert answers.resource().isLeaf
