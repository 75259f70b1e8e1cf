"""What all connections of a node to others share.  Made by ``service.py``, given to every ``protocol.Peer``."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.protocols.amp import Command

from twgw.cluster.authority import Identity
from twgw.cluster.commands import VERSIONS
from twgw.cluster.refusals import Refusals
from twgw.cluster.removals import Removals
from twgw.cluster.turns import Turns
from twgw.policy.interfaces import Clock, Log, Metrics

Answer = Callable[..., Any]
"""Answers a command: called with the peer and the arguments; returns a mapping, or a Deferred of one."""


@define(eq=False)
class Here:
    """What all connections of a node share.

    ``answers`` has what each command is answered by; ``arrived`` and ``left`` are called with a peer that said hello,
    and when it is gone.
    """

    identity: Identity
    boot: str
    now: Callable[[], float]
    log: Log
    refusals: Refusals
    answers: Mapping[type[Command], Answer] = field(factory=dict)
    arrived: Callable[[Any], object] = lambda _peer: None
    left: Callable[[Any], object] = lambda _peer: None
    abilities: tuple[str, ...] = ()
    """What this version can do beside the least; both ends know the other's."""
    versions: tuple[int, int] = VERSIONS
    removals: Removals = field(factory=Removals)
    """Whose certificates are refused although they are good."""
    peers: set[Any] = field(factory=set)
    """All that are connected, also those who said nothing yet."""
    turns: Turns = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.turns = Turns(self.refusals)

    @classmethod
    def of(
        cls, identity: Identity, clock: Clock, log: Log, metrics: Metrics, answers: Mapping[type[Command], Answer]
    ) -> "Here":
        """That of a process that has just begun."""
        meaning = "What other nodes, or those who are none, sent and were refused, by the reason."
        refusals = Refusals(metrics.counter("twgw_cluster_refused", meaning, ("reason",)), log, clock.now)
        return cls(identity, secrets.token_hex(8), clock.now, log, refusals, answers)

    def count(self) -> int:
        """How many said hello."""
        return sum(peer.greeted for peer in self.peers)

    def look(self) -> None:
        """See who is too slow or silent; called every second."""
        for peer in list(self.peers):
            peer.look()
        self.turns.look()
