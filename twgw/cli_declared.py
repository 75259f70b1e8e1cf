"""``twgw config …``: the whole declarative state, out of the database of a node and into it.

Where a node has a database, ``apis.yaml`` is what is imported; the words and the status codes are decK's.
"""

import gc
import getpass
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from twgw.checking import check_loaded
from twgw.cli_config import config_option, configured, failure, nearby, opened
from twgw.config import Config
from twgw.credentials import PepperError, Peppers
from twgw.difference import Difference
from twgw.document import write_document
from twgw.faults import InvalidFileError
from twgw.model import State
from twgw.policy.registry import PluginConflict, find_plugins
from twgw.schema import as_written
from twgw.startup import ensure_peppers
from twgw.state import load_state
from twgw.storage.database import Database
from twgw.storage.declared import Plan, plan, read_state
from twgw.storage.declared import sync as bring
from twgw.storage.upgrade import upgrade

DIFFERS = 2
"""Status of ``diff --non-zero-exit-code`` when there is a difference."""
MANY = 1000
"""Steps from which on progress is told."""

EXAMPLES = """\b
Examples:
  twgw config dump > apis.yaml             what the database says, with keys as digests
  twgw config diff apis.yaml               what sync would do
  twgw config sync apis.yaml               do it, in one transaction; all nodes follow within seconds
  twgw config sync shop.yaml --tag shop    only what carries that tag; nothing else is looked at
\b
Status: 0 done, 1 failed, 2 there is a difference (diff --non-zero-exit-code) or used wrongly.
"""


@click.group(epilog=EXAMPLES)
def config() -> None:
    """Bring a file into the database as a whole, and out of it."""
    gc.disable()  # the objects of a large state stay: looking for garbage there takes more than half of the time
    click.get_current_context().call_on_close(gc.enable)


tag_option: Callable[[Any], Any] = click.option(
    "--tag", default="", metavar="TAG", help="Only what carries this tag, which what is made carries.  [default: all]"
)
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
state_argument: Callable[[Any], Any] = click.argument(
    "state", type=click.Path(dir_okay=False, path_type=Path), metavar="STATE"
)


@config.command()
@config_option
@tag_option
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write, not print.")
def dump(file: Path | None, tag: str, output: Path | None) -> None:
    """Print the state as sync reads it.  Keys stand there as digests, which are worth nothing under another pepper."""
    with opened(configured(file)) as database:
        text = write_document(as_written(database.call(read_state, tag)))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise failure([f"{output}: {error.strerror}"]) from error
    click.echo(f"{nearby(str(output))}: written")


@config.command()
@state_argument
@config_option
@tag_option
@json_option
@click.option("--non-zero-exit-code", is_flag=True, help="End with status 2 when there is a difference.")
def diff(state: Path, file: Path | None, tag: str, as_json: bool, non_zero_exit_code: bool) -> None:
    """Say what sync would do with STATE, and do nothing."""
    node = configured(file)
    wanted = _valid(state, node)
    with opened(node) as database:
        upgrade(database)
        found = database.call(plan, wanted, _peppers(database, node).digests, tag)
    _tell(found, as_json=as_json, done=False)
    raise SystemExit(DIFFERS if non_zero_exit_code and found.differences else 0)


@config.command()
@state_argument
@config_option
@tag_option
@json_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--if-position", type=int, metavar="N", help="Refuse when anything was changed since N, which diff --json prints."
)
def sync(state: Path, file: Path | None, tag: str, as_json: bool, dry_run: bool, if_position: int | None) -> None:
    """Make the database what STATE says, in one transaction.

    What is not in STATE is removed: without a tag all of it, with one what carries the tag.
    """
    node = configured(file)
    wanted = _valid(state, node)
    with opened(node) as database:
        upgrade(database)
        digests = _peppers(database, node).digests
        if dry_run:
            found = database.call(plan, wanted, digests, tag)
        else:
            found = database.call(
                bring, wanted, digests, actor=f"{getpass.getuser()} (twgw config sync)", tag=tag, position=if_position,
                now=time.time(),  # noqa: TID251 - a command has no other clock
                progress=_progress, write=True,
            )  # fmt: skip
    _tell(found, as_json=as_json, done=not dry_run)


@config.command()
@state_argument
@config_option
def validate(state: Path, file: Path | None) -> None:
    """Say everything that is wrong with STATE for this node, each with its line and path."""
    _valid(state, configured(file))
    click.echo(f"{nearby(str(state))}: valid")


def _valid(state: Path, node: Config) -> State:
    """The state in a file that would be served.  What is wrong with it ends the command before anything is touched."""
    try:
        loaded = load_state(state)
        faults = check_loaded(loaded, find_plugins(node.plugins.directories), node.allowed)
    except InvalidFileError as error:
        faults = list(error.lines)
    except PluginConflict as error:
        faults = [f"plugins: {error}"]
    if faults:
        raise failure(faults)
    return loaded.state


def _peppers(database: Database, node: Config) -> Peppers:
    try:
        return Peppers(ensure_peppers(database, node, time.time()))  # noqa: TID251 - as above
    except PepperError as error:
        raise failure([str(error)]) from error
    except OSError as error:
        raise failure([f"{error.filename}: {error.strerror}"]) from error


def _progress(done: int, steps: int) -> None:
    """For people who wait; nothing of it stands in what a machine reads."""
    if steps >= MANY and sys.stderr.isatty():
        click.echo(f"\r{done} of {steps}", nl=done == steps, err=True)


def _tell(found: Plan, *, as_json: bool, done: bool) -> None:
    """Each difference with its details, and how many there are."""
    if as_json:
        document = {"position": found.position, "done": done, "differences": list(map(_document, found.differences))}
        click.echo(json.dumps(document, indent=2))
        return
    for each in found.differences:
        click.echo(str(each))
        for line in each.details:
            click.echo(f"    {line}")
    count = Counter(each.action for each in found.differences)
    if not count:
        click.echo("No difference.")
    else:
        click.echo(", ".join(f"{number} {action}" for action, number in sorted(count.items())))
        click.echo(f"Position {found.position}." if done else "Nothing was changed.")


def _document(each: Difference) -> dict[str, Any]:
    return {"action": each.action, "noun": each.noun, "name": each.name, "details": list(each.details)}
