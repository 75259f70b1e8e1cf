"""Databases that are killed, stopped, filled and cut off, while twgw writes to them.

What was acknowledged is there afterwards, what was not is there whole or not at all, and the log has no gap.
"""

import re
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, select

from tests.databases import clear
from tests.storage.test_upgrade import is_as_wanted
from tests.wire.storage_writer import NOW, write
from twgw.registry import Record
from twgw.storage import audit, log, vendors
from twgw.storage.applications import create_application
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.schema import credential
from twgw.storage.upgrade import schema_status, upgrade

WRITER = Path(__file__).with_name("storage_writer.py")
KINDS = ["sqlite", "postgresql", "mariadb"]


class Place:
    """Where a database is, and its server if it has one."""

    def __init__(self, url, server=None):
        self.url = url
        self.server = server

    def open(self, **options):
        return Database(self.url, **{"statement_timeout": 10, **options})


@pytest.fixture
def empty(request, killable, tmp_path):
    """Make a database without tables."""
    made = []

    def empty(kind):
        if kind == "sqlite":
            return Place(f"sqlite:///{tmp_path}/twgw{len(made)}.db")
        server = killable(kind)
        name = f"t{len(made)}_{re.sub('[^a-z]', '_', request.node.name.lower())}"[:60]
        made.append(name)
        return Place(server.make(name), server)

    return empty


@pytest.fixture(params=KINDS)
def place(request, empty):
    """A database of each kind, with an application in it."""
    place = empty(request.param)
    database = place.open()
    upgrade(database)
    database.call(clear, write=True)
    database.call(create_application, "batch", owner="ann", now=NOW, write=True)
    database.close()
    return place


def is_whole(database, acknowledged=()):
    """Everything acknowledged is there, every write is there whole, and log and audit have no gap."""
    head = database.call(log.head).pos
    records = database.call(log.since, 0, 1_000_000)
    rows = database.call(lambda c: c.execute(select(credential.c.id, credential.c.revoked_pos)).all())
    chain = database.call(audit.verify)

    assert list(range(1, head + 1)) == [record.pos for record in records]
    assert {(pos, key) for pos, key in acknowledged} <= {(row.revoked_pos, row.id) for row in rows}
    assert sorted(row.revoked_pos for row in rows) == [record.pos for record in records if record.kind == "token"]
    assert (len(rows), "") == (chain.entries, chain.fault)
    return len(rows)


def start_writer(url, name, *times, **options):
    return subprocess.Popen(
        [sys.executable, WRITER, url, name, *times], stdout=subprocess.PIPE, text=True, cwd=WRITER.parents[2], **options
    )


def told(lines):
    """Positions and ids of lines of a writer that say that something was committed."""
    return [(int(line.split()[0]), line.split()[1]) for line in lines if line[0].isdigit()]


def test_writers_that_are_killed_lose_nothing(place):
    """Two processes write at once and are killed in the middle, several times: kill -9 at any moment."""
    acknowledged = []
    for turn in range(2):
        writers = [start_writer(place.url, f"{name}{turn}") for name in "ab"]
        lines = [[writer.stdout.readline() for _ in range(5 + 20 * turn)] for writer in writers]
        for writer, some in zip(writers, lines, strict=True):
            writer.kill()
            acknowledged += told([*some, *(line for line in writer.stdout if line.endswith("\n"))])
            writer.wait()
            writer.stdout.close()

    database = place.open()
    assert is_whole(database, acknowledged) >= len(acknowledged) >= 2 * (5 + 25)
    database.call(write, "after", 1, write=True)
    database.close()


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_server_that_is_killed_loses_nothing(place):
    """While it is away, writes are refused in words; when it is back, the same process goes on."""
    writer = start_writer(place.url, "a")
    lines = [writer.stdout.readline() for _ in range(20)]
    place.server.kill()
    while not (line := writer.stdout.readline()).startswith("refused"):
        lines.append(line)
    place.server.start()
    while not (line := writer.stdout.readline())[0].isdigit():
        assert "nothing was done" in line
    lines.append(line)
    writer.kill()
    lines += writer.stdout
    writer.wait()
    writer.stdout.close()

    database = place.open()
    is_whole(database, told(line for line in lines if line.endswith("\n")))
    database.close()


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_server_that_was_away_is_used_again(place):
    """A new transaction on an old connection is tried again on a new one; nobody has to start twgw anew."""
    database = place.open()
    database.call(write, "a", 1, write=True)
    place.server.kill()
    for call in (lambda: database.call(log.head), lambda: database.call(write, "a", 2, write=True)):
        with pytest.raises(Unavailable, match="nothing was done") as caught:
            call()
        assert not caught.value.unknown
    place.server.start()

    assert 1 == database.call(log.head).pos
    assert 2 == database.call(write, "a", 2, write=True)
    assert 2 == is_whole(database)
    database.close()


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_server_that_says_nothing_is_given_up(place, monkeypatch, caplog):
    """One that is stopped, and keeps its connections open, holds nobody for ever; when it goes on, it is used again.

    What is said is what happened, and not that a rollback failed, too.
    """
    with monkeypatch.context() as less:
        less.setattr(vendors, "PATIENCE", 0.5)
        hurried = place.open(statement_timeout=1, connect_timeout=2)
    patient = place.open()
    assert 0 == hurried.call(log.head).pos == patient.call(log.head).pos
    place.server.pause()
    try:
        with pytest.raises(Unavailable, match="nothing was done") as caught:  # after all its tries, and not never
            hurried.call(log.head)
    finally:
        place.server.resume()

    assert "postgresql" not in place.url or "the server said nothing for " in str(caught.value)
    assert "" == caplog.text
    assert 0 == patient.call(log.head).pos
    for database in (hurried, patient):
        database.close()


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_commit_without_an_answer_is_said_to_be_unknown(place, monkeypatch):
    """The server stops just before it is told to commit, and does it later: nobody was told that it was not done."""
    with monkeypatch.context() as less:
        less.setattr(vendors, "PATIENCE", 0.5)
        hurried = place.open(statement_timeout=1, connect_timeout=2)
    database = place.open()
    database.call(write, "a", 1, write=True)

    def stop(connection):
        if connection.dialect.name == "postgresql":  # it would end a transaction that waits for so long
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        place.server.pause()

    event.listen(hurried.writing, "commit", stop)
    try:
        with pytest.raises(Unavailable, match="it may be done or not: look before doing it again") as caught:
            hurried.call(write, "a", 2, write=True)
    finally:
        place.server.resume()
        hurried.close()

    assert caught.value.unknown
    deadline = time.monotonic() + 30
    while database.call(log.head).pos < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 2 == is_whole(database)
    database.close()


END = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    "mariadb": ("SELECT connection_id()", "KILL {}"),
}


def cut(database, connection):
    """End the connection of a transaction from another one."""
    own, end = END[database.name.partition(":")[0]]
    number = connection.exec_driver_sql(own).scalar_one()
    database.call(lambda other: other.exec_driver_sql(end.format(number)))


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_connection_lost_inside_a_transaction_is_no_failure(place):
    """It is begun again, and done once."""
    database = place.open()
    tries = []

    def twice(connection):
        tries.append(log.append(connection, [Record("x", "x")], NOW))
        if len(tries) == 1:
            cut(database, connection)
        return write(connection, "a", 1)

    assert 2 == database.call(twice, write=True)

    assert [1, 1] == tries
    assert ["x", "token"] == [record.kind for record in database.call(log.since, 0)]
    database.close()


# --- disks ---


def write_until_refused(database, name, acknowledged):
    with pytest.raises(Unavailable) as caught:  # noqa: PT012 - which of them fails is up to the database
        for number in range(1000):
            acknowledged.append((database.call(write, name, number, write=True), f"{name}-{number}"))
    return caught.value


def test_a_full_disk_is_said_to_be_so(empty):
    """Nothing is done, reading goes on, and so does writing as soon as there is room."""
    database = empty("sqlite").open()
    upgrade(database)
    database.call(create_application, "batch", owner="ann", now=NOW, write=True)
    room = database.call(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    def limit(pages):
        database.call(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").all(), write=True)

    acknowledged = []
    limit(room + 3)
    error = write_until_refused(database, "a", acknowledged)

    assert "database or disk is full; nothing was done" in str(error)
    assert not error.unknown
    assert len(acknowledged) == is_whole(database, acknowledged)
    limit(1_000_000)
    database.call(write, "b", 1, write=True)
    assert len(acknowledged) + 1 == is_whole(database, acknowledged)
    database.close()


@contextmanager
def bad_disk(place, database, calls, error, *paths):
    """System calls of the server fail; of PostgreSQL those of the process that writes for us."""
    server = place.server.process.pid
    if "postgresql" in place.url:
        server = database.call(lambda c: c.exec_driver_sql("SELECT pg_backend_pid()").scalar_one(), write=True)
    command = ["strace", "-f", "-o", "/dev/null", "-p", str(server), *(word for path in paths for word in ("-P", path))]
    command += ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert "attached" in tracer.stderr.readline()
            yield
        finally:
            tracer.terminate()
            try:
                tracer.wait(5)
            except subprocess.TimeoutExpired:  # it waits for threads of a server that died of it
                tracer.kill()


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_full_disk_of_a_server_is_said_to_be_so(place):
    """As with a file of one's own: nothing is done, and writing goes on as soon as there is room."""
    database, acknowledged = place.open(), []
    calls, paths, said = "fallocate", [], "is full"
    if "postgresql" in place.url:
        calls, said = "pwrite64,pwritev,fallocate", "No space left on device"
        where = database.call(lambda c: c.exec_driver_sql("SELECT pg_relation_filepath('audit')").scalar_one())
        paths = [str(place.server.folder / "data" / where)]
    with bad_disk(place, database, calls, "ENOSPC", *paths):
        error = write_until_refused(database, "a", acknowledged)

    assert said in str(error)
    assert "nothing was done" in str(error)
    assert not error.unknown
    assert len(acknowledged) == is_whole(database, acknowledged)
    database.call(write, "b", 1, write=True)
    assert len(acknowledged) + 1 == is_whole(database, acknowledged)
    database.close()


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_disk_of_a_server_that_does_not_keep_its_word_is_not_believed(place):
    """The server dies of it; nobody was told that it is done, and what was acknowledged is there when it is back."""
    database, acknowledged = place.open(), []
    for number in range(3):
        acknowledged.append((database.call(write, "a", number, write=True), f"a-{number}"))
    with bad_disk(place, database, "fsync,fdatasync", "EIO"):
        error = write_until_refused(database, "b", acknowledged)

    assert "failed while committing" in str(error)
    assert "look before doing it again" in str(error)
    assert error.unknown
    place.server.recover()
    assert len(acknowledged) <= is_whole(database, acknowledged) <= len(acknowledged) + 1
    database.call(write, "c", 1, write=True)
    database.close()


def test_a_file_that_may_not_grow_loses_nothing(empty):
    """A process whose files reach their limit is refused, and what was acknowledged before is there."""
    place = empty("sqlite")
    database = place.open()
    upgrade(database)
    database.call(create_application, "batch", owner="ann", now=NOW, write=True)
    limits = (60 * 4096,) * 2
    writer = start_writer(place.url, "a", "200", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    lines = writer.communicate()[0].splitlines()

    assert [] != [line for line in lines if line.startswith(("refused", "unknown"))]
    assert len(told(lines)) <= is_whole(database, told(lines))
    database.close()


def test_a_disk_that_does_not_keep_its_word_is_not_believed(empty):
    """When the disk fails to take what is committed, that is never acknowledged; what was acknowledged is there."""
    place = empty("sqlite")
    database = place.open()
    upgrade(database)
    database.call(create_application, "batch", owner="ann", now=NOW, write=True)
    fail = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"]
    fail += ["inject=fsync,fdatasync:error=EIO:when=5+3"]
    done = subprocess.run(
        [*fail, sys.executable, WRITER, place.url, "a", "30"], capture_output=True, text=True, check=False,
        cwd=WRITER.parents[2],
    )  # fmt: skip
    lines = done.stdout.splitlines()

    assert 30 == len(lines), done.stderr
    unknown = [line for line in lines if line.startswith("unknown")]
    assert [] != unknown
    assert all("disk I/O error" in line and "look before doing it again" in line for line in unknown)
    assert len(told(lines)) <= is_whole(database, told(lines)) <= 30
    database.close()


# --- the schema; what it is like after each statement is tested in tests/storage/test_upgrade.py ---

UPGRADE = """
import sys
from sqlalchemy import event
from twgw.storage.database import Database
from twgw.storage.upgrade import upgrade
database = Database(sys.argv[1])

def ask(_connection, _cursor, statement, *_):
    if statement.lstrip().startswith("CREATE"):
        print("may I?", flush=True)
        input()

event.listen(database.writing, "before_cursor_execute", ask)
upgrade(database)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_that_is_killed_is_done_by_the_next(empty, kind):
    """Kill -9 in the middle of it leaves nothing in the way."""
    place = empty(kind)
    for tables in (2, 6, 10):
        command = [sys.executable, "-c", UPGRADE, place.url]
        upgrading = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=WRITER.parents[2]
        )
        for _ in range(tables):
            assert "may I?\n" == upgrading.stdout.readline()
            upgrading.stdin.write("\n")
            upgrading.stdin.flush()
        upgrading.kill()
        upgrading.communicate()
    database = place.open()
    assert not schema_status(database).is_current

    upgrade(database)

    is_as_wanted(database)
    database.close()
