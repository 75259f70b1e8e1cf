"""Fuzz targets: the files that people write.  They are taken, or refused with a line that says where and why."""

import tempfile
from functools import cache
from pathlib import Path

from twgw.config import load
from twgw.faults import InvalidFileError, SettingsError
from twgw.memory import MemoryGateway


def state(data: bytes) -> None:
    """A state is in force, or is refused with the place of every fault."""
    try:
        MemoryGateway(data.decode("utf-8", "replace"))
    except InvalidFileError as refusal:
        if not refusal.lines or not all(line.startswith("apis.yaml:") for line in refusal.lines):
            raise
    except SettingsError as refusal:
        if not refusal.faults:
            raise


def configuration(data: bytes) -> None:
    """A configuration is read or refused.  Behind a NUL stand variables of the environment, one on a line."""
    text, _, variables = data.partition(b"\0")
    path = folder() / "twgw.toml"
    path.write_bytes(text)
    lines = (line.partition("=") for line in variables.decode("utf-8", "replace").splitlines())
    try:
        load(path, {name: value for name, _, value in lines}, {})
    except InvalidFileError as refusal:
        if not refusal.lines or not all(refusal.lines):
            raise


@cache
def folder() -> Path:
    """A folder for this process."""
    return Path(tempfile.mkdtemp(prefix="twgw-fuzz-"))
