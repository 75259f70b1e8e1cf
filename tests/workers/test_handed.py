"""What a worker is handed."""

import attrs

from tests.cluster.wires import AUTHORITY, certified
from twgw.config import load
from twgw.workers.handed import Handed

TOML = """
[node]
pepper = "v1:{pepper}"
[gateway]
listen = ["tcp:8080", "ssl:8443:certKey=tls.pem"]
trusted_proxies = ["10.0.0.0/8"]
workers = 2
[database]
url = "postgresql://u@h/n"
password = "secret"
[[ldap]]
name = "corp"
servers = ["ldaps://a.example"]
user_base = "dc=example"
bind_dn = "cn=x"
password = "also secret"
"""


def test_all_of_it_arrives(tmp_path):
    """The configuration with its secrets, which nobody sees who looks at it."""
    file = tmp_path / "twgw.toml"
    file.write_text(TOML.format(pepper="ab" * 32))
    certificate, key = certified("worker1", "gateway")
    handed = Handed(load(file, {}, {}), 1, 2, 4711, (4, 5), 3, AUTHORITY.certificate, certificate, key, True)
    line = handed.written()

    assert (1, b"\n") == (line.count(b"\n"), line[-1:])
    assert handed == Handed.read(line)
    assert "also secret" == Handed.read(line).config.ldap[0].password
    assert "secret" not in repr(attrs.evolve(handed, config=None))
    assert key not in repr(handed)
    assert "worker1" == handed.tls.identity.node


def test_a_configuration_without_a_pepper_arrives(tmp_path):
    """And every other default."""
    handed = Handed(load(None, {}, {}), 2, 2, 1, (), 3, "", "", "")

    assert handed == Handed.read(handed.written())
