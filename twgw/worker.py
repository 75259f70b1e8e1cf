"""The program of a worker: a process that carries part of the traffic of a node, started by ``workers/children.py``.

It is no command: all that it needs comes through a pipe from its parent, and when that ends, it drains and ends.  When
the parent dies without that, the kernel kills it, also while it is stopped: a worker without its parent serves nobody.
"""

import ctypes
import os
import signal
import sys
from typing import Any

from twisted.internet.stdio import StandardIO
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.protocols.basic import LineOnlyReceiver
from zope.interface import provider

from twgw.gateway.service import on_signals
from twgw.options import give_up, install_reactor
from twgw.tap import Node
from twgw.workers import lines
from twgw.workers.children import RELOAD
from twgw.workers.handed import Handed

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve, until the parent says that it is enough."""
    _die_with_the_parent()
    handed = Handed.read(_first_line(0))
    globalLogBeginner.beginLoggingTo([_log], redirectStandardIO=False, discardBuffer=True)
    install_reactor()
    from twisted.internet import reactor

    run(reactor, handed)


def run(reactor: Any, handed: Handed) -> None:
    """Serve with a reactor."""
    try:
        node = Node(reactor, handed.config, handed)
    except (OSError, ValueError) as error:
        give_up([str(error)])
    node.privilegedStartService()
    node.startService()
    reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
    on_signals(reactor, reactor.stop, node.reload, lambda: None)
    StandardIO(Orders(reactor, node), reactor=reactor)
    reactor.run(installSignalHandlers=False)


class Orders(LineOnlyReceiver):
    """What the parent says; its end is the last order."""

    delimiter = RELOAD[-1:]

    def __init__(self, reactor: Any, node: Node) -> None:
        self._reactor = reactor
        self._node = node

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """There is one order beside the last."""
        if line == RELOAD[:-1]:
            self._node.reload()

    def connectionLost(self, _reason: object = None) -> None:  # noqa: N802 - Twisted's name
        """The parent has no more to say: drain, and end."""
        if self._reactor.running:
            self._reactor.stop()


def _die_with_the_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that comes.  Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl: this process would outlive its parent")


def _first_line(descriptor: int) -> bytes:
    """A line, and not a byte more."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece:
            raise SystemExit(0)  # the parent is gone already
        line += piece
    return bytes(line)


@provider(ILogObserver)
def _log(event: LogEvent) -> None:
    """Give it to the parent: what is said of the gateway, and what of Twisted is worth a look."""
    level = event.get("log_level", LogLevel.info)
    if level >= LogLevel.warn or event.get("log_namespace") == "twgw":
        failure = event.get("log_failure")
        text = formatEvent(event) + (f"\n{failure.getTraceback()}" if failure is not None else "")
        sys.stderr.write(lines.written(level.name, text))
        sys.stderr.flush()


if __name__ == "__main__":
    main()
