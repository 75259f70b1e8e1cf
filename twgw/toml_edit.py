"""Change settings in a TOML file that a person wrote, and nothing else of it.  Pure.  Called by ``twgw cluster``."""

import json
import re
import tomllib
from collections.abc import Mapping


def with_settings(text: str, section: str, values: Mapping[str, str | float | list[str]]) -> str:
    """The text with these values in a section; comments and all other lines stay.

    A setting takes the place of its line, or of the comment that shows its default; else it comes first in its section,
    which is made at the end where there is none.  Raises ValueError when that cannot be done safely.
    """
    lines = text.splitlines()
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(?:#.*)?")
    begin = next((number for number, line in enumerate(lines) if header.fullmatch(line)), None)
    if begin is None:
        lines += [*([""] if lines else []), f"[{section}]"]
        begin = len(lines) - 1
    for name, value in values.items():
        end = next((n for n in range(begin + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
        place = _place(lines, begin + 1, end, name)
        if place is None:
            lines.insert(begin + 1, f"{name} = {json.dumps(value)}")
        else:
            lines[place] = f"{name} = {json.dumps(value)}"
    made = "\n".join(lines) + "\n"
    if _read(made) != _expected(_read(text), section, values):
        raise ValueError(f"[{section}] cannot be changed without changing more")
    return made


def _place(lines: list[str], begin: int, end: int, name: str) -> int | None:
    """Where a setting stands, else where its default is shown."""
    for sign in ("", "#"):
        for number in range(begin, end):
            if re.match(rf"\s*{sign}\s*{re.escape(name)}\s*=", lines[number]):
                return number
    return None


def _read(text: str) -> object:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _expected(before: object, section: str, values: Mapping[str, object]) -> object:
    if not isinstance(before, dict):
        raise ValueError("it is not TOML")  # noqa: TRY004 - of the text, not of a type
    return {**before, section: {**before.get(section, {}), **values}}
