"""What [cluster] may say, alone and beside the other sections."""

from pathlib import Path

import pytest

from twgw.cluster.settings import Address, ClusterSettings
from twgw.listen import Listen
from twgw.settings import SettingsError, structure


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("gw1", Address("gw1"), "gw1:8091"),
        ("10.0.0.1:9000", Address("10.0.0.1", 9000), "10.0.0.1:9000"),
        ("[::1]", Address("::1"), "[::1]:8091"),
        ("[2001:db8::1]:9000", Address("2001:db8::1", 9000), "[2001:db8::1]:9000"),
    ],
)
def test_an_address_has_the_port_of_the_cluster(text, address, written):
    """Unless it names another."""
    assert (address, written) == (Address.from_text(text), str(address))


@pytest.mark.parametrize(
    "text", ["", "gw1:", "gw1:0", "gw1:65536", "http://gw1", "gw1:9000:1", "::1", "gw 1", 254 * "g"]
)  # fmt: skip
def test_anything_else_is_no_address(text):
    """The fault says how one is written."""
    with pytest.raises(ValueError, match="must be HOST or HOST:PORT"):
        Address.from_text(text)


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({"advertise": "10.0.0.1", "listen": "tcp:9000"}, "10.0.0.1:8091"),
        ({"listen": "tcp:9000"}, "a:9000"),
        ({"listen": "tcp:9000:interface=127.0.0.2"}, "127.0.0.2:9000"),
        ({"listen": "tcp:9000:interface=0.0.0.0"}, "a:9000"),
        ({}, "a:8091"),
    ],
)
def test_a_node_is_reached_where_it_says(said, address):
    """Or where it listens; on every address, by its name."""
    assert address == str(structure(ClusterSettings, said).address("a"))


def test_a_cluster_is_named_as_a_certificate_can_say():
    """Letters, digits, dots, dashes."""
    with pytest.raises(SettingsError):
        structure(ClusterSettings, {"name": "my cluster"})


def test_files_are_in_the_data_directory_unless_they_are_named():
    """In a folder of their own."""
    found = ClusterSettings(key=Path("/etc/key.pem")).settled(Path("/data"))

    assert (Path("/data/cluster/ca.pem"), Path("/data/cluster/node.pem")) == (found.ca, found.certificate)
    assert Path("/etc/key.pem") == found.key


LISTENING = {"listen": Listen("tcp", 8091)}
ASKING = {"keymanagers": (Address("gw1"),)}


@pytest.mark.parametrize(
    ("given", "roles", "file", "database", "said"),
    [
        ({}, (), True, False, []),
        (LISTENING, ("keymanager",), False, True, []),
        (LISTENING, ("keymanager",), False, False, []),
        ({"lease": 5, "session": 4}, (), False, True, ["cluster.session: must not be less than lease, which is 5"]),
        (ASKING, ("gateway", "admin"), False, False, []),
        ({"listen": Listen("ssl", 8091)}, ("keymanager",), False, True, ["cluster.listen: must be tcp:PORT"]),
        (LISTENING, ("gateway",), False, True, ["cluster.listen: needs keymanager in [node] roles"]),
        (LISTENING, ("keymanager",), True, False, ["cluster.listen: needs a database"]),
        ({**LISTENING, **ASKING}, ("keymanager",), False, False,
         ["cluster.listen: stands beside keymanagers", "cluster.keymanagers: a node that asks others is none itself"]),
        (ASKING, ("gateway",), True, False, ["cluster.keymanagers: stands beside [state] file"]),
        (ASKING, ("gateway",), False, True, ["cluster.keymanagers: stands beside [database] url"]),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_said(given, roles, file, database, said):
    """A node has the database, or asks those that have."""
    faults = [str(fault) for fault in ClusterSettings(**given).faults(roles, file=file, database=database)]

    assert len(said) == len(faults)
    assert [] == [text for text, fault in zip(said, faults, strict=True) if not fault.startswith(text)]
