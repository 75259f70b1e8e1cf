"""The option ``--config`` of the commands, and how they say that something is wrong.  Used by every ``cli`` file."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from twgw.config import Config, load
from twgw.credentials import Pepper, PepperError, load_pepper
from twgw.faults import InvalidFileError

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


def node_pepper(config: Config) -> Pepper:
    """The pepper of the node; its file and directory are made when they are missing."""
    if config.node.pepper:
        return config.node.pepper
    try:
        config.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return load_pepper(pepper_file(config))
    except PepperError as error:
        raise failure([str(error)]) from error
    except OSError as error:
        raise failure([f"{error.filename}: {error.strerror}"]) from error


def pepper_file(config: Config) -> Path:
    """Where the pepper is kept that is not in the configuration."""
    return config.node.data_dir / "pepper"


def failure(lines: Iterable[str]) -> click.ClickException:
    """The end of a command that could not do what it was asked; its status is 1."""
    return click.ClickException("\n".join(nearby(line) for line in lines))


def nearby(line: str) -> str:
    """A line that begins with a path, which is named from the working directory, the shortest way."""
    place, colon, rest = line.partition(":")
    return os.path.normpath(place).removeprefix(f"{Path.cwd()}/") + colon + rest if place else line
