"""Tests of twgw.cli_cluster_init; tests/wire/test_two_boxes.py starts the nodes afterwards."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.storage.conftest import NOW
from tests.test_cli_cluster import cluster
from twgw import cli_cluster_init
from twgw.cli_cluster_init import advertised, own_address, put
from twgw.cluster.authority import Identity
from twgw.cluster.joining import JoinToken
from twgw.cluster.tls import load
from twgw.config import Config
from twgw.storage.applications import create_application, list_applications
from twgw.storage.database import Database
from twgw.storage.moving import move
from twgw.storage.upgrade import upgrade


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def config():
    """A file with a comment."""
    path = Path("twgw.toml")
    path.write_text("# mine\n[node]\nname = 'n1'\ndata_dir = 'data'\n")
    return str(path)


@pytest.fixture
def url(request, servers):
    """A database of a server, with nothing in it."""
    servers("postgresql")
    return servers.running["postgresql"].make(f"init_{abs(hash(request.node.name))}")


def test_a_cluster_is_made_once(config):
    """The node has a certificate for its roles and listens; whoever runs it again gets a token only."""
    status, said = cluster("init", "-c", config)
    found = load(*(Path("data/cluster") / name for name in ("ca.pem", "node.pem", "node-key.pem")))
    before = Path("data/cluster/node.pem").read_text()

    assert 0 == status
    assert "n1 is of the cluster twgw: gateway, keymanager" in said
    assert Identity("twgw", "n1", frozenset({"gateway", "keymanager"})) == found.identity
    assert "# mine\n[node]\n" == Path(config).read_text()[:14]
    assert {"listen": "tcp:8091"} == tomllib.loads(Path(config).read_text())["cluster"]
    token = re.search(r"twgw cluster join n1:8091 --token (\S+)", said)[1]
    assert JoinToken.from_text(token)
    assert 0o600 == Path("data/cluster/node-key.pem").stat().st_mode & 0o777

    status, again = cluster("init", "-c", config)
    assert (0, before) == (status, Path("data/cluster/node.pem").read_text())
    assert token not in again
    assert "twgw cluster join n1:8091" in again


def test_without_a_file_one_is_made_here():
    """With it the data directory stays where it is; and it is said how the node is started now."""
    enter("shop", "sqlite:///twgw-data/twgw.db")
    status, said = cluster("init", TWGW_NODE_NAME="n1")

    assert 0 == status
    assert {"cluster": {"listen": "tcp:8091"}} == tomllib.loads(Path("twgw.toml").read_text())
    assert "from its next start:\n\n  twistd -n --pidfile= twgw --config twgw.toml\n" in said
    assert Path("twgw-data/cluster/node.pem").exists()


def test_a_file_that_cannot_be_changed_stays(config):
    """And it is said what to write there."""
    Path(config).write_text("node = {name = 'n1', data_dir = 'data'}\ncluster = {name = 'c7'}\n")
    status, said = cluster("init", "-c", config)

    assert 0 == status
    assert "cannot be changed without changing more; put this there:\n\n  [cluster]\n" in said
    assert "c7" in Path(config).read_text()


def test_a_cluster_is_made_where_the_database_is(config):
    """Not on a node that has none."""
    Path(config).write_text("[node]\nroles = ['gateway']\n")

    assert (1, True) == ((found := cluster("init", "-c", config))[0], "with the role keymanager" in found[1])
    Path(config).write_text("[state]\nfile = 'apis.yaml'\n")
    assert (1, True) == ((found := cluster("init", "-c", config))[0], "it has no database" in found[1])


# --- the database of several nodes ---


def kept(url):
    """The applications in a database."""
    database = Database(url)
    try:
        return [each.name for each in database.call(list_applications)]
    finally:
        database.close()


def enter(name, url="sqlite:///data/twgw.db"):
    """An application, in the database of the node unless another is named."""
    for folder in ("data", "twgw-data"):
        Path(folder).mkdir(exist_ok=True)
    database = Database(url)
    upgrade(database)
    database.call(create_application, name, owner="ann", now=NOW, write=True)
    database.close()


def test_what_a_node_has_is_moved(config, url):
    """The configuration names the new database and memcached, and the old file has another name."""
    enter("shop")
    status, said = cluster("init", "-c", config, "--db", url, "--memcached", "a:11211, b", "--advertise", "n1.lan")

    assert 0 == status, said
    assert re.search(r"\d+ rows of \d+ tables were moved and compared: from data/twgw.db to " + re.escape(url), said)
    assert "The audit is whole: 0 entries.  The file is data/twgw.db.moved now, for you to keep." in said
    assert ["shop"] == kept(url)
    written = tomllib.loads(Path(config).read_text())
    assert {"url": url} == written["database"]
    assert {"servers": ["a:11211", "b"]} == written["memcached"]
    assert {"listen": "tcp:8091", "advertise": "n1.lan"} == written["cluster"]
    assert "twgw cluster join n1.lan:8091 --token " in said
    assert ["data/cluster", "data/twgw.db.moved"] == sorted(map(str, Path("data").iterdir()))

    status, said = cluster("init", "-c", config, "--db", url)
    assert (0, False) == (status, "moved" in said)
    assert ["shop"] == kept(url)

    status, said = cluster("token", TWGW_NODE_DATA_DIR="data", TWGW_CLUSTER_LISTEN="tcp:8091")
    assert (1, True) == (status, "data/twgw.db.moved: what this node had was moved to another database" in said), said


def test_what_a_node_has_is_not_left_behind(url):
    """A configuration in another folder means another data directory: what was written without it is not forgotten."""
    enter("shop", "sqlite:///twgw-data/twgw.db")
    Path("etc").mkdir()
    status, said = cluster("init", "-c", "etc/twgw.toml", "--db", url)

    assert 1 == status
    assert "twgw-data/twgw.db: a node has written here that was started without etc/twgw.toml, where etc/" in said
    assert Path("twgw-data/twgw.db").exists()
    Path("twgw-data/twgw.db").unlink()
    status, said = cluster("init", "-c", "etc/twgw.toml", "--db", url)
    assert (0, True) == (status, "Nothing is moved: there is no etc/twgw-data/twgw.db." in said), said


def test_a_move_that_was_done_is_brought_to_its_end(config, url):
    """By the next time, when the command was killed before it wrote the configuration."""
    enter("shop")
    old, new = Database("sqlite:///data/twgw.db"), Database(url)
    move(old, new)
    old.close()
    new.close()
    status, said = cluster("init", "-c", config, "--db", url)

    assert (0, True) == (status, "were there already" in said), said
    assert {"url": url} == tomllib.loads(Path(config).read_text())["database"]
    assert not Path("data/twgw.db").exists()


def test_the_password_stands_in_a_file(config, url):
    """SQLite, from where it is moved, needs none; other nodes reach this one at the port that was named."""
    enter("shop")
    Path("pw").write_text("s3cret\n")
    status, said = cluster(
        "init", "-c", config, "--db", url, "--db-password-file", "pw", "--advertise", "n1.lan:9000"
    )  # fmt: skip
    written = tomllib.loads(Path(config).read_text())

    assert (0, ["shop"]) == (status, kept(url)), said
    assert {"url": url, "password_file": str(Path("pw").absolute())} == written["database"]
    assert {"listen": "tcp:9000", "advertise": "n1.lan:9000"} == written["cluster"]
    assert "s3cret" not in said


def test_a_database_that_cannot_be_had_is_not_written_down(config, url):
    """It is said what to do, and whoever does it says the same command once more."""
    before = Path(config).read_text()
    status, said = cluster("init", "-c", config, "--db", url.replace("init_", "missing_"))

    assert 1 == status
    assert "does not exist; nothing was done\nmake that database, for this user, or correct its name in" in said
    assert before == Path(config).read_text()
    assert 0 == cluster("init", "-c", config, "--db", url)[0]


def test_a_password_is_for_a_file_that_nobody_else_reads(config, url):
    """In a URL it would be shown, and is refused by the name of the option; in a file for everybody it is known."""
    before = Path(config).read_text()
    status, said = cluster("init", "-c", config, "--db", "postgresql://gw:s3cret@db/shop")
    way = "--db: must not have a password, as it is shown; put that into a file, and name that: --db-password-file"
    assert (1, True, False, before) == (status, way in said, "s3cret" in said, Path(config).read_text()), said

    Path("pw").write_text("s3cret\n")
    Path("pw").chmod(0o644)
    said = cluster("init", "-c", config, "--db", url, "--db-password-file", "pw")[1]
    assert "Note: others may read pw (0644); run: chmod 600 pw" in said


def test_a_database_with_something_else_is_not_written_over(config, url):
    """Nothing is changed, on either side."""
    enter("shop")
    enter("other", url)
    before = Path(config).read_text()
    status, said = cluster("init", "-c", config, "--db", url)

    assert 1 == status
    assert "the database is not empty (rows: application 1); name one that is, nothing was moved" in said
    assert (before, ["other"]) == (Path(config).read_text(), kept(url))
    assert Path("data/twgw.db").exists()


def test_a_database_that_is_used_is_taken_by_a_node_that_has_nothing(config, url):
    """There is nothing to move."""
    enter("shop", url)

    assert 0 == cluster("init", "-c", config, "--db", url)[0]
    assert ["shop"] == kept(url)


def test_a_node_that_runs_is_not_moved(config, url):
    """It would go on writing where nobody looks."""
    enter("shop")
    running = Database("sqlite:///data/twgw.db")
    running.call(list_applications)
    status, said = cluster("init", "-c", config, "--db", url)
    running.close()

    assert 1 == status
    assert "data/twgw.db: a node has it open: stop that first, and start it after this" in said
    assert "[database]" not in Path(config).read_text()


@pytest.mark.parametrize(
    ("toml", "db", "said"),
    [
        ("", "sqlite:////tmp/other.db", "--db: nodes share a PostgreSQL, MariaDB or MySQL; SQLite is for one"),
        ("[database]\nurl = 'mysql://a@b/c'\n", "mysql://a@b/d", "the database of this node is mysql://a@b/c"),
        ("", "oracle://x", "must begin with sqlite:///, postgresql://"),
        ("[state]\nfile = 'apis.yaml'\n", "mysql://a@b/d", "take it away and run: twgw config sync FILE"),
    ],
)
def test_what_cannot_be_a_database_of_several_nodes_is_refused(config, toml, db, said):
    """Before anything is written."""
    with Path(config).open("a") as file:
        file.write(toml)
    before = Path(config).read_text()
    status, told = cluster("init", "-c", config, "--db", db)

    assert (1, True) == (status, said in told), told
    assert before == Path(config).read_text()


def test_what_is_typed_wrongly_is_said_by_the_name_of_the_option(config):
    """Its setting is not what was typed."""
    assert "Error: --memcached: must be HOST, HOST:PORT" in cluster("init", "-c", config, "--memcached", "a:x,b")[1]
    assert "Error: --advertise: must be HOST or HOST" in cluster("init", "-c", config, "--advertise", "http://a")[1]


def test_a_name_that_means_another_machine_elsewhere_is_noted(config):
    """It works here, and on no other box."""
    said = cluster("init", "-c", config, "--memcached", "localhost")[1]

    assert "Note: localhost:11211 is this machine; nodes on others need a name by which they reach it." in said


def test_a_configuration_that_is_not_there_is_made():
    """With what was decided, and no more."""
    assert 0 == cluster("init", "-c", "new.toml", TWGW_NODE_NAME="n1", TWGW_NODE_DATA_DIR="data")[0]

    assert {"cluster": {"listen": "tcp:8091"}} == tomllib.loads(Path("new.toml").read_text())
    assert "docs/reference.md" in Path("new.toml").read_text().splitlines()[0]


def test_others_are_told_an_address(config, monkeypatch):
    """By which this machine speaks to others already, unless one is named: its name may mean nothing to them."""
    asked = []
    monkeypatch.setattr(cli_cluster_init, "own_address", lambda hosts: asked.extend(hosts) or "10.0.0.11")
    said = cluster("init", "-c", config, "--memcached", "m1,m2:11212")[1]

    assert ["m1", "m2"] == asked
    assert "10.0.0.11:8091" == tomllib.loads(Path(config).read_text())["cluster"]["advertise"]
    assert "twgw cluster join 10.0.0.11:8091 --token " in said
    Path(config).write_text("[cluster]\nlisten = 'tcp:9000:interface=127.0.0.1'\n[node]\ndata_dir = 'data'\n")
    assert "twgw cluster join 127.0.0.1:9000 --token " in cluster("init", "-c", config)[1]


class Probe:
    """A socket that would speak to a machine from some address."""

    def __init__(self, *_):
        self.name = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def connect(self, where):
        if where[0] == "192.0.2.1":
            raise OSError
        self.name = {"192.0.2.2": "127.0.0.1", "192.0.2.3": "169.254.0.7", "2001:db8::2": "2001:db8::1"}[where[0]]

    def getsockname(self):
        return (self.name, 0)


def test_an_address_is_that_of_a_network(monkeypatch):
    """Machines that are not reached, and addresses that mean something here alone, are passed over."""
    monkeypatch.setattr(cli_cluster_init.socket, "socket", Probe)

    assert "2001:db8::1" == own_address(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::2"])
    assert "" == own_address(["192.0.2.1", "192.0.2.2"])
    assert "" == own_address(["", f"{'a' * 64}.lan", "no name"])
    assert {"advertise": "[2001:db8::1]:8091"} == advertised(Config(), "2001:db8::1")
    assert {} == advertised(Config(), "")


def test_what_is_written_into_a_configuration_is_never_open_to_more_than_that_is(config, monkeypatch):
    """Also not for the moment until it has taken its place: there may be secrets in it."""
    seen = []
    replace, chmod = os.replace, Path.chmod
    Path(config).chmod(0o640)
    monkeypatch.setattr("os.replace", lambda draft, file: (seen.append(draft.stat().st_mode), replace(draft, file)))
    monkeypatch.setattr(Path, "chmod", lambda path, mode: (seen.append(path.stat().st_mode), chmod(path, mode)))
    put(Path(config), {"listen": "tcp:8091"})

    assert [0o600, 0o640] == [mode & 0o777 for mode in seen]
