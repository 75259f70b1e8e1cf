"""Write docs/reference.md from the code; ``--check`` says whether it is what the code says.

Raises on anything that is not documented, so that the reference cannot have holes.  Run by ``make test`` and by hand.
"""

import argparse
import difflib
import inspect
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from twisted.internet.task import Clock

from twgw.cli import main as command_line
from twgw.config import Config, load
from twgw.memory import MemoryGateway
from twgw.model import Api, State
from twgw.policy import hookspecs
from twgw.policy.manual import PHASES, example_faults, manual
from twgw.policy.registry import find_plugins
from twgw.schema import SettingRow, describe, sections
from twgw.tap import Node

PAGE = Path(__file__).with_name("reference.md")
HOOK_PARTS = ("When:", "Return:", "Several policies:", "Since:")


class UndocumentedError(Exception):
    """Something in the code has no words; the page cannot be written."""


def cell(text: object) -> str:
    """Text that may stand in a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(rows: list[SettingRow], where: str) -> Iterator[str]:
    """Settings as a table."""
    if not rows:
        yield "No settings."
        return
    yield "| setting | type | default | meaning |"
    yield "|---|---|---|---|"
    for row in rows:
        if not row.meaning:
            raise UndocumentedError(f"{where}: {row.name} has no meaning")
        default = "*required*" if row.required else f"`{cell(row.default)}`"
        yield f"| `{row.name}` | {cell(row.type)} | {default} | {cell(row.meaning)} |"


def hooks() -> Iterator[str]:
    """Every hook with its docstring."""
    for name in PHASES:
        text = inspect.getdoc(getattr(hookspecs, name)) or ""
        for part in HOOK_PARTS:
            if part not in text:
                raise UndocumentedError(f"{name}: its docstring lacks {part!r}")
        yield f"### {name}\n"
        yield f"{text}\n"


def hook_text() -> Iterator[str]:
    """The hooks, with the four parts as a list."""
    for line in "\n".join(hooks()).splitlines():
        part = next((part for part in HOOK_PARTS if line.startswith(part)), None)
        yield f"- **{part}**{line.removeprefix(part)}" if part else line


def policies() -> Iterator[str]:
    """Every bundled policy."""
    for plugin in find_plugins().values():
        if not plugin.origin.startswith("twgw "):
            continue
        if faults := example_faults(plugin):
            raise UndocumentedError("\n".join(faults))
        told = manual(plugin)
        yield f"### {plugin.name}\n"
        yield told.text
        yield f"\nPhases: {', '.join(told.phases)}.\n"
        yield f"```yaml\n{told.example}\n```\n"
        yield from table(told.settings, plugin.name)
        yield ""


def configuration() -> Iterator[str]:
    """Every setting of twgw.toml."""
    for name, cls in sections(Config):
        rows = [row for row in describe(cls) if "." not in row.name]
        yield f"### [{name}]\n"
        yield f"{(inspect.getdoc(cls) or '').partition(chr(10))[0]}\n"
        yield from table(rows, name)
        yield ""


def metrics() -> Iterator[str]:
    """Every metric that a node has, once a request was served."""
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Clock(), load(None, {"TWGW_NODE_DATA_DIR": folder}, {}))
        served = MemoryGateway(Api("demo", "1", "/"))
        served.get("/")
        families = {each.name: each for registry in (node.metrics, served.metrics) for each in registry.collect()}
    yield "| metric | kind | meaning |"
    yield "|---|---|---|"
    for name, family in sorted(families.items()):
        if not family.documentation:
            raise UndocumentedError(f"metric {name} has no help")
        total = "_total" if family.type == "counter" else ""
        yield f"| `{name}{total}` | {family.type} | {cell(family.documentation)} |"


def commands() -> Iterator[str]:
    """The command line, as ``--help`` says it."""
    yield from command(command_line, "twgw")


def command(one: click.Command, name: str) -> Iterator[str]:
    """One command, and those below it."""
    context = click.Context(one, info_name=name, terminal_width=100)
    yield f"### {name}\n"
    yield f"```text\n{one.get_help(context)}\n```\n"
    if isinstance(one, click.Group):
        for each in sorted(one.commands):
            yield from command(one.commands[each], f"{name} {each}")


ENDPOINTS = """\
On the admin listener, and on the status listener where there is one:

| path | answer |
|---|---|
| `/healthz` | 200 as long as the process lives |
| `/readyz` | 200 when traffic may come, else 503; JSON with `reasons`, and `warnings` such as a bad state file |
| `/metrics` | for Prometheus, in the text or OpenMetrics form that it asks for |
"""


def page() -> str:
    """The whole page."""
    lines = [
        "# Reference",
        "",
        "Generated by `docs/generate.py` from the code: do not edit.",
        "",
        "## Policies",
        "",
        *policies(),
        "## Hooks",
        "",
        *hook_text(),
        "## The declarative state: apis.yaml",
        "",
        *table(describe(State), "apis.yaml"),
        "",
        "## The configuration: twgw.toml",
        "",
        *configuration(),
        "## Endpoints",
        "",
        ENDPOINTS,
        "## Metrics",
        "",
        *metrics(),
        "",
        "## Command line",
        "",
        *commands(),
    ]
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()).strip() + "\n"


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the page is not what the code says")
    written = page()
    if not parser.parse_args().check:
        PAGE.write_text(written)
        return
    there = PAGE.read_text() if PAGE.exists() else ""
    if there != written:
        sys.stdout.writelines(list(difflib.unified_diff(there.splitlines(keepends=True), written.splitlines(keepends=True)))[:40])
        sys.exit("docs/reference.md is not what the code says; run: python docs/generate.py")


if __name__ == "__main__":
    main()
