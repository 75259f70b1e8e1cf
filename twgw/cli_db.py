"""``twgw db …``: the tables of the database that a node uses, and a copy of it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from twgw.cli_config import config_option, configured, failure, nearby, opened
from twgw.config import Config
from twgw.credentials import new_pepper
from twgw.startup import ensure_peppers
from twgw.storage.database import Database
from twgw.storage.keys import rotate_key
from twgw.storage.upgrade import SchemaStatus, schema_status
from twgw.storage.upgrade import upgrade as bring_forward

T = TypeVar("T")

EXAMPLES = """\b
Examples:
  twgw db status --config etc/twgw.toml    are the tables those of this version?
  twgw db upgrade --config etc/twgw.toml   make or change them; starting a node does that, too
  twgw db backup twgw-backup.db            copy a SQLite database while it is in use
  twgw db rotate signing                   another key for signing tokens, before its time
"""


@click.group(epilog=EXAMPLES)
def db() -> None:
    """Look after the database."""


@db.command()
@config_option
def upgrade(file: Path | None) -> None:
    """Bring the tables to this version.

    It may be ended and run again at any time, and by several nodes at once.  There is no way back but a backup.
    """
    config = configured(file)
    before, after = _with_database(config, lambda database: (bring_forward(database), schema_status(database)))
    if before.is_current:
        click.echo(f"The tables are those of this version: {after.current}")
    elif before.current is None:
        click.echo(f"Made the tables of this version: {after.current}")
    else:
        click.echo(f"Upgraded the tables from {before.current} to {after.current}")


@db.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def status(file: Path | None, as_json: bool) -> None:
    """Say which tables the database has, and which this version needs.  The status is 1 when these differ."""
    config = configured(file)
    found = _with_database(config, schema_status)
    if as_json:
        document = {"database": config.database_url, "current": found.current, "wanted": found.wanted}
        click.echo(json.dumps({**document, "is_current": found.is_current}, indent=2))
    else:
        click.echo(f"{nearby(config.database_url)}: {_in_words(found)}")
    raise SystemExit(0 if found.is_current else 1)


@db.command()
@config_option
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
def backup(file: Path | None, target: Path) -> None:
    """Copy a SQLite database to the new FILE, as it is at one moment.  A node may use it meanwhile.

    FILE holds keys and digests: keep it as you keep the database.
    """
    from twgw.storage.backup import backup as copy

    try:
        _with_database(configured(file), lambda database: copy(database, target))
    except OSError as error:
        raise failure([f"{error.filename or target}: {error.strerror}"]) from error
    click.echo(f"Copied to {target}")


@db.command()
@config_option
@click.argument("secret", type=click.Choice(["pepper", "signing"]))
def rotate(file: Path | None, secret: str) -> None:
    """Make another pepper, or another key for signing tokens.  Nodes take it within a second, nobody is refused.

    Keys and tokens that were made under an older pepper stay good.  A new key for signing is published for ten minutes
    before it signs; the old one verifies until its last token has expired.
    """
    config = configured(file)
    now = time.time()  # noqa: TID251 - a command has no other clock
    with opened(config) as database:
        if not schema_status(database).is_current:
            raise failure([_in_words(schema_status(database))])
        if secret == "signing":
            from twgw.keymanager.service import rotate as rotate_signing

            database.call(rotate_signing, config.keymanager.access_seconds, now=now, write=True)
        else:
            ensure_peppers(database, config, now)
            database.call(rotate_key, "pepper", _pepper_text, overlap=None, now=now, write=True)
    click.echo(f"There is a new {'pepper' if secret == 'pepper' else 'key for signing'}")


def _pepper_text(version: int) -> str:
    return new_pepper(version).text


def _in_words(found: SchemaStatus) -> str:
    if found.is_current:
        return f"has the tables of this version: {found.current}"
    return f"has {found.current or 'no tables'}, and this version needs {found.wanted}; run: twgw db upgrade"


def _with_database(config: Config, function: Callable[[Database], T]) -> T:
    """Do something with the database of a node.  What is wrong ends the command."""
    with opened(config) as database:
        return function(database)
