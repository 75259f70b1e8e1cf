"""What a policy says of itself: its text, an example, its settings.

For ``twgw plugins`` and the generated reference page.  The text is the docstring of its module; an indented block in
it that begins with ``- name:`` or ``- {name:`` is the example, as it would stand under ``policies`` in apis.yaml.
"""

import re
import textwrap

from attrs import frozen

from twgw.document import read_document
from twgw.faults import Fault, InvalidFileError, SettingsError
from twgw.model import Policy
from twgw.policy import hookspecs
from twgw.policy.registry import Plugin
from twgw.schema import SettingRow, describe
from twgw.settings import structure

PHASES = tuple(name for name in vars(hookspecs) if name.startswith("twgw_"))
"""Every hook, in the order in which a request meets them."""

_EXAMPLE = re.compile(r"(?:(?<=\n)|\A)    - \{?name:.*(?:\n(?:    .*|[ ]*(?=\n    )))*\n?")


@frozen
class Manual:
    """A policy, told."""

    text: str
    example: str
    """YAML, a list of one or more uses of policies; empty when there is none and it cannot do without settings."""
    phases: tuple[str, ...]
    """What it takes part in, in order: receive, authenticate, …"""
    settings: list[SettingRow]


def manual(plugin: Plugin) -> Manual:
    """What a policy that could be loaded says of itself."""
    docstring = (plugin.module.__doc__ or "").strip()
    found = _EXAMPLE.search(docstring)
    return Manual(
        text=re.sub(r"\n{3,}", "\n\n", _EXAMPLE.sub("\n", docstring)).strip(),
        example=textwrap.dedent(found[0]).strip() if found else _shortest(plugin),
        phases=phases(plugin),
        settings=describe(plugin.settings),
    )


def phases(plugin: Plugin) -> tuple[str, ...]:
    """What a policy takes part in, in the order in which a request meets it."""
    return tuple(hook.removeprefix("twgw_") for hook in sorted(plugin.hooks, key=_place))


def _place(hook: str) -> int:
    return PHASES.index(hook) if hook in PHASES else len(PHASES)


def _shortest(plugin: Plugin) -> str:
    try:
        structure(plugin.settings, {})
    except SettingsError:
        return ""
    return f"- {{name: {plugin.name}}}"


def example_faults(plugin: Plugin) -> list[str]:
    """Why the example of a policy would not be taken; nothing when it would."""
    example = manual(plugin).example
    if not example:
        return [f"{plugin.name}: has no example, and needs settings"]
    try:
        value, source = read_document(example, plugin.name)
    except InvalidFileError as error:
        return list(error.lines)
    faults: list[Fault] = []
    names = []
    for number, written in enumerate(value):
        try:
            use = structure(Policy, written)
            names.append(use.name)
            if use.name == plugin.name:
                structure(plugin.settings, use.settings)
        except SettingsError as error:
            where = f"[{number}].settings" if len(names) > number else f"[{number}]"
            faults += [fault.under(where) for fault in error.faults]
    if plugin.name not in names:
        faults.append(Fault("", "the example does not use the policy"))
    return [source.locate(fault) for fault in faults]
