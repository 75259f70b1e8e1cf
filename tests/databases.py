"""Real database servers of one's own, on sockets in a folder of their own; they end with the test run.

Used by ``tests/conftest.py``, and by the tests that kill, stop and fill them.  Debian's packages are enough
(``SYSTEM_PACKAGES`` of the Makefile); a missing one fails the test that wants it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from sqlalchemy import text

from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.schema import audit_head, cluster_head, metadata
from twgw.storage.upgrade import released, upgrade

MEMORY = Path("/dev/shm")
WAIT = 120
"""Seconds that a server may take to answer."""


class Server:
    """A server process and its folder.

    ``host`` is an address on which it listens, too, for whoever is near; ``within`` stands before its command.
    """

    def __init__(self, *, durable=False, host="", within=()):
        self.durable, self.host, self.within = durable, host, within
        self.folder = Path(tempfile.mkdtemp(prefix="twgw-"))
        self.process = None
        if os.geteuid() == 0:
            account = pwd.getpwnam("nobody")  # PostgreSQL refuses to run as root
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        else:
            self.identity = {}

    def start(self):
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(self._whole(), stdout=log, stderr=log, **self._starter)
        return self.ready()

    def _whole(self):
        """Its command, with what stands before it: that is started as root, and leaves root behind itself."""
        if not self.within:
            return self.command()
        identity = [f"--setuid={self.identity['user']}", f"--setgid={self.identity['group']}"]
        return [*self.within, *identity, *self.command()]

    @property
    def _starter(self):
        return {} if self.within else self.identity

    def recover(self):
        """Bring it back after it died, or wait until it did so by itself."""
        if self.dies:
            self.process.wait(WAIT)
            return self.start()
        return self.ready()

    def ready(self):
        """Wait until it answers."""
        deadline = monotonic() + WAIT
        while True:
            database = Database(self.url(self.own), connect_timeout=2)
            try:
                database.call(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
            except Unavailable:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert monotonic() < deadline, (self.folder / "log").read_text()
            else:
                return self
            finally:
                database.close()

    def make(self, name):
        """Make an empty database and give its URL."""
        database = Database(self.url(self.own))
        with database.writing.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        database.close()
        return self.url(name)

    def do(self, *statements):
        """Execute statements of an administrator; gives what the last one returned."""
        database = Database(self.url(self.own))
        try:
            with database.writing.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                found = [connection.exec_driver_sql(each) for each in statements]
                return found[-1].scalar() if found[-1].returns_rows else None
        finally:
            database.close()

    def kill(self):
        """Kill it at once, as a machine that loses its power does."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def pause(self):
        """Let it answer nothing, without closing a connection: from when every thread of it stands still."""
        deadline = monotonic() + WAIT
        while not all(map(stands_still, self.processes())):
            self.signal(signal.SIGSTOP)
            assert monotonic() < deadline, "it does not stop"

    def resume(self):
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def signal(self, number):
        for process in self.processes():
            send(process, number)

    def processes(self):
        """The process and its children: PostgreSQL has one for each connection."""
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, tasks.read_text().split())]

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self.identity)
        assert done.returncode == 0, done.stdout + done.stderr

    def end(self):
        """Stop it and take its folder away."""
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.folder)


def send(process, number):
    """Send a signal to a process, which may have ended meanwhile: PostgreSQL's come and go with their connections."""
    with suppress(ProcessLookupError):
        os.kill(process, number)


def stands_still(process):
    """Whether all threads of a process are stopped, or ended."""
    try:
        tasks = [(task / "stat").read_text() for task in Path(f"/proc/{process}/task").iterdir()]
    except FileNotFoundError:
        return False  # it ends just now: look again
    return {"T", "Z"} >= {text.rpartition(")")[2].split()[0] for text in tasks}


class PostgreSQL(Server):
    """A PostgreSQL cluster."""

    own, scheme, user, port = "postgres", "postgresql", "postgres", 5432
    dies = False  # it begins anew by itself when one of its processes died

    def __init__(self, *, following=None, **options):
        super().__init__(**options)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        assert found, "PostgreSQL is missing; install it: apt-get install postgresql"
        self.programs = found[-1].parent
        if following is not None:  # a standby, which has everything of another one and goes on with it
            place = ("-h", following.folder, "-U", "postgres", "-D", self.folder / "data")
            self.run(self.programs / "pg_basebackup", *place, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
            return
        self.run(
            self.programs / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--no-sync", "--locale=C.UTF-8",
        )  # fmt: skip
        if self.host:
            with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")

    def command(self):
        sync = "on" if self.durable else "off"
        settings = {
            "listen_addresses": self.host, "unix_socket_directories": self.folder, "fsync": sync,
            "max_connections": 200, "full_page_writes": sync, "synchronous_commit": sync, "shared_buffers": "64MB",
        }  # fmt: skip
        return [
            self.programs / "postgres", "-D", self.folder / "data",
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]  # fmt: skip

    def kill(self):
        """Also what is left of its children: it could not start anew beside them."""
        children = self.processes()[1:]
        super().kill()
        for child in children:
            send(child, signal.SIGKILL)

    def url(self, name):
        return f"postgresql://postgres@/{name}?host={self.folder}"

    @property
    def socket(self):
        """Where it listens."""
        return f"{self.folder}/.s.PGSQL.5432"


class MariaDB(Server):
    """A MariaDB server."""

    own, scheme, user, port = "mysql", "mariadb", "root", 3306
    dies = True

    def __init__(self, **options):
        super().__init__(**options)
        self.program = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/bin")
        assert self.program, "MariaDB is missing; install it: apt-get install mariadb-server-core"
        self.run(
            "mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--innodb-flush-method=nosync",
            f"--tmpdir={self.folder}",  # whoever starts takes away what others have in the same one
        )  # fmt: skip

    def start(self):
        super().start()
        if self.host:
            self.do("CREATE USER IF NOT EXISTS root", "GRANT ALL ON *.* TO root")
        return self

    def command(self):
        sync = ["--innodb-flush-log-at-trx-commit=1"] if self.durable else [
            "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0",
        ]  # fmt: skip
        return [
            self.program, "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
            f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}", "--innodb-buffer-pool-size=64M",
            "--max-connections=200", *sync,
            *([f"--bind-address={self.host}", "--skip-name-resolve"] if self.host else ["--skip-networking"]),
        ]  # fmt: skip

    def url(self, name):
        return f"mariadb://root@localhost/{name}?unix_socket={self.socket}"

    @property
    def socket(self):
        """Where it listens."""
        return f"{self.folder}/socket"


SERVERS = {"postgresql": PostgreSQL, "mariadb": MariaDB}


def clear(connection):
    """Empty every table, as after the first upgrade; whatever a test wrote for the version is this one again."""
    connection.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": released()[-1]})
    for table in reversed(metadata.sorted_tables):
        if table not in (cluster_head, audit_head):
            connection.execute(table.delete())
    connection.execute(cluster_head.update().values(epoch=1, pos=0))
    connection.execute(audit_head.update().values(seq=0, hash=""))


@contextmanager
def sqlite_copy(template, folder):
    """A database in a file of its own, as in the template."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        shutil.copy(template, f"{name}/twgw.db")
        database = Database(f"sqlite:///{name}/twgw.db")
        yield database
        database.close()


def sqlite_template(folder):
    """A file with the tables of this version, to be copied."""
    path = folder / "template.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.call(lambda connection: connection.exec_driver_sql("SELECT 1").all())
    database.close()
    assert not path.with_name("template.db-wal").exists()
    return path
