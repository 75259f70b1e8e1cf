"""Tests of twgw.cli_login."""

import json
import stat
from types import SimpleNamespace

import pytest

from twgw.passwords import hashed

PASSWORD = "canary-correct-horse"


@pytest.fixture
def ann(desk, monkeypatch):
    """A publisher with a password; the commands have the clock of the node."""
    desk.world.user("ann", "publisher", password_hash=hashed(PASSWORD))
    monkeypatch.setattr("twgw.cli_node.time", SimpleNamespace(time=lambda: desk.world.now))
    desk.file = desk.folder / "config" / "twgw" / "logins.json"
    return desk


def test_a_login_is_kept_for_the_other_commands(ann):
    """In a file for its owner alone; the password stands nowhere."""
    said = ann.done("login", "ann", typed=f"{PASSWORD}\n", who=None)

    assert f"Logged in at {ann.url} as ann: publisher\n" in said
    assert f"It is kept in {ann.file}, and ends on 2027-01-15 20:00:00 UTC" in said
    assert 0o600 == stat.S_IMODE(ann.file.stat().st_mode)
    assert PASSWORD not in ann.file.read_text() + said
    assert f"ann at {ann.url}: publisher\nBy twgw login\n" == ann.done("whoami", who=None)
    ann.done("api", "list", who=None)


def test_programs_are_told_all_but_the_token(ann):
    """That is for the file."""
    found = ann.found("login", "ann", typed=f"{PASSWORD}\n", who=None)

    assert (ann.url, "ann", ["publisher"]) == tuple(found[part] for part in ("url", "name", "roles"))
    assert json.loads(ann.file.read_text())[ann.url]["token"] not in json.dumps(found)


def test_the_name_is_asked_for(ann):
    """When it is not given."""
    assert "as ann: publisher" in ann.done("login", typed=f"ann\n{PASSWORD}\n", who=None)


def test_a_wrong_password_is_said(ann):
    """Without a word of who exists; nothing is kept."""
    for name in ("ann", "bob"):
        said = ann.refused("login", name, typed="wrong\n", who=None)
        assert "Not logged in: the name or the password is wrong" in said
    assert "no password was given" in ann.refused("login", "ann", typed="", who=None)
    assert not ann.file.exists()


def test_a_logout_ends_the_login_there_and_here(ann):
    """Its token is worth nothing from then on."""
    ann.done("login", "ann", typed=f"{PASSWORD}\n", who=None)
    token = json.loads(ann.file.read_text())[ann.url]["token"]

    assert f"ann is logged out at {ann.url}\n" == ann.done("logout", who=None)
    assert "nobody is logged in" in ann.refused("whoami", who=None)
    assert "the token in TWGW_TOKEN is not good there" in ann.refused("whoami", TWGW_TOKEN=token)
    assert f"Nobody was logged in at {ann.url}\n" == ann.done("logout", who=None)
    assert {"url": ann.url, "name": None} == ann.found("logout", who=None)


def test_a_login_that_ended_there_is_forgotten_here(ann):
    """Without a complaint."""
    ann.done("login", "ann", typed=f"{PASSWORD}\n", who=None)
    ann.done("user", "logout", "ann")

    assert "ann is logged out" in ann.done("logout", who=None)


def test_a_logout_never_ends_what_was_not_a_login(ann):
    """The token of the environment goes on."""
    ann.done("logout")

    assert "root" in ann.done("whoami")


def test_who_one_is_says_by_what(ann):
    """So that it is known where to change it."""
    assert f"root at {ann.url}: admin\nBy TWGW_TOKEN\n" == ann.done("whoami")
    assert ("root", "TWGW_TOKEN") == tuple(ann.found("whoami")[part] for part in ("name", "by"))


def test_a_folder_that_cannot_be_used_is_said(ann):
    """And a file that others may read."""
    ann.done("login", "ann", typed=f"{PASSWORD}\n", who=None)
    ann.file.chmod(0o644)
    assert "run: chmod 600" in ann.refused("logout", who=None)
    ann.file.unlink()
    ann.file.parent.rmdir()
    ann.file.parent.write_text("")
    assert "config/twgw: File exists" in ann.refused("login", "ann", typed=f"{PASSWORD}\n", who=None)
