"""The section [memcached]."""

import pytest

from twgw.faults import SettingsError
from twgw.settings import structure
from twgw.throttle.settings import Memcached, ServerAddress


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("a.example", ("a.example", 11211), "a.example:11211"), ("A.example:22", ("a.example", 22), "a.example:22"),
        ("127.0.0.1:11211", ("127.0.0.1", 11211), "127.0.0.1:11211"), ("[::1]:5", ("::1", 5), "[::1]:5"),
        ("/run/m.sock", "/run/m.sock", "/run/m.sock"),
    ],
)  # fmt: skip
def test_a_server_is_named_by_host_and_port_or_by_a_path(text, place, shown):
    """And is shown in one way: by that all nodes find the same place for a counter."""
    address = ServerAddress.from_text(text)

    assert (place, shown) == (address.place, str(address))


@pytest.mark.parametrize("text", ["", "a:", "a:0", "a:65536", "a b", "a:1:2", "http://a", "::1"])
def test_what_is_no_place_is_refused(text):
    """With what it should look like."""
    with pytest.raises(ValueError, match="must be HOST, HOST:PORT"):
        ServerAddress.from_text(text)


def test_a_server_stands_there_once():
    """Two names of one would count each thing twice."""
    with pytest.raises(SettingsError) as error:
        structure(Memcached, {"servers": ["a", "b", "a:11211"], "nodes": 0})
    assert {"servers[2]": "stands there already", "nodes": "must be > 0"} == {
        fault.path: fault.text for fault in error.value.faults
    }
    assert () == Memcached().servers
