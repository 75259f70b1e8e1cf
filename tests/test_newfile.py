"""Tests of twgw.newfile."""

import pytest

from twgw import newfile
from twgw.newfile import create


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
