"""Tests of twgw.faults."""

from hypothesis import given
from hypothesis import strategies as st

from twgw.faults import Fault, InvalidFileError, SettingsError, below, steps, suggest


@given(st.lists(st.text() | st.integers(min_value=0, max_value=10**6), max_size=6))
def test_path_can_be_read_back(route):
    """Whatever the keys are, the steps of a path are those it was made of."""
    path = ""
    for step in route:
        path = below(path, step)

    assert route == steps(path)


def test_path_reads_like_code():
    """Plain names are joined by dots, indexes and strange names stand in brackets."""
    assert "apis[0].policies[2].settings" == below(below(below(below(below("", "apis"), 0), "policies"), 2), "settings")
    assert 'headers["X Y"].z' == below(below("headers", "X Y"), "z")


def test_fault_moves_up():
    """A fault found below a path names the whole path."""
    assert Fault("apis[0].name", "missing") == Fault("name", "missing").under("apis[0]")
    assert Fault("apis[0]", "missing") == Fault("[0]", "missing").under("apis")
    assert Fault("apis", "missing") == Fault("", "missing").under("apis")
    assert Fault("name", "missing") == Fault("name", "missing").under("")


def test_fault_is_one_line():
    """A fault shows its path when it has one."""
    assert "amount: must be > 0" == str(Fault("amount", "must be > 0"))
    assert "must be a mapping" == str(Fault("", "must be a mapping"))


def test_errors_show_every_fault():
    """The text of an error is one line for each fault."""
    assert "a: missing\nb: missing" == str(SettingsError([Fault("a", "missing"), Fault("b", "missing")]))
    assert "x.yaml:1: a\nx.yaml:2: b" == str(InvalidFileError(["x.yaml:1: a", "x.yaml:2: b"]))


def test_suggests_the_nearest_name_or_all():
    """After an unknown name comes the nearest known one; when none is near, all of them."""
    assert "; did you mean certificate?" == suggest("certificat", ["key", "certificate"])
    assert "; known: certificate, key" == suggest("zzz", ["key", "certificate"])
    assert "" == suggest("zzz", [])
