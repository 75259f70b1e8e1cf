"""The router against a slow reference that tries every route."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.gateway.routing import MISS, Entry, Match, Miss, NotAllowed, Router, host_name

Answer = Match | Miss | NotAllowed


def entry(
    path: str = "/*", base: str = "/", methods: tuple[str, ...] = (), hosts: tuple[str, ...] = (), payload: Any = None
) -> Entry:
    """An entry whose payload says what it is."""
    return Entry(hosts, base, path, methods, payload or f"{hosts} {base} {path} {methods}")


def router(*entries: Entry) -> Router:
    """A router for one API."""
    return Router.build({"api": entries})


def found(answer: Answer) -> tuple[Any, dict[str, str], str] | tuple[str, ...] | None:
    """An answer in a form that compares."""
    if isinstance(answer, Match):
        return answer.payload, dict(answer.params), answer.rest
    return answer.allow if isinstance(answer, NotAllowed) else None


# --- the reference ---------------------------------------------------------------------------------


def host_rank(pattern: str, host: str) -> tuple[int, int] | None:
    if pattern == "*":
        return 0, 0
    if pattern.startswith("*."):
        suffix = pattern[1:]
        return (1, len(suffix)) if host.endswith(suffix) and len(host) > len(suffix) else None
    return (2, 0) if pattern == host else None


def path_rank(one: Entry, path: str) -> tuple[tuple[int, ...], dict[str, str], str] | None:
    """How specific the path of an entry is for a path: each segment, then how it ends."""
    base = "" if one.base_path == "/" else one.base_path
    if path != base and not path.startswith(base + "/"):
        return None
    rest = path[len(base) :] or "/"
    codes = [2] * base.count("/")
    params: dict[str, str] = {}
    if one.route_path == "/":
        return ((*codes, *[2] * path[len(base) :].count("/"), 1), {}, rest) if rest == "/" else None
    wanted = one.route_path.split("/")[1:]
    # A path that is the base path alone has no segment left, not an empty one.
    parts = path[len(base) :].split("/")[1:]
    for place, segment in enumerate(wanted):
        if segment == "*":
            return (*codes, 0), params, rest
        if place >= len(parts):
            return None
        if segment.startswith("{"):
            if not parts[place]:
                return None
            params[segment[1:-1]] = parts[place]
            codes.append(1)
        elif segment == parts[place]:
            codes.append(2)
        else:
            return None
    return ((*codes, 1), params, rest) if len(parts) == len(wanted) else None


def reference(entries_by_api: Mapping[str, Sequence[Entry]], host: str, method: str, path: str) -> Any:
    candidates = []
    for api_id in sorted(entries_by_api):
        for one in entries_by_api[api_id]:
            by_path = path_rank(one, path)
            ranks = [rank for pattern in one.hosts or ("*",) if (rank := host_rank(pattern, host)) is not None]
            if by_path and ranks:
                candidates.append(((max(ranks), by_path[0]), one, by_path[1], by_path[2]))
    if not candidates:
        return None
    best = max(candidate[0] for candidate in candidates)
    chosen = [candidate for candidate in candidates if candidate[0] == best]
    explicit = [(c, method) for c in chosen if method in c[1].methods]
    if not explicit and method == "HEAD":
        explicit = [(c, method) for c in chosen if "GET" in c[1].methods]
    for candidate, _ in [*explicit, *((c, method) for c in chosen if not c[1].methods)]:
        return candidate[1].payload, candidate[2], candidate[3]
    allowed = {name for c in chosen for name in c[1].methods}
    return tuple(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))


SEGMENT = st.sampled_from(["a", "b", "c", "{x}", "{y}"])
ROUTE_PATHS = st.builds(
    lambda segments, end: "".join(f"/{one}" for one in segments) + end or "/",
    st.lists(SEGMENT, max_size=3, unique=True),
    st.sampled_from(["", "", "/", "/*"]),
)
ENTRIES = st.builds(
    lambda hosts, base, path, methods, n: Entry(hosts, base, path, methods, f"{n} {hosts} {base} {path} {methods}"),
    st.lists(
        st.sampled_from(["*", "api.test", "v1.api.test", "*.test", "*.api.test"]), max_size=2, unique=True
    ).map(tuple),
    st.sampled_from(["/", "/a", "/b", "/a/b"]),
    ROUTE_PATHS,
    st.lists(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS"]), max_size=2, unique=True).map(tuple),
    st.integers(0, 99),
)
APIS = st.dictionaries(st.sampled_from("pqrs"), st.lists(ENTRIES, max_size=5), max_size=4)
HOSTS = st.sampled_from(["api.test", "v1.api.test", "x.y.api.test", "test", "other"])
METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "BREW"])
PATHS = st.builds(
    lambda segments, end: "".join(f"/{one}" for one in segments) + end or "/",
    st.lists(st.sampled_from(["a", "b", "c", "d", "ab", ""]), max_size=6),
    st.sampled_from(["", "/"]),
)
QUESTIONS = st.lists(st.tuples(HOSTS, METHODS, PATHS), min_size=1, max_size=8)


@given(APIS, QUESTIONS)
def test_it_answers_as_if_every_route_was_tried(
    apis: dict[str, list[Entry]], questions: list[tuple[str, str, str]]
) -> None:
    """For random APIs the tree finds what a comparison of all routes finds."""
    built = Router.build(apis)
    for host, method, path in questions:
        assert reference(apis, host, method, path) == found(built.match(host, method, path))


@given(APIS, st.lists(st.tuples(st.sampled_from("pqrs"), st.lists(ENTRIES, max_size=4)), max_size=4), QUESTIONS)
def test_replacing_an_api_equals_building_anew(
    apis: dict[str, list[Entry]],
    changes: list[tuple[str, list[Entry]]],
    questions: list[tuple[str, str, str]],
) -> None:
    """After any changes the router answers as one built from the result, and the old one answers as before."""
    steps = [(dict(apis), Router.build(apis))]
    for api_id, entries in changes:
        before, old = steps[-1]
        steps.append(({**before, api_id: entries}, old.replace(api_id, entries)))
    for state, changed in steps:
        for host, method, path in questions:
            assert reference(state, host, method, path) == found(changed.match(host, method, path))


@given(APIS)
def test_nothing_is_left_of_apis_that_were_taken_away(apis: dict[str, list[Entry]]) -> None:
    """Replacing by no entries gives back the memory."""
    built = Router.build(apis)
    for api_id in apis:
        built = built.replace(api_id, [])
    assert ({}, {}) == (built._roots, built._places)


# --- in words --------------------------------------------------------------------------------------


def test_an_exact_host_beats_a_wildcard_beats_any() -> None:
    """The longest suffix of the wildcards wins; a wildcard needs at least one label more."""
    built = router(
        entry(payload="any"),
        entry(hosts=("*.example.com",), payload="short"),
        entry(hosts=("*.api.example.com",), payload="long"),
        entry(hosts=("V1.api.example.com",), payload="exact"),
    )
    for host, payload in {
        "v1.api.example.com": "exact",
        "V1.API.example.com:8080": "exact",
        "v1.api.example.com.": "exact",
        "v2.api.example.com": "long",
        "a.b.api.example.com": "long",
        "api.example.com": "short",
        "example.com": "any",
        "badexample.com": "any",
        "": "any",
        "*": "any",
        "[::1]:8080": "any",
    }.items():
        answer = built.match(host, "GET", "/")
        assert isinstance(answer, Match)
        assert payload == answer.payload


def test_a_host_that_lacks_the_path_leaves_it_to_a_less_specific_one() -> None:
    """An API for one host does not hide those for any host."""
    built = router(entry(base="/x", hosts=("a.test",)), entry(base="/y", payload="y"))
    answer = built.match("a.test", "GET", "/y/1")
    assert isinstance(answer, Match)
    assert (answer.payload, answer.rest) == ("y", "/1")
    assert built.match("b.test", "GET", "/x/1") is MISS


def test_a_base_path_ends_at_a_segment() -> None:
    """``/orders`` is found at ``/orders`` and below, not at ``/ordersx`` or ``/Orders``."""
    built = router(entry(base="/orders"))
    rests = {path: found(built.match("", "GET", path)) for path in ("/orders", "/orders/", "/orders/7/x")}
    assert ["/", "/", "/7/x"] == [answer[2] for answer in rests.values() if answer]
    assert [None] * 5 == [found(built.match("", "GET", path)) for path in ("/ordersx", "/Orders", "/", "", "*")]


def test_the_root_of_an_api_is_its_base_path_with_and_without_slash() -> None:
    """A route ``/`` serves both; below the root a final slash makes another path."""
    built = router(entry("/", "/orders"), entry("/items", "/orders"))
    assert isinstance(built.match("", "GET", "/orders"), Match)
    assert isinstance(built.match("", "GET", "/orders/"), Match)
    assert isinstance(built.match("", "GET", "/orders/items"), Match)
    assert built.match("", "GET", "/orders/items/") is MISS


def test_parameters_take_one_segment_that_is_not_empty() -> None:
    """A literal wins over a parameter, and the search comes back when the literal leads nowhere."""
    built = router(entry("/{id}", payload="one"), entry("/new", payload="new"), entry("/{a}/{b}/end", payload="two"))
    assert ("new", {}, "/new") == found(built.match("", "GET", "/new"))
    assert ("one", {"id": "7"}, "/7") == found(built.match("", "GET", "/7"))
    assert ("two", {"a": "new", "b": "x"}, "/new/x/end") == found(built.match("", "GET", "/new/x/end"))
    assert built.match("", "GET", "/") is MISS
    assert built.match("", "GET", "//x/end") is MISS
    assert built.match("", "GET", "/1/2/end/3/4/5/6") is MISS
    assert router(entry("/{id}")).match("", "GET", "/7/8") is MISS


def test_the_longest_prefix_wins() -> None:
    """Of several trailing ``*`` that fit, the deepest is taken."""
    built = router(entry("/*", payload="all"), entry("/a/*", payload="a"), entry("/a/b/*", payload="ab"))
    payloads = [built.match("", "GET", path) for path in ("/", "/x/y", "/a", "/a/x", "/a/b", "/a/b/c/d/e/f")]
    assert ["all", "all", "a", "a", "ab", "ab"] == [one.payload for one in payloads if isinstance(one, Match)]


def test_a_wrong_method_is_told_the_methods_of_the_most_specific_path() -> None:
    """405 lists them all, HEAD where GET is, and does not go on to a less specific path."""
    built = router(entry("/*"), entry("/a", methods=("POST", "GET")), entry("/a", methods=("PUT",)))
    assert NotAllowed(("GET", "HEAD", "POST", "PUT")) == built.match("", "DELETE", "/a")
    assert NotAllowed(("GET", "HEAD", "POST", "PUT")) == built.match("", "OPTIONS", "/a")
    assert NotAllowed(("GET", "HEAD", "POST", "PUT")) == built.match("", "get", "/a")
    assert isinstance(built.match("", "HEAD", "/a"), Match)
    assert isinstance(built.match("", "DELETE", "/b"), Match)


def test_of_two_equal_routes_the_first_is_used() -> None:
    """By the name of the API, then as listed, however the router came to be."""
    built = Router.build({"b": [entry(payload="b")], "a": [entry(payload="a1"), entry(payload="a2")]})
    for one in (built, built.replace("a", []).replace("a", [entry(payload="a1")])):
        answer = one.match("", "GET", "/")
        assert isinstance(answer, Match)
        assert answer.payload == "a1"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (entry("items"), "must start with '/'"),
        (entry("/a*"), "must be the whole last segment"),
        (entry("/*/a"), "must be the whole last segment"),
        (entry("/a{id}"), "plain text or a whole {name}"),
        (entry("/{}"), "plain text or a whole {name}"),
        (entry("/{id}/{id}"), "has {id} twice"),
        (entry("/a" * 101), "more than 100 segments"),
        (entry(base="orders"), "base path 'orders' must start with '/'"),
        (entry(base="/{v}"), "hold neither '{' nor '*'"),
        (entry(base="/*"), "hold neither '{' nor '*'"),
        (entry(hosts=("a.test:80",)), "without port"),
        (entry(hosts=("a.*.test",)), "must be a name"),
        (entry(hosts=("",)), "must be a name"),
        (entry(hosts=("*.",)), "must be a name"),
    ],
)
def test_what_cannot_be_served_is_refused(wrong: Entry, message: str) -> None:
    """At build time, with the text at fault; a router in use is not touched."""
    built = router(entry(payload="old"))
    with pytest.raises(ValueError, match=message.replace("*", r"\*")):
        built.replace("other", [wrong])
    assert found(built.match("", "GET", "/")) == ("old", {}, "/")


def test_the_port_is_cut_from_a_host() -> None:
    """From names and from addresses of both families."""
    assert ["a.test", "a.test", "10.0.0.1", "[::1]", "[::1]", ""] == [
        host_name(host) for host in ("A.test:80", "a.test.", "10.0.0.1:80", "[::1]:80", "[::1]", "[")
    ]
