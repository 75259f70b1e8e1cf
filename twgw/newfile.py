"""New files that appear whole or not at all: a kill at any moment leaves nothing half, and nothing is written over.

For the pepper, the demo state and what ``twgw init`` writes.
"""

import os
import secrets
from pathlib import Path


def create(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that is not there yet.  Raises FileExistsError when it is, and OSError of the disk.

    The text is written beside the path, brought to the disk and linked into place.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
        _flush_directory(path.parent)
    finally:
        draft.unlink()


def _flush_directory(path: Path) -> None:
    """Bring the names in a directory to the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
