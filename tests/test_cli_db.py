"""Tests of twgw.cli_db."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from twgw.cli import main
from twgw.cli_config import opened
from twgw.config import load
from twgw.credentials import Pepper, Peppers
from twgw.storage.keys import keys_of
from twgw.storage.upgrade import released

NOW = released()[-1]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def db(*words):
    """Run a command; its status and what it said."""
    done = CliRunner().invoke(main, ["db", *words])
    return done.exit_code, done.output.strip()


def test_tables_are_made_and_told_of():
    """Before, there are none; afterwards they are those of this version, and nothing more is to be done."""
    place = "sqlite:///twgw-data/twgw.db"

    status, said = db("status")
    assert (1, True) == (status, said.endswith(f"has no tables, and this version needs {NOW}; run: twgw db upgrade"))
    assert (0, f"Made the tables of this version: {NOW}") == db("upgrade")
    assert (0, f"The tables are those of this version: {NOW}") == db("upgrade")
    status, said = db("status")
    assert (0, True) == (status, said.endswith(f"has the tables of this version: {NOW}"))
    status, said = db("status", "--json")
    document = json.loads(said)
    assert place.rpartition("/")[2] == document.pop("database").rpartition("/")[2]
    assert (0, {"current": NOW, "wanted": NOW, "is_current": True}) == (status, document)


def test_the_folder_is_for_its_owner():
    """The data directory is made as a node makes it."""
    db("upgrade")

    assert 0o700 == stat.S_IMODE(Path("twgw-data").stat().st_mode)


def test_a_copy_is_made_once():
    """The copy is a file; one that is there already stays."""
    db("upgrade")

    assert (0, "Copied to copy.db") == db("backup", "copy.db")
    assert (1, "Error: copy.db: exists already") == db("backup", "copy.db")
    assert Path("copy.db").stat().st_size


def test_a_database_that_cannot_be_reached_is_named(tmp_path):
    """What is wrong is said with the name of the database, without a password, and a status of 1."""
    Path("twgw.toml").write_text(
        f"[database]\nurl = 'postgresql://gw@/twgw?host={tmp_path}'\npassword = 's3cret'\nconnect_timeout = 2\n"
    )

    status, said = db("status", "--config", "twgw.toml")

    assert 1 == status
    assert said.startswith(f"Error: postgresql://gw@/twgw?host={tmp_path}: ")
    assert "nothing was done" in said
    assert "s3cret" not in said


def kept(kind):
    """The keys of a kind that are good when the newest is made, that one first."""
    with opened(load(None, {}, {})) as database:
        newest, *_ = database.call(keys_of, kind, now=0)
        return database.call(keys_of, kind, now=newest.created_at)


def peppers():
    """Those in the database."""
    return Peppers(tuple(Pepper.from_text(each.material) for each in kept("pepper")))


def test_a_new_pepper_leaves_the_old_one_good():
    """For ever; what is made from now on is under the new one."""
    status, said = db("rotate", "pepper")
    assert (1, True) == (status, "run: twgw db upgrade" in said)
    db("upgrade")
    assert (0, "There is a new pepper") == db("rotate", "pepper")
    old = peppers().digest("some-key")

    assert (0, "There is a new pepper") == db("rotate", "pepper")
    assert ["v3", "v2", "v1"] == [each.version for each in peppers().known]
    assert (True, "v3") == (old in peppers().digests("some-key"), peppers().digest("some-key").partition(":")[0])


def test_another_key_for_signing_is_made():
    """The ones before verify as long as their tokens may live."""
    db("upgrade")
    for number in (1, 2):
        assert (0, "There is a new key for signing") == db("rotate", "signing")
        assert number == len(kept("signing"))
    newest, before = kept("signing")
    assert newest.retire_at is None
    assert before.retire_at >= newest.created_at + load(None, {}, {}).keymanager.access_seconds
