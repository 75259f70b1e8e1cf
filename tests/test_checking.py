"""Tests of twgw.checking."""

import datetime as dt
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from twgw.checking import check_files
from twgw.config import load
from twgw.model import Api, Lifecycle, Policy
from twgw.storage.apis import create_api, publish
from twgw.storage.settings import set_policies

EXAMPLES = Path(__file__).parent.parent / "etc" / "examples"
API = """\
apis:
  - name: orders
    version: "1.0"
    base_path: /orders
    upstream:
      targets: [{url: "https://127.0.0.1:9000"}]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(state="", config="", **environment):
    """What is wrong with these files."""
    if state:
        Path("apis.yaml").write_text(state)
        config += "\n[state]\nfile = 'apis.yaml'\n"
    Path("twgw.toml").write_text(config)
    return check_files(load(Path("twgw.toml"), environment, {}))


def test_an_upstream_that_may_not_be_called_is_a_fault():
    """The node's own listeners, what is not on its list, and what tells secrets; with the line of the target."""
    place = f"{Path.cwd()}/apis.yaml:6: apis[0].upstream.targets[0].url"
    own = check(API.replace("https://127.0.0.1:9000", "http://127.0.0.1:8081"))
    outside = check(API, "[gateway]\nallowed_upstreams = ['10.0.0.0/8']")

    assert [f"{place}: 127.0.0.1 port 8081 is a listener of this gateway"] == own
    assert [f"{place}: 127.0.0.1 is outside of [gateway] allowed_upstreams"] == outside
    assert [] == check(API, "[gateway]\nallowed_upstreams = ['127.0.0.0/8']")
    (secret,) = check(API.replace("https://127.0.0.1:9000", "http://2852039166"))
    assert secret.startswith(f"{place}: 169.254.169.254 is link-local")


def pem(name="server"):
    """A certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), day, day.replace(year=2096)
    ).sign(key, hashes.SHA256())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return (made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, *private)).decode()  # fmt: skip


def test_examples_are_valid():
    """The examples of the documentation have no fault, and checking them starts nothing."""
    assert [] == check_files(load(EXAMPLES / "twgw.toml", {}, {}))
    assert "twisted.internet.reactor" not in sys.modules or not sys.modules["twisted.internet.reactor"].running


def test_first_start_is_valid(tmp_path):
    """Without any file the gateway would make a database with a demo, so nothing is wrong; and nothing is made."""
    assert [] == check_files(load(None, {}, {}))
    assert [] == list(tmp_path.iterdir())


def test_what_is_live_in_a_database_is_checked(sqlite):
    """As it would be compiled; a database that cannot be read is a fault."""
    config = load(None, {"TWGW_DATABASE_URL": sqlite.name}, {})
    assert [] == check_files(config)
    api = Api("pets", "1.0", "/pets", policies=(Policy("no-such-policy"),))
    sqlite.call(create_api, api, owner="ann", now=0.0, state=Lifecycle.PUBLISHED, write=True)
    sqlite.call(publish, "pets:1.0", 1, now=0.0, write=True)
    (fault,) = check_files(config)

    assert fault.startswith(f"{sqlite.name}: pets:1.0: policies[0].name: no policy 'no-such-policy' is installed")

    sqlite.call(set_policies, (Policy("another"),), now=0.0, write=True)

    assert any("policies[0].name: no policy 'another' is installed" in line for line in check_files(config))

    Path(sqlite.name.removeprefix("sqlite:///")).write_text("not a database")
    (fault,) = check_files(config)

    assert "file is not a database" in fault


def test_a_database_without_its_tables_is_for_the_first_start(tmp_path):
    """It would make them."""
    (tmp_path / "twgw.db").touch()

    assert [] == check_files(load(None, {"TWGW_DATABASE_URL": f"sqlite:///{tmp_path}/twgw.db"}, {}))


def test_named_state_must_be_there():
    """A state that is named and missing is a fault."""
    assert [f"{Path.cwd()}/apis.yaml: cannot be read: No such file or directory"] == check(
        config="[state]\nfile = 'apis.yaml'\n"
    )


def test_faults_of_a_state_have_their_lines():
    """What the state alone can tell, and what only compiling it tells, comes with file, line and path."""
    assert [f"{Path.cwd()}/apis.yaml:4: apis[0].base_path: must start with /"] == check(
        API.replace("/orders", "orders")
    )
    assert [f"{Path.cwd()}/apis.yaml:7: apis[0].policies[0].settings.amount: must be > 0"] == check(
        API + "    policies: [{name: rate-limit, settings: {amount: 0}}]\n"
    )


def test_faults_come_in_the_order_of_lines():
    """Of several faults the first one in the file is said first."""
    text = API + "    policies: [{name: no-such}]\npolicies:\n  - {name: nothing}\n"

    lines = [int(line.split(":")[1]) for line in check(text)]

    assert [7, 9] == lines


def test_policies_of_directories_are_known():
    """A policy in a named directory may be used; two of one name are a fault."""
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "greet.py").write_text('"""Greet."""\n')
    text = API + "    policies: [{name: greet}]\n"

    assert [] == check(text, "[plugins]\ndirectories = ['a']\n")
    (fault,) = check(text, "[plugins]\ndirectories = ['a', 'b']\n")
    assert fault.startswith("plugins: policy 'greet' is there twice")


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ("{ca_file: no.pem}", "ca_file: cannot be read: No such file or directory"),
        ("{ca_file: empty.pem}", "ca_file: holds no certificate"),
        ("{certificate_file: no.pem}", "certificate_file: cannot be read: No such file or directory"),
        ("{certificate_file: a.pem, key_file: empty.pem}", ""),
        ("{certificate_file: a.pem}", ""),
        ("{ca_file: a.pem}", ""),
        ("{certificate_file: empty.pem}", "certificate_file: is not a PEM file, or its key is that of another"),
    ],
)
def test_certificates_of_upstreams_are_read(tls, expected):
    """A file that the calls of an upstream need is a fault when it cannot be used, once for all routes."""
    Path("a.pem").write_text(pem())
    Path("empty.pem").write_text("")
    routes = "    routes: [{path: /a, policies: [{name: cors, settings: {allow_origins: ['*']}}]}, {path: /b}]\n"

    faults = check(API + f"      tls: {tls}\n" + routes)

    assert (1 if expected else 0) == len(faults)
    assert all(f"apis.yaml:7: apis[0].upstream.tls.{expected}" in fault for fault in faults)


def test_upstream_of_a_route_is_found_there():
    """A fault in the upstream of a route has the path of the route."""
    own = "{targets: [{url: 'https://127.0.0.1:9000'}], tls: {ca_file: no.pem}}"

    (fault,) = check(API + f"    routes: [{{path: /a, upstream: {own}}}]\n")

    assert "apis.yaml:7: apis[0].routes[0].upstream.tls.ca_file: cannot be read" in fault


def test_data_directory_is_a_directory():
    """A file in its place is found before the start."""
    Path("data").write_text("")

    (fault,) = check(API, "[node]\ndata_dir = 'data'\n")

    assert fault.endswith("/data: is not a directory (see [node] data_dir)")


def test_certificates_of_listeners_are_read():
    """A listener whose certificate cannot be used is a fault; a good one is not."""
    Path("a.pem").write_text(pem())
    Path("empty.pem").write_text("")
    config = "[gateway]\nlisten = ['ssl:8443:certKey={}']\n"

    assert [] == check(API, config.format("a.pem"))
    (missing,) = check(API, config.format("no.pem"))
    (empty,) = check(API, config.format("empty.pem"))
    assert missing.endswith("/no.pem: cannot be read: No such file or directory (see [gateway] listen[0])")
    assert empty.endswith("/empty.pem: holds no certificate in PEM form (see [gateway] listen[0])")


def test_the_files_for_other_nodes_are_looked_at(tmp_path):
    """Of a gateway that asks key managers, whose state is with them; and of a key manager."""
    from tests.cluster.wires import AUTHORITY, certified

    gateway = "[node]\nroles = ['gateway']\n[cluster]\nname = 'c1'\nkeymanagers = ['km1']\n"
    (missing,) = check(config=gateway)
    assert "cluster/ca.pem: is not there; make it with: twgw cluster init" in missing

    folder = tmp_path / "twgw-data" / "cluster"
    folder.mkdir(parents=True)
    texts = (AUTHORITY.certificate, *certified("n1", "gateway"))
    for name, text in zip(("ca.pem", "node.pem", "node-key.pem"), texts, strict=True):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    assert [] == check(config=gateway)
    assert [
        "the certificate of this node gives it the roles gateway, not keymanager; make another with: "
        "twgw cluster init, or join (see [cluster])"
    ] == check(config="[cluster]\nname = 'c1'\nlisten = 'tcp:8091'\n")
