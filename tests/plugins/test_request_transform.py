"""Tests of the policy request-transform."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.faults import SettingsError
from twgw.settings import structure
from twgw.testing import exchange, run_policies, run_policy, use
from twgw_plugins.request_transform import Settings, edited

SENT = [("X-A", "1"), ("X-B", "2")]
GATEWAYS = {"host", "via", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}


def fields(result):
    return [(name, value) for name, value in result.forwarded.headers.items() if name.lower() not in GATEWAYS]


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, SENT),
        ({"remove_headers": ["x-a"]}, [("X-B", "2")]),
        ({"rename_headers": {"X-A": "X-B"}}, [("X-B", "1")]),
        ({"replace_headers": {"X-A": "3", "X-C": "4"}}, [("X-B", "2"), ("X-A", "3")]),
        ({"set_headers": {"X-A": "3", "X-C": "4"}}, [("X-B", "2"), ("X-A", "3"), ("X-C", "4")]),
        ({"add_headers": {"X-A": "3", "X-C": "4"}}, [("X-A", "1"), ("X-B", "2"), ("X-C", "4")]),
        ({"append_headers": {"X-A": "3"}}, [("X-A", "1"), ("X-B", "2"), ("X-A", "3")]),
    ],
)
def test_fields_are_changed(settings, left):
    """Each kind of change does what it says; without any, the request stays as it came."""
    assert left == fields(run_policy("request-transform", exchange(headers=SENT), **settings))


@pytest.mark.parametrize(
    ("settings", "query", "left"),
    [
        ({}, "a=1&&b=%20&c", "a=1&&b=%20&c"),
        ({"remove_query": ["a"]}, "a=1&b=2&%61=3&aa=4", "b=2&aa=4"),
        ({"rename_query": {"a": "b"}}, "a=%31&b=2&a", "b=%31&b"),
        ({"rename_query": {"a": "b"}}, "b=2", "b=2"),
        ({"replace_query": {"a": "x y", "c": "9"}}, "a=1&b=2&a=3", "b=2&a=x%20y"),
        ({"set_query": {"a": "&=", "c": "9"}}, "a=1&b=2", "b=2&a=%26%3D&c=9"),
        ({"add_query": {"a": "9", "c": "9"}}, "a=1", "a=1&c=9"),
        ({"add_query": {"c": "9"}}, "", "c=9"),
        ({"append_query": {"a": "\u00e9"}}, "a=1", "a=1&a=%C3%A9"),
        ({"set_query": {"a b": "1"}}, "a+b=0", "a%20b=1"),
    ],
)
def test_the_query_is_changed(settings, query, left):
    """Parameters match decoded; what is not named stays byte for byte, what is put in is encoded."""
    assert left == run_policy("request-transform", exchange(path="/?" + query), **settings).forwarded.query


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
    st.lists(st.tuples(st.text("ab&=+% ;#", max_size=4), st.text("ab&=+% ;#", max_size=4))),
)
def test_a_query_stays_one_line_of_visible_ascii(given_query, sent):
    """Whatever is set, the result has no blank, no line end and nothing that is not ASCII, and means what was set."""
    settings = structure(Settings, {"set_query": given_query})
    query = "&".join(f"{name}={value}".replace(" ", "").replace("#", "") for name, value in sent)

    left = edited(query, settings)

    assert left.isascii()
    assert left.isprintable()
    assert not set(" #\r\n") & set(left)
    found = parse_qsl(left, keep_blank_values=True, max_num_fields=1000)
    assert given_query.items() <= dict(found).items()


def test_the_path_is_replaced():
    """A template is filled with the route's parameters; the query stays."""
    request = exchange(path="/old/7?x=1", params={"id": "7%20a", "kind": "b;c"})

    result = run_policy("request-transform", request, path="/v2/{kind}/items/{id}/")

    assert ("/v2/b;c/items/7%20a/", "x=1") == (result.forwarded.path, result.forwarded.query)


def test_a_parameter_that_the_route_lacks_refuses():
    """Nothing is sent to a path with a hole."""
    result = run_policy("request-transform", path="/{id}")

    assert 500 == result.status
    assert result.forwarded is None
    assert "the route's path has no {id}" in result.exchange.reason


@pytest.mark.parametrize(
    "path",
    ["v2", "", "/..", "/a/../b", "/.", "/..;x", "/a b", "/a?b", "/a#b", "/{a}b", "/{a", "/a\r\nb", "/\u00e9", "/%2e%2e",
     "/%2F", "/%5c", "/%5C", "/%00", "/%25", "/%zz", "/a\\b"],
)  # fmt: skip
def test_paths_that_could_be_read_otherwise_are_refused(path):
    """A template is canonical: no dot segments, no doubtful escapes, no line ends, whole parameters only."""
    with pytest.raises(SettingsError, match=r"settings\.path"):
        run_policy("request-transform", path=path)


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Via", "Forwarded", "Expect",
     "X-Forwarded-For", "X-Forwarded-Anything", "X-Consumer-Username", "X-Credential-Identifier", "X-Real-IP",
     "HTTP2-Settings"],
)  # fmt: skip
def test_the_gateways_own_fields_are_out_of_reach(name):
    """Framing, one connection's fields and what tells who calls can be neither set nor removed (security row 25)."""
    for settings in (
        {"set_headers": {name: "1"}}, {"add_headers": {name: "1"}}, {"append_headers": {name: "1"}},
        {"replace_headers": {name: "1"}}, {"rename_headers": {"X-A": name}}, {"rename_headers": {name: "X-A"}},
        {"remove_headers": [name]},
    ):  # fmt: skip
        with pytest.raises(SettingsError, match="is set by the gateway alone"):
            run_policy("request-transform", **settings)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "\0", "a\x7f"])
def test_no_value_ends_a_line(value):
    """CR, LF and other controls are refused when the API is deployed (security row 8)."""
    with pytest.raises(SettingsError, match="not a value"):
        run_policy("request-transform", set_headers={"X-A": value})


def test_what_is_set_cannot_be_sent_by_a_client():
    """``set_headers`` replaces what a client sent, in any case and however often."""
    request = exchange(headers=[("x-team", "forged"), ("X-TEAM", "forged")])

    assert [("X-Team", "orders")] == fields(
        run_policy("request-transform", request, set_headers={"X-Team": "orders"})
    )


def test_two_uses_follow_each_other():
    """The second sees what the first left."""
    uses = [
        use("request-transform", set_headers={"X-A": "1"}),
        use("request-transform", rename_headers={"X-A": "X-B"}),
    ]

    assert [("X-B", "1")] == fields(run_policies(uses))


def test_there_is_nothing_to_watch():
    """It decides nothing, so shadow is refused."""
    with pytest.raises(SettingsError, match="decides nothing"):
        run_policy("request-transform", shadow=True)
