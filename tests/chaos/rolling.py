"""Restart the nodes of a cluster one after the other, as an upgrade does, while clients ask through a load balancer.

The balancer is one as any other: it asks ``/readyz``, gives connections to nodes that say yes, and takes the next node
when one refuses a connection.  It knows nothing of HTTP beyond that, and repeats nothing.
"""

import asyncio
import threading
from contextlib import suppress
from time import monotonic, sleep

from tests.chaos.load import Connection
from tests.chaos.world import BACK_WITHIN, KEY_MANAGERS

LOOK = 0.2
"""Seconds between two looks of the balancer."""


class Balancer:
    """In front of some nodes of a world."""

    def __init__(self, world, names):
        self.port = 0
        self.given = dict.fromkeys(names, 0)
        """Connections, by node."""
        self._world, self._names, self._turn = world, names, 0
        self._ready = list(names)
        self._loop = asyncio.new_event_loop()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop.run_forever, daemon=True),
            threading.Thread(target=self._look, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512), self._loop
        ).result()
        self.port = self._server.sockets[0].getsockname()[1]

    def _look(self):
        while not self._ended.wait(LOOK):
            self._ready = [name for name in self._names if self._world[name].status()[0] == 200]

    async def _accept(self, reader, writer):
        ends = [writer]
        with suppress(OSError, asyncio.CancelledError):
            other_reader, other_writer = await self._connected()
            ends.append(other_writer)
            await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))
        for each in ends:
            each.transport.abort()

    async def _connected(self):
        ready = self._ready or self._names
        self._turn += 1
        order = [ready[(self._turn + place) % len(ready)] for place in range(len(ready))]
        order += [name for name in self._names if name not in order]
        for name in order:
            with suppress(OSError):
                ends = await asyncio.open_connection(self._world[name].node.host, self._world[name].node.port)
                self.given[name] += 1
                return ends
        raise ConnectionRefusedError

    def end(self):
        """Let go of everything."""
        self._ended.set()

        async def end():
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join()
        self._loop.close()


async def pump(reader, writer):
    """What comes goes on, and so does its end."""
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


class Callers:
    """Clients that ask all the time: half of them keep their connection as long as they may, and some send a body."""

    def __init__(self, port, token, count=4, pace=0.01):
        self.answered, self.failed, self.took = 0, [], []
        self._port, self._fields, self._pace = port, {"Authorization": f"Bearer {token}"}, pace
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number % 2 == 0, b"x" * 2000 if number > 1 else None), daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, keeps, body):
        connection = Connection(self._port)
        while not self._stop.wait(self._pace):
            began = monotonic()
            status, fields, text = connection.ask("POST" if body else "GET", "/pets", body, self._fields)
            self.took.append(monotonic() - began)
            if status == 200:
                self.answered += 1
            else:
                self.failed.append((status, text[:200]))
            if not keeps or fields.get("Connection", "").lower() == "close":
                connection.close()
        connection.close()

    def stop(self):
        """After the request under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self


def restart(world, name):
    """As systemd does it: SIGTERM, and when it has ended, it is started again.  Returns its exit status."""
    member = world[name]
    status = member.terminate()
    member.start()
    end = monotonic() + BACK_WITHIN
    while member.status()[0] != 200:
        assert monotonic() < end, member.status()
        sleep(0.05)
    sleep(2 * LOOK)  # whoever restarts nodes waits until the balancer has seen the last one
    return status


def roll(world, times, names=KEY_MANAGERS):
    """Restart all of them, one after the other, so many times; how often that was no clean end."""
    return sum(restart(world, name) != 0 for _ in range(times) for name in names)
