"""Tests of twgw.demo."""

import pytest

from twgw import demo
from twgw.credentials import Pepper, digest, well_formed
from twgw.demo import IN_MEMORY, Demo, ensure, lines, origin
from twgw.model import State
from twgw.state import load_state

PEPPER = Pepper("v1", b"p" * 32)
ORIGIN = "http://127.0.0.1:8080"


def loaded(data_dir):
    """The state that a start would read."""
    return load_state(data_dir / "apis.yaml").state


def test_first_start_makes_a_demo(tmp_path):
    """A directory without a state gets one whose application has the digest of the key that is kept beside it."""
    made = ensure(tmp_path, PEPPER)
    state = loaded(tmp_path)

    assert well_formed(made.key)
    assert f"{made.key}\n" == (tmp_path / "demo.key").read_text()
    assert [("demo:1.0", "/demo", "echo:")] == [(a.id, a.base_path, a.upstream.targets[0].url) for a in state.apis]
    assert ["key-auth", "subscription", "rate-limit"] == [policy.name for policy in state.apis[0].policies]
    assert [("Bronze", 10, 60)] == [(t.name, t.limits[0].amount, t.limits[0].period) for t in state.tiers]
    assert [digest(PEPPER, made.key)] == [c.digest for a in state.applications for c in a.credentials]


def test_demo_is_closed_to_others(tmp_path):
    """Key and state are for the user of the gateway alone."""
    ensure(tmp_path, PEPPER)

    assert {0o600} == {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}


def test_second_start_changes_nothing(tmp_path):
    """A later start finds the same demo and leaves every byte as it is."""
    made = ensure(tmp_path, PEPPER)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    assert made == ensure(tmp_path, PEPPER)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_state_of_ones_own_is_left_alone(tmp_path):
    """A directory that has a state, but no demo, gets none."""
    (tmp_path / "apis.yaml").write_text("apis: []\n")

    assert ensure(tmp_path, PEPPER) is None
    assert [tmp_path / "apis.yaml"] == list(tmp_path.iterdir())


@pytest.mark.parametrize("failing", [1, 2])
def test_killed_start_is_gone_on_with(tmp_path, monkeypatch, failing):
    """A start that ends before any of its files is there leaves what the next start completes."""
    count, real = [], demo.create

    def create(path, text):
        count.append(path)
        if len(count) == failing:
            raise KeyboardInterrupt
        real(path, text)

    monkeypatch.setattr(demo, "create", create)
    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path, PEPPER)
    assert not (tmp_path / "apis.yaml").exists()

    made = ensure(tmp_path, PEPPER)

    assert made.digest == loaded(tmp_path).applications[0].credentials[0].digest
    assert f"{made.key}\n" == (tmp_path / "demo.key").read_text()


def test_half_a_key_is_made_anew(tmp_path):
    """What is no whole key in the key's file is replaced while there is no state that has its digest."""
    (tmp_path / "demo.key").write_text("tw_demo_half")

    made = ensure(tmp_path, PEPPER)

    assert f"{made.key}\n" == (tmp_path / "demo.key").read_text()
    assert made.digest == loaded(tmp_path).applications[0].credentials[0].digest


def test_first_of_two_nodes_makes_the_demo(tmp_path, monkeypatch):
    """A node that loses the race tells the key of the other."""
    real, winners = demo.create, []

    def create(path, text):
        if not winners:
            monkeypatch.setattr(demo, "create", real)
            winners.append(ensure(tmp_path, PEPPER))
        real(path, text)

    monkeypatch.setattr(demo, "create", create)

    made = ensure(tmp_path, PEPPER)

    assert winners == [made]
    assert made.digest == loaded(tmp_path).applications[0].credentials[0].digest


def test_how_to_call_it_is_said(tmp_path):
    """The lines for the terminal are a call with the key, and what is kept in memory only."""
    made = ensure(tmp_path, PEPPER)

    call, memory = lines(made, loaded(tmp_path), ORIGIN)

    assert f"Try it: curl -i -H 'X-API-Key: {made.key}' http://127.0.0.1:8080/demo/hello" == call
    assert IN_MEMORY == memory
    assert "limits" in memory
    assert "database" in memory
    assert "cluster" in memory


def test_moved_demo_is_called_where_it_is(tmp_path):
    """The call goes to the path at which the demo API is now."""
    made = ensure(tmp_path, PEPPER)
    path = tmp_path / "apis.yaml"
    path.write_text(path.read_text().replace("base_path: /demo", "base_path: /"))

    assert lines(made, loaded(tmp_path), ORIGIN)[0].endswith(" http://127.0.0.1:8080/hello")


def test_key_that_opens_nothing_is_not_shown(tmp_path):
    """Once the demo application or its key is gone, or nobody listens in plain text, only the other line is left."""
    made = ensure(tmp_path, PEPPER)

    assert [IN_MEMORY] == lines(made, State(), ORIGIN)
    assert [IN_MEMORY] == lines(Demo(made.key, "v1:another"), loaded(tmp_path), ORIGIN)
    assert [IN_MEMORY] == lines(made, loaded(tmp_path), "")
    assert [IN_MEMORY] == lines(None, loaded(tmp_path), ORIGIN)


def test_key_stays_out_of_logs():
    """The repr of a demo does not hold its key."""
    assert "secret" not in repr(Demo("secret", "v1:00"))


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        ("", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("10.0.0.7", "http://10.0.0.7:8080"),
    ],
)
def test_listener_has_a_name_for_clients(interface, expected):
    """A listener on every address is called on the loopback one, any other on its own."""
    assert expected == origin(interface, 8080)
