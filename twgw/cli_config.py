"""The option ``--config`` of the commands, and how they say that something is wrong.  Used by every ``cli`` file."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twgw.config import Config, load
from twgw.credentials import Pepper, PepperError, load_pepper
from twgw.faults import InvalidFileError

if TYPE_CHECKING:
    from twgw.storage.database import Database

config_option: Callable[[Any], Any] = click.option(
    "--config",
    "-c",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="TWGW_CONFIG",
    metavar="FILE",
    help="Configuration of the node, as for twistd twgw.  [default: the variable TWGW_CONFIG, else the defaults]",
)


def configured(file: Path | None) -> Config:
    """The configuration that a node would have.  Ends the command with every fault in it."""
    try:
        return load(file, os.environ, {})
    except InvalidFileError as error:
        raise failure(error.lines) from error


def left_out(file: Path | None) -> str:
    """What to say where no configuration is named, and one stands in this folder: it is another node that is meant."""
    here = Path("twgw.toml")
    return f"{here} in this folder was not named: --config {here}, or TWGW_CONFIG" if not file and here.exists() else ""


def node_pepper(config: Config) -> Pepper:
    """The pepper for new keys; it is made where there is none yet.

    Where a file is the state it stands in the data directory, else in the database.
    """
    try:
        config.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if config.state.file is None:
            return _in_database(config)
        return config.node.pepper or load_pepper(pepper_file(config))
    except PepperError as error:
        raise failure([str(error)]) from error
    except OSError as error:
        raise failure([f"{error.filename}: {error.strerror}"]) from error


def _in_database(config: Config) -> Pepper:
    from twgw.startup import ensure_peppers
    from twgw.storage.upgrade import upgrade

    with opened(config) as database:
        upgrade(database)
        return ensure_peppers(database, config, time.time())[0]  # noqa: TID251 - a command has no other clock


def pepper_file(config: Config) -> Path:
    """Where the pepper is kept that is not in the configuration."""
    return config.node.data_dir / "pepper"


@contextmanager
def opened(config: Config) -> Iterator["Database"]:
    """The database of a node.  What is wrong with it ends the command."""
    from twgw.startup import open_database
    from twgw.storage.errors import Conflict, Unavailable
    from twgw.storage.moving import look_aside

    if config.state.file is not None:
        raise failure([f"{config.state.file} is the state of this node ([state] file): it has no database"])
    if config.cluster.keymanagers:
        asked = ", ".join(map(str, config.cluster.keymanagers))
        raise failure([f"this node has no database, it asks {asked} ([cluster] keymanagers): run the command there"])
    if config.database.url is None:
        config.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_database(config)
    try:
        look_aside(config.database_place.file)
        yield database
    except Unavailable as error:
        raise failure(error.lines) from error
    except Conflict as error:
        raise failure([str(error)]) from error
    finally:
        database.close()


def failure(lines: Iterable[str]) -> click.ClickException:
    """The end of a command that could not do what it was asked; its status is 1."""
    return click.ClickException("\n".join(nearby(line) for line in lines))


def nearby(line: str) -> str:
    """A line that begins with a path, which is named from the working directory, the shortest way."""
    place, colon, rest = line.partition(":")
    return os.path.normpath(place).removeprefix(f"{Path.cwd()}/") + colon + rest if place else line
