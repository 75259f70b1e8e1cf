"""Tests of twgw.cli_doctor."""

import json
import os
import resource
import shutil
import signal
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from attrs import evolve
from click.testing import CliRunner

from tests.slapd import PEOPLE, READER, READER_PASSWORD
from tests.wire.processes import Process, free_port
from twgw import cli_doctor
from twgw.cli import main
from twgw.cli_doctor import FAIL, OK, WARN
from twgw.config import Config
from twgw.directory.settings import LdapStore, ServerAddress
from twgw.settings import structure
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade


@pytest.fixture
def ports(tmp_path, monkeypatch):
    """Ports that are free, as listeners of a node in an empty folder."""
    monkeypatch.chdir(tmp_path)
    named = {section: free_port() for section in ("gateway", "admin", "control")}
    for section, port in named.items():
        monkeypatch.setenv(f"TWGW_{section.upper()}_LISTEN", f"tcp:{port}:interface=127.0.0.1")
    return named


def doctor(*words, **environment):
    """The exit status, and what was found by what was looked at."""
    done = CliRunner().invoke(main, ["doctor", "--json", *words], env=environment)
    assert done.exit_code in (0, 1), done.output
    return done.exit_code, json.loads(done.output)["findings"]


def states(found, what):
    """How something is, and the rest of what was said of it."""
    return [(each["state"], each["text"], each["hint"]) for each in found if each["what"] == what]


def only(found, what):
    """The one thing that was said."""
    (one,) = states(found, what)
    return one


@pytest.fixture
def node(ports, tmp_path):
    """A node that runs on these ports, after its first start."""
    process = Process(tmp_path, environment={name: text for name, text in os.environ.items() if "_LISTEN" in name})
    process.wait_for("memory only")
    yield process
    process.kill()


def test_a_node_that_is_well(node):
    """Nothing has failed, and every thing is a line."""
    status, found = doctor()

    assert (0, []) == (status, [each for each in found if each["state"] == FAIL])
    for what in ("configuration", "disk", "data directory", "admin.secret", "state", "database", "clock", "node"):
        assert OK == only(found, what)[0], what
    assert 3 == len([each for each in found if each["what"].startswith("port ") and each["text"].endswith("answers")])
    assert "is ready: 1 APIs, position " in only(found, "node")[1]
    done = CliRunner().invoke(main, ["doctor"])
    assert (0, True) == (done.exit_code, done.output.splitlines()[-1].startswith("0 failed, "))


def test_a_node_that_does_not_answer_yet_has_its_ports_itself(node, ports, monkeypatch):
    """As one that starts slowly."""
    monkeypatch.setattr(cli_doctor, "PATIENCE", 0.3)
    node.signal(signal.SIGSTOP)
    found = doctor()[1]
    node.signal(signal.SIGCONT)

    state, text, hint = only(found, f"port {ports['gateway']}")
    assert (WARN, True) == (state, f"twgw (process {node.popen.pid}) has" in text)
    assert "while it starts, wait" in hint


def test_a_node_that_is_not_there(ports):
    """How it is started is said; what the first start makes is no fault."""
    status, found = doctor()

    assert 1 == status
    state, text, hint = only(found, "node")
    assert (FAIL, f"no node answers at 127.0.0.1:{ports['admin']}") == (state, text)
    assert "start it: twistd -n --pidfile= twgw --config FILE (in a checkout: make run)" in hint
    assert [WARN, WARN] == [only(found, "data directory")[0], only(found, "database")[0]]
    state, text, _ = only(found, f"port {ports['gateway']}")
    assert (OK, True) == (state, text.endswith("is free"))
    done = CliRunner().invoke(main, ["doctor"])
    assert (1, True) == (done.exit_code, "→ start it: twistd -n --pidfile= twgw" in done.output)


def test_a_node_that_is_not_ready_says_why(ports, monkeypatch):
    """And what is worth a look."""
    said = {"ready": False, "node": "n1", "reasons": ["draining: it is"], "warnings": ["state: old"]}
    monkeypatch.setattr(cli_doctor, "_node", lambda _: said)
    found = doctor()[1]

    why = [(FAIL, "n1 is not ready: draining: it is"), (WARN, "state: old")]
    assert why == [each[:2] for each in states(found, "node")]
    assert FAIL == only(found, f"port {ports['gateway']}")[0]


def test_a_configuration_in_this_folder_that_was_not_named_is(ports):
    """What is looked at is another node, then."""
    assert OK == only(doctor()[1], "configuration")[0]
    Path("twgw.toml").touch()
    state, _, hint = only(doctor()[1], "configuration")

    assert (WARN, True) == (state, "--config twgw.toml" in hint)
    assert OK == only(doctor("--config", "twgw.toml")[1], "configuration")[0]


def test_a_configuration_that_is_wrong_is_all_that_is_said(ports):
    """A line for each fault: nothing else can be known."""
    Path("twgw.toml").write_text("[node]\nrols = []\n[gateway]\nmax_connections = 0\n")
    status, found = doctor("--config", "twgw.toml")

    assert (1, [FAIL, FAIL]) == (status, [each["state"] for each in found])
    assert "did you mean roles?" in found[0]["text"]


def test_a_port_that_somebody_else_has(ports):
    """Is named with its setting, and the way to find who that is."""
    with socket.create_server(("127.0.0.1", ports["control"])):
        state, text, hint = only(doctor()[1], f"port {ports['control']}")

    assert (FAIL, True) == (state, "[control] listen: another process has" in text)
    assert "ss -ltnp" in hint


def test_only_what_the_node_does_is_looked_at(ports):
    """A gateway whose state is a file has no database and no control listener."""
    Path("apis.yaml").write_text("apis: []\n")
    found = doctor(TWGW_STATE_FILE="apis.yaml", TWGW_NODE_ROLES="gateway")[1]

    assert [f"port {ports['gateway']}"] == [each["what"] for each in found if each["what"].startswith("port")]
    assert [] == states(found, "database")
    assert (OK, "apis.yaml is valid") == only(found, "state")[:2]
    assert (WARN, "set [status] listen") == only(found, "node")[::2]


def test_a_node_without_a_database_is_not_asked_for_one(ports):
    """It asks key managers, and has nothing that publishers and developers could use."""
    found = doctor(TWGW_CLUSTER_KEYMANAGERS=f"127.0.0.1:{free_port()}", TWGW_NODE_ROLES="gateway,admin,store")[1]

    assert [] == [each for each in found if each["what"] in ("database", f"port {ports['control']}")]
    assert ["port", "port"] == [each["what"].split()[0] for each in found if each["what"].startswith("port")]


def test_a_state_that_cannot_be_served_is_said(ports):
    """With its line; so is a policy that cannot be loaded."""
    Path("apis.yaml").write_text("apis: [{name: a}]\n")
    Path("plugins").mkdir()
    Path("plugins/broken.py").write_text("import nothing_like_it\n")
    found = doctor(TWGW_STATE_FILE="apis.yaml")[1]

    assert all(state == FAIL and text.startswith("apis.yaml:1: ") for state, text, _ in states(found, "state"))
    assert (WARN, True) == (only(found, "policy")[0], "broken cannot be loaded" in only(found, "policy")[1])


def test_secrets_that_others_may_read(ports):
    """Each file, with the way out; the folder as well."""
    Path("twgw-data").mkdir(mode=0o755)
    Path("twgw-data/admin.secret").write_text("x")
    Path("twgw-data/admin.secret").chmod(0o644)
    Path("twgw-data/pepper").write_text("x")
    Path("twgw-data/pepper").chmod(0o600)
    found = doctor()[1]

    state, text, hint = only(found, "admin.secret")
    assert (FAIL, "others may read twgw-data/admin.secret (0644)") == (state, text)
    assert "chmod 600 twgw-data/admin.secret" in hint
    assert OK == only(found, "pepper")[0]
    assert (WARN, "run: chmod 700 twgw-data") == only(found, "data directory")[::2]


def test_a_data_directory_that_is_none(ports, monkeypatch):
    """Or cannot be written to."""
    Path("twgw-data").write_text("")
    assert (FAIL, "twgw-data is not a directory") == only(doctor()[1], "data directory")[:2]
    Path("twgw-data").unlink()
    Path("twgw-data").mkdir(mode=0o700)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert (FAIL, "twgw-data cannot be written to") == only(doctor()[1], "data directory")[:2]


@pytest.mark.parametrize(("free", "state"), [(10 << 20, FAIL), (500 << 20, WARN), (5 << 30, OK)])
def test_room_on_the_disk(ports, monkeypatch, free, state):
    """Too little is a fault, little is worth a look."""
    Path("twgw-data").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    assert state == only(doctor()[1], "disk")[0]


@pytest.mark.parametrize(("soft", "state"), [(1024, WARN), (65536, OK), (resource.RLIM_INFINITY, OK)])
def test_files_that_may_be_open(ports, monkeypatch, soft, state):
    """As many as there may be connections."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))

    assert state == only(doctor()[1], "open files")[0]


def test_a_database_that_is_away_or_of_another_version(ports, tmp_path):
    """How to go on is said."""
    away = doctor(TWGW_DATABASE_URL=f"postgresql://gw@127.0.0.1:{free_port()}/twgw")[1]
    assert FAIL == only(away, "database")[0]
    assert only(away, "database")[2].startswith("start the database, or correct host and port in [database] url; ")
    assert [] == states(away, "state"), "nobody knows what is in it"

    moved = tmp_path / "moved.db.moved"
    moved.touch()
    left = only(doctor(TWGW_DATABASE_URL=f"sqlite:///{tmp_path}/moved.db")[1], "database")
    assert (FAIL, True) == (left[0], left[2].startswith("name that by --config or TWGW_CONFIG"))

    empty = Database(f"sqlite:///{tmp_path}/empty.db")
    empty.call(lambda connection: connection.exec_driver_sql("CREATE TABLE t (x INT)"), write=True)
    empty.close()
    old = only(doctor(TWGW_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")[1], "database")
    assert (WARN, True) == (old[0], "has no tables, and this version needs" in old[1])
    assert "twgw db upgrade" in old[2]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_the_clock_of_a_database_server(ports, servers, kind):
    """It is that of the machine, here."""
    url = servers(kind).name
    database = Database(url)
    upgrade(database)
    database.close()
    found = doctor(TWGW_DATABASE_URL=url)[1]

    assert (OK, OK) == (only(found, "database")[0], only(found, "database clock")[0])


@pytest.mark.parametrize(("skew", "state"), [(0.2, OK), (-3, WARN), (8, FAIL), (-60, FAIL)])
def test_clocks_that_differ(skew, state):
    """A little, or too much for tokens."""
    found = cli_doctor.skewed("database clock", skew)

    assert (state, f"{abs(skew):.1f} s apart") == (found.state, found.text)
    assert ("NTP" in found.hint) == (state != OK)


def test_a_clock_that_cannot_be_right(ports, monkeypatch, tmp_path):
    """It stands before this version was made, or nobody has set it."""
    (found,) = cli_doctor.clock(1.0)
    assert (FAIL, True) == (found.state, "1970-01-01" in found.text)

    monkeypatch.setattr(cli_doctor, "SYNCHRONIZED", tmp_path / "synchronized")
    (found,) = cli_doctor.clock(4e9)
    assert (WARN, True) == (found.state, "not synchronized" in found.text)
    (tmp_path / "synchronized").touch()
    (found,) = cli_doctor.clock(4e9)
    assert OK == found.state


def test_user_stores(slapd, ports):
    """A server that takes the service bind, one that is away, a password that is wrong."""
    store = structure(LdapStore, {
        "name": "corp", "servers": [slapd.secure], "ca_file": str(slapd.authority), "bind_dn": READER,
        "password": READER_PASSWORD, "user_base": PEOPLE,
    })  # fmt: skip
    away = ServerAddress("ldap", "127.0.0.1", free_port())

    def found(store):
        return [(each.state, each.text) for each in cli_doctor.stores(evolve(Config(), ldap=(store,)))]

    assert [OK] == [state for state, _ in found(store)]
    assert [WARN, OK] == [state for state, _ in found(evolve(store, servers=(*store.servers, away)))]
    assert [FAIL] == [state for state, _ in found(evolve(store, servers=(away,)))]
    ((state, text),) = found(evolve(store, password="wrong"))
    assert FAIL == state
    assert "service bind: " in text
    assert "was refused" in text
    ((state, text),) = found(evolve(store, ca_file="/nowhere.pem"))
    assert (FAIL, True) == (state, "ca_file" in text)
