"""Tests of twgw.demo."""

import pytest

from twgw import demo
from twgw.credentials import Pepper, digest, well_formed
from twgw.demo import ensure_key, find_key, how_to_call, origin, text
from twgw.state import parse_state


def test_the_key_is_made_once(tmp_path):
    """It stands in a file for the user of the gateway alone; a later start finds the same."""
    assert find_key(tmp_path) is None
    key = ensure_key(tmp_path)

    assert well_formed(key)
    assert f"{key}\n" == (tmp_path / "demo.key").read_text()
    assert 0o600 == (tmp_path / "demo.key").stat().st_mode & 0o777
    assert [key, key] == [ensure_key(tmp_path), find_key(tmp_path)]


def test_half_a_key_is_made_anew(tmp_path):
    """What is no whole key is replaced."""
    (tmp_path / "demo.key").write_text("tw_demo_half")
    assert find_key(tmp_path) is None

    assert ensure_key(tmp_path) == find_key(tmp_path)


def test_the_key_of_the_first_of_two_nodes_counts(tmp_path, monkeypatch):
    """A node that loses the race takes the key of the other."""
    real, winners = demo.create, []

    def create(path, text):
        if not winners:
            monkeypatch.setattr(demo, "create", real)
            winners.append(ensure_key(tmp_path))
        real(path, text)

    monkeypatch.setattr(demo, "create", create)

    assert [ensure_key(tmp_path)] == winners


def test_the_demo_is_a_state():
    """One API, limited and guarded, with an upstream that is built in, for one application with the key."""
    made = digest(Pepper("v1", b"p" * 32), "key")
    state = parse_state(text(made), "demo.yaml").state

    assert [("demo:1.0", "/demo", "echo:")] == [(a.id, a.base_path, a.upstream.targets[0].url) for a in state.apis]
    assert ["key-auth", "subscription", "rate-limit"] == [policy.name for policy in state.apis[0].policies]
    assert [("Bronze", 10, 60)] == [(t.name, t.limits[0].amount, t.limits[0].period) for t in state.tiers]
    assert [made] == [c.digest for a in state.applications for c in a.credentials]


def test_how_to_call_it_is_said():
    """With the key, where the API is now."""
    assert "Try it: curl -i -H 'X-API-Key: k' http://127.0.0.1:8080/demo/hello" == how_to_call(
        "k", "/demo", "http://127.0.0.1:8080"
    )
    assert how_to_call("k", "/", "http://[::1]:80").endswith(" http://[::1]:80/hello")


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        ("", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:8080"),
        ("192.0.2.1", "http://192.0.2.1:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_a_listener_is_named_as_a_client_names_it(interface, expected):
    """One that is on every address by this machine's."""
    assert expected == origin(interface, 8080)
