"""Versions of an API: order, copies, the default one."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.memory import MemoryGateway
from twgw.model import Api, Deprecation, Lifecycle, Route, State, Target, Upstream
from twgw.publisher.versions import CopyRefused, copy, in_order, make_default, older_than, successor_of, version_key

UPSTREAM = Upstream((Target("http://pets.test"),))
PETS = Api("pets", "1.0", "/pets/1.0", upstream=UPSTREAM, default_version=True, deprecation=Deprecation(1.0))
VERSIONS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)


def version(text, **more):
    return evolve(PETS, **{"version": text, "base_path": f"/pets/{text}", "default_version": False, **more})


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1", "2"), ("1.9", "1.10"), ("v1", "2"), ("1.0-beta", "1.0"), ("1.0-alpha", "1.0-beta"), ("1.0", "1.0.1"),
        ("1.0-beta", "1.0-beta.2"), ("2.0-rc1", "2.0.1"), ("2023-12-01", "2024-01-01"), ("v9", "v10"),
    ],
)  # fmt: skip
def test_versions_are_ordered_as_people_read_them(older, newer):
    """Numbers as numbers, with or without a v; a word behind the number makes it come before."""
    assert version_key(older) < version_key(newer)


@given(st.lists(VERSIONS, min_size=1, max_size=8, unique=True), st.randoms())
def test_the_order_does_not_depend_on_where_one_begins(texts, random):
    """Any two versions have an order, the same however they are mixed: older and newer share all between them."""
    ordered = in_order(map(version, texts))
    random.shuffle(texts)
    one = random.choice(ordered)
    place = ordered.index(one)

    assert ordered == in_order(map(version, texts))
    assert ordered[:place] == older_than(one, ordered)[::-1]
    assert (ordered[-1] if place < len(ordered) - 1 else None) == successor_of(one, ordered)


def test_a_copy_is_a_new_version():
    """It differs in its version, its place and its state, and is not the default; the rest is the same."""
    made = copy(evolve(PETS, routes=(Route("/{id}"),)), "2.0")

    assert ("pets:2.0", "/pets/2.0", Lifecycle.CREATED) == (made.id, made.base_path, made.state)
    assert (False, None) == (made.default_version, made.deprecation)
    assert ((Route("/{id}"),), UPSTREAM) == (made.routes, made.upstream)
    assert "/beasts" == copy(PETS, "2.0", "/beasts").base_path
    assert "/1.0/a/2.0/b" == copy(evolve(PETS, base_path="/1.0/a/1.0/b"), "2.0").base_path


@pytest.mark.parametrize(
    ("api", "text", "base_path", "why"),
    [
        (PETS, "1.0", "", "has this version already"),
        (evolve(PETS, base_path="/pets"), "2.0", "", "give it a base_path"),
        (PETS, "2.0", "/pets/1.0/", "give it a base_path"),
    ],
)
def test_a_copy_must_differ(api, text, base_path, why):
    """In its version, and in where it is found."""
    with pytest.raises(CopyRefused, match=why):
        copy(api, text, base_path)


def test_one_version_is_the_default():
    """Making another the default takes it from the one that was; other APIs are left alone."""
    other = evolve(PETS, name="other")
    changed = make_default(version("2.0"), [PETS, version("1.5"), version("2.0"), other])

    assert [("pets:2.0", True), ("pets:1.0", False)] == [(api.id, api.default_version) for api in changed]
    with pytest.raises(CopyRefused, match="there is nothing to leave out"):
        make_default(evolve(PETS, base_path="/pets"), [])


@given(st.lists(st.sampled_from(["1", "1.1", "2", "v3"]), min_size=1, max_size=4, unique=True), st.data())
def test_the_default_version_is_found_without_a_version(texts, data):
    """Each version answers at its own path, and at the path without one answers the default, where there is one."""
    default = data.draw(st.sampled_from([None, *texts]))
    apis = [
        version(text, default_version=text == default, upstream=Upstream((Target(f"http://up-{text}.test"),)))
        for text in texts
    ]
    gateway = MemoryGateway(State(apis=tuple(apis)))

    assert [200] * len(texts) == [gateway.get(f"/pets/{text}/7").status for text in texts]
    assert (200 if default else 404) == gateway.get("/pets/7").status
    if default:
        exchange = gateway.exchanges[-1]
        assert (f"http://up-{default}.test", f"pets:{default}") == (exchange.target, exchange.plan.api_id)
