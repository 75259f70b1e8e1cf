"""What requests meet first.  Blocks are tested where they are put in force: test_blocks.py, test_follower.py."""

from types import SimpleNamespace

import pytest

from twgw.memory import MemoryGateway
from twgw.model import Lifecycle
from twgw.storage.apis import set_state


@pytest.fixture
def leased(registry):
    """A gateway that may trust what is in force, for as long as the test says so."""
    gateway = MemoryGateway(registry.database)
    found = SimpleNamespace(gateway=gateway, trusted=True)
    gateway.follower._trusted = lambda: found.trusted
    gateway.follower.reload()
    return found


@pytest.mark.parametrize("key", [{"X-API-Key": "secret"}, {}])
def test_without_a_lease_every_request_is_refused(leased, registry, key):
    """Whoever calls, also after the next deployment; with one, they are answered again."""
    ask = lambda: leased.gateway.request("GET", "/pets/7", headers=key).status
    usual = ask()
    leased.trusted = False

    assert (usual != 503, 503) == (True, ask())

    leased.gateway.follower.reached(registry.write(set_state, "pets:1.0", Lifecycle.DEPRECATED, actor="ann"))

    assert 503 == ask()

    leased.trusted = True

    assert usual == ask()
