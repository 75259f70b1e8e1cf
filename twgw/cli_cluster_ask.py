"""Asks another node of the cluster, for the commands: over its channel, and with an end.  Used by ``cli_cluster*``."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from twgw.cli_config import failure
from twgw.cluster.settings import Address
from twgw.config import Config

T = TypeVar("T")
WAIT = 15.0
"""Seconds for another node to answer."""


def here(config: Config, reactor: Any, identity: Any = None) -> Any:
    """Who asks: this node, or, before it has a certificate, whoever wants to be it."""
    from twgw.clock import ReactorClock
    from twgw.cluster.authority import Identity
    from twgw.cluster.here import Here
    from twgw.metrics import Registry

    mine = identity or Identity(config.cluster.name, config.node.name)
    return Here.of(mine, ReactorClock(reactor), _Silent(), Registry(), {})


class _Silent:
    """The log of a command: what goes wrong, it says itself."""

    def info(self, text: str, **fields: Any) -> None:
        """Nothing."""

    warn = error = info


def answered(where: Address, ask: Callable[[Any], Awaitable[T]]) -> T:
    """What comes of asking another node.  What goes wrong ends the command."""
    from twisted.internet.defer import Deferred
    from twisted.internet.defer import TimeoutError as Late
    from twisted.internet.task import react

    from twgw.cluster.commands import Away, Broken, Lost, Refused
    from twgw.cluster.joining import JoinError

    found: list[T] = []
    why: list[str] = []

    async def asked(reactor: Any) -> None:
        try:
            found.append(await Deferred.fromCoroutine(ask(reactor)).addTimeout(WAIT, reactor))  # type: ignore[arg-type]
        except Late:
            why.append(f"no answer in {WAIT:.0f} s")
        except (Away, Broken, JoinError, Lost, Refused) as error:
            why.append(str(error))

    with suppress(SystemExit):
        react(lambda reactor: Deferred.fromCoroutine(asked(reactor)))
    if why or not found:
        raise failure([f"{where}: {why[0] if why else 'failed'}"])
    return found[0]
