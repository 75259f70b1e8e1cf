"""Send requests to one upstream: choose a target, send, try again by one rule.

``service.py`` makes a ``Caller`` for each upstream of a deployment; its ``call`` is the last link of the forward phase.
The servers and their connections are the ``Fleet``'s and outlive deployments.
"""

from collections.abc import Callable, Generator
from typing import Any, Final

from twgw.gateway.balancer import Balancer
from twgw.gateway.fleet import Fleet, Server
from twgw.gateway.forwarding import loops, upstream_request
from twgw.gateway.health import RetryBudget
from twgw.gateway.problems import UpstreamFailed
from twgw.gateway.relay import Stream
from twgw.gateway.running import Running
from twgw.gateway.upstream import Broken, UpstreamConnection
from twgw.model import Upstream
from twgw.policy.exchange import Exchange, Response

_IDEMPOTENT: Final = frozenset("GET HEAD OPTIONS PUT DELETE QUERY PROPFIND REPORT SEARCH".split())

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests say even that they have no body (RFC 9110, 8.6)."""


class Caller:
    """Sends requests to one upstream."""

    def __init__(self, upstream: Upstream, fleet: Fleet) -> None:
        self.upstream = upstream
        self.servers = fleet.servers_of(upstream)
        self.fleet = fleet
        self.budget = RetryBudget()
        self.several = len(self.servers) > 1
        self._balancer = Balancer([target.weight for target in upstream.targets])

    def call(self, exchange: Exchange) -> "Call":
        """Send a request; what is returned is awaited for the response.  Raises UpstreamFailed for a loop."""
        headers = exchange.request.headers
        if "via" in headers.shape.special and loops(headers, self.fleet.pseudonym):
            raise UpstreamFailed(508, "Loop detected", "the request came through this gateway before")
        self.budget.request()
        call = Call(self, exchange)
        call.attempt()
        return call

    def choose(self, failed: tuple[int, ...]) -> int:
        """The next target: a usable one that did not fail this request; else any, for there is nothing to lose."""
        servers = self.servers
        now = self.fleet.now()
        choose = self._balancer.choose
        number = choose(lambda each: each not in failed and servers[each].usable(now))
        if number is None:
            number = choose(lambda each: each not in failed)
        if number is None:
            number = choose(lambda _each: True)
        return 0 if number is None else number


class Call:
    """One request on its way to an upstream and back.  Awaiting it gives the response.

    Any method is sent again when no byte of it was sent; an idempotent one when no byte of a response came and the
    body is still there; each at most ``retries`` times and within the budget of 10 %.
    """

    _number = 0
    _failed: tuple[int, ...] = ()
    _connecting: Running | None = None
    _connection: UpstreamConnection | None = None
    _started = 0.0
    _response: Response | None = None
    _error: BaseException | None = None
    _resume: Callable[[], None] | None = None

    def __init__(self, caller: Caller, exchange: Exchange) -> None:
        self._caller = caller
        self._exchange = exchange

    # --- whoever waits for it ------------------------------------------------------------------------

    def then(self, resume: Callable[[], None]) -> None:
        """Call this when it has ended, now if it has."""
        if self._response is None and self._error is None:
            self._resume = resume
        else:
            resume()

    def result(self) -> Response:
        """The response.  Raises UpstreamFailed, or what the client's body raised."""
        error = self._error
        if error is not None:
            try:
                raise error
            finally:
                self._error = error = None  # or its traceback would keep this frame, and the frame the error
        assert self._response is not None
        return self._response

    def __await__(self) -> Generator["Call", None, Response]:
        if self._response is None and self._error is None:
            yield self
        return self.result()

    def cancel(self, error: BaseException) -> None:
        """Nobody waits any more: the upstream need not go on."""
        self._resume = None
        connecting, self._connecting = self._connecting, None
        connection, self._connection = self._connection, None
        if connecting is not None:
            connecting.cancel(error)
        if connection is not None:
            connection.abandon()

    # --- trying --------------------------------------------------------------------------------------

    def attempt(self) -> None:
        """Send the request to a target, over a connection that waits there or a new one."""
        caller, exchange = self._caller, self._exchange
        if caller.several:
            self._number = caller.choose(self._failed)
        server = caller.servers[self._number]
        exchange.target = server.place.url
        exchange.tries += 1
        now = caller.fleet.now()
        if not self._started:
            self._started = now
        if server.idle:
            self._send(server, server.idle.pop(), now)
        else:
            self._connecting = connecting = Running(self._connect(server), self._connected)
            connecting.start()

    async def _connect(self, server: Server) -> None:
        connection = await self._caller.fleet.connect(server)
        self._send(server, connection, self._caller.fleet.now())

    def _connected(self, error: BaseException | None) -> None:
        self._connecting = None
        if error is not None:
            self.fail(error)

    def _send(self, server: Server, connection: UpstreamConnection, now: float) -> None:
        exchange, caller = self._exchange, self._caller
        request, where, method = exchange.request, server.place, exchange.request.method
        authority = "" if caller.upstream.preserve_host and request.host else where.authority
        fields = upstream_request(exchange, authority, caller.fleet.pseudonym)
        content, upload = request.content, request.body
        if content is not None or upload is not None or method in _WITH_BODY:
            framing, content, upload = _framed(content, upload)
            fields += framing
        query = f"?{request.query}" if request.query else ""
        head = f"{method} {where.path}{exchange.upstream_path}{query} HTTP/1.1\r\n{fields}\r\n"
        self._connection = connection
        connection.request(self, head.encode("latin-1"), content, upload, method == "HEAD", exchange.interim, now)

    def wake(self, response: Response, now: float) -> None:
        """The head of the response is here, and perhaps its body."""
        self._connection = None
        self._exchange.upstream_seconds = now - self._started
        self._response = response
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def fail(self, error: BaseException) -> None:
        """No response will come over this connection: try again, or give up."""
        self._connection = None
        if isinstance(error, Broken):
            self._failed += (self._number,)
            if self._again(error):
                self.attempt()
                return
            now = self._caller.fleet.now()
            self._exchange.upstream_seconds = now - self._started
            why = f"{self._exchange.target}: {error.detail}"
            late = error.status == 504
            title = "The upstream did not answer in time" if late else "The upstream failed"
            cause, error = error, UpstreamFailed(504 if late else 502, title, why)
            error.__cause__ = cause.with_traceback(None)
        self._error = error
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def _again(self, broken: Broken) -> bool:
        caller, exchange = self._caller, self._exchange
        if exchange.tries > caller.upstream.retries:
            return False
        request = exchange.request
        if broken.sent:
            if broken.answered or request.method not in _IDEMPOTENT or broken.status == 504:
                return False
            if isinstance(request.body, Stream) and request.content is None and not request.body.replayable:
                return False
        return caller.budget.retry()


def _framed(content: bytes | None, upload: Any) -> tuple[str, bytes | None, Any]:
    """The framing of a request body; its content when that is there as a whole, else the body on its way."""
    if content is None and upload is not None:
        if not (isinstance(upload, Stream) and upload.complete and upload.replayable):
            length = upload.length
            framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
            return f"{framing}\r\n", None, upload
        content = upload.whole()
    return f"Content-Length: {len(content or b'')}\r\n", content, None
