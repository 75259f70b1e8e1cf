"""A body on its way from one connection to another, in constant memory.

``edge.py`` makes one for a request body, ``upstream.py`` one for a response body; the other side attaches as its sink.
Until then a little is held, then the source is paused; after that the slower side sets the pace.
"""

from typing import Final, Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twgw.gateway.problems import BodyTooLarge
from twgw.gateway.running import Pause

HELD: Final = 64 * 1024
"""Bytes that wait for a sink before the source is paused, and that are kept for a second try."""


class Source(Protocol):
    """The connection that a body comes from."""

    def demand(self) -> None:
        """Somebody wants the body (called once, before the first byte is taken)."""

    def pause(self) -> None:
        """Send no more for now."""

    def resume(self) -> None:
        """Go on."""

    def abandon(self) -> None:
        """Nobody wants the rest."""


class Sink(Protocol):
    """The connection that a body goes to."""

    def body_data(self, data: bytes) -> None:
        """The next piece, never empty."""

    def body_end(self) -> None:
        """All of it came."""

    def body_lost(self, error: Exception) -> None:
        """The rest will not come."""


@implementer(IPushProducer)
class Stream:
    """One body under way.  ``length`` is None when only its end tells how long it is."""

    __slots__ = ("_begun", "_error", "_held", "_kept", "_pieces", "_reader", "_sink", "_source",
                 "complete", "length", "limit", "received")  # fmt: skip

    def __init__(self, source: Source, length: int | None, limit: int = 0, *, keep: bool = False) -> None:
        self._source: Source | None = source
        self.length = length
        self.limit = limit
        """Bytes that are accepted; 0 for no limit."""
        self.received = 0
        self.complete = False
        self._begun = False
        self._error: Exception | None = None
        self._held = 0
        self._pieces: list[bytes] = []
        self._sink: Sink | None = None
        self._reader: Pause | None = None
        self._kept: list[bytes] | None = [] if keep else None

    @property
    def replayable(self) -> bool:
        """Whether a second sink would get the whole body from its beginning."""
        return self._kept is not None or not self._begun

    # --- the source's side -------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """The next piece.  Raises BodyTooLarge."""
        self.received += len(data)
        if self.limit and self.received > self.limit:
            error = BodyTooLarge()
            self.lose(error)
            raise error
        if self._kept is not None:
            if self.received > HELD:
                self._kept = None
            else:
                self._kept.append(data)
        if self._sink is not None:
            self._sink.body_data(data)
            return
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HELD and self._reader is None and self._source is not None:
            self._source.pause()

    def finish(self) -> None:
        """All of it came."""
        self.complete = True
        self._source = None
        if self._sink is not None:
            self._sink.body_end()
        elif self._reader is not None:
            self._reader.wake()

    def lose(self, error: Exception) -> None:
        """The rest will not come."""
        if self.complete or self._error is not None:
            return
        self._error = error
        self._source = None
        if self._sink is not None:
            self._sink.body_lost(error)
        elif self._reader is not None:
            self._reader.fail(error)

    # --- the sink's side ---------------------------------------------------------------------------

    def attach(self, sink: Sink) -> None:
        """Send everything to this sink from now on, from the beginning of the body."""
        if self._begun and self._kept is not None:
            self._pieces = list(self._kept)
        self._sink = sink
        pieces, self._pieces, self._held = self._pieces, [], 0
        self._begin()
        for piece in pieces:
            sink.body_data(piece)
        if self._error is not None:
            sink.body_lost(self._error)
        elif self.complete:
            sink.body_end()
        elif self._source is not None:
            self._source.resume()

    def detach(self) -> None:
        """Hold what comes, for another sink."""
        self._sink = None

    async def read(self, limit: int) -> bytes:
        """Wait for the whole body.  Raises BodyTooLarge past ``limit`` bytes (0: any), BodyLost when it ends early."""
        if limit and (not self.limit or limit < self.limit):
            self.limit = limit
            if self.received > limit:
                raise BodyTooLarge
        if not self.complete:
            if self._error is not None:
                raise self._error
            self._reader = Pause()
            self._begin()
            if self._source is not None:
                self._source.resume()
            await self._reader
        content = b"".join(self._pieces)
        self._pieces = []
        return content

    def whole(self) -> bytes:
        """The whole of a complete, replayable body; it stays replayable."""
        return b"".join(self._pieces if self._kept is None else self._kept)

    def abandon(self) -> None:
        """Nobody wants the rest."""
        self._sink = None
        self._pieces = []
        source, self._source = self._source, None
        if source is not None:
            source.abandon()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            if self._source is not None:
                self._source.demand()

    # --- IPushProducer: the sink's transport sets the pace -------------------------------------------

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The sink is full."""
        if self._source is not None:
            self._source.pause()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The sink has room."""
        if self._source is not None:
            self._source.resume()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The sink is gone; its own connectionLost says what that means."""
