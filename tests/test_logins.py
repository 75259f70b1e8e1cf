"""Tests of twgw.logins."""

import json
import os
import stat

import pytest

from twgw.logins import Login, LoginsError, find_login, forget_login, keep_login

ANN = Login("ann", "tw_login_canary", 2e9)
HERE, THERE = "http://127.0.0.1:8081", "https://admin.example"


def test_each_node_has_a_login_of_its_own(tmp_path):
    """And one does not show that of another."""
    keep_login(tmp_path / "twgw", HERE, ANN)
    keep_login(tmp_path / "twgw", THERE, Login("bob", "t", 1.0))

    assert ANN == find_login(tmp_path / "twgw", HERE)
    assert "bob" == find_login(tmp_path / "twgw", THERE).name
    assert None is find_login(tmp_path / "twgw", "https://other.example")
    assert None is find_login(tmp_path / "nowhere", HERE)


def test_a_login_is_replaced_and_forgotten(tmp_path):
    """Those at other nodes stay; forgetting what is not there is no fault."""
    keep_login(tmp_path, HERE, ANN)
    keep_login(tmp_path, THERE, ANN)
    keep_login(tmp_path, HERE, Login("bob", "t", 1.0))
    assert "bob" == find_login(tmp_path, HERE).name

    forget_login(tmp_path, HERE)
    forget_login(tmp_path, HERE)
    assert (None, ANN) == (find_login(tmp_path, HERE), find_login(tmp_path, THERE))


def test_nobody_else_reads_it(tmp_path):
    """Whatever the umask; nothing is left beside it, and no text of ours has the token."""
    before = os.umask(0)
    try:
        path = keep_login(tmp_path / "twgw", HERE, ANN)
    finally:
        os.umask(before)

    assert (0o600, 0o700) == (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode))
    assert [path] == list(path.parent.iterdir())
    assert "canary" not in repr(ANN)


def test_a_file_that_others_read_is_not_used(tmp_path):
    """The way out is said."""
    path = keep_login(tmp_path, HERE, ANN)
    path.chmod(0o640)

    with pytest.raises(LoginsError, match="run: chmod 600"):
        find_login(tmp_path, HERE)
    with pytest.raises(LoginsError, match="run: chmod 600"):
        keep_login(tmp_path, HERE, ANN)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({HERE: 1}), json.dumps({HERE: {"name": "ann"}})])
def test_a_file_that_holds_something_else_is_said(tmp_path, text):
    """Not a traceback."""
    (tmp_path / "logins.json").write_text(text)
    (tmp_path / "logins.json").chmod(0o600)

    with pytest.raises(LoginsError, match="does not hold logins; remove it"):
        find_login(tmp_path, HERE)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    """With the reason."""
    (tmp_path / "logins.json").mkdir()

    with pytest.raises(LoginsError, match="cannot be read: Is a directory"):
        find_login(tmp_path, HERE)


def test_what_fails_in_writing_leaves_the_file_before(tmp_path, monkeypatch):
    """And no draft."""
    path = keep_login(tmp_path, HERE, ANN)
    monkeypatch.setattr("json.dump", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))

    with pytest.raises(OSError, match="disk full"):
        keep_login(tmp_path, THERE, ANN)
    assert [path] == list(tmp_path.iterdir())
    assert ANN == find_login(tmp_path, HERE)
