"""Carry the messages of nodes to each other: frozen attrs classes, as JSON, by the names of their classes.

A message has no answer and may be lost with its connection; what it means rests on positions.  Whoever makes a Carrier
says which classes there are, and which role of a certificate may send each.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.protocols.amp import Command

from twgw.cluster.commands import Refused, Tell
from twgw.cluster.here import Answer
from twgw.cluster.protocol import Peer
from twgw.faults import SettingsError
from twgw.later import understood
from twgw.schema import as_written


@define(eq=False)
class Carrier:
    """Sends messages, and hands on those that come.

    ``senders`` has the role that may send messages of a class; ``hear`` is called with who sent one, and with it.
    """

    senders: Mapping[type[Any], str]
    hear: Callable[[Peer, Any], object]
    _kinds: dict[str, type[Any]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kinds = {kind.__name__: kind for kind in self.senders}

    @property
    def answers(self) -> Mapping[type[Command], Answer]:
        """What hears of messages, for ``Here.answers``."""
        return {Tell: self._heard}

    def tell(self, peer: Peer, message: Any) -> None:
        """Send a message; a connection that is gone takes it without a word."""
        peer.tell(Tell, kind=type(message).__name__, body=json.dumps(as_written(message), allow_nan=False).encode())

    def _heard(self, peer: Peer, kind: str, body: bytes) -> dict[str, Any]:
        """A message came.  Raises Refused for what is not one, or not from somebody who may send it."""
        cls = self._kinds.get(kind)
        if cls is None:
            raise Refused("a message of a kind that is not known here")
        if peer.identity is None or self.senders[cls] not in peer.identity.roles:
            raise Refused(f"a {cls.__name__} is for a {self.senders[cls]} to send")
        try:
            message = understood(cls, json.loads(body))
        except (SettingsError, ValueError, RecursionError) as error:
            raise Refused(f"a {cls.__name__} that is not understood") from error
        self.hear(peer, message)
        return {}
