"""``twgw validate``: what is wrong with configurations and states, before a gateway meets them."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click

from twgw.checking import check_files, check_state, notes_on
from twgw.cli_config import nearby
from twgw.config import load
from twgw.faults import InvalidFileError
from twgw.policy.registry import PluginConflict, find_plugins
from twgw.state import load_state

EXAMPLES = """\b
Examples:
  twgw validate etc/twgw.toml              the configuration, and the state that it names
  twgw validate apis.yaml                  a state alone, with the policies in plugins/ beside it
  twgw validate --json apis.yaml           for a machine
\b
A fault reads
  apis.yaml:12: apis[0].policies[2].settings.amount: must be > 0
"""
_FAULT = re.compile(r"(?P<file>.*?)(?::(?P<line>\d+))?: (?P<text>.*)", re.DOTALL)


@click.command(epilog=EXAMPLES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def validate(files: tuple[Path, ...], as_json: bool) -> None:
    """Say everything that is wrong with FILEs, each with its line and path.

    A .toml file is the configuration of a node: it is checked with the state that it names.  A .yaml file is a state.
    Everything is loaded and compiled with the installed policies, as at the start of a gateway.
    The status is 1 when anything is wrong.
    """
    for file in files:
        if file.suffix not in (".toml", ".yaml", ".yml"):
            raise click.UsageError(f"{file}: give a configuration (.toml) or a state (.yaml)")
    faults = {str(file): [nearby(line) for line in _faults(file)] for file in files}
    count = sum(map(len, faults.values()))
    notes = {str(file): [nearby(line) for line in _notes(file)] if not faults[str(file)] else [] for file in files}
    if as_json:
        found = {"faults": faults, "notes": notes}
        parts = {key: [_parts(it) for each in lines.values() for it in each] for key, lines in found.items()}
        click.echo(json.dumps({"valid": not count, **parts}, indent=2))
    else:
        for name, lines in faults.items():
            for line in lines or [f"{name}: valid", *(f"note: {note}" for note in notes[name])]:
                click.echo(line)
        if count:
            click.echo(f"{count} {'fault' if count == 1 else 'faults'}")
    raise SystemExit(1 if count else 0)


def _faults(file: Path) -> list[str]:
    try:
        if file.suffix == ".toml":
            return check_files(load(file, os.environ, {}))
        directories = [*load(None, os.environ, {}).plugins.directories, file.parent / "plugins"]
        return check_state(file, find_plugins(dict.fromkeys(directory.resolve() for directory in directories)))
    except InvalidFileError as error:
        return list(error.lines)
    except PluginConflict as error:
        return [f"plugins: {error}"]


def _notes(file: Path) -> Iterator[str]:
    """What should be known of a valid state."""
    state = load(file, os.environ, {}).state.file if file.suffix == ".toml" else file
    if state is not None:
        yield from notes_on(load_state(state))


def _parts(line: str) -> dict[str, str | int | None]:
    found = _FAULT.fullmatch(line)
    assert found is not None  # every fault has a place and a text
    return {"file": found["file"], "line": int(found["line"]) if found["line"] else None, "text": found["text"]}
