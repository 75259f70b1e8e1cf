"""One connection to an upstream server: requests out, responses in, one at a time.

``fleet.py`` makes, pools and retries; this protocol does exactly one exchange after the other and says when it can be
used again: only after a complete, clean response and with nothing left over (one request, one response).
"""

from collections.abc import Callable
from math import inf
from typing import Any, Final
from typing import Protocol as Interface

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twgw.gateway.chunked import LAST_CHUNK, ChunkedReader, chunk
from twgw.gateway.deadlines import Deadlines
from twgw.gateway.http1 import BadMessage, Limits, ResponseHead, parse_response
from twgw.gateway.problems import BodyLost
from twgw.gateway.relay import Stream
from twgw.gateway.transport import no_delay
from twgw.policy.exchange import Response
from twgw.policy.headers import Headers

MAX_INTERIM: Final = 8
HEAD_LIMITS: Final = Limits(head=64 * 1024, line=32 * 1024, fields=256)


class Asking(Interface):
    """Whoever sent a request over a connection, and is told once what came of it."""

    def wake(self, response: Response, now: float) -> None:
        """The head of the response is here, and perhaps its body."""

    def fail(self, error: BaseException) -> None:
        """No response comes: Broken, or what the client's body raised."""


class Broken(Exception):
    """The connection failed before a response; what may be done about it depends on how far it came."""

    def __init__(self, status: int, detail: str, *, sent: bool, answered: bool) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.sent = sent
        """Whether any byte of the request was handed to the network."""
        self.answered = answered
        """Whether any byte of a response came."""


@implementer(IHandshakeListener)
class UpstreamConnection(Protocol):
    """A client connection.  ``ready`` is called once when it can be used, ``idle`` and ``closed`` as it lives on."""

    __slots__ = ("_asking", "_buffer", "_chunks", "_closed", "_deadlines", "_download", "_head_bytes", "_head_parsed",
                 "_idle",
                 "_interim", "_interims", "_left", "_paused", "_ready", "_ready_told", "_reusable", "_sent",
                 "_tls", "_to_head",
                 "_upload", "_upload_chunked", "deadline", "gone", "idle_timeout", "keepalive_timeout",
                 "response_timeout", "slot", "transport", "used")  # fmt: skip
    transport: Any

    def __init__(
        self,
        deadlines: Deadlines,
        ready: Callable[["UpstreamConnection", str], None],
        idle: Callable[["UpstreamConnection"], None],
        closed: Callable[["UpstreamConnection"], None],
        *,
        tls: bool,
    ) -> None:
        self._deadlines = deadlines
        self._ready = ready
        self._ready_told = False
        self._idle = idle
        self._closed = closed
        self._tls = tls
        self.gone = False
        self.used = 0
        self.deadline = inf
        self.slot = -1
        self.response_timeout = self.idle_timeout = self.keepalive_timeout = 60.0
        self._buffer = b""
        self._asking: Asking | None = None
        self._paused = False
        self._upload: Stream | None = None
        self._upload_chunked = False
        self._download: Stream | None = None
        self._chunks: ChunkedReader | None = None
        self._left = 0
        self._to_head = False
        self._reusable = False
        self._sent = False
        self._interim: Callable[[int, Headers], None] | None = None
        self._interims = 0
        self._head_bytes = b""
        self._head_parsed: ResponseHead | None = None

    # --- being connected -----------------------------------------------------------------------------

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """TCP stands; without TLS the connection is ready."""
        no_delay(self.transport)
        if not self._tls:
            self._tell_ready("")

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """The server's certificate was verified."""
        self._tell_ready("")

    def connect_failed(self, problem: str) -> None:
        """No connection was made."""
        self.gone = True
        self._deadlines.forget(self)
        self._tell_ready(problem)
        self._closed(self)

    def rest(self) -> None:
        """Wait among the idle connections: it was made for a request that went away."""
        self._deadlines.arm(self, self.keepalive_timeout)
        self._idle(self)

    def _tell_ready(self, problem: str) -> None:
        if not self._ready_told:
            self._ready_told = True
            self._ready(self, problem)

    # --- one exchange --------------------------------------------------------------------------------

    def request(
        self,
        asking: Asking,
        head: bytes,
        content: bytes | None,
        upload: Stream | None,
        to_head: bool,
        interim: Callable[[int, Headers], None] | None,
        now: float,
    ) -> None:
        """Send a request.

        Args:
            asking: who is told of the response, or of Broken.
            head: the whole head, with its framing fields.
            content: a body that is there as a whole.
            upload: a body that is on its way; chunked when its length is not known.
            to_head: whether it is a HEAD request, whose response has no body.
            interim: what is called with each 1xx response.
            now: the time, monotonic.
        """
        self.used += 1
        self._to_head = to_head
        self._interim = interim
        self._interims = 0
        self._sent = True
        self._asking = asking
        if upload is None:
            self._deadlines.set(self, now + self.response_timeout)
            self.transport.write(head + content if content else head)
        else:
            self._upload = upload
            self._upload_chunked = upload.length is None
            self._deadlines.set(self, now + self.idle_timeout + self.response_timeout)
            self.transport.write(head)
            self.transport.registerProducer(upload, True)
            upload.attach(self)

    def body_data(self, data: bytes) -> None:
        """Send a piece of the request body."""
        if self._upload is not None:
            self.transport.write(chunk(data) if self._upload_chunked else data)
            self._deadlines.arm(self, self.idle_timeout + self.response_timeout)

    def body_end(self) -> None:
        """The request is sent."""
        if self._upload is not None:
            self._upload = None
            if self._upload_chunked:
                self.transport.write(LAST_CHUNK)
            self.transport.unregisterProducer()
            if self._asking is not None:
                self._deadlines.arm(self, self.response_timeout)

    def body_lost(self, error: Exception) -> None:
        """The client did not send the rest: the upstream must not take what came for the whole."""
        if self._upload is not None:
            self._upload = None
            self.transport.unregisterProducer()
            asking, self._asking = self._asking, None
            self.transport.abortConnection()
            if asking is not None:
                asking.fail(error)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Bytes from the upstream."""
        if self._asking is not None:
            if self._buffer:
                data = self._buffer + data
                self._buffer = b""
            self._head(data)
        elif self._download is not None:
            self._body(data)
        else:
            self.transport.abortConnection()  # nothing was asked: never the answer to the next request

    def _head(self, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3:
                if len(data) > HEAD_LIMITS.head:
                    self._fail(502, "response head too large")
                else:
                    self._buffer = data
                return
            head_bytes = data[:end]
            head = self._head_parsed
            if head is None or head_bytes != self._head_bytes or self._to_head:  # else the same bytes as last time
                try:
                    head = parse_response(head_bytes, HEAD_LIMITS, to_head=self._to_head)
                except BadMessage as error:
                    self._fail(502, error.title)
                    return
                if head.status >= 200 and not self._to_head:
                    self._head_bytes, self._head_parsed = head_bytes, head
            if head.status >= 200:
                self._begin(head, data[end:])
                return
            if not self._pass_interim(head):
                return
            data = data[end:]
            if not data:
                return

    def _pass_interim(self, head: ResponseHead) -> bool:
        self._interims += 1
        if self._interims > MAX_INTERIM or head.status == 101:
            self._fail(502, "too many interim responses" if head.status != 101 else "unexpected switch of protocols")
            return False
        if head.status != 100 and self._interim is not None:
            self._interim(head.status, head.headers)
        return True

    def _begin(self, head: ResponseHead, rest: bytes) -> None:
        """A response head came, with what followed it in the same read."""
        length = head.length
        self._reusable = head.keep_alive and length != -1
        headers = Headers.of(head.shape, head.lines)
        if head.nominated:
            headers.remove_all(head.nominated)
        response = Response(head.status, headers, rest, head.reason)
        now = self._deadlines.now()
        if length is None:
            chunks = self._chunks = ChunkedReader()
            try:
                pieces = chunks.feed(rest)
            except BadMessage as error:
                self._fail(502, error.title)
                return
            if chunks.rest:
                self._fail(502, "more bytes than the response has")
                return
            if chunks.done:
                response.body = b"".join(pieces)
                self._answer(response, now)
                return
            download = Stream(self, None)
            for piece in pieces:
                download.feed(piece)
        else:
            if 0 <= length <= len(rest):
                if length < len(rest):
                    self._fail(502, "more bytes than the response has")
                    return
                self._answer(response, now)
                return
            download = Stream(self, None if length == -1 else length)
            self._left = length - len(rest) if length >= 0 else -1
            if rest:
                download.feed(rest)
        self._download = response.body = download
        self._deadlines.set(self, now + self.idle_timeout)
        asking, self._asking = self._asking, None
        assert asking is not None
        asking.wake(response, now)

    def _answer(self, response: Response, now: float) -> None:
        """The whole response came at once."""
        asking, self._asking, self._interim = self._asking, None, None
        assert asking is not None
        if self._reusable and not (self._upload or self._paused or self.gone or self._chunks):  # nearly always
            self._deadlines.set(self, now + self.keepalive_timeout)
            self._idle(self)
        else:
            self._end(now)
        asking.wake(response, now)

    def _body(self, data: bytes) -> None:
        download = self._download
        assert download is not None
        self.deadline = self._deadlines.now() + self.idle_timeout
        chunks = self._chunks
        if chunks is None:
            left = self._left
            if left >= 0:
                if len(data) > left:
                    self._break_body("more bytes than the response has")
                    return
                self._left = left = left - len(data)
            download.feed(data)
            if left == 0 and self._download is download:
                self._finish_body(download)
            return
        try:
            pieces = chunks.feed(data)
        except BadMessage as error:
            self._break_body(error.title)
            return
        if chunks.rest:
            self._break_body("more bytes than the response has")
            return
        for piece in pieces:
            download.feed(piece)
        if chunks.done and self._download is download:
            self._finish_body(download)

    def _finish_body(self, download: Stream) -> None:
        self._download = None
        self._end(self._deadlines.now())
        download.finish()

    def _end(self, now: float) -> None:
        """The response is complete: give the connection back, or end it."""
        self._chunks = self._interim = None
        if self._upload is not None:  # answered before the body was read: what follows would be misread
            upload, self._upload = self._upload, None
            self.transport.unregisterProducer()
            upload.detach()
            self._reusable = False
        if self._reusable and not self.gone:
            if self._paused:  # by a slow client, with the last piece
                self._paused = False
                self.transport.resumeProducing()
            self._deadlines.set(self, now + self.keepalive_timeout)
            self._idle(self)
        else:
            self.deadline = inf
            self.transport.abortConnection()

    def _break_body(self, detail: str) -> None:
        download, self._download, self._chunks = self._download, None, None
        self.transport.abortConnection()
        if download is not None:
            download.lose(BodyLost(502, detail))

    def _fail(self, status: int, detail: str, *, answered: bool = True) -> None:
        asking, self._asking = self._asking, None
        self._buffer = b""
        self._download = self._chunks = None
        if self._upload is not None:
            upload, self._upload = self._upload, None
            self.transport.unregisterProducer()
            upload.detach()
        self.transport.abortConnection()
        if asking is not None:
            asking.fail(Broken(status, detail, sent=self._sent, answered=answered))

    def abandon(self) -> None:
        """The client has left: the response is not wanted any more."""
        self._asking = self._download = self._chunks = None
        if self._upload is not None:
            upload, self._upload = self._upload, None
            self.transport.unregisterProducer()
            upload.detach()
        self.deadline = inf
        self.transport.abortConnection()

    def close(self) -> None:
        """End an idle connection."""
        self.deadline = inf
        self.transport.loseConnection()

    # --- the response body's pace --------------------------------------------------------------------

    def demand(self) -> None:
        """Responses are sent without being asked for."""

    def pause(self) -> None:
        """The client is slower than the upstream; its own deadline is armed meanwhile."""
        self.deadline = inf
        self._paused = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        """The client has room again."""
        if not self.gone:
            self._deadlines.arm(self, self.idle_timeout)
            self._paused = False
            self.transport.resumeProducing()

    # --- time and loss -------------------------------------------------------------------------------

    def expire(self, now: float) -> None:  # noqa: ARG002 - as Watched
        """Too slow, or idle for too long."""
        if self.gone or self.transport is None:
            return  # while TCP connects, the reactor keeps the time
        if self._asking is not None:
            self._fail(504, f"no response within {self.response_timeout:g} s", answered=bool(self._buffer))
        elif self._download is not None:
            self._break_body(f"no data for {self.idle_timeout:g} s")
        else:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: N802, B008 - Twisted's
        """The upstream closed, or we did."""
        self.gone = True
        self._deadlines.forget(self)
        self.deadline = inf
        self._tell_ready(words(reason))
        self._closed(self)
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.detach()
        download = self._download
        if self._asking is not None:
            answered = bool(self._buffer) or self._interims > 0
            asking, self._asking = self._asking, None
            detail = "connection closed before a whole response"
            asking.fail(Broken(502, detail, sent=self._sent, answered=answered))
        elif download is not None:
            self._download = None
            if self._left == -1 and self._chunks is None and _clean(reason):
                download.finish()
            else:
                download.lose(BodyLost(502, "connection closed inside a response"))


def _clean(reason: Failure) -> bool:
    """Whether the other side ended the connection in order; only then is a body that the close ends a whole one."""
    return bool(reason.check(ConnectionDone))


def words(reason: Failure) -> str:
    """A failure in a few words, for the log."""
    value: Any = reason.value
    text = str(value) or ", ".join(str(each) for each in getattr(value, "args", ()))
    return f"{type(value).__name__}: {text}" if text else type(value).__name__
