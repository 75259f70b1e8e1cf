"""Tests of twgw.storage.apis."""

import attrs
import pytest

from tests.storage.conftest import NOW, an_api
from twgw.model import Deprecation, Lifecycle, Policy
from twgw.storage import log
from twgw.storage.apis import (
    count_apis,
    create_api,
    delete_api,
    find_api,
    find_live,
    find_lives,
    find_revision,
    find_states,
    list_apis,
    list_live,
    list_revisions,
    list_state_changes,
    live_apis,
    live_at,
    live_states,
    named_api,
    publish,
    save_revision,
    set_dates,
    set_default_version,
    set_owner,
    set_state,
)
from twgw.storage.errors import Conflict, Missing


def test_a_new_api_is_kept_and_not_served(write, read):
    """An API begins CREATED, with its first revision, and is not live."""
    api = an_api(policies=(Policy("rate-limit", {"amount": 2, "nested": {"list": [1, None, "ä"]}}),))

    entry = write(create_api, api, owner="ann", source="openapi: 3.1.0")

    assert entry == read(find_api, "pets:1.0")
    assert attrs.evolve(api, state=Lifecycle.CREATED) == entry.api
    assert (1, None, "ann", 1, NOW) == (entry.latest, entry.live, entry.owner, entry.stamp, entry.created_at)
    assert "openapi: 3.1.0" == read(find_revision, "pets:1.0", 1).source
    assert [] == read(live_apis)
    assert 0 == read(log.head).pos


def test_an_api_is_entered_once(write):
    """A second API of the same name and version is refused in words."""
    write(create_api, an_api(), owner="ann")

    with pytest.raises(Conflict, match=r"API pets:1\.0 exists already"):
        write(create_api, an_api(), owner="bob")


def test_what_is_served_is_the_live_revision(write, read):
    """Saving another revision changes nothing for clients; publishing it does, and is a record."""
    write(create_api, an_api(), owner="ann", state=Lifecycle.PUBLISHED)
    write(publish, "pets:1.0", 1)
    changed = an_api(anonymous=True)

    assert 2 == write(save_revision, changed, author="bob", note="let all in")
    assert [an_api()] == read(live_apis)
    assert changed == read(find_api, "pets:1.0").api
    assert 2 == write(publish, "pets:1.0", 2)

    assert [changed] == read(live_apis)
    assert changed == read(find_live, "pets:1.0")
    assert ["api:pets:1.0"] * 2 == [record.tag for record in read(log.since, 0)]
    assert [(2, "bob", "let all in"), (1, "ann", "")] == [
        (each.number, each.author, each.note) for each in read(list_revisions, "pets:1.0")
    ]
    assert [1] == [each.number for each in read(list_revisions, "pets:1.0", before=2)]


def test_an_api_that_clients_may_not_see_is_not_served(write, read):
    """CREATED and RETIRED are not there; BLOCKED is, to be answered 503."""
    write(create_api, an_api(), owner="ann")
    write(publish, "pets:1.0", 1)

    def served(state):
        write(set_state, "pets:1.0", state, actor="ann")
        live = read(find_live, "pets:1.0")
        assert read(live_apis) == ([live] if live else [])
        assert {"pets:1.0": live, "none:1": None} == read(find_lives, ["pets:1.0", "none:1"])
        assert ({"pets:1.0": state} if live else {}) == read(find_states, ["pets:1.0", "none:1"]) == read(live_states)
        return live and live.state

    assert [None, None] == [served(state) for state in (Lifecycle.CREATED, Lifecycle.RETIRED)]
    shown = (Lifecycle.PROTOTYPED, Lifecycle.PUBLISHED, Lifecycle.BLOCKED, Lifecycle.DEPRECATED)
    assert list(shown) == [served(state) for state in shown]


def test_a_life_is_remembered(write, read):
    """Every step is kept with who made it."""
    write(create_api, an_api(), owner="ann")
    assert 1 == write(set_state, "pets:1.0", Lifecycle.PUBLISHED, actor="bob")
    assert 2 == write(set_state, "pets:1.0", Lifecycle.BLOCKED, actor="cat")

    assert [
        (None, Lifecycle.CREATED, "ann"),
        (Lifecycle.CREATED, Lifecycle.PUBLISHED, "bob"),
        (Lifecycle.PUBLISHED, Lifecycle.BLOCKED, "cat"),
    ] == [(each.before, each.after, each.actor) for each in read(list_state_changes, "pets:1.0")]


def test_somebody_elses_change_is_not_written_over(write, read):
    """A change with the stamp of what was seen is refused when that is no longer so."""
    write(create_api, an_api(), owner="ann")
    write(save_revision, an_api(anonymous=True), author="bob", stamp=1)

    with pytest.raises(Conflict, match=r"API pets:1\.0 was changed by somebody else: it is at 2, not 1") as caught:
        write(publish, "pets:1.0", 1, stamp=1)

    assert caught.value.changed
    assert None is read(find_api, "pets:1.0").live


@pytest.mark.parametrize(
    "change",
    [
        lambda write: write(save_revision, an_api("cats"), author="ann"),
        lambda write: write(publish, "cats:1.0", None),
        lambda write: write(publish, "pets:1.0", 7),
        lambda write: write(set_state, "cats:1.0", Lifecycle.PUBLISHED, actor="ann"),
        lambda write: write(set_dates, "cats:1.0", deprecated_at=None, sunset_at=None),
        lambda write: write(set_default_version, "cats:1.0"),
        lambda write: write(set_owner, "cats:1.0", "ann"),
        lambda write: write(delete_api, "cats:1.0"),
    ],
)
def test_what_is_not_there_cannot_be_changed(write, read, change):
    """An unknown API or revision is said to be missing, and nothing is noted."""
    write(create_api, an_api(), owner="ann")

    with pytest.raises(Missing, match=r"there is no (API cats:1\.0|revision 7 of API pets:1\.0)"):
        change(write)

    assert 0 == read(log.head).pos


def test_one_version_is_the_default(write, read):
    """Making one the default takes that from the other; both are records."""
    for version in ("1.0", "2.0"):
        write(create_api, an_api(version=version), owner="ann")
    write(set_default_version, "pets:1.0")
    write(set_default_version, "pets:2.0")

    assert [False, True] == [entry.default_version for entry in read(list_apis)]
    assert [False, True] == [entry.api.default_version for entry in read(list_apis)]
    write(publish, "pets:2.0", 1)
    write(set_state, "pets:2.0", Lifecycle.PUBLISHED, actor="ann")
    assert read(find_live, "pets:2.0").default_version
    assert ["api:pets:1.0", "api:pets:1.0", "api:pets:2.0"] == [record.tag for record in read(log.since, 0)][:3]


def test_an_api_is_named_with_its_version_or_without(write, read):
    """A name alone is the only version there is, or the default one; else it says too little."""
    write(create_api, an_api(), owner="ann")
    assert read(find_api, "pets:1.0") == read(named_api, "pets") == read(named_api, "pets:1.0")
    write(create_api, an_api(version="2.0"), owner="ann")
    assert read(named_api, "pets") is None
    write(set_default_version, "pets:2.0")

    assert "pets:2.0" == read(named_api, "pets").id
    assert [None, None] == [read(named_api, text) for text in ("cats", "pets:3.0")]


def test_dates_and_owner_are_kept(write, read):
    """Since when it is deprecated, when it ends, and whose it is."""
    write(create_api, an_api(), owner="ann")
    assert 1 == write(set_dates, "pets:1.0", deprecated_at=NOW, sunset_at=NOW + 5)
    write(set_owner, "pets:1.0", "bob")

    entry = read(find_api, "pets:1.0")

    assert (NOW, NOW + 5, "bob", 3) == (entry.deprecated_at, entry.sunset_at, entry.owner, entry.stamp)


def test_what_callers_of_a_deprecated_api_are_told_stands_beside_its_text(write, read):
    """A revision that is saved later does not take it away."""
    write(create_api, an_api(), owner="ann")
    told = {"successor": "/pets/2.0", "documentation": "https://docs.test"}
    write(set_dates, "pets:1.0", deprecated_at=NOW, sunset_at=None, **told)
    write(save_revision, an_api(anonymous=True), author="ann")

    assert Deprecation(NOW, None, **told) == read(find_api, "pets:1.0").api.deprecation


def test_apis_are_listed_in_pieces(write, read):
    """A list goes on after the last id of the piece before, and may be narrowed."""
    for name in ("b", "a", "c"):
        write(create_api, an_api(name), owner="ann" if name != "b" else "bob")
    write(set_state, "c:1.0", Lifecycle.PUBLISHED, actor="ann")

    def ids(*args, **kwargs):
        return [entry.id for entry in read(list_apis, *args, **kwargs)]

    assert ["a:1.0", "b:1.0"] == ids("", 2)
    assert ["c:1.0"] == ids("b:1.0", 2)
    assert ["a:1.0", "c:1.0"] == ids(owner="ann")
    assert ["c:1.0"] == ids(state=Lifecycle.PUBLISHED)
    assert ["a:1.0"] == ids(name="a")
    assert 3 == read(count_apis)


def test_names_differ_by_case(write, read):
    """Pets and pets are two APIs on every database."""
    write(create_api, an_api("Pets"), owner="ann")
    write(create_api, an_api("pets"), owner="ann")

    assert None is read(find_api, "PETS:1.0")


def test_an_api_in_use_is_not_deleted_by_accident(filled, write, read):
    """Its subscriptions have to be meant; then each is a record before the API's."""
    with pytest.raises(Conflict, match=r"API pets:1\.0 has subscribers"):
        write(delete_api, "pets:1.0")
    before = read(log.head).pos

    write(delete_api, "pets:1.0", with_subscriptions=True)

    assert None is read(find_api, "pets:1.0")
    assert [] == read(list_revisions, "pets:1.0") == read(list_state_changes, "pets:1.0")
    assert ["sub:batch/pets:1.0", "api:pets:1.0"] == [record.tag for record in read(log.since, before)]


def test_what_a_store_shows_is_read_without_the_rest(write, read):
    """Of what is live; the same as is found of it otherwise."""
    for name, state in (("pets", Lifecycle.BLOCKED), ("toys", Lifecycle.RETIRED)):
        write(create_api, an_api(name, tags=("x",), visible_to=("club",)), owner="ann", state=state)
        write(publish, f"{name}:1.0", 1)
    write(set_default_version, "pets:1.0")
    (whole,) = read(live_apis)

    assert [attrs.evolve(whole, upstream=None)] == list(read(lambda connection: list(list_live(connection))))


def test_what_may_be_at_a_place_is_found_by_its_path(write, read):
    """With what lies below it, and default versions, which have two; signs of a pattern mean themselves."""
    paths = {"a": "/a", "aa": "/a/b", "b": "/b_c", "d": '/d"%/x', "default": "/else/1.0"}
    for name, path in paths.items():
        write(create_api, attrs.evolve(an_api(name), base_path=path), owner="ann", state=Lifecycle.PUBLISHED)
        write(publish, f"{name}:1.0", 1)
    write(set_default_version, "default:1.0")

    def at(*places):
        return [api.name for api in read(live_at, places)]

    assert ["a", "aa", "default"] == at("/a")
    assert (["b", "default"], ["default"]) == (at("/b_c"), at("/b%c"))
    assert ["d", "default"] == at('/d"%/x')
    assert ["a", "b", "aa", "default"] == sorted(at("/b_", "/a"), key=lambda name: (len(name), name))
    assert 5 == len(at(""))
