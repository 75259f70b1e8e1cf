"""Tests of twgw.config."""

import re
import socket
from ipaddress import ip_network
from pathlib import Path

import attrs
import pytest

from twgw.config import Config, Gateway, load, render_default
from twgw.credentials import Pepper
from twgw.faults import InvalidFileError
from twgw.listen import Listen
from twgw.schema import describe, leaves

ETC = Path(__file__).parent.parent / "etc"
PEPPER = f"v1:{'ab' * 32}"


@pytest.fixture
def write(tmp_path):
    """Write a configuration and give its path."""

    def write(text):
        path = tmp_path / "twgw.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def errors_of(path, environment=None, overrides=None):
    """What is said of a bad configuration, without the directory of the file."""
    with pytest.raises(InvalidFileError) as caught:
        load(path, environment or {}, overrides or {})
    return [line.replace(f"{path.parent}/", "") if path else line for line in caught.value.lines]


def test_committed_file_shows_the_defaults():
    """etc/twgw.toml is what the code says; write it anew with render_default() when this fails."""
    assert render_default() == (ETC / "twgw.toml").read_text("utf-8")


def test_committed_file_means_the_defaults(write):
    """With every comment sign taken away, the file means what no file means."""
    text = re.sub(r"^#(?=\w)", "", render_default(), flags=re.MULTILINE).replace('directories = ["plugins"]', "")
    path = write(text)

    found = load(path, {}, {})

    assert "max_head = 32768\n" in text
    assert load(write(""), {}, {}) == found


def test_every_setting_has_a_meaning():
    """No setting is without a word on what it does."""
    assert [] == [row.name for row in describe(Config) if not row.meaning]


def test_example_loads():
    """The example of the documentation is a valid configuration, its paths relative to itself."""
    examples = ETC / "examples"
    config = load(examples / "twgw.toml", {}, {})

    assert "gw-a" == config.node.name
    assert ("gateway", "admin") == config.node.roles
    assert examples / "data" == config.node.data_dir
    assert (Listen("tcp", 8080, "127.0.0.1"),) == config.gateway.listen
    assert Listen("tcp", 8081, "127.0.0.1") == config.admin.listen
    assert config.status.listen is None
    assert examples / "apis.yaml" == config.state.file


def test_a_state_is_a_file_or_a_database(write):
    """Not both; the way from one to the other is said."""
    with pytest.raises(InvalidFileError) as caught:
        load(write("[state]\nfile = 'apis.yaml'\n[database]\nurl = 'sqlite:///twgw.db'\n"), {}, {})
    (line,) = caught.value.lines

    assert line.endswith("[state] file: stands beside [database] url; take it away and run: twgw config sync FILE")


def test_no_listener_of_the_node_may_be_called(write):
    """Those of every section; a free port is known to nobody before."""
    found = load(
        write(
            "[gateway]\nlisten = ['tcp:81', 'tcp:0', 'tcp:82:interface=10.0.0.7']\nallowed_upstreams = ['10.0.0.0/8']\n"
            "[admin]\nlisten = 'tcp:83'\n[status]\nlisten = 'tcp:84:interface=[::1]'"
        ), {}, {},
    ).allowed  # fmt: skip

    assert {("", 81), ("10.0.0.7", 82), ("127.0.0.1", 83), ("::1", 84)} <= set(found.own)
    assert 0 not in {port for _, port in found.own}
    assert ["10.0.0.0/8"] == [str(network) for network in found.networks]


def test_starts_without_a_file(tmp_path, monkeypatch):
    """Everything has a default; paths are then relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    config = load(None, {}, {})

    assert socket.gethostname() == config.node.name
    assert tmp_path / "twgw-data" == config.node.data_dir
    assert config.state.file is None
    assert f"sqlite:///{tmp_path}/twgw-data/twgw.db" == config.database_url
    assert () == config.plugins.directories
    assert attrs.evolve(config.gateway) == Gateway()


def test_a_path_is_named_without_detours(tmp_path):
    """``../apis.yaml`` of etc/twgw.toml stands beside etc/, and logs say so; behind a link it stands elsewhere."""
    for folder in ("etc", "far/away"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "twgw.toml").write_text("state.file = '../apis.yaml'\nnode.data_dir = './data'")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")

    found = load(tmp_path / "etc" / "twgw.toml", {}, {})

    assert (tmp_path / "apis.yaml", tmp_path / "etc" / "data") == (found.state.file, found.node.data_dir)
    assert (tmp_path / "far" / "apis.yaml") == load(tmp_path / "link" / "twgw.toml", {}, {}).state.file.resolve()


def test_later_sources_win(write):
    """The file is stronger than a default, the environment than the file, the command line than both."""
    path = write("[gateway]\nmax_head = 1\nmax_line = 2\nmax_fields = 3\n[node]\nname = 'file'")
    found = load(
        path,
        {"TWGW_GATEWAY_MAX_LINE": "20", "TWGW_GATEWAY_MAX_FIELDS": "30", "TWGW_GATEWAY_TLS_MINIMUM_VERSION": "1.3"},
        {"gateway.max_fields": "300"},
    )

    assert (1, 20, 300) == (found.gateway.max_head, found.gateway.max_line, found.gateway.max_fields)
    assert ("file", "1.3") == (found.node.name, found.gateway.tls.minimum_version)


def test_variables_are_different():
    """No two settings share their variable."""
    names = [name.replace(".", "_") for name, _ in leaves(Config)]

    assert len(names) == len(set(names))


def test_faults_have_file_section_and_name(write):
    """What is wrong in the file is said with its section and its name, all of it at once."""
    path = write(
        "[gateway.tls]\ncertificat = 'x'\n[gateway]\nmax_head = '5'\nlisten = ['tcp:80', 'udp:80']\n"
        "[gatway]\n[node]\nroles = ['stores']\n[state]\nwatch = 'no'\n[log]\nlevel = 'INFO'\n"
    )

    assert {
        "twgw.toml: [gateway.tls] certificat: unknown; did you mean certificate?",
        "twgw.toml: [gateway] max_head: must be a whole number, not text",
        "twgw.toml: [gateway] listen[1]: must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1",
        "twgw.toml: [gatway]: unknown; did you mean gateway?",
        "twgw.toml: [node] roles[0]: must be one of gateway, admin, keymanager, publisher, store; "
        "did you mean store?",
        "twgw.toml: [state] watch: must be true or false, not text",
        "twgw.toml: [log] level: must be one of debug, info, warn, error; did you mean info?",
    } == set(errors_of(path))


def test_section_must_be_a_section(write):
    """A setting where a section belongs is refused, also when the environment sets something inside it."""
    assert ["twgw.toml: [gateway] tls: must be a mapping, not text"] == errors_of(write("[gateway]\ntls = 'x'"))
    assert ["twgw.toml: [node]: must be a mapping, not a whole number"] == errors_of(
        write("node = 5"), {"TWGW_NODE_NAME": "a"}
    )
    assert ["twgw.toml: [gateway]: must be a mapping, not a whole number"] == errors_of(
        write("gateway = 5"), {"TWGW_GATEWAY_TLS_KEY": "a"}
    )


def test_faults_name_variable_and_option(write):
    """What is wrong outside of the file is said with the name by which it was given."""
    assert [
        "environment: TWGW_NODE_NAM: unknown; did you mean TWGW_NODE_NAME?",
        "command line: gateway.lisen: unknown; did you mean gateway.listen?",
        "environment: TWGW_GATEWAY_LISTEN[1]: must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1",
        "command line: gateway.max_head: must be > 0",
    ] == errors_of(
        write("[log]\nlevel = 'info'"),
        {"TWGW_GATEWAY_LISTEN": "tcp:80,x", "TWGW_NODE_NAM": "x"},
        {"gateway.max_head": "0", "gateway.lisen": "x"},
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[node\n", "twgw.toml:1: not TOML: Expected ']' at the end of a table declaration"),
        ("[node]\nname = 'a'\nname = 'b'\n", "twgw.toml:3: not TOML: Cannot overwrite a value"),
        ("[node]\nname = ", "twgw.toml:2: not TOML: Invalid value; a text stands in quotes"),
    ],
)
def test_syntax_errors_have_a_line(write, text, error):
    """What is no TOML is said with its line."""
    assert [error] == errors_of(write(text))


def test_unreadable_files_are_named(tmp_path):
    """A file that is not there or is no text is one plain line."""
    assert ["none.toml: cannot be read: No such file or directory"] == errors_of(tmp_path / "none.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# \xe4\n")
    assert ["latin.toml:1: is not UTF-8 text"] == errors_of(path)


def test_secret_may_stand_in_a_file(write, tmp_path):
    """A secret is written itself, or as the name of a file that holds it; the last source wins in either form."""
    (tmp_path / "pepper").write_text(PEPPER + "\n")
    expected = Pepper.from_text(PEPPER)
    other = "v2:" + "cd" * 32

    assert expected == load(write(f"[node]\npepper = '{PEPPER}'"), {}, {}).node.pepper
    assert expected == load(write("[node]\npepper_file = 'pepper'"), {}, {}).node.pepper
    assert expected == load(write(""), {"TWGW_NODE_PEPPER_FILE": str(tmp_path / "pepper")}, {}).node.pepper
    assert "v2" == load(write("[node]\npepper_file = 'pepper'"), {"TWGW_NODE_PEPPER": other}, {}).node.pepper.version
    assert expected == load(write(f"[node]\npepper = '{other}'"), {}, {"node.pepper_file": "pepper"}).node.pepper


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("pepper_file = 'none'", "pepper_file: cannot be read: No such file or directory"),
        ("pepper_file = 5", "pepper_file: must be the name of a file"),
        ("pepper_file = 'latin'", "pepper_file: cannot be read: not UTF-8 text"),
        (f"pepper_file = 'x'\npepper = '{PEPPER}'", "pepper_file: stands beside pepper; leave one of them out"),
        ("pepper = 'hunter2'", "pepper: must be v1: and 64 or more hex digits"),
    ],
)
def test_bad_secrets_are_refused_and_not_shown(write, tmp_path, text, error):
    """A secret that cannot be read stops the start; its text stays out of the message."""
    (tmp_path / "latin").write_bytes(b"\xe4")

    assert [f"twgw.toml: [node] {error}"] == errors_of(write(f"[node]\n{text}\n"))


def test_secret_is_not_in_the_repr(write):
    """A configuration that is logged does not give its secrets away."""
    assert "abab" not in repr(load(write(f"[node]\npepper = '{PEPPER}'"), {}, {}))


def test_roles_are_needed(write):
    """A node without a role would do nothing; a gateway without a listener neither."""
    assert ["twgw.toml: [node] roles: length must be >= 1"] == errors_of(write("[node]\nroles = []"))
    assert ["twgw.toml: [gateway] listen: is empty; name a listener, or leave gateway out of roles"] == errors_of(
        write("[gateway]\nlisten = []")
    )
    assert () == load(write("[node]\nroles = ['admin']\n[gateway]\nlisten = []"), {}, {}).gateway.listen


def test_networks_are_read(write):
    """Trusted proxies are networks, ready to be compared."""
    config = load(write("[gateway]\ntrusted_proxies = ['10.0.0.0/8', '::1']"), {}, {})

    assert (ip_network("10.0.0.0/8"), ip_network("::1/128")) == config.gateway.trusted_proxies


def test_only_named_directories_of_plugins_must_exist(write, tmp_path):
    """The default directory may be missing; one that was named may not, and one that is there is used."""
    assert () == load(write(""), {}, {}).plugins.directories
    assert ["twgw.toml: [plugins] directories[0]: no such directory: plugins"] == errors_of(
        write("[plugins]\ndirectories = ['plugins']")
    )
    (tmp_path / "plugins").mkdir()
    assert (tmp_path / "plugins",) == load(write(""), {}, {}).plugins.directories


# --- listeners ---


def test_certificates_reach_their_listeners(write, tmp_path):
    """A listener uses its own certificate, else that of its section; a key that is not named is in the same file."""
    text = "[gateway]\nlisten = ['ssl:1', 'ssl:2:certKey=own.pem', 'tcp:3']\n[gateway.tls]\ncertificate = 'c.pem'\n"
    first, second, third = load(write(text), {}, {}).gateway.listen

    assert (tmp_path / "c.pem", tmp_path / "c.pem") == (first.certificate, first.key)
    assert (tmp_path / "own.pem", tmp_path / "own.pem") == (second.certificate, second.key)
    assert (None, None) == (third.certificate, third.key)
    assert tmp_path / "k.pem" == load(write(text + "key = 'k.pem'"), {}, {}).gateway.listen[0].key


def test_the_cluster_fits_together(write, tmp_path):
    """Its files are in the data directory; it listens where nothing else does, on a node with the database."""
    assert tmp_path / "twgw-data" / "cluster" / "node.pem" == load(write(""), {}, {}).cluster.certificate
    text = "[cluster]\nlisten = 'tcp:8080'\nkeymanagers = ['gw1', 'gw2:x']\n"
    assert ["twgw.toml: [cluster] keymanagers[1]: must be HOST or HOST:PORT"] == [
        line.partition(", such")[0] for line in errors_of(write(text))
    ]
    assert [
        "twgw.toml: [cluster] listen: stands beside keymanagers; a node has the database, or asks those that have",
        'twgw.toml: [cluster] keymanagers: a node that asks others is none itself; set [node] roles = ["gateway"]',
        "twgw.toml: [cluster] listen: listens where gateway.listen[0] does",
    ] == errors_of(write(text.replace(":x", "")))


def test_listeners_fit_together(write):
    """A listener without a certificate, two of one port, and a key without a certificate are refused."""
    assert [
        "twgw.toml: [gateway] listen[0]: needs :certKey=FILE, or [gateway.tls] certificate",
        "twgw.toml: [gateway] listen[2]: listens where gateway.listen[1] does",
        "twgw.toml: [admin] listen: listens where gateway.listen[1] does",
        "twgw.toml: [admin] listen: listens where gateway.listen[2] does",
        "twgw.toml: [gateway.tls] key: needs a certificate",
    ] == errors_of(
        write(
            "[gateway]\nlisten = ['ssl:1', 'tcp:2', 'tcp:2']\n[gateway.tls]\nkey = 'k'\n[admin]\nlisten = 'tcp:2'\n"
        )
    )


def test_one_port_may_have_two_addresses(write):
    """Two addresses of one port are two listeners, and any number may ask for a free port."""
    text = "[gateway]\nlisten = ['tcp:8081:interface=127.0.0.2', 'tcp:0', 'tcp:0']"

    assert 3 == len(load(write(text), {}, {}).gateway.listen)


def test_listeners_of_operators_are_private(write):
    """They are on loopback unless an address is named, may be off, and promise no TLS that they do not have."""
    config = load(write("[admin]\nlisten = ''\n[status]\nlisten = 'tcp:9000'"), {}, {})

    assert config.admin.listen is None
    assert Listen("tcp", 9000, "127.0.0.1") == config.status.listen
    assert ["twgw.toml: [status] listen: must be tcp:PORT; for TLS put a proxy before it"] == errors_of(
        write("[status]\nlisten = 'ssl:4:certKey=c.pem'")
    )


# --- user stores ---

STORE = "[[ldap]]\nname = 'corp'\nservers = ['ldaps://a.example']\nuser_base = 'ou=people,dc=example'\n"


def test_user_stores_are_a_list(write, tmp_path):
    """Each has a table that begins with [[ldap]]; their order is that of the file, their paths are relative to it."""
    text = STORE + "ca_file = 'ca.pem'\n[ldap.roles]\nadmins = ['admin']\n" + STORE.replace("corp", "partners")
    first, second = load(write(text), {}, {}).ldap

    assert ("corp", "partners") == (first.name, second.name)
    assert tmp_path / "ca.pem" == first.ca_file
    assert ["admins"] == list(first.roles)
    assert () == load(write(""), {}, {}).ldap


def test_the_password_of_a_user_store_may_stand_in_a_file(write, tmp_path):
    """As every secret may."""
    (tmp_path / "secret").write_text("canary-7\n")
    binding = STORE + "bind_dn = 'cn=reader,dc=example'\n"

    assert "canary-7" == load(write(binding + "password_file = 'secret'"), {}, {}).ldap[0].password
    assert [
        "twgw.toml: ldap[0].password_file: cannot be read: No such file or directory",
        'twgw.toml: ldap[0].password: missing: bind_dn has one; write password_file = "FILE"',
    ] == errors_of(write(binding + "password_file = 'none'"))
    assert ["twgw.toml: ldap[0].password_file: stands beside password; leave one of them out"] == errors_of(
        write(binding + "password_file = 'secret'\npassword = 'x'")
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (STORE + "user_bas = 'x'", "ldap[0].user_bas: unknown; did you mean user_base?"),
        (STORE + STORE, "ldap[1].name: store corp stands twice"),
        ("[[ldap]]\nname = 'a'\nservers = []\nuser_base = 'dc=x'", "ldap[0].servers: length must be >= 1"),
        (STORE.replace("[[ldap]]", "[ldap]"), "[ldap]: write [[ldap]]: there may be several"),
        ("ldap = 5", "[ldap]: must be a list, not a whole number"),
    ],
)
def test_what_is_wrong_with_a_user_store_is_named(write, text, error):
    """With its place among them."""
    assert [f"twgw.toml: {error}"] == errors_of(write(text))


def test_a_shown_user_store_is_one(write):
    """Its lines in the file, with their signs taken away and the three filled in that must be, are a store."""
    text = render_default()
    text = re.sub(r"^#(?=\[\[|  \w)", "", text[text.index("#[[ldap]]") :], flags=re.MULTILINE)
    for name, value in (("name", "'corp'"), ("servers", "['ldaps://a']"), ("user_base", "'dc=x'")):
        text = re.sub(rf"^(  {name} = ).*$", rf"\g<1>{value}", text, flags=re.MULTILINE)

    assert "  verify = true\n" in text
    assert load(write(STORE.replace("a.example", "a").replace("ou=people,dc=example", "dc=x")), {}, {}) == load(
        write(text), {}, {}
    )
