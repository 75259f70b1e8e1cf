"""Tests of twgw.storage.clients."""

import attrs
import pytest

from tests.storage.conftest import NOW
from twgw.registry import Approval, Block, Client
from twgw.storage import log
from twgw.storage.applications import create_application, update_application
from twgw.storage.blocks import add_block
from twgw.storage.clients import add_client, clients_of, find_client, find_party, revoke_client, update_client
from twgw.storage.errors import Conflict, Missing

C1 = Client("c1", "batch", "production", f"v1:{'0' * 64}", {"redirect_uris": ["https://app.example/back"]})


@pytest.fixture
def batch(write):
    """An application."""
    write(create_application, "batch", owner="bob")


def test_a_client_is_kept_as_given(batch, write, read):
    """Everything said of it is found again; entering it is no record, and needs its application."""
    client = write(add_client, C1)

    assert attrs.evolve(C1, created_at=NOW) == client == read(find_client, "c1")
    assert [client] == read(clients_of, "batch")
    assert 0 == read(log.head).pos
    with pytest.raises(Conflict, match="client c1 exists already"):
        write(add_client, C1)
    with pytest.raises(Missing, match="no application nobody"):
        write(add_client, attrs.evolve(C1, id="c2", application="nobody"))


def test_another_secret_or_other_settings_are_a_record(batch, write, read):
    """What is not given stays."""
    write(add_client, C1)

    assert 1 == write(update_client, "c1", digest="v2:x", stamp=1)
    assert 2 == write(update_client, "c1", settings={"grants": []})

    client = read(find_client, "c1")
    assert ("v2:x", {"grants": []}, 3) == (client.digest, client.settings, client.stamp)
    assert ["app:batch"] * 2 == [record.tag for record in read(log.since, 0)]


def test_a_revoked_client_is_void_for_ever(batch, write, read):
    """A second time says when it was; an unknown one is missing."""
    write(add_client, C1)

    assert 1 == write(revoke_client, "c1") == write(revoke_client, "c1")

    assert 1 == read(find_client, "c1").revoked_pos
    with pytest.raises(Missing, match="there is no client c2"):
        write(revoke_client, "c2")


def test_a_client_is_found_with_what_may_stand_in_its_way(database, write, read):
    """The state of its application, and a block of that."""
    write(create_application, "shop", owner="bob")
    client = write(add_client, Client("web", "shop", "production", ""))
    assert (client, Approval.ACTIVE, None, read(log.head)) == read(find_party, "web")
    assert read(find_party, "nobody") is None

    write(update_application, "shop", {"state": Approval.PENDING})
    write(add_block, Block("application", "shop", expires_at=NOW + 5))
    write(add_block, Block("user", "shop"))

    found, state, block, head = read(find_party, "web")
    assert (client, Approval.PENDING) == (found, state)
    assert (NOW, NOW + 5) == (block.at, block.expires_at)
    assert read(log.head) == head
