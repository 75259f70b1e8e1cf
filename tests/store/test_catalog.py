"""What a developer sees of the APIs, and how one is found."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.model import Api, Lifecycle
from twgw.store.catalog import Viewer, may_see, newest, search

RAIN = "Rain and sun, hour by hour"
WEATHER = Api("weather", "1.0", "/weather/1.0", title="Forecasts", description=RAIN, tags=("Climate", "free"))
APIS = (
    Api("tides", "1.0", "/tides", description="When the weather turns the sea"),
    evolve(WEATHER, version="2.0", base_path="/weather/2.0"),
    Api("radar", "0.9", "/radar", title="Weather radar", tags=("climate",)),
    WEATHER,
    Api("secret", "1.0", "/secret", visible_to=("staff",)),
    Api("draft", "1.0", "/draft", state=Lifecycle.CREATED, description="weather"),
)
NOBODY = Viewer()
PUBLISHER = Viewer("peter", frozenset({"publisher"}))


def ids(apis):
    return [api.id for api in apis]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("CREATED", False), ("PROTOTYPED", True), ("PUBLISHED", True), ("BLOCKED", False), ("DEPRECATED", False),
        ("RETIRED", False),
    ],
)  # fmt: skip
def test_the_store_shows_what_can_be_used(state, shown):
    """Prototyped and published ones to everybody; to those who work on APIs, all."""
    api = evolve(WEATHER, state=Lifecycle[state])

    assert (shown, True) == (may_see(NOBODY, api), may_see(PUBLISHER, api))


def test_an_api_may_be_for_some_only():
    """For the members of any of its groups, and for those who work on APIs."""
    api = evolve(WEATHER, visible_to=("a", "b"))

    assert [False, False, True, True] == [
        may_see(viewer, api)
        for viewer in (NOBODY, Viewer("x", groups=frozenset({"c"})), Viewer("x", groups=frozenset("b")), PUBLISHER)
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("weather", ["weather:1.0", "weather:2.0", "radar:0.9", "tides:1.0"]),
        ("Weather SEA", ["tides:1.0"]),
        ("climate", ["radar:0.9", "weather:1.0", "weather:2.0"]),
        ("forecasts", ["weather:1.0", "weather:2.0"]),
        ("weath", ["weather:1.0", "weather:2.0", "radar:0.9", "tides:1.0"]),
        ("tag:climate version:2.0", ["weather:2.0"]),
        ("path:/tides", ["tides:1.0"]),
        ("name:ada", ["radar:0.9"]),
        ("state:published", ["radar:0.9", "tides:1.0", "weather:1.0", "weather:2.0"]),
        ("tag:clim", []),
        ("https://x", []),
        ("secret", []),
        ("", ["radar:0.9", "tides:1.0", "weather:1.0", "weather:2.0"]),
    ],
)
def test_an_api_is_found_by_words(query, found):
    """By all of them together; a name counts more than a tag, a tag more than a description."""
    assert found == ids(search(APIS, query, NOBODY))


@given(st.text(max_size=12), st.permutations(APIS), st.sampled_from([NOBODY, PUBLISHER]))
def test_a_search_shows_nothing_that_may_not_be_seen(query, apis, viewer):
    """Whatever is typed, in the same order whatever order they stand in, each once."""
    found = search(apis, query, viewer)

    assert all(may_see(viewer, api) for api in found)
    assert ids(found) == ids(search(APIS, query, viewer))
    assert len(found) == len(set(ids(found)))


def test_one_version_stands_for_all():
    """The default one, or else the newest."""
    assert ["weather:2.0", "radar:0.9"] == ids(newest([APIS[1], APIS[3], APIS[2]]))
    assert ["weather:1.0"] == ids(newest([APIS[1], evolve(WEATHER, default_version=True)]))
