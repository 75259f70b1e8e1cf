"""Header fields: parsed once, edited without copying, written out without what only the gateway may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.policy.headers import MOST_SHAPES, ONE_HOP, SPECIAL, Headers, Shape, is_reserved, shape_of

NAMES = st.sampled_from(
    ["Accept", "accept", "X-A", "x-a", "X-AB", "A", "Host", "Connection", "Content-Length", "X-Forwarded-For",
     "x-consumer-id", "Via", "TE", "X-Team", "Cookie"]
)  # fmt: skip
VALUES = st.sampled_from(["", "1", "a: b", "x-a: 1", "caf\xe9", "Accept", "a\tb"])
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), NAMES, VALUES),
        st.tuples(st.just("add"), NAMES, VALUES),
        st.tuples(st.just("remove"), NAMES),
    ),
    max_size=6,
)


def edited(pairs, edits):
    """The slow way: a list of fields, and what edits make of it."""
    pairs = list(pairs)
    added = []
    for edit, name, *value in edits:
        if edit != "add":
            pairs = [pair for pair in pairs if pair[0].lower() != name.lower()]
            added = [pair for pair in added if pair[0].lower() != name.lower()]
        if edit != "remove":
            added.append((name, value[0]))
    return pairs + added


def applied(headers, edits):
    for edit, *arguments in edits:
        getattr(headers, edit)(*arguments)
    return headers


def text(pairs):
    return sorted(f"{name}: {value}\r\n" for name, value in pairs)


@given(FIELDS, EDITS)
def test_edits_are_those_of_a_list(pairs, edits):
    """get, get_all, items, in, len: as if the fields were a plain list."""
    headers = applied(Headers(pairs), edits)
    expected = edited(pairs, edits)

    assert expected == headers.items() == list(headers)
    assert len(expected) == len(headers)
    for name in {name for name, _ in expected} | {"X-A", "missing"}:
        values = [value for key, value in expected if key.lower() == name.lower()]
        assert values == headers.get_all(name)
        assert (values[0] if values else None) == headers.get(name.upper())
        assert bool(values) == (name in headers)


@given(FIELDS, EDITS)
def test_what_goes_to_an_upstream_holds_nothing_reserved(pairs, edits):
    """Every other field goes on as it is."""
    headers = applied(Headers(pairs), edits)
    sent = headers.to_upstream()

    assert text(pair for pair in edited(pairs, edits) if not is_reserved(pair[0])) == sorted(
        sent.splitlines(keepends=True)
    )


@given(FIELDS, EDITS)
def test_what_goes_to_a_client_holds_no_framing(pairs, edits):
    """Framing and fields for one hop stay behind; asked twice, the answer is the same."""
    headers = applied(Headers(pairs), edits)
    expected = text(pair for pair in edited(pairs, edits) if pair[0].lower() not in ONE_HOP)

    assert expected == sorted(headers.to_client().splitlines(keepends=True))
    assert expected == sorted(headers.to_client().splitlines(keepends=True))


@given(FIELDS, EDITS, EDITS)
def test_the_parts_of_a_head_are_shared_without_being_changed(pairs, one, other):
    """Requests with the same bytes share them; the edits of one are not seen by the other."""
    shape = shape_of(tuple(name for name, _ in pairs))
    cut = shape, ["line", *(f"{name}: {value}" for name, value in pairs), ""]
    first, second = Headers.of(*cut), Headers.of(*cut)
    applied(first, one).to_client()
    applied(second, other)

    assert edited(pairs, one) == first.items()
    assert edited(pairs, other) == second.items()
    assert list(pairs) == Headers.of(*cut).items()


@given(FIELDS, EDITS, st.sets(NAMES.map(str.lower)))
def test_several_names_at_once(pairs, edits, lowers):
    """What is asked for, or taken away, of several names is that of each."""
    headers = applied(Headers(pairs), edits)
    order = sorted(lowers)

    assert [value for lower in order for value in headers.get_all(lower)] == headers.all_of(order)
    expected = [pair for pair in headers.items() if pair[0].lower() not in lowers]
    headers.remove_all(frozenset(lowers))
    assert expected == headers.items()


def test_names_that_repeat_are_worked_out_once():
    """Up to a bound: who sends ever new names makes the table begin anew, not grow."""
    names = ("Host", "X-Once")
    assert shape_of(names) is shape_of(("Host", "X-Once"))
    for number in range(MOST_SHAPES):
        shape_of((f"X-{number}",))

    assert shape_of(names).names == names
    assert shape_of(("X" * 5000,)) is not shape_of(("X" * 5000,))


def test_a_name_with_a_percent_sign_is_written_as_it_is():
    """The templates of a shape know their own placeholders."""
    assert "50%s: 1\r\nB: %d\r\n" == Headers([("50%s", "1"), ("B", "%d")]).to_upstream()


def test_a_nominated_field_stays_behind():
    """What the client's Connection field names is for its hop only."""
    assert "B: 2\r\n" == Headers([("A", "1"), ("B", "2")]).to_upstream(frozenset({"a"}))


def test_a_field_is_cut_out_exactly():
    """Neither a longer name nor a longer value nor a look-alike inside a value is touched."""
    headers = Headers([("X-A", "1"), ("Foo-X-A", "1"), ("X-A-B", "1"), ("X-B", "X-A: 1"), ("X-A2", "12")])
    headers.remove("x-a")

    assert "Foo-X-A: 1\r\nX-A-B: 1\r\nX-B: X-A: 1\r\nX-A2: 12\r\n" == headers.to_upstream()


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "\xe9", "a\0"])
def test_a_name_that_may_not_stand_in_a_head_is_refused(name):
    """In the constructor, in set and in add."""
    for call in (lambda: Headers([(name, "1")]), lambda: Headers().set(name, "1"), lambda: Headers().add(name, "1")):
        with pytest.raises(ValueError, match="not a header name"):
            call()


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\n", "\r", "a\0", " a", "a ", "\ta", "\u20ac", "a\x7f"])
def test_a_value_that_may_not_stand_in_a_head_is_refused(value):
    """No field can smuggle another one."""
    for call in (lambda: Headers({"a": value}), lambda: Headers().set("a", value), lambda: Headers().add("a", value)):
        with pytest.raises(ValueError, match="not a value for header a"):
            call()


def test_values_are_not_shown():
    """They may be secrets."""
    assert "Headers(['X-API-Key'])" == repr(Headers({"X-API-Key": "secret"}))


@pytest.mark.parametrize("name", [*SPECIAL, "X-Forwarded-Anything", "x-consumer-groups", "X-Twgw-Node"])
def test_special_fields_are_found_in_any_case(name):
    """Every one of them, by whatever spelling."""
    for spelled in (name.lower(), name.upper(), name.title()):
        headers = Headers([("A", "1"), (spelled, "v"), ("B", "2")])
        assert {name.lower()} == headers.shape.special
        assert "A: 1\r\nB: 2\r\n" == headers.to_upstream()
        assert is_reserved(spelled)


@pytest.mark.parametrize(
    "name", ["Hostx", "XHost", "Connection2", "X-Forwarde-A", "Content-Lengt", "Content-Length-X", "Vi"]
)
def test_look_alikes_are_not_special(name):
    """A name is special as a whole."""
    assert frozenset() == Shape((name,)).special
    assert not is_reserved(name)
