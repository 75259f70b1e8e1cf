"""The command line of ``twistd twgw``: the configuration, what overrides it, and how a start ends that fails."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from twisted.internet.error import CannotListenError
from twisted.python import usage

from twgw import __version__
from twgw.checking import check_files
from twgw.config import load
from twgw.credentials import PepperError
from twgw.faults import InvalidFileError
from twgw.gateway.transport import DirectReactor
from twgw.policy.registry import PluginConflict
from twgw.storage.errors import Unavailable


def install_reactor() -> None:
    """Install our epoll reactor, unless another one is there already."""
    if "twisted.internet.reactor" not in sys.modules:
        from twisted.internet.main import installReactor

        installReactor(DirectReactor())


class Options(usage.Options):
    """The command line of ``twistd twgw``."""

    synopsis = "[--config FILE] [--set SETTING=VALUE]... [--check]"
    longdesc = (
        "An API gateway. Without a configuration it starts with defaults: traffic on port 8080, health and metrics on "
        "127.0.0.1:8081, and a demo API in ./twgw-data. `twgw init DIR` writes files to begin with."
    )
    optParameters = [  # noqa: N815 - Twisted's name, and what it wants
        ["config", "c", None, "The configuration, a TOML file (default: the variable TWGW_CONFIG, else none)."],
    ]
    optFlags = [  # noqa: N815 - as above
        ["check", None, "Load, validate and compile everything, say what is wrong, and exit."],
    ]

    def __init__(self) -> None:
        install_reactor()
        self._given: dict[str, str] = {}
        super().__init__()

    def opt_set(self, given: str) -> None:
        """A setting that wins over file and environment, as gateway.listen=tcp:9000; may stand several times."""
        name, equals, value = given.partition("=")
        if not equals:
            raise usage.UsageError(f"--set {given}: write SECTION.SETTING=VALUE, as gateway.listen=tcp:9000")
        self._given[name.strip()] = value

    opt_s = opt_set

    def opt_version(self) -> None:
        """Print the version of twgw and exit."""
        print(f"twgw {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:  # noqa: N802 - Twisted's name
        """Load the configuration.  What is wrong with it ends the start with a line for each fault."""
        path = self["config"] or os.environ.get("TWGW_CONFIG")
        try:
            self.loaded = load(Path(path) if path else None, os.environ, self._given)
        except InvalidFileError as error:
            give_up(error.lines)
        if self["check"]:
            faults = check_files(self.loaded)
            if faults:
                give_up(faults)
            print("The configuration and the state are valid.")
            raise SystemExit(0)


def give_up(faults: Iterable[str]) -> NoReturn:
    """End the start: what is wrong, a line each, and nothing else."""
    for line in faults:
        print(line, file=sys.stderr)
    raise SystemExit(1)


@contextmanager
def in_words() -> Iterator[None]:
    """What is wrong ends the start with a line for each fault, not with a traceback."""
    try:
        yield
    except (InvalidFileError, Unavailable) as error:
        give_up(error.lines)
    except CannotListenError as error:
        where = f"{error.interface or 'any address'} port {error.port}"
        give_up([f"cannot listen on {where}: {error.socketError}; is another gateway running there?"])
    except OSError as error:
        give_up([f"{error.filename}: {error.strerror}" if error.filename else str(error)])
    except (PepperError, PluginConflict, ValueError) as error:
        give_up([str(error)])
