"""What the tests of storage begin with: writing, reading, and some nouns."""

import pytest

from twgw.model import Api, Credential, Policy, Target, Upstream

NOW = 1_800_000_000.0


def an_api(name="pets", version="1.0", **fields):
    return Api(name, version, f"/{name}", upstream=Upstream((Target("http://pets.example"),)), **fields)


def a_credential(application="batch", id="AbCdEfGh", mark="a", **fields):
    return Credential(id=id, application=application, digest=f"v1:{mark * 64}", **fields)


@pytest.fixture
def write(database):
    """Do something in a transaction of its own, at NOW."""

    def write(function, *args, **kwargs):
        return database.call(function, *args, write=True, now=NOW, **kwargs)

    return write


@pytest.fixture
def read(database):
    """Look something up in a transaction of its own."""
    return database.call


@pytest.fixture
def filled(write):
    """A live API with two policies, and an application with one key that is subscribed to it."""
    from twgw.storage.apis import create_api, publish
    from twgw.storage.applications import create_application
    from twgw.storage.credentials import add_credential
    from twgw.storage.subscriptions import subscribe

    write(create_api, an_api(policies=(Policy("key-auth"), Policy("rate-limit", {"amount": 2}))), owner="ann")
    write(publish, "pets:1.0", 1)
    write(create_application, "batch", owner="bob")
    write(subscribe, "batch", "pets:1.0", tier="gold")
    write(add_credential, a_credential())
