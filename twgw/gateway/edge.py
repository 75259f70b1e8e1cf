"""The client side of the gateway: bytes to exchanges, responses to bytes, one exchange after the other.

One ``Edge`` per connection, made by ``Front`` (in ``service.py``), which lends it everything that is not its own.
It parses a head, lets ``pipeline.handle`` run, writes the response and begins again; what a client sends meanwhile
waits in order.
"""

import re
from collections.abc import Callable
from math import inf
from typing import Any, Final
from typing import Protocol as Interface

from attrs import define, field
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twgw.gateway import pipeline, problems
from twgw.gateway.chunked import LAST_CHUNK, ChunkedReader, chunk
from twgw.gateway.deadlines import Deadlines
from twgw.gateway.forwarding import Networks, client_address, hop, status_line
from twgw.gateway.http1 import BadMessage, Limits, RequestHead, check_partial, parse_request
from twgw.gateway.problems import BodyLost, BodyTooLarge
from twgw.gateway.relay import HELD, Stream
from twgw.gateway.running import Gone
from twgw.gateway.transport import no_delay, unread, unsent
from twgw.policy.exchange import LOOPBACK, Exchange, Problem, Request, Response
from twgw.policy.headers import Headers
from twgw.policy.interfaces import Gateway
from twgw.throttle.fields import lines as limit_lines

DRAIN: Final = 64 * 1024
"""Bytes of an unwanted request body that are read to save the connection; more, and it is closed."""
LINGER: Final = 5.0
"""Seconds for which what a client still sends is thrown away, so that it can read why it was refused."""
EMPTY: Final = Headers()


class Deployed(Interface):
    """What an edge needs of the current deployment."""

    def refuse(self, exchange: Exchange) -> None:
        """Give an exchange whose problem is known the plan for requests without an API."""

    def find(self, exchange: Exchange, head: RequestHead) -> None:
        """Set plan, route, params, upstream_path of the exchange, or its problem and the plan for unrouted ones."""


@define(eq=False)
class Front:
    """What all connections of a listener share.  ``deployment`` is replaced as one when a new state is deployed."""

    gateway: Gateway
    deadlines: Deadlines
    deployment: Deployed
    date: Callable[[], str]
    scheme: str = "http"
    server_name: Callable[[Any], str] | None = None
    """What tells the name that the client of a TLS connection asked for."""
    limits: Limits = Limits()  # noqa: RUF009 - it is frozen
    pseudonym: str = "twgw"
    trusted_proxies: Networks = ()
    max_request_body: int = 10 * 1024 * 1024
    header_timeout: float = 10.0
    keepalive_timeout: float = 60.0
    body_grace: float = 10.0
    body_min_rate: float = 1024.0
    send_timeout: float = 30.0
    draining: bool = False
    via: str = field(init=False)
    """The line that every response of ours has (RFC 9110, 7.6.3)."""

    @via.default
    def _via(self) -> str:
        return f"Via: 1.1 {self.pseudonym}\r\n"


@implementer(IHalfCloseableProtocol)
class Edge(Protocol):
    """One client connection."""

    __slots__ = (
        "_buffer", "_body_began", "_body_left", "_came_by", "_chunks", "_chunked_out", "_closing", "_download",
        "_edges", "_exchange", "_front",
        "_head", "_keep", "_meant", "_memo", "_memo_bytes", "_paused", "_peer", "_ready", "_seen", "_serving",
        "_stalled", "_timed", "_unsent", "_upload", "deadline", "slot", "transport",
    )  # fmt: skip
    transport: Any

    def __init__(self, front: Front, edges: "set[Edge]") -> None:
        self._front = front
        self._edges = edges
        self._buffer = b""
        self._seen = 0
        self._memo: RequestHead | None = None
        self._memo_bytes = b""
        self._exchange: Exchange | None = None
        self._head: RequestHead | None = None
        self._upload: Stream | None = None
        self._chunks: ChunkedReader | None = None
        self._body_left = 0
        self._body_began = 0.0
        self._download: Stream | None = None
        self._chunked_out = False
        self._keep = True
        self._closing = False
        self._serving = False
        self._paused = False
        self._stalled = False
        self._timed = False
        self._ready = True
        self._unsent = 0
        self._peer = ""
        self._meant = ""
        self._came_by = LOOPBACK
        self.deadline = inf
        self.slot = -1

    # --- the connection ------------------------------------------------------------------------------

    def makeConnection(self, transport: Any) -> None:  # noqa: N802 - Twisted's name
        """As Twisted's, without an attribute that would cost every connection a dictionary."""
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """A client is here; its first head must come in time."""
        no_delay(self.transport)
        self.transport.registerProducer(self, True)
        self._edges.add(self)
        peer = getattr(self.transport.getPeer(), "host", "") or "unknown"
        self._peer = peer.removeprefix("::ffff:")
        self._came_by = hop(self._peer, self._front.scheme, self._front.trusted_proxies)
        self._front.deadlines.arm(self, self._front.header_timeout)

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: N802, ARG002, B008
        """The client has left, or we closed."""
        self.deadline = inf
        self._front.deadlines.forget(self)
        self._edges.discard(self)
        self._closing = True
        self._buffer = b""
        upload, self._upload = self._upload, None
        download, self._download = self._download, None
        exchange = self._exchange
        _cancel(exchange)  # first: nobody must answer on a connection that is gone
        if upload is not None:
            upload.lose(BodyLost(499, "The client left"))
        if download is not None:
            download.abandon()
        if exchange is not None:
            if not exchange.refused_by:
                exchange.refused_by, exchange.reason = "client", "left before the end of the response"
            exchange.status = 499
            self._log(exchange)

    def readConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        """The client sends no more, so it has left; if it still reads, it must not take a part for the whole."""
        if self._exchange is not None:
            self._abort("client", "left before the end of the response")
        else:
            self._close()

    def writeConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        """Our half is closed; the client's end follows."""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Bytes from the client."""
        if self._ready and 0 < data.find(b"\r\n\r\n") == len(data) - 4:  # a head and no more: nearly always
            self._ready = False
            head = self._memo if data == self._memo_bytes else self._parse(data)
            if head is not None:
                self._begin(head, b"")
            return
        self._ready = False
        if self._closing:
            return
        if self._upload is not None:
            self._read_body(data)
            return
        if self._exchange is not None or self._stalled:
            self._buffer += data
            if len(self._buffer) > HELD:
                self._hold()
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._serve(data)

    def _serve(self, data: bytes) -> None:
        """Begin the exchanges whose heads are here, one after the other."""
        self._serving = True
        while data:
            end = data.find(b"\r\n\r\n")
            if end == -1:
                self._await_head(data)
                break
            end += 4
            if self._seen:
                self._seen = 0
            head_bytes = data[:end]
            head = self._memo if head_bytes == self._memo_bytes else self._parse(head_bytes)
            if head is None:
                break
            self._begin(head, data[end:])
            if self._exchange is not None or self._closing:
                break
            if self._upload is not None:
                break
            if self._stalled:
                self._await_client()
                self._hold()
                break
            data, self._buffer = self._buffer, b""
        self._serving = False
        if self._exchange is None and self._upload is None and not (self._buffer or self._closing or self._stalled):
            self._ready = True
            self._front.deadlines.arm(self, self._front.keepalive_timeout)

    def _parse(self, data: bytes) -> RequestHead | None:
        """A head; None when it was refused."""
        if data.startswith(b"\r\n"):
            if data.startswith(b"\r\n\r\n"):
                self._refuse(BadMessage(400, "Empty line before a request"))
                return None
            data = data[2:]  # one empty line before a request is forgiven (RFC 9112, 2.2)
        try:
            head = parse_request(data, self._front.limits)
        except BadMessage as error:
            self._refuse(error)
            return None
        if len(data) <= 2048:
            self._memo, self._memo_bytes = head, data
        return head

    def _await_head(self, data: bytes) -> None:
        """Part of a head: keep it, unless nothing can make it right; it must be whole in time."""
        front = self._front
        if data == b"\r" or data == b"\r\n":
            self._buffer = data  # remembered, as only one empty line is forgiven
            if self.deadline == inf:  # it is no head yet, and keeps no connection
                self._front.deadlines.arm(self, self._front.keepalive_timeout)
            return
        if data.startswith(b"\r\n"):
            data = data[2:]
            if data.startswith((b"\r", b"\n")):
                self._refuse(BadMessage(400, "Empty line before a request"))
                return
        try:
            check_partial(data, self._seen, front.limits)
        except BadMessage as error:
            self._refuse(error)
            return
        self._buffer = data
        if not self._seen:
            front.deadlines.arm(self, front.header_timeout)
            self._timed = True
        self._seen = len(data)

    def _refuse(self, error: BadMessage) -> None:
        """Answer what cannot be understood, and close."""
        self._buffer = b""
        request = Request("-", "-")
        request.peer = request.client = self._peer
        request.scheme = self._front.scheme
        exchange = Exchange(request)
        exchange.started_at = self._front.gateway.clock.now()
        exchange.problem = problems.of_bad_message(error)
        exchange.problem.close = True
        self._front.deployment.refuse(exchange)
        self._head = None
        self._keep = False
        self._run(exchange)

    # --- one exchange --------------------------------------------------------------------------------

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        front = self._front
        came_by = self._came_by
        request = Request(head.method, head.path, Headers.of(head.shape, head.lines))
        request.host = head.host
        request.target = head.target
        request.peer = request.client = self._peer
        if head.query:
            request.query = head.query
        if came_by.remarkable:
            request.scheme = came_by.scheme
            request.client = client_address(came_by, request.headers, front.trusted_proxies)
        exchange = Exchange(request)
        exchange.came_by = came_by
        exchange.started_at = front.deadlines.now()
        self._head = head
        self._keep = not front.draining
        self.deadline = inf
        self._timed = False
        self._buffer = rest
        if head.plain:
            exchange.interim = self._send_interim
        elif not self._begin_special(head, exchange, rest):
            return
        if front.server_name is not None and head.host != self._meant and self._is_misdirected(head.host):
            exchange.problem = problems.misdirected()
            front.deployment.refuse(exchange)
        else:
            front.deployment.find(exchange, head)
        self._exchange = exchange
        pipeline.handle(exchange, front.gateway, self._answered)

    def _begin_special(self, head: RequestHead, exchange: Exchange, rest: bytes) -> bool:
        """What not every request has; whether it may go on."""
        front, request = self._front, exchange.request
        self._keep = head.keep_alive and not front.draining
        request.version = head.version
        request.body_limit = front.max_request_body
        exchange.nominated = head.nominated
        if head.version == "1.1":
            exchange.interim = self._send_interim
        fault = self._begin_body(head, exchange, rest) if head.length != 0 else None
        if fault is None:
            return True
        exchange.problem = Problem(fault.status, fault.title, close=True)
        front.deployment.refuse(exchange)
        self._run(exchange)
        return False

    def _is_misdirected(self, host: str) -> bool:
        """Whether a request over TLS names another host than its connection was opened to (RFC 9110, 7.4)."""
        assert self._front.server_name is not None
        name = self._front.server_name(self.transport)
        if name and name != re.sub(r"\.?(:[0-9]*)?\Z", "", host):
            return True
        self._meant = host
        return False

    def _run(self, exchange: Exchange) -> None:
        self._exchange = exchange
        pipeline.handle(exchange, self._front.gateway, self._answered)

    def _begin_body(self, head: RequestHead, exchange: Exchange, rest: bytes) -> BodyLost | None:
        """Prepare for a request body; what of it is already here goes in.  Returns what is wrong with that."""
        upload = self._upload = exchange.request.body = Stream(self, head.length, keep=True)
        if head.length is None:
            self._chunks = ChunkedReader()
        else:
            self._chunks = None
            self._body_left = head.length
        fault = self._read_body(rest) if rest else None
        exchange.received = upload.received
        if self._upload is upload and not head.expects:
            self._time_body(0)
        return fault

    def _time_body(self, received: int) -> None:
        """Give the body its time from now on: the grace, and as long as it comes fast enough."""
        front = self._front
        if front.body_min_rate:
            self._body_began = front.deadlines.now() - received / front.body_min_rate
            front.deadlines.arm(self, front.body_grace)

    def _read_body(self, data: bytes) -> BodyLost | None:
        """Take the next bytes of the body.  Returns what is wrong with them, which its reader has heard already."""
        upload = self._upload
        assert upload is not None
        chunks = self._chunks
        done = False
        rest = b""
        try:
            if chunks is not None:
                for piece in chunks.feed(data):
                    upload.feed(piece)
                done, rest = chunks.done, chunks.rest
            else:
                left = self._body_left
                if len(data) > left:
                    data, rest = data[:left], data[left:]
                self._body_left = left - len(data)
                done = self._body_left == 0
                upload.feed(data)
        except BadMessage as error:
            return self._break_body(upload, error)
        except BodyTooLarge:
            self._upload = self._chunks = None
            self._keep = False
            return None
        if self._exchange is not None:
            self._exchange.received = upload.received
        if self._upload is not upload:
            return None
        if done:
            self._upload = self._chunks = None
            self._buffer = rest
            self.deadline = inf
            upload.finish()
            if self._exchange is None and not self._serving and not self._closing:
                self._next()
        elif self.deadline != inf:
            front = self._front
            self.deadline = self._body_began + front.body_grace + upload.received / front.body_min_rate
        return None

    def _break_body(self, upload: Stream, error: BadMessage) -> BodyLost:
        """A body that is not well formed: nobody may take it for a whole one, and nothing after it is read."""
        self._upload = self._chunks = None
        self._keep = False
        self._buffer = b""
        fault = BodyLost(error.status, error.title)
        upload.lose(fault)
        if self._exchange is None and not self._serving:
            self._close()
        return fault

    def demand(self) -> None:
        """Somebody wants the request body: a client that waits for leave gets it now."""
        head = self._head
        if head is not None and head.expects and self._upload is not None and not self._upload.received:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._upload is not None:
            self._time_body(0)

    def pause(self) -> None:
        """The upstream is slower than the client, whose time stands still meanwhile."""
        self.deadline = inf
        self._hold()

    def resume(self) -> None:
        """The upstream has room."""
        if self._upload is not None and not self._closing:
            self._time_body(self._upload.received)
        self._release()

    def abandon(self) -> None:
        """Nobody wants the rest of the request body."""

    def _hold(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def _release(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()

    # --- the response --------------------------------------------------------------------------------

    def _send_interim(self, status: int, headers: Headers) -> None:
        if not self._closing:
            text = status_line(status, "") + headers.to_client() + "\r\n"
            self.transport.write(text.encode("latin-1"))

    def _answered(self, error: BaseException | None) -> None:
        """The pipeline has an answer: write it."""
        exchange = self._exchange
        assert exchange is not None
        response = exchange.response
        if error is not None or response is None:
            self._abort("gateway", f"pipeline: {error!r}")
            return
        front, body = self._front, response.body
        if self._upload is not None and isinstance(body, bytes):
            self._settle_upload(self._head)
        exchange.status = status = response.status
        text = status_line(status, response.reason) + response.headers.to_client()
        if exchange.decisions is not None:
            text += limit_lines(exchange.decisions)
        if "date" not in response.headers.shape.places and "date" not in response.headers:  # mostly it is there
            text += f"Date: {front.date()}\r\n"
        if response.close or front.draining:
            self._keep = False
        request = exchange.request
        if not isinstance(body, bytes):
            self._stream(exchange, body, text + front.via)
            return
        if request.method == "HEAD" or status == 204 or status == 304 or status < 200:
            text += front.via + _announced(exchange, response)
            body = b""
        else:
            text += f"{front.via}Content-Length: {len(body)}\r\n"
        text += "\r\n" if self._keep and request.version == "1.1" else self._connection_field(request)
        self.transport.write(text.encode("latin-1") + body)
        exchange.sent = len(body)
        self._finish(exchange)

    def _stream(self, exchange: Exchange, body: Any, text: str) -> None:
        """Send a body that is still on its way, at the pace of the slower side."""
        self._chunked_out = False
        if body.length is not None:
            text += f"Content-Length: {body.length}\r\n"
        elif exchange.request.version == "1.1":
            self._chunked_out = True
            text += "Transfer-Encoding: chunked\r\n"
        else:
            self._keep = False  # its end is the close
        text += self._connection_field(exchange.request)
        self._download = body
        self.transport.write(text.encode("latin-1"))
        body.attach(self)

    def _connection_field(self, request: Request) -> str:
        if not self._keep:
            return "Connection: close\r\n\r\n"
        return "\r\n" if request.version == "1.1" else "Connection: keep-alive\r\n\r\n"

    def body_data(self, data: bytes) -> None:
        """The next piece of the response body."""
        exchange = self._exchange
        if exchange is not None:
            exchange.sent += len(data)
            self.transport.write(chunk(data) if self._chunked_out else data)

    def body_end(self) -> None:
        """The response body is complete."""
        exchange = self._exchange
        if exchange is not None:
            self._download = None
            if self._chunked_out:
                self.transport.write(LAST_CHUNK)
            self._finish(exchange)

    def body_lost(self, error: Exception) -> None:
        """The rest of the response will not come: the client must not take what it has for the whole."""
        self._download = None
        self._abort("upstream", str(error))

    # IPushProducer for the client's transport

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The client reads slowly: hold the upstream, begin no other exchange, and give the client some time."""
        if not self._stalled:
            self._stalled = True
            self._front.deadlines.arm(self, self._front.send_timeout)
        self._unsent = unsent(self.transport)
        if self._download is not None:
            self._download.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The client took everything."""
        self._stalled = False
        if self._closing:
            return
        if self._exchange is not None:
            self.deadline = inf
            if self._download is not None:
                self._download.resumeProducing()
        elif self._upload is None:
            self._next()

    def _await_client(self) -> None:
        """The client has to take something in time."""
        self._unsent = unsent(self.transport)
        self._front.deadlines.arm(self, self._front.send_timeout if self._unsent else LINGER)

    def _takes(self) -> bool:
        """Whether the client took something since it was waited for; then it has time again."""
        if unsent(self.transport) == self._unsent:
            return False
        self._await_client()  # more than before was written by TLS behind our back
        return True

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The client is gone; connectionLost follows."""

    def _settle_upload(self, head: RequestHead | None) -> None:
        """Answered before the request body was read: read on a little, or close after the answer."""
        upload = self._upload
        assert upload is not None
        assert head is not None
        upload.abandon()
        if head.expects or head.length is None or self._body_left > DRAIN:
            self._keep = False
        if not self._keep:
            self._upload = self._chunks = None
        else:
            self._release()
            self._time_body(0)

    def _finish(self, exchange: Exchange) -> None:
        """The last byte is handed to the transport."""
        front = self._front
        self._exchange = None
        exchange.finished_at = now = front.deadlines.now()
        pipeline.log(exchange, front.gateway)
        if self._keep and not (self._upload or self._buffer or self._serving or self._stalled or self._paused):
            self._ready = True  # nothing is here yet of another request: nearly always
            front.deadlines.set(self, now + front.keepalive_timeout)
            return
        if self._upload is not None and exchange.response is not None and exchange.response.body.__class__ is not bytes:
            self._keep = False  # the upstream did not wait for the end of the request
        if not self._keep:
            self._linger()
        elif self._upload is None and not self._serving:
            self._next()

    def _next(self) -> None:
        """Wait for the next request, or serve what came meanwhile."""
        front = self._front
        if front.draining:
            self._close()
            return
        if self._stalled:
            self._await_client()
            self._hold()
            return
        data, self._buffer = self._buffer, b""
        front.deadlines.arm(self, front.keepalive_timeout)
        self._release()
        if data:
            self._serve(data)
        else:
            self._ready = True

    def _log(self, exchange: Exchange) -> None:
        front = self._front
        self._exchange = None
        exchange.finished_at = front.deadlines.now()
        pipeline.log(exchange, front.gateway)

    def _linger(self) -> None:
        """Close, but let the client read the answer first: a close with unread bytes would take it away."""
        self._closing = True
        self._buffer = b""
        self._upload = self._chunks = None
        half_close = getattr(self.transport, "loseWriteConnection", None)
        if half_close is None or self._front.scheme == "https":
            self._close()
            return
        self._await_client()
        self.transport.unregisterProducer()
        half_close()
        self._release()

    def _close(self) -> None:
        self._closing = True
        self._await_client()
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _abort(self, by: str, reason: str) -> None:
        """Cut the connection: a response that is not whole must not look whole."""
        exchange = self._exchange
        self._closing = True
        _cancel(exchange)
        if exchange is not None:
            exchange.refused_by, exchange.reason = by, reason
            exchange.status = 499 if by == "client" else exchange.status or 500
            self._log(exchange)
        self.transport.abortConnection()

    def close_if_idle(self) -> None:
        """Asked at a graceful stop: nothing is lost by closing now."""
        if self._exchange is None and not self._buffer and self._upload is None and not unread(self.transport):
            self._close()

    @property
    def under_way(self) -> Exchange | None:
        """The exchange that is not at its end."""
        return self._exchange

    def cut(self, exchange: Exchange, reason: str) -> bool:
        """End an exchange of which something is streamed, in either direction; False while nothing is."""
        if exchange is not self._exchange or (self._download is None and self._upload is None):
            return False
        self._abort("revocation", reason)
        return True

    def abort(self) -> None:
        """End at once, whatever is under way."""
        self._abort("gateway", "the gateway was stopped")

    def expire(self, now: float) -> None:  # noqa: ARG002 - as Watched
        """The client is too slow."""
        if self._closing or self._stalled:
            if not self._takes():
                self._abort("client", f"took nothing of the response for {self._front.send_timeout:g} s")
        elif self._upload is not None and self._exchange is not None and self._download is None:
            upload, self._upload = self._upload, None
            self._keep = False
            upload.lose(BodyLost(408, "The request body came too slowly"))
            if self._exchange is not None and self._exchange.response is None:
                self._front.deadlines.arm(self, LINGER)
        elif self._exchange is not None:
            self._abort("client", "the request body came too slowly")
        elif self._timed:
            self._refuse(BadMessage(408, "The request head came too slowly"))
        else:
            self._close()


def _cancel(exchange: Exchange | None) -> None:
    """Nobody waits for what is under way."""
    if exchange is not None and exchange.waits_for is not None:
        under_way, exchange.waits_for = exchange.waits_for, None
        under_way.cancel(Gone())


def _announced(exchange: Exchange, response: Response) -> str:
    """The length of a body that is not sent: of the answer to HEAD, and of 304 (RFC 9110, 8.6)."""
    length = None
    if exchange.request.method != "HEAD":
        if response.status == 304:
            length = response.headers.get("content-length")
    elif response.status >= 200 and response.status not in (204, 304):
        length = str(len(response.body)) if response.body else response.headers.get("content-length")  # type: ignore[arg-type]
    return f"Content-Length: {length}\r\n" if length else ""
