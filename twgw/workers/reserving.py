"""How a worker reserves numbers of limits with its parent, where no memcached counts them.

The worker counts as a node does on memcached (``throttle/shared.py``); what it would ask of a server, it asks of its
parent, over the connection that it has anyway.  The parent answers out of its memory (``throttle/numbers.py``).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import define
from twisted.internet.defer import DeferredList

from twgw.cluster.commands import Refused, Reserve
from twgw.cluster.protocol import Peer
from twgw.throttle.numbers import Numbers
from twgw.throttle.reservation import Add, Answer, Command, Put, Reply
from twgw.throttle.servers import Sent

TOGETHER = 400
"""Commands in one question: none is longer than 100 bytes, and a value of a box has 65,535."""
KINDS = {"a": Add, "p": Put}


@define(eq=False)
class Parent:
    """The server of counters that the parent is.  ``peers`` gives the connection to it, while there is one."""

    peers: Callable[[], Iterable[Peer]]
    reactor: Any
    fault: str = ""
    """Why the last batch was not answered; empty when it was."""

    def send(self, commands: Sequence[Command], answered: Sent) -> None:
        """Do all of them, in order; ``answered`` is told what became of each, or None when nobody knows."""
        peer = next(iter(self.peers()), None)
        if peer is None:
            self.fault = "there is no connection to it"
            self.reactor.callLater(0, answered, None)
            return
        parts = [commands[place : place + TOGETHER] for place in range(0, len(commands), TOGETHER)]
        asked = DeferredList([peer.ask(Reserve, wanted=write_wanted(part)) for part in parts], consumeErrors=True)
        asked.addCallback(self._answered, answered)

    def _answered(self, results: Sequence[tuple[bool, Any]], answered: Sent) -> None:
        failed = [str(answer.value) for success, answer in results if not success]
        self.fault = next(iter(failed), "")
        answered(None if failed else [it for _, answer in results for it in read_replies(answer["replies"])])

    def stop(self) -> None:
        """The connection ends with its service."""


def answering(numbers: Numbers, wall: Callable[[], float]) -> Callable[[Peer, bytes], dict[str, bytes]]:
    """What answers Reserve in the parent.  ``wall`` is UNIX time."""

    def answer(_peer: Peer, wanted: bytes) -> dict[str, bytes]:
        return {"replies": write_replies(numbers.do(read_wanted(wanted), wall()))}

    return answer


def write_wanted(commands: Sequence[Command]) -> bytes:
    """Commands as they are sent."""
    return json.dumps([["a" if isinstance(it, Add) else "p", *it] for it in commands], separators=(",", ":")).encode()


def read_wanted(data: bytes) -> list[Command]:
    """The same again.  Raises Refused."""
    try:
        found = [KINDS[kind](*rest) for kind, *rest in json.loads(data)]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Refused("asks for something that is not known") from error
    if any(not isinstance(it[0], str) or not all(type(number) is int for number in it[1:]) for it in found):
        raise Refused("asks for something that is not known")
    return found


def write_replies(replies: Sequence[Reply]) -> bytes:
    """Answers as they are sent."""
    return json.dumps([list(it) if isinstance(it, Answer) else it for it in replies], separators=(",", ":")).encode()


def read_replies(data: bytes) -> list[Reply]:
    """The same again."""
    return [Answer(*it) if isinstance(it, list) else it for it in json.loads(data)]
