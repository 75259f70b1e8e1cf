"""Tests of twgw.newfile."""

import pytest

from twgw import newfile
from twgw.newfile import create, replace


def test_file_is_whole_and_for_its_owner(tmp_path):
    """A new file has its text and is closed to others; nothing else is left beside it."""
    path = tmp_path / "pepper"

    create(path, "é\n")

    assert "é\n" == path.read_text("utf-8")
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list(tmp_path.iterdir())


def test_what_is_there_stays(tmp_path):
    """A file is never written over, and the attempt leaves nothing behind."""
    path = tmp_path / "apis.yaml"
    path.write_text("mine")

    with pytest.raises(FileExistsError):
        create(path, "another")

    assert "mine" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_nothing_appears_before_it_is_whole(tmp_path, monkeypatch, call):
    """When the disk fails before the end, there is no file, not half of one."""
    seen = []

    def fail(*_):
        seen.append((tmp_path / "state").exists())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(newfile.os, call, fail)

    with pytest.raises(OSError, match="No space left"):
        create(tmp_path / "state", "text")
    assert [False] == seen
    assert [] == list(tmp_path.iterdir())


def test_what_is_there_is_replaced_whole(tmp_path):
    """Whoever has it open reads on in the old one; it is for its owner, whatever the old one was."""
    path = tmp_path / "node.pem"
    path.write_text("old")
    path.chmod(0o644)
    with path.open() as reader:
        replace(path, "new")
        assert "old" == reader.read()

    assert ("new", 0o600) == (path.read_text(), path.stat().st_mode & 0o777)
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_cannot_be_replaced_stays(tmp_path, monkeypatch, call):
    """When the disk fails on the way; nothing is left beside it."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "node.pem"
    path.write_text("old")
    monkeypatch.setattr(newfile.os if call == "fsync" else type(path), call, fail)
    with pytest.raises(OSError, match="No space"):
        replace(path, "new")

    assert ("old", [path]) == (path.read_text(), list(tmp_path.iterdir()))
