"""``twistd twgw``: the command line, and how the parts meet.  As real processes in tests/wire/test_gateway.py."""

from types import SimpleNamespace

import pytest
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from twgw.config import load
from twgw.options import Options
from twgw.startup import FromDatabase
from twgw.storage.errors import Unavailable
from twgw.tap import Node


def options(*words):
    made = Options()
    made.parseOptions(words)
    return made


def test_a_node_says_where_it_listens(tmp_path):
    """Traffic, and what operators ask; the files of a certificate are not shown with it."""
    (tmp_path / "apis.yaml").write_text("apis: []\n")
    given = {"node.data_dir": tmp_path, "state.file": tmp_path / "apis.yaml",
             "gateway.listen": "tcp:80,tcp:81:interface=10.0.0.1"}  # fmt: skip
    made = Node(MemoryReactorClock(), load(None, {}, {name: str(value) for name, value in given.items()}))
    made.traffic.privilegedStartService()

    assert [
        "Traffic on tcp:80, tcp:81:interface=10.0.0.1", "Health and metrics on tcp:8081:interface=127.0.0.1"
    ] == list(made._listening())  # fmt: skip


@pytest.mark.parametrize("error", [OSError("no room"), Unavailable("it does not answer", way="start it")])
def test_a_start_that_fails_ends(tmp_path, monkeypatch, capsys, error):
    """Nobody waits for the node, and no thread keeps its process alive."""
    made = Node(MemoryReactorClock(), load(None, {"TWGW_NODE_DATA_DIR": str(tmp_path)}, {}))
    made.backing.membership = SimpleNamespace(abandon=lambda: ended.append("abandon"))
    ended, close = [], FromDatabase.close
    monkeypatch.setattr(FromDatabase, "begin", lambda _: (_ for _ in ()).throw(error))
    monkeypatch.setattr(FromDatabase, "close", lambda it: (ended.append("close"), close(it)))
    with pytest.raises(SystemExit):
        made.privilegedStartService()

    assert ["abandon", "close"] == ended
    assert getattr(error, "lines", [str(error)]) == capsys.readouterr().err.splitlines()


def test_a_node_has_its_roles(tmp_path):
    """Traffic, and what operators ask; each only where it is wanted."""
    environment = {"TWGW_NODE_DATA_DIR": str(tmp_path / "data"), "TWGW_STATUS_LISTEN": "tcp:83"}
    made = Node(MemoryReactorClock(), load(None, environment, {}))
    assert 6 == len(list(made))  # with OAuth2, its housekeeping, and what is counted
    assert not made.status().ready

    nowhere = {f"TWGW_{section}_LISTEN": "" for section in ("ADMIN", "STATUS", "CONTROL")}
    bare = Node(MemoryReactorClock(), load(None, {**environment, **nowhere}, {}))
    assert [bare.keeping, bare.traffic] == list(bare)
    assert bare.key_manager is None


def test_what_was_counted_is_written_before_a_node_lets_go_of_others(tmp_path):
    """A gateway without a database sends it over its connections, and waits until it is told that it is written."""
    made = Node(MemoryReactorClock(), load(None, {"TWGW_NODE_DATA_DIR": str(tmp_path / "data")}, {}))
    kept, links, stopped = Deferred(), Service(), []
    links.stopService = lambda: stopped.append("links")
    made.services[:], made.running = [made.keeping, links], 1
    made.keeping.stopService = lambda: kept
    done = made.stopService()

    assert [] == stopped
    kept.callback(None)
    assert ["links"] == stopped
    assert done.called


def test_a_node_can_sign(tmp_path):
    """Where a file is the state, by a key in its data directory, which is made when it is needed; without OAuth2."""
    environment = {"TWGW_NODE_DATA_DIR": str(tmp_path / "data"), "TWGW_STATE_FILE": str(tmp_path / "apis.yaml")}
    made = Node(MemoryReactorClock(), load(None, environment, {}))
    assert made.key_manager is None
    file = tmp_path / "data" / "signing.pem"
    assert not file.exists()

    token = made.gateway.issuer.sign({"sub": "x"})

    assert 3 == len(token.split("."))
    assert file.exists()


STORE = """[[ldap]]
name = 'corp'
servers = ['ldaps://a.example']
user_base = 'dc=example'
"""


def test_a_node_has_its_user_stores(tmp_path):
    """In their order, each with threads of its own, and measured; there are none without [[ldap]]."""
    path = tmp_path / "a.toml"
    path.write_text(STORE + STORE.replace("corp", "partners"))
    made = Node(MemoryReactorClock(), load(path, {}, {}))

    assert ["corp", "partners"] == list(made.user_stores)
    assert 3 == len(made.threads)
    values = {
        sample.labels["store"]: sample.value for family in made.metrics.collect() for sample in family.samples
        if sample.name == "twgw_ldap_available"
    }  # fmt: skip
    assert {"corp": 1, "partners": 1} == values
    path.write_text("")
    assert {} == Node(MemoryReactorClock(), load(path, {}, {})).user_stores


def test_authorities_that_cannot_be_used_end_the_start(tmp_path, capsys, monkeypatch):
    """With the setting and the file."""
    path = tmp_path / "a.toml"
    path.write_text(STORE + "ca_file = 'none.pem'")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        options("--config", str(path), "--check")
    with pytest.raises(OSError, match=r"ca_file: .*none\.pem holds no authorities"):
        Node(MemoryReactorClock(), load(path, {}, {}))

    assert f"ldap[0].ca_file: {tmp_path}/none.pem holds no authorities" in capsys.readouterr().err


def begun(tmp_path, **environment):
    """A node that has loaded its state and listens."""
    made = Node(MemoryReactorClock(), load(None, {"TWGW_NODE_DATA_DIR": str(tmp_path / "data"), **environment}, {}))
    made.privilegedStartService()
    return made


def test_a_node_serves_from_a_database_unless_a_file_is_named(tmp_path):
    """It is ready as soon as the state is in force, also an empty one."""
    (tmp_path / "apis.yaml").write_text("apis: []\n")
    database, file = begun(tmp_path), begun(tmp_path, TWGW_STATE_FILE=str(tmp_path / "apis.yaml"))

    assert [(True, 1), (True, 0)] == [(node.status().ready, node.status().apis) for node in (database, file)]
    assert {"demo.key", "twgw.db"} <= {path.name for path in (tmp_path / "data").iterdir()}
    database.backing.close()


def test_a_database_that_is_away_is_told(tmp_path):
    """To balancers and scrapers; the node serves what it knows."""
    made = begun(tmp_path)
    made.backing.facts.lose("no route to host")
    status = made.status()
    (reading,) = [family for family in made.metrics.collect() if family.name == "twgw_database_available"]

    assert (True, 0) == (status.ready, reading.samples[0].value)
    assert ("database: no route to host; what is known is served, the rest is refused",) == status.warnings
    made.backing.close()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TWGW_DATABASE_URL": "postgresql://gw@/twgw?host=/nowhere", "TWGW_DATABASE_CONNECT_TIMEOUT": "2"},
         "postgresql://gw@/twgw?host=/nowhere: "),
        ({"TWGW_NODE_PEPPER": f"v1:{'ab' * 32}"}, "[node] pepper: the database has another one"),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_used_ends_the_start(tmp_path, capsys, environment, expected):
    """In a line, with the name of the database or the setting."""
    begun(tmp_path).backing.close()
    with pytest.raises(SystemExit) as end:
        begun(tmp_path, **environment)

    assert 1 == end.value.code
    assert capsys.readouterr().err.startswith(expected)
