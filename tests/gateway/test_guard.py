"""What requests meet first.  Blocks are tested where they are put in force: test_blocks.py, test_follower.py."""

import pytest

from twgw.model import Lifecycle
from twgw.storage.apis import set_state


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
