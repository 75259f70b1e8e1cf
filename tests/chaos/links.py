"""A network between processes of one machine that can be told to fail: each link is a port, or a socket, that leads to
another one.  ``namespaces.py`` is another network, for root.

What is cut is not closed: bytes wait, as packets do that are sent again and again, and go on when it is healed.  A cut
may be one way.  Every link counts what it held up, so that a fault that nobody noticed is not counted as one.
"""

import asyncio
import threading
from contextlib import suppress
from functools import partial

PIECE = 65536
THERE, BACK = "there", "back"
WAYS = (THERE, BACK)


class Link:
    """One of them.  ``target`` is a port of this machine, or the path of a socket."""

    def __init__(self, network, name, target, path=None):
        self.name, self.target, self.path = name, target, path
        self.held = 0
        """How many pieces and connections had to wait, so far."""
        self.bytes = 0
        """How many it let through, both ways."""
        self.port = 0
        self._network = network
        self._open = {way: asyncio.Event() for way in WAYS}
        self._delay = 0.0
        for event in self._open.values():
            event.set()

    @property
    def address(self):
        """Where it begins, if that is a port."""
        return f"127.0.0.1:{self.port}"

    def cut(self, *ways):
        """Let nothing through, one way or both."""
        self._network.do(lambda: [self._open[way].clear() for way in ways or WAYS])

    def delay(self, seconds):
        """Let everything come so much later."""
        self._network.do(partial(setattr, self, "_delay", seconds))

    def heal(self):
        """Let everything through."""
        self.delay(0.0)
        self._network.do(lambda: [event.set() for event in self._open.values()])

    async def begin(self):
        """Listen."""
        if self.path is not None:
            server = await asyncio.start_unix_server(self._accept, self.path)
        else:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
        self._network.servers.append(server)
        return self

    async def _accept(self, reader, writer):
        ends = [writer]
        try:
            await self._pass(THERE)
            await self._pass(BACK)
            connect = asyncio.open_unix_connection if isinstance(self.target, str) else asyncio.open_connection
            where = (self.target,) if isinstance(self.target, str) else ("127.0.0.1", self.target)
            other_reader, other_writer = await connect(*where)
            ends.append(other_writer)
            await asyncio.gather(self._pump(THERE, reader, other_writer), self._pump(BACK, other_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # nobody listens there; the network is taken down
        finally:
            for each in ends:
                each.transport.abort()

    async def _pass(self, way):
        if not self._open[way].is_set():
            self.held += 1
            await self._open[way].wait()
        if self._delay:
            self.held += 1
            await asyncio.sleep(self._delay)

    async def _pump(self, way, reader, writer):
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._pass(way)
                self.bytes += len(piece)
                writer.write(piece)
                await writer.drain()
        await self._pass(way)  # an end is a packet, too
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class Network:
    """All links, in a thread of their own."""

    lacks = frozenset({"loss"})
    """Faults that it cannot bring about: what it carries may be late, and never gets lost."""

    def __init__(self):
        self.links, self.servers = {}, []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @staticmethod
    def host(_member):
        """The address of a member, for others and for this process."""
        return "127.0.0.1"

    @staticmethod
    def within(_member):
        """What stands before a command, so that its process belongs to a member."""
        return ()

    def link(self, name, target, path=None):
        """Another link, which is there at once, at a port of its own or at a socket with a path."""
        async def begin():
            return await Link(self, name, target, path).begin()

        self.links[name] = asyncio.run_coroutine_threadsafe(begin(), self._loop).result()
        return self.links[name]

    def do(self, what):
        """In the thread of the links; when it returns it is done."""
        async def now():
            what()

        asyncio.run_coroutine_threadsafe(now(), self._loop).result()

    def close(self):
        """End every connection."""
        async def end():
            for each in self.servers:
                each.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
