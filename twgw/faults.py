"""What is wrong with something a person wrote, and where.

A path names a place in settings or in a file: ``apis[0].policies[2].settings.amount``.
Made by ``settings.py``, ``document.py``, ``config.py`` and ``state.py``; shown by ``twgw validate`` and in the log.
"""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches

from attrs import frozen

_STEP = re.compile(r'\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]', re.ASCII)
_NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


@frozen
class Fault:
    """What is wrong, and where: ``apis[0].policies[2].settings.amount``, ``must be > 0``."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text

    def under(self, path: str) -> "Fault":
        """The same fault, seen from further up."""
        dot = "." if path and self.path and not self.path.startswith("[") else ""
        return Fault(f"{path}{dot}{self.path}", self.text)


class SettingsError(ValueError):
    """Everything that is wrong with some settings.  A validator or converter may raise it, with paths below its own."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class WrongTypeError(SettingsError):
    """The value as a whole is of another type."""


class InvalidFileError(Exception):
    """What is wrong with a file: one line for each fault, each with its place."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__(self.lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def below(path: str, step: str | int) -> str:
    """The path of a key or an index below a path."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if not _NAME.fullmatch(step):
        return f"{path}[{json.dumps(step)}]"
    return f"{path}.{step}" if path else step


def steps(path: str) -> list[str | int]:
    """The keys and indexes of a path; the inverse of ``below``."""
    return [
        name or (int(index) if index else json.loads(quoted)) for name, index, quoted in _STEP.findall(path)
    ]


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant; empty when none is near."""
    return next(iter(get_close_matches(name, sorted(known), n=1)), "")


def suggest(name: str, known: Iterable[str]) -> str:
    """What to say after an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    if near := nearest(name, known):
        return f"; did you mean {near}?"
    return f"; known: {', '.join(known)}" if known else ""
