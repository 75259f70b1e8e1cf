"""The logins of a person, kept between two commands: one for each node, in one file that nobody else may read.

``twgw login`` keeps one, ``twgw logout`` forgets it, ``cli_node.py`` shows its token to the node that gave it and to
no other.  The file is ``logins.json`` in ``~/.config/twgw`` (or below ``XDG_CONFIG_HOME``), mode 0600.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

FILE = "logins.json"


class LoginsError(Exception):
    """The file cannot be used; the text says why and what to do."""


@frozen
class Login:
    """A login at one node."""

    name: str
    token: str = field(repr=False)
    expires_at: float
    """UNIX seconds."""


def find_login(directory: Path, url: str) -> Login | None:
    """The login at a node, also one that has ended.  Raises LoginsError."""
    kept = _read(directory / FILE).get(url)
    if kept is None:
        return None
    try:
        return Login(str(kept["name"]), str(kept["token"]), float(kept["expires_at"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _not_ours(directory / FILE) from error


def keep_login(directory: Path, url: str, login: Login) -> Path:
    """Keep a login in place of an earlier one at the same node; the file.  Raises LoginsError, OSError of the disk."""
    path = directory / FILE
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(path, _read(path) | {url: asdict(login)})
    return path


def forget_login(directory: Path, url: str) -> None:
    """Keep the login at a node no longer.  Raises LoginsError, OSError of the disk."""
    path = directory / FILE
    logins = _read(path)
    if logins.pop(url, None) is not None:
        _write(path, logins)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise LoginsError(f"{path}: other users may read it; run: chmod 600 {path}")
            kept = json.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LoginsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _not_ours(path) from error
    if not isinstance(kept, dict):
        raise _not_ours(path)
    return kept


def _not_ours(path: Path) -> LoginsError:
    return LoginsError(f"{path}: does not hold logins; remove it, and log in again")


def _write(path: Path, logins: dict[str, Any]) -> None:
    """Replace the file in one step: a kill leaves the one before."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(logins, file, indent=2)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
