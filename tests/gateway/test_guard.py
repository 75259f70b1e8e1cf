"""What requests meet first.  Blocks are tested where they are put in force: test_blocks.py, test_follower.py."""

import pytest

from twgw.gateway import guard
from twgw.model import Lifecycle
from twgw.registry import Block
from twgw.storage.apis import set_state
from twgw.storage.blocks import add_block


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


def test_of_a_change_only_what_is_new_is_guarded(leased, registry, monkeypatch):
    """The others meet the same already; when the blocks change, all of them do."""
    registry.api("cats")
    leased.gateway.follower.poll()
    seen = []
    path_of = guard.path_of
    monkeypatch.setattr(guard, "path_of", lambda *args, **more: seen.append(more["body"]) or path_of(*args, **more))
    leased.gateway.follower.reached(registry.write(set_state, "pets:1.0", Lifecycle.DEPRECATED, actor="ann"))

    assert [False, True] == seen

    leased.gateway.follower.reached(registry.write(add_block, Block("api", "cats:1.0")))

    assert 2 * [False, True] == seen[2:]
    assert 403 == leased.gateway.get("/cats/7").status
