"""Tests of twgw.web.asking."""

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.web.nouns import Tier
from twgw.model import Limit
from twgw.settings import setting
from twgw.web.asking import (
    after,
    body_of,
    check_match,
    cursor,
    fingerprint,
    idempotency_key,
    is_lenient,
    limit_of,
    merged,
    patch_of,
    query_of,
    tag_of,
    text_of,
    wait_of,
)
from twgw.web.refusals import Refusal
from twgw.web.view import Paging

JSON = "application/json; charset=utf-8"


@frozen
class Query:
    """A query."""

    name: str | None = setting("A name.", default=None)
    count: int = setting("A number.", default=0)
    ratio: float | None = setting("A number.", default=None)
    all: bool = setting("Whether all.", default=False)


def refused(function, *arguments, **options):
    """The problem with which a call ends."""
    with pytest.raises(Refusal) as caught:
        function(*arguments, **options)
    return caught.value.problem


def test_a_body_is_an_object_of_its_class():
    """By the same rules as a file."""
    assert Tier("Gold", (Limit(20),)) == body_of(Tier, b'{"name": "Gold", "limits": [{"amount": 20}]}', JSON)


def test_every_fault_of_a_body_is_told_with_its_path():
    """All of them at once."""
    problem = refused(body_of, Tier, b'{"nam": "Gold", "limits": [{"amount": "20"}]}', JSON)

    assert 422 == problem.status
    assert {"nam": "unknown; did you mean name?",
            "limits[0].amount": "must be a whole number, not text"} == {
        each["path"]: each["text"] for each in problem.members["faults"]
    }  # fmt: skip


@pytest.mark.parametrize(("data", "kind", "status"), [
    (b"{}", "text/plain", 415), (b"{}", "", 415), (b"{", JSON, 400), (b'{"a":1,"a":1}', JSON, 400), (b"[]", JSON, 422),
])  # fmt: skip
def test_a_body_that_is_none(data, kind, status):
    """Refused before anything is done."""
    assert status == refused(body_of, Tier, data, kind).status


def test_a_query_is_read_by_the_types_of_its_class():
    """Its texts are numbers where numbers are wanted."""
    assert Query(name="7", count=7, ratio=0.5, all=True) == query_of(
        Query, [("name", "7"), ("count", "7"), ("ratio", "0.5"), ("all", "true")]
    )


@pytest.mark.parametrize("pair", [("count", "0x7"), ("count", "1_0"), ("ratio", "nan"), ("all", "yes"), ("other", "")])
def test_a_query_is_read_strictly(pair):
    """What is no number is not made one."""
    problem = refused(query_of, Query, [pair])

    assert (422, pair[0]) == (problem.status, problem.members["faults"][0]["path"])


def test_a_parameter_stands_once():
    """Two readers might take either."""
    assert 400 == refused(query_of, Query, [("name", "a"), ("name", "b")]).status


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_cursor_says_where_to_go_on(key):
    """And nothing on the last page."""
    assert key == after(Paging(cursor=cursor(key))) or key == ""
    assert cursor(None) is None
    assert after(Paging()) is None


@pytest.mark.parametrize("text", ["!", "YQ", "_w==", "AA=="])
def test_a_cursor_of_ones_own_making_is_refused(text):
    """With the name of the parameter."""
    assert "cursor" == refused(after, Paging(cursor=text)).members["faults"][0]["path"]


@pytest.mark.parametrize(("limit", "taken"), [(0, False), (1, True), (100, True), (101, False)])
def test_a_page_is_bounded(limit, taken):
    """At most a hundred entries."""
    if taken:
        assert limit == limit_of(Paging(limit=limit))
    else:
        assert 422 == refused(limit_of, Paging(limit=limit)).status


def test_a_tag_changes_with_what_is_shown():
    """Strong, and the same for the same text."""
    one, other = (tag_of(text_of(Tier(name))) for name in ("a", "b"))

    assert one != other
    assert one == tag_of(text_of(Tier("a")))


def test_a_change_is_made_to_what_was_read():
    """If-Match with the right tag, one of several, or a star; without it only where that is allowed."""
    now = text_of(Tier("a"))

    for said in (tag_of(now), f'"x", {tag_of(now)}', "*"):
        check_match(said, now, needed=True)
    check_match(None, now, needed=False)
    assert [412, 412, 428] == [
        refused(check_match, said, now, needed=True).status for said in ('"x"', tag_of(now)[1:-1], None)
    ]


def test_an_idempotency_key_is_a_word():
    """In quotes or not."""
    assert ["a-1", "a-1", None] == [idempotency_key(text) for text in ('"a-1"', "a-1", None)]
    assert 400 == refused(idempotency_key, "a b").status
    assert 400 == refused(idempotency_key, "a" * 101).status


def test_requests_differ_by_method_path_and_body():
    """No two of them are taken for one."""
    asked = [("POST", "/a", b""), ("PUT", "/a", b""), ("POST", "/b", b""), ("POST", "/a", b"\0")]

    assert 4 == len({fingerprint(*each) for each in asked})


@pytest.mark.parametrize(("prefer", "seconds"), [
    (None, 20), ("wait=5", 5), ('return=minimal, wait="7"', 7), ("respond-async", 0), ("respond-async, wait=9", 0),
    ("wait=999999", 60), ("handling=lenient", 20), ("wait=-1", 20), ("xrespond-async", 20),
])  # fmt: skip
def test_how_long_an_answer_may_be_held(prefer, seconds):
    """Twenty seconds, or what the client prefers, a minute at most (RFC 7240)."""
    assert seconds == wait_of(prefer)


@pytest.mark.parametrize(("prefer", "lenient"), [
    (None, False), ("", False), ("handling=lenient", True), ('wait=3, handling="lenient"', True),
    ("handling=strict", False), ("mishandling=lenient", False), ("handling=lenientish", False),
])  # fmt: skip
def test_whether_some_nodes_may_be_left_behind(prefer, lenient):
    """Only when the client says so (RFC 7240)."""
    assert lenient == is_lenient(prefer)


def test_a_patch_changes_what_it_names():
    """The rest stays, and null puts something at its default (RFC 7396)."""
    before = Query(name="a", count=3, ratio=0.5)

    assert Query(name="b", count=3, ratio=None) == merged(Query, before, {"name": "b", "ratio": None})
    assert before == merged(Query, before, patch_of(b"{}", "application/merge-patch+json"))
    assert "count" == refused(merged, Query, before, {"count": "x"}).members["faults"][0]["path"]
    assert 422 == refused(patch_of, b"[]", JSON).status
