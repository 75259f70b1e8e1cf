"""Asks another node of the cluster, for the commands: over its channel, and with an end.  Used by ``cli_cluster*``."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import click

from twgw.cli_config import failure
from twgw.cluster.settings import Address
from twgw.config import Config

T = TypeVar("T")
WAIT = 15.0
"""Seconds for another node to answer."""
UNMET = (
    "Is that the host of the node, is it started, and that its [cluster] listen (8091 unless it says otherwise; no "
    "port for traffic)?  Look at the firewall between the two."
)
"""What to look at when nothing came of it that a node of a cluster would say."""


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


def answered(places: Sequence[Address], ask: Callable[[Any, Address], Awaitable[T]]) -> tuple[Address, T]:
    """What comes of asking another node, and which: the first that answers.  What goes wrong ends the command."""
    from twisted.internet.defer import Deferred
    from twisted.internet.defer import TimeoutError as Late
    from twisted.internet.task import react

    from twgw.cluster.commands import Away, Broken, Lost, Refused
    from twgw.cluster.joining import JoinError

    found: list[tuple[Address, T]] = []
    why: list[str] = []
    met = False

    async def asked(reactor: Any) -> None:
        nonlocal met
        for where in places:
            try:
                asking: Deferred[T] = Deferred.fromCoroutine(ask(reactor, where))  # type: ignore[arg-type]
                answer = await asking.addTimeout(WAIT, reactor)
            except Late:
                why.append(f"{where}: no answer in {WAIT:.0f} s")
            except (Away, Broken, JoinError, Lost, Refused) as error:
                why.append(f"{where}: {error}")
                met = met or not isinstance(error, Lost)
            else:
                found.append((where, answer))
                return
            if where != places[-1]:
                click.echo(f"{why[-1]}; asking the next", err=True)

    with suppress(SystemExit):
        react(lambda reactor: Deferred.fromCoroutine(asked(reactor)))
    if not found:
        raise failure([*(why or [f"{places[0]}: failed"]), *([UNMET] if not met else [])])
    return found[0]
