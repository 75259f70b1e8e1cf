"""Tests of twgw.storage.live."""

import attrs
import pytest
from sqlalchemy import update

from tests.storage.conftest import an_api
from twgw.model import Lifecycle
from twgw.registry import Head
from twgw.storage import live, log, served
from twgw.storage.apis import (
    LISTED,
    create_api,
    delete_api,
    live_apis,
    publish,
    save_revision,
    set_default_version,
    set_owner,
    set_state,
)
from twgw.storage.live import LiveApis
from twgw.storage.schema import cluster_head


@pytest.fixture
def begun(write):
    """Two live APIs and a draft, with words of every kind."""
    for name in ("pets", "toys", "draft"):
        api = an_api(
            name, title=f"All {name}", description="What\nit is", tags=("a", "b"), visible_to=("club",), tiers=("Gold",)
        )
        write(create_api, api, owner="ann", state=Lifecycle.PUBLISHED)
    for name in ("pets:1.0", "toys:1.0"):
        write(publish, name, 1)


@pytest.fixture
def looked(begun, read, monkeypatch):
    """What was looked at once; and how often everything was read since."""
    kept, everything = LiveApis(), []
    read(kept.read)
    monkeypatch.setattr(live, "list_live", lambda *args: everything.append(1) or _every(*args))
    return kept, everything


_every = live.list_live


def shown(apis):
    """What a store shows of each."""
    return sorted(tuple(getattr(api, name) for name in LISTED) for api in apis)


def is_what_is_live(kept, read):
    return shown(read(kept.read)) == shown(read(live_apis))


def test_all_that_is_live_is_kept_as_a_store_shows_it(begun, read):
    """And nothing of its servers."""
    kept = LiveApis()

    assert is_what_is_live(kept, read)
    assert ["pets:1.0", "toys:1.0"] == sorted(api.id for api in read(kept.read))
    assert {None} == {api.upstream for api in read(kept.read)}


@pytest.mark.parametrize("change", [
    lambda write: write(publish, "draft:1.0", 1),
    lambda write: write(set_state, "pets:1.0", Lifecycle.RETIRED, actor="ann"),
    lambda write: write(set_state, "pets:1.0", Lifecycle.BLOCKED, actor="ann"),
    lambda write: write(delete_api, "pets:1.0"),
    lambda write: write(set_default_version, "toys:1.0"),
    lambda write: (write(save_revision, an_api(title="Other"), author="ann"), write(publish, "pets:1.0", 2)),
])  # fmt: skip
def test_a_change_is_seen_in_the_next_look(looked, write, read, change):
    """And nothing else is read anew."""
    kept, everything = looked
    before = shown(read(kept.read))
    change(write)

    assert is_what_is_live(kept, read)
    assert before != shown(read(kept.read))
    assert [] == everything


def test_what_is_edited_is_not_there_yet(looked, write, read):
    """Nor does it matter whose an API is."""
    kept, everything = looked
    before = read(kept.read)
    write(save_revision, an_api(title="Other"), author="ann")
    write(set_owner, "pets:1.0", "bob")

    assert before is read(kept.read)
    assert [] == everything


def test_when_too_much_has_happened_all_is_read_anew(looked, write, read, monkeypatch):
    """As when the log does not reach back, or begins anew."""
    kept, everything = looked
    monkeypatch.setattr(served, "RECORDS", 1)
    for _ in range(2):
        write(publish, "draft:1.0", 1)
    assert is_what_is_live(kept, read)
    assert [1] == everything

    def begin_anew(connection, now):
        connection.execute(update(cluster_head).values(epoch=2, pos=0))

    write(begin_anew)
    write(set_state, "draft:1.0", Lifecycle.RETIRED, actor="ann")
    assert is_what_is_live(kept, read)
    assert [1, 1] == everything


def test_a_transaction_that_began_earlier_undoes_nothing(looked, write, read, monkeypatch):
    """It sees what the last look saw."""
    kept, _ = looked
    write(publish, "draft:1.0", 1)
    now = read(kept.read)
    head = read(log.head)
    monkeypatch.setattr(live.log, "head", lambda _: Head(head.epoch, head.pos - 1))

    assert now is read(kept.read)
    assert 3 == len(now)


def test_the_words_of_a_revision_that_says_little_are_the_usual_ones(write, read):
    """As those of the API."""
    write(create_api, an_api(), owner="ann", state=Lifecycle.PUBLISHED)
    write(publish, "pets:1.0", 1)
    (found,) = read(LiveApis().read)

    assert attrs.evolve(an_api(), upstream=None) == found
