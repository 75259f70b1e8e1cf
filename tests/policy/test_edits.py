"""Tests of twgw.policy.edits."""

import pytest

from twgw.faults import SettingsError
from twgw.policy.edits import Edits, fields_of, names_of, renames_of
from twgw.policy.headers import Headers, shape_of

START = [("X-A", "1"), ("X-B", "2"), ("X-A", "3")]


def host(name):
    return name.lower() == "host"


def faults(validate, value):
    with pytest.raises(SettingsError) as caught:
        validate(None, None, value)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("edits", "left"),
    [
        (Edits(), START),
        (Edits(remove=("x-a", "X-None")), [("X-B", "2")]),
        (Edits(rename={"x-a": "X-C"}), [("X-B", "2"), ("X-C", "1"), ("X-C", "3")]),
        (Edits(rename={"X-A": "X-B"}), [("X-B", "1"), ("X-B", "3")]),
        (Edits(rename={"X-None": "X-B"}), START),
        (Edits(replace={"x-a": "9", "X-None": "9"}), [("X-B", "2"), ("x-a", "9")]),
        (Edits(assign={"X-A": "9", "X-New": "8"}), [("X-B", "2"), ("X-A", "9"), ("X-New", "8")]),
        (Edits(add={"x-a": "9", "X-New": "8"}), [*START, ("X-New", "8")]),
        (Edits(append={"X-A": "9"}), [*START, ("X-A", "9")]),
    ],
)
def test_each_edit_does_what_it_says(edits, left):
    """Names match in any case; what is not named stays as it is."""
    headers = Headers(START)

    edits.apply(headers)

    assert left == headers.items()


def test_edits_come_in_a_fixed_order():
    """Remove, rename, replace, assign, add, append: each sees what the one before it left."""
    headers = Headers(START)

    Edits(
        remove=("X-B",), rename={"X-A": "X-B"}, replace={"X-B": "r"}, assign={"X-S": "s"},
        add={"X-S": "not", "X-Z": "z"}, append={"X-B": "+"},
    ).apply(headers)  # fmt: skip

    assert [("X-B", "r"), ("X-S", "s"), ("X-Z", "z"), ("X-B", "+")] == headers.items()


def test_the_shared_block_is_not_changed():
    """A block of fields serves many requests; editing one leaves the others alone."""
    shape = shape_of(tuple(name for name, _ in START))
    cut = shape, ["", *(f"{name}: {value}" for name, value in START), ""]
    first, second = Headers.of(*cut), Headers.of(*cut)

    Edits(remove=("X-A",), assign={"X-B": "9"}).apply(first)

    assert START == second.items()


@pytest.mark.parametrize(
    ("validate", "value", "said"),
    [
        (names_of(host), ["X-A", "Host"], ["[1]: Host is set by the gateway alone"]),
        (names_of(host), ["X A", ""], ["[0]: not a header name: 'X A'", "[1]: not a header name: ''"]),
        (fields_of(host), {"hOST": "a"}, ["hOST: hOST is set by the gateway alone"]),
        (renames_of(host), {"X-A": "Host", "host": "X-A"}, [
            "X-A: Host is set by the gateway alone", "host: host is set by the gateway alone",
        ]),
    ],
)  # fmt: skip
def test_names_are_checked_at_deployment(validate, value, said):
    """A name that may not stand in a head, or is not to be changed, is refused with its place."""
    assert said == faults(validate, value)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0", " a", "a ", "\u20ac"])
def test_values_are_checked_at_deployment(value):
    """No value can end a line, or is changed on the way."""
    (said,) = faults(fields_of(host), {"X-A": value})

    assert said.startswith("X-A: not a value for header X-A")


def test_what_is_right_is_taken():
    """Validators say nothing of names and values that are in order."""
    names_of(host)(None, None, ["X-A"])
    fields_of(host)(None, None, {"X-A": "a b"})
    renames_of(host)(None, None, {"X-A": "X-B"})
    fields_of(host)(None, None, {})
