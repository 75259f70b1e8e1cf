"""``twgw plugins``: which policies are installed, and what each can do."""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

import click
from attrs import asdict
from rich.console import Console
from rich.text import Text

from twgw.cli_config import config_option, configured, failure, nearby
from twgw.cli_show import console, table
from twgw.faults import suggest
from twgw.policy.manual import Manual, manual, phases
from twgw.policy.registry import Plugin, PluginConflict, find_plugins

EXAMPLES = """\b
Examples:
  twgw plugins                             all that is installed, and what is in plugins/
  twgw plugins --config etc/twgw.toml      also what is in the directories that it names
  twgw plugins show rate-limit             settings and an example
"""
SHOW_EXAMPLES = """\b
Examples:
  twgw plugins show key-auth
  twgw plugins show hello --config etc/twgw.toml
  twgw plugins show key-auth --json
"""


@click.group(invoke_without_command=True, epilog=EXAMPLES)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.pass_context
def plugins(context: click.Context, file: Path | None, as_json: bool) -> None:
    """List the policies that a node can use, also those that cannot be loaded, with the reason."""
    context.obj = file, as_json
    if context.invoked_subcommand:
        return
    found = _find(file)
    if as_json:
        click.echo(json.dumps([_listed(plugin) for plugin in found.values()], indent=2))
        return
    rows = table("policy", "takes part in", "from", "what it does")
    for plugin in found.values():
        says = Text(f"cannot be loaded: {plugin.fault}", "red") if plugin.fault else Text(plugin.summary)
        steps = "" if plugin.fault else ", ".join(phases(plugin))
        rows.add_row(Text(plugin.name, "bold"), steps, Text(_origin(plugin)), says)
    console().print(rows)


@plugins.command(epilog=SHOW_EXAMPLES)
@click.argument("name")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.pass_obj
def show(before: tuple[Path | None, bool], name: str, file: Path | None, as_json: bool) -> None:
    """Explain the policy NAME: what it does, its settings with type, default and meaning, and an example."""
    found = _find(file or before[0])
    plugin = found.get(name)
    if plugin is None:
        raise failure([f"no policy {name} is installed{suggest(name, found)}"])
    if plugin.fault:
        raise failure([f"{name} of {plugin.origin} cannot be loaded: {plugin.fault}"])
    told = manual(plugin)
    if as_json or before[1]:
        document = _listed(plugin) | {"text": told.text, "example": told.example}
        document["settings"] = [asdict(row) for row in told.settings]
        click.echo(json.dumps(document, indent=2))
    else:
        _print(console(), plugin, told)


def _find(file: Path | None) -> Mapping[str, Plugin]:
    try:
        return find_plugins(configured(file).plugins.directories)
    except PluginConflict as error:
        raise failure([str(error)]) from error


def _origin(plugin: Plugin) -> str:
    """The package, or the file."""
    return nearby(plugin.origin) if plugin.origin.startswith("/") else plugin.origin.partition(" (")[0]


def _listed(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "phases": [] if plugin.fault else list(phases(plugin)),
        "origin": plugin.origin,
        "summary": plugin.summary,
        "fault": plugin.fault,
    }


def _print(page: Console, plugin: Plugin, told: Manual) -> None:
    page.print(Text(plugin.name, "bold"), Text(f"takes part in {', '.join(told.phases)}; from {_origin(plugin)}"))
    page.print()
    page.print(Text(told.text))
    page.print()
    if told.settings:
        rows = table("setting", "type", "default", "meaning")
        for row in told.settings:
            rows.add_row(
                Text(row.name, "bold"), Text(row.type), Text("required" if row.required else row.default),
                Text(row.meaning),
            )  # fmt: skip
        page.print(rows)
    else:
        page.print("It has no settings.")
    if told.example:
        page.print("\nExample, under policies of an API, a route or of all:\n")
        page.print(Text(textwrap.indent(told.example, "  ")))

