"""Keys and subscriptions in a memcached for all gateways, between the memory of each and the registry.

It stands before a ``Reader``: what is asked for is looked for there first, and what had to be read is put there.  An
entry counts when it was made by a node (``entries.py``) and nothing that it rests on changed since it was read
(``cache.py``); else it is as if there were none.  So whatever memcached does, answers are right, and only slower.
A server that did not answer is not asked for a second.  Made by ``startup.py`` where ``[memcached] keys`` names some.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from attrs import define, field

from twgw.cache import Cache
from twgw.cluster.encoding import Garbled, read_facts, write_facts
from twgw.credentials import Peppers
from twgw.entries import name_of, opened, seal
from twgw.gateway.running import Pause
from twgw.memcached import VALUES, Get, Memcached, Store
from twgw.policy.interfaces import Clock, Metrics
from twgw.reader import Found, Key, Reader, Right
from twgw.registry import Head
from twgw.storage.errors import Unavailable
from twgw.throttle.reservation import place_of
from twgw.throttle.settings import Memcached as Settings

LASTS = 3600.0
"""Seconds for which an entry is kept."""
REST = 1.0
"""Seconds for which a server is not asked that did not answer."""
LOOK_BACK = 1000
"""Positions of the log before the beginning of which is read what they changed."""

Answered = Callable[[list[Any] | None], None]
Send = Callable[[Sequence[Get | Store], Answered], None]


@define(eq=False)
class Server:
    """One server."""

    send: Send
    rests_until: float = 0.0


@define(eq=False)
class KeyCache:
    """The ``facts`` of a reader, by way of memcached.  ``servers`` by their names."""

    reader: Reader
    cache: Cache
    servers: dict[str, Server]
    peppers: Peppers
    namespace: str
    clock: Clock
    counter: Any
    _begun: tuple[int, int] = field(default=(-1, -1), init=False)

    @property
    def whom(self) -> str:
        """Who is asked for what is not there."""
        return self.reader.whom

    async def facts(self, wanted: Sequence[Key | Right], now: float) -> list[Found]:
        """What is known of each thing.  Raises Unavailable."""
        if not self.peppers.known:
            return await self.reader.facts(wanted, now)
        await self._look_back()
        names = [name_of(self.peppers.known[0], self.namespace, one) for one in wanted]
        found = await self._look(names, wanted, now)
        missing = [place for place, each in enumerate(found) if each is None]
        if missing:
            read = await self.reader.facts([wanted[place] for place in missing], now)
            self._put([names[place] for place in missing], read, now)
            for place, each in zip(missing, read, strict=True):
                found[place] = each
        return [each for each in found if each is not None]

    async def _look_back(self) -> None:
        """Once after each beginning: know the log before it, or nothing that was read earlier could be used."""
        cache = self.cache
        begun = cache.epoch, cache.begun
        if begun == self._begun:
            return
        self._begun = begun
        try:
            news = await self.reader.news(Head(cache.epoch, max(cache.begun - LOOK_BACK, 0)), 0)
        except Unavailable:
            return
        if news is not None and begun == (cache.epoch, cache.begun):
            cache.look_back([(record.pos, record.tag) for record in news.records if record.pos <= cache.begun])

    async def _look(self, names: list[str], wanted: Sequence[Key | Right], now: float) -> list[Found | None]:
        found: list[Found | None] = [None] * len(names)
        waits = []
        for server, places in self._by_server(names).items():
            if self.clock.now() < server.rests_until:
                self.counter.add(("resting",), len(places))
                continue
            pause = Pause()
            waits.append(pause)

            def answered(
                values: list[Any] | None, server: Server = server, places: list[int] = places, pause: Pause = pause
            ) -> None:
                if values is None:
                    server.rests_until = self.clock.now() + REST
                    self.counter.add(("failed",), len(places))
                for place, value in zip(places, values or (), strict=False):
                    found[place] = self._judged(names[place], wanted[place], value, now)
                pause.wake()

            server.send([Get(names[place]) for place in places], answered)
        for pause in waits:
            await pause
        return found

    def _judged(self, name: str, one: Key | Right, value: bytes | None, now: float) -> Found | None:
        """What an entry says, if it counts."""
        if value is None:
            self.counter.add(("miss",))
            return None
        data = opened(self.peppers.known[0], name, value)
        try:
            found = read_facts(data, [one])[0] if data is not None else None
        except Garbled:  # of another version
            found = None
        if found is None or found[0].payload is None:
            self.counter.add(("refused",))
            return None
        if not self.cache.usable(found[0], now):
            self.counter.add(("stale",))
            return None
        self.counter.add(("hit",))
        return found[0], {right: fact for right, fact in found[1].items() if self.cache.usable(fact, now)}

    def _put(self, names: list[str], read: Sequence[Found], now: float) -> None:
        """Put what was read there; nobody waits for it."""
        for server, places in self._by_server(names).items():
            stores = []
            for place in places:
                fact, _ = read[place]
                entry = seal(self.peppers.known[0], names[place], write_facts([read[place]])) if fact.payload else None
                if entry is not None and fact.expires > now:
                    stores.append(Store(names[place], entry, ceil(min(fact.expires, now + LASTS))))
            if stores and self.clock.now() >= server.rests_until:
                server.send(stores, lambda _values: None)

    def _by_server(self, names: list[str]) -> dict[Server, list[int]]:
        servers, known = list(self.servers.values()), list(self.servers)
        found: dict[Server, list[int]] = {}
        for place, name in enumerate(names):
            found.setdefault(servers[place_of(name, known)], []).append(place)
        return found


def with_key_cache(
    reader: Reader, cache: Cache, settings: Settings, peppers: Peppers, clock: Clock, metrics: Metrics, reactor: Any
) -> tuple[Any, list[Memcached]]:
    """A reader of facts, by way of memcached where servers are named for that; and the doors to them."""
    if not settings.keys or reactor is None:
        return reader, []
    text = "Keys and subscriptions that were looked for in memcached, by what came of it."
    counter = metrics.counter("twgw_key_cache", text, ("result",))
    doors = {str(address): Memcached(reactor, address, settings.timeout, VALUES) for address in settings.keys}
    servers = {name: Server(door.send) for name, door in doors.items()}
    made = KeyCache(reader, cache, servers, peppers, settings.namespace, clock, counter)
    return made, list(doors.values())
