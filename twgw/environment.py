"""Settings of the environment and of the command line: which they are, and what their text stands for.

``TWGW_GATEWAY_LISTEN`` sets ``listen`` in the section ``gateway``.  Called by ``config.py``.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from twgw.faults import suggest
from twgw.settings import LISTS, choices_of, text_reader

# A Kubernetes service named twgw-gateway puts these into the environment of every pod beside it.
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT|PORT)(_|\Z)")


def given(
    known: Mapping[str, Any], environment: Mapping[str, str], overrides: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Dotted name, text and place of what environment and command line set; an empty name and what is wrong with it."""
    variables = {"TWGW_" + name.replace(".", "_").upper(): name for name in known}
    sections = tuple(f"TWGW_{name.partition('.')[0].upper()}_" for name in known)
    for variable, text in sorted(environment.items()):
        if variable in variables:
            yield variables[variable], text, f"environment: {variable}"
        elif variable.startswith(sections) and not _SERVICE_LINK.search(variable):
            yield "", "unknown" + suggest(variable, _near(variable, variables)), f"environment: {variable}"
    for name, text in overrides.items():
        if f"{name}_file" in known and known[name].metadata["secret"]:
            yield "", f"is a secret, and everybody sees a command line; set {name}_file", f"command line: {name}"
        elif name in known:
            yield name, text, f"command line: {name}"
        else:
            yield "", "unknown" + suggest(name, _near(name, known)), f"command line: {name}"


def _near(name: str, known: Mapping[str, Any]) -> list[str]:
    """The settings of the same section: all of them would be too many to show."""
    section = re.split(r"[._]", name.removeprefix("TWGW_"))[0]
    return [each for each in known if re.split(r"[._]", each.removeprefix("TWGW_"))[0] == section] or list(known)


def value_of(text: str, kind: Any) -> Any:
    """A text of the environment as the value it stands for."""
    try:
        parsed = tomllib.loads(f"it = {text}")
        value = parsed["it"] if len(parsed) == 1 else text
    except ValueError:
        value = text
    if get_origin(kind) in LISTS and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text if _is_text(kind) and not isinstance(value, str) else value


def _is_text(kind: Any) -> bool:
    choices = [written for written, _ in choices_of(kind)]
    return kind is str or any(map(text_reader, (kind, *get_args(kind)))) or isinstance((*choices, None)[0], str)
