"""What gateways say of themselves, and what a key manager keeps of it."""

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twgw.cluster import reports as module
from twgw.cluster.reports import LONGEST, MOST_NACKS, Nack, Report, Reports, Standing, Told, read, write
from twgw.faults import SettingsError
from twgw.registry import Head
from twgw.schema import as_written
from twgw.settings import structure


def standing(gateway="g", node="a", applied=1, **more):
    """How a gateway stands."""
    return Standing(gateway, node, ("gateway",), Head(1, applied), **more)


@pytest.fixture
def reports():
    return Reports()


def test_what_was_said_last_counts(reports):
    """Not what comes last: an older message takes nothing back."""
    for applied, digest in ((5, "five"), (3, "three")):
        assert reports.said(standing(applied=applied, report=Report(digest)))

    assert (standing(applied=5, report=Report("five")),) == reports.standings({"g": Head(1, 5)})


def test_nobody_speaks_in_the_name_of_another_nodes_gateway(reports):
    """Whoever knows its name is told no, and nothing of it is kept."""
    reports.said(standing(node="a"))

    assert not reports.said(standing(node="b", applied=9))
    assert (standing(node="a"),) == reports.standings({"g": Head(1, 1)})


def test_whoever_has_no_lease_is_known_still(reports):
    """Until it says that it stops; whoever has one and said nothing stands there without a node."""
    reports.said(standing())

    assert (evolve(standing(), holds=False), Standing("h", "", applied=Head(1, 7))) == reports.standings(
        {"h": Head(1, 7)}
    )

    reports.left("g")
    reports.left("nobody")

    assert () == reports.standings({})


def test_invented_gateways_push_out_each_other(reports, monkeypatch):
    """The memory has an end."""
    monkeypatch.setattr(module, "MOST_GATEWAYS", 2)
    for name in "abc":
        reports.said(standing(name))

    assert ["b", "c"] == [each.gateway for each in reports.standings({})]


def test_a_drift_lasts_until_something_else_is_served(reports):
    """As the gateway says itself."""
    reports.said(standing(report=Report("x")))
    reports.drift("g", drifted=True)
    reports.drift("gone", drifted=True)

    reports.said(standing(report=Report("x")))
    assert [True] == [each.drifted for each in reports.standings({})]
    reports.said(standing(report=Report("y")))
    assert [False] == [each.drifted for each in reports.standings({})]


@pytest.mark.parametrize(
    "wrong",
    [
        {"refused": [{"api": "a"}] * (MOST_NACKS + 1)}, {"unprepared": [{"text": "x" * (LONGEST + 1)}]},
        {"digest": "0" * 65}, {"counters": "x" * (LONGEST + 1)}, {"refused": [{"api": "a" * 301}]}, {"more": 1},
    ],
)  # fmt: skip
def test_a_report_that_is_too_large_is_none(wrong):
    """Whoever sends it is refused."""
    with pytest.raises(SettingsError):
        structure(Report, wrong)


def test_what_is_told_can_be_seen():
    """It reaches logs, the fields of answers, and terminals."""
    evil = "a\x1b[2J\r\nb\x07\u202e\ud800c"
    made = Report(evil, (Nack(evil, 1, evil),), (), evil)

    assert {"a [2J  b   c"} == {made.digest, made.counters, made.refused[0].api, made.refused[0].text}
    assert made == structure(Report, as_written(made))


def test_a_nack_is_cut_to_what_is_taken():
    """However much is wrong."""
    nack = Nack.of("pets:1.0" * 100, 7, ["x" * 400] * 100)

    assert nack == structure(Nack, as_written(nack))
    assert (300, LONGEST) == (len(nack.api), len(nack.text))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
NACKS = st.builds(Nack, TEXTS, st.integers(0, 1 << 60), TEXTS)
REPORTS = st.builds(Report, st.text("0123456789abcdef", max_size=64), st.tuples(NACKS), st.tuples(), TEXTS)
HEADS = st.builds(Head, st.integers(0, 9), st.integers(0, 1 << 60))
STANDINGS = st.builds(Standing, TEXTS, TEXTS, st.tuples(TEXTS), HEADS, st.booleans(), st.booleans(), REPORTS)


@given(st.builds(Told, st.tuples(TEXTS), st.lists(STANDINGS, max_size=4).map(tuple)))
def test_what_stands_in_a_session_is_read_as_it_was(told):
    """By another node, of the same version."""
    assert told == read(write(told))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weather": "fine"}', '{"gateways": 7}', "[" * 60_000])
def test_what_is_not_understood_says_nothing(text):
    """A later version may have written it."""
    assert Told() == read(text)


def test_a_session_has_an_end(monkeypatch):
    """Beyond it the reasons are left out, and the positions stay."""
    monkeypatch.setattr(module, "LARGEST", 2000)
    many = tuple(standing(str(n), report=Report("d", (Nack("a", 1, "x" * 400),))) for n in range(9))
    text = write(Told(("gateway",), many))

    assert [Head(1, 1)] * 9 == [each.applied for each in read(text).gateways]
    assert "xxx" not in json.dumps(text)
