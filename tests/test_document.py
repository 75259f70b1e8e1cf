"""Tests of twgw.document."""

import json
import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.document import MAX_BYTES, MAX_DEPTH, MAX_DIGITS, read_document
from twgw.faults import Fault, InvalidFileError, below


def value_of(text):
    """What a document means."""
    return read_document(text, "a.yaml")[0]


def errors_of(text):
    """What is said of a bad document."""
    with pytest.raises(InvalidFileError) as caught:
        read_document(text, "a.yaml")
    return list(caught.value.lines)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True), ("False", False), ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("~", None), ("null", None), ("", None), ("'null'", "null"), ('"true"', "true"),
        ("5", 5), ("-5", -5), ("+5", 5), ("017", 17), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"), ("0b1", "0b1"),
        ("'5'", "5"), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5e-1", -0.15), ("1.2.3", "1.2.3"),
        (".inf", math.inf), ("-.inf", -math.inf), ("12:30:00", "12:30:00"), ("2026-01-01", "2026-01-01"),
        ("=", "="), (".", "."), ("|-\n  5", "5"), (">-\n  true", "true"),
    ],
)
def test_scalars_are_of_yaml_1_2(written, meant):
    """A plain scalar means what YAML 1.2's core schema says; whatever is quoted is text."""
    found = value_of(f"a: {written}\n")["a"]

    assert (type(meant), meant) == (type(found), found)


def test_not_a_number_is_known():
    """``.nan`` is a number that is none."""
    assert math.isnan(value_of("a: .nan")["a"])


def test_keys_are_text_as_written():
    """A key is never a number or a boolean."""
    assert {"1.0": 1, "true": 2, "on": 3, "404": 4, "null": 5} == value_of("1.0: 1\ntrue: 2\non: 3\n404: 4\nnull: 5")


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(string.printable + "äß€"),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(string.printable, max_size=9).filter(lambda key: key != "<<"), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=5), documents, min_size=1, max_size=3))
def test_json_means_itself(document):
    """JSON is YAML: what is written as JSON is read as it was."""
    assert document == value_of(json.dumps(document))


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True), st.data())
def test_line_of_every_path(keys, data):
    """The line of a path is that of its key, or of its entry in a list."""
    at = data.draw(st.integers(0, len(keys) - 1))
    text, expected = "# first\n", {}
    for number, key in enumerate(keys):
        expected[key] = 2 + number * 3
        text += f"{key}:\n  - x\n  - {{y: 1}}\n"
    source = read_document(text, "a.yaml")[1]
    key = keys[at]

    assert expected[key] == source.line(key)
    assert expected[key] + 1 == source.line(below(key, 0))
    assert expected[key] + 2 == source.line(below(below(key, 1), "y"))


def test_missing_thing_has_the_line_of_what_is_around_it():
    """What is not there is located where it should stand."""
    source = read_document("a:\n  - name: x\n  - b: 1\n", "a.yaml")[1]

    assert "a.yaml:3: a[1].name: missing" == source.locate(Fault("a[1].name", "missing"))
    assert "a.yaml:1: a[7].b: missing" == source.locate(Fault("a[7].b", "missing"))
    assert "a.yaml:1: must be a mapping" == source.locate(Fault("", "must be a mapping"))
    assert "a.yaml:2: a[0].name.x: missing" == source.locate(Fault("a[0].name.x", "missing"))


def test_what_is_not_read_is_refused_with_its_place():
    """Duplicate keys, aliases, tags, merge keys and keys that are no text are all named."""
    text = "\n".join(
        [
            "a: &x [1]",
            "b:",
            "  c: 1",
            "  c: 2",
            "d: *x",
            "e: !!str 5",
            "f: !!python/name:os.system []",
            "<<: {a: 1}",
            "? [a]",
            ": b",
            f"n: {'9' * (MAX_DIGITS + 1)}",
        ]
    )

    assert [
        "a.yaml:4: b.c: stands twice; first on line 3",
        "a.yaml:5: d: is an alias (*name); aliases are not read, write the value itself",
        "a.yaml:6: e: has a tag (!name); tags are not read, quote what is text",
        "a.yaml:7: f: has a tag (!name); tags are not read, quote what is text",
        'a.yaml:8: ["<<"]: merge keys are not read, write the values themselves',
        "a.yaml:9: has a key that is not plain text",
        f"a.yaml:11: n: is a number of more than {MAX_DIGITS} digits",
    ] == errors_of(text)


def test_second_document_is_refused():
    """One file is one document."""
    assert ["a.yaml:2: a second document starts here; write one document in a file"] == errors_of("a: 1\n---\nb: 2\n")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_empty_document_is_refused(text):
    """A file that was cut to nothing is not a wish for nothing."""
    assert errors_of(text)[0].endswith("is empty")


INDENTED = "; is the line indented as those that it belongs to?"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: b: c\n", "a.yaml:1: not YAML: has a second ': ' in a value; put the value in quotes"),
        ("\ta: 1\n", "a.yaml:1: not YAML: has a tab; indent with blanks"),
        ("a:\n  - b: 1\n\tc: 1\n", "a.yaml:3: not YAML: has a tab; indent with blanks"),
        ("a: @b\n", "a.yaml:1: not YAML: found character that cannot start any token"),
        ("a: 1\nb 2\nc: 3\n", "a.yaml:2: not YAML: has no ':' behind the key"),
        ("a:\n  - b: 1\n  c: 1\n", f"a.yaml:3: not YAML: did not find expected '-' indicator{INDENTED}"),
        ("a:\n  b: 1\n c: 1\n", f"a.yaml:3: not YAML: did not find expected key{INDENTED}"),
        ("a: *x\n", "a.yaml:1: not YAML: found undefined alias"),
        ("a: \x01", "a.yaml: not YAML: has a control character or another that is no text"),
        ("a: \ud800", "a.yaml: not YAML: has a control character or another that is no text"),
    ],
)
def test_syntax_errors_have_a_line(text, error):
    """What is no YAML is said in one line."""
    assert [error] == errors_of(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 50_000, "a: " + "[" * 65 + "]" * 65])
def test_depth_is_limited(text):
    """Nesting is refused before it could exhaust the stack."""
    assert [f"a.yaml:1: nested deeper than {MAX_DEPTH}"] == errors_of(text)


def test_aliases_cannot_multiply():
    """A few lines of aliases of aliases are refused, and so is one that holds itself."""
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))

    assert "a.yaml:2: a1[0]: is an alias (*name); aliases are not read, write the value itself" in errors_of(bomb)
    assert ["a.yaml:1: a[0]: is an alias (*name); aliases are not read, write the value itself"] == errors_of(
        "a: &a [*a]"
    )


def test_size_is_limited(monkeypatch):
    """A document that is far too long is not even looked at, nor one of too many values."""
    assert [f"a.yaml: longer than {MAX_BYTES} characters"] == errors_of(" " * (MAX_BYTES + 1))
    monkeypatch.setattr("twgw.document.MAX_NODES", 5)
    assert ["a.yaml:1: more than 5 values"] == errors_of("[1, 2, 3, 4, 5]")
    assert [1, 2, 3, 4] == value_of("[1, 2, 3, 4]")
