"""Files that appear whole or not at all: a kill at any moment leaves nothing half.  Nothing is written over unasked.

For the pepper, the demo state, what ``twgw init`` writes, backups, and certificates of nodes.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def create(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that is not there yet.  Raises FileExistsError when it is, and OSError of the disk.

    The text is written beside the path, brought to the disk and linked into place.
    """
    with appearing(path, mode) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def appearing(path: Path, mode: int = 0o600) -> Iterator[Path]:
    """A file to be filled under another name; it gets its own when the block ends well.  Raises as ``create``."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "exists already", str(path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        yield draft
        os.fsync(descriptor)
        os.link(draft, path)
        _flush_directory(path.parent)
    finally:
        os.close(descriptor)
        draft.unlink()


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file in place of the one that is there: whoever opens it finds one or the other.  Raises OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _flush_directory(path.parent)


def _flush_directory(path: Path) -> None:
    """Bring the names in a directory to the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
