"""Ends what is under way when whoever asked for it may do so no longer.

A request is judged when it comes; an answer that is streamed, or a body that is sent, may go on for hours after that.
So ``follower.py`` has whoever is named by a record of the log judged once more, as a request would be that comes now:
blocks, the credential as the registry has it, the policies that authorize.  Who would be refused is cut off.

Requests pay nothing for it: the connections are walked once when records came that may concern them.
"""

import hashlib
from collections.abc import Awaitable, Collection, Iterable
from functools import partial
from typing import Any, Protocol

from twgw.gateway.blocks import Blocks
from twgw.gateway.registry import Facts
from twgw.gateway.running import run_detached
from twgw.model import Credential, Isolated
from twgw.policy.chain import is_awaitable
from twgw.policy.exchange import Exchange
from twgw.policy.interfaces import Gateway
from twgw.reader import Key
from twgw.registry import Record

CONCERNED = ("application", "block", "subscription", "token", "user")
"""Kinds of records after which somebody may be cut off."""
ISOLATED_FOR = 30.0
"""Seconds for which a gateway that is cut off from its cluster lets go on what it let in before."""
TAG_DIGITS = 32
"""Of a digest, in the tag of a token."""


class Connection(Protocol):
    """What is needed of an ``Edge``."""

    @property
    def under_way(self) -> Exchange | None:
        """The exchange that is not at its end."""

    def cut(self, exchange: Exchange, reason: str) -> bool:
        """End an exchange; False while nothing is streamed of it yet."""


class Streams:
    """Looks after exchanges under way.  ``connections`` are those of all clients."""

    def __init__(self, connections: Collection[Connection], facts: Facts, gateway: Gateway) -> None:
        self._connections = connections
        self._facts = facts
        self._gateway = gateway
        self._condemned: dict[Connection, tuple[Exchange, str]] = {}
        self._isolated_since: float | None = None
        meaning = "Exchanges that were cut off under way, as their caller may not call any more, by API."
        self._counted = gateway.metrics.counter("twgw_streams_cut", meaning, ("api",))

    def judge(self, records: Iterable[Record], blocks: Blocks) -> None:
        """Records were applied: who is concerned is judged once more."""
        concerned = [record for record in records if record.kind in CONCERNED]
        if concerned:
            tags = frozenset(record.tag for record in concerned if record.kind != "block")
            self._judge(blocks, tags, anybody=any(record.kind == "block" for record in concerned))

    def judge_all(self, blocks: Blocks) -> None:
        """Records are missing: everybody is judged once more."""
        self._judge(blocks, None, anybody=True)

    def look(self, *, trusted: bool) -> None:
        """Cut off who was condemned and streams by now; called every second.

        Also everybody known, when this gateway has not heard for long who was revoked.
        """
        condemned, self._condemned = self._condemned, {}
        for connection, (exchange, reason) in condemned.items():
            self._cut(connection, exchange, reason)
        if trusted:
            self._isolated_since = None
            return
        now = self._gateway.clock.now()
        if self._isolated_since is None:
            self._isolated_since = now
        elif now - self._isolated_since >= ISOLATED_FOR:
            for connection, exchange in self._under_way():
                stale = exchange.plan.api.when_isolated is Isolated.STALE
                if exchange.credential is not None and not stale:
                    self._cut(connection, exchange, "the gateway is cut off from its cluster")

    def _under_way(self) -> list[tuple[Connection, Exchange]]:
        found = []
        for connection in self._connections:
            exchange = connection.under_way
            if exchange is not None and exchange.plan is not None and exchange.plan.api_id:
                found.append((connection, exchange))
        return found

    def _judge(self, blocks: Blocks, tags: frozenset[str] | None, *, anybody: bool) -> None:
        of_callers = blocks.of_callers()
        doors: dict[str, Any] = {}
        for connection, exchange in self._under_way():
            api = exchange.plan.api_id
            if anybody and api not in doors:
                doors[api] = blocks.at_the_door(api)
            checks = (doors[api], of_callers) if anybody else ()
            if any(check is not None and check(_probe(exchange)) is not None for check in checks):
                self._cut(connection, exchange, "blocked under way")
            elif exchange.credential is not None and (tags is None or tags & tags_of(exchange)):
                still = self._may_still(exchange, exchange.credential)
                run_detached(self._decide(connection, exchange, still), partial(self._failed, connection, exchange))

    async def _decide(self, connection: Connection, exchange: Exchange, still: Awaitable[bool]) -> None:
        if not await still:
            self._cut(connection, exchange, "revoked under way")

    def _failed(self, connection: Connection, exchange: Exchange, error: BaseException) -> None:
        """Whoever cannot be judged goes the way of a request that cannot."""
        self._cut(connection, exchange, f"cannot be checked: {error}")

    async def _may_still(self, exchange: Exchange, credential: Credential) -> bool:
        """Whether the same request would be let in now.  Raises what the policies raise."""
        if credential.digest is not None:
            name = hashlib.blake2b(f"again\0{credential.kind}\0{credential.digest}".encode(), digest_size=16).digest()
            fact = self._facts.cache.find(name, self._gateway.clock.wall())
            wanted = Key(name, credential.kind, (credential.digest,))
            found = fact.payload if fact is not None else await self._facts.get(wanted)
            if found is None:
                return False
        probe = _probe(exchange)
        for link in exchange.plan.chains.authorize:
            answer = link.call(probe, link.settings, link.gateway)
            if answer is not None and is_awaitable(answer):
                answer = await answer
            if answer is not None:
                return False
        return True

    def _cut(self, connection: Connection, exchange: Exchange, reason: str) -> None:
        if connection.under_way is not exchange:
            return
        if connection.cut(exchange, reason):
            self._counted.add((exchange.plan.api_id,))
        else:
            self._condemned[connection] = (exchange, reason)  # it waits for its answer, which may be a long one


def tags_of(exchange: Exchange) -> set[str]:
    """Everything whose change may end the right of an exchange with a credential."""
    credential = exchange.credential
    assert credential is not None
    tags = {f"app:{credential.application}", f"sub:{credential.application}/{exchange.plan.api_id}"}
    if credential.user:
        tags.add(f"user:{credential.user}")
    if credential.digest:
        tags.add(f"tok:{credential.digest.partition(':')[2][:TAG_DIGITS]}")
    return tags


def _probe(exchange: Exchange) -> Exchange:
    """The same request, for those who judge it: what they note of it is of no account."""
    probe = Exchange(exchange.request)
    probe.plan, probe.route, probe.params = exchange.plan, exchange.route, exchange.params
    probe.credential, probe.came_by = exchange.credential, exchange.came_by
    probe.attributes.update(exchange.attributes)
    return probe

