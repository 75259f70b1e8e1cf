"""Tests of twgw.ijson."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.ijson import DEPTH, LARGEST, read

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(values)
def test_reads_what_json_writes(value):
    """Every value comes back as it was."""
    assert value == read(json.dumps(value).encode())


@given(st.binary())
def test_never_fails_otherwise(data):
    """Whatever comes is a value, or refused in words."""
    with suppress(ValueError):
        read(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff", "is not UTF-8 text (byte 0)"),
        (b'{"a": }', "is not JSON: Expecting value (line 1, column 7)"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b'{"a": 1, "a": 2}', "two members of the same name"),
        (b"[NaN]", "NaN or Infinity"),
        (b"-Infinity", "NaN or Infinity"),
        (b"1e999", "too large"),
        (b"9007199254740992", "beyond 9007199254740991"),
        (b"-" + b"9" * 5000, "beyond 9007199254740991"),
        (b'"a\\u0000"', "NUL"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b"[" * 100_000 + b"]" * 100_000, "more than 64 levels"),
        (b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), "more than 64 levels"),
    ],
)
def test_refuses_what_readers_disagree_on(data, words):
    """The words say what is wrong."""
    with pytest.raises(ValueError, match=r"^(is|has)") as caught:
        read(data)

    assert words in str(caught.value)


def test_takes_as_many_levels_as_it_says():
    """And no value of a refused document stands in the words."""
    assert [] != read(b"[" * DEPTH + b"]" * DEPTH)
    with pytest.raises(ValueError, match="is not JSON") as caught:
        read(b'{"password": "hunter2"')

    assert "hunter2" not in str(caught.value)
