"""Serves a WSGI application from Twisted: in threads of its own, with bounds, and holding what is not in force yet.

``tap.py`` puts one on the admin listener, below ``/admin``, and one on the control listener.  Three traps are closed
here: twisted.web keeps bodies of any size before the application sees them, so they are counted as they come; a pool of
threads that is stopped while requests are in it hangs, so they drain first; and an answer that waits for the gateway
must not hold a thread, so it waits here, after its view has returned.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.threadpool import ThreadPool
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.wsgi import WSGIResource

from twgw.gateway.forwarding import Networks, client_address, hop
from twgw.policy.headers import Headers

POSITION = "twgw-position"
"""The field by which the application says what to wait for: ``position;status when it is not reached;seconds``."""
UNTOLD = "twgw-untold"
"""The field by which it says that the client is not to know which nodes there are."""
REACHED = "Twgw-Reached"
"""The field that tells a client, as JSON, on which nodes its change is in force, and after how many milliseconds."""
NOT_YET = "it is kept, and not yet in force on this node; ask again whether it is, before you rely on it"

THREADS = 16
"""Of one listener.  A thread mostly waits for the database; on SQLite those that wait are written together."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@define(eq=False)
class Served:
    """One WSGI application on one listener."""

    reactor: Any
    application: Wsgi
    reached: Callable[[int], Awaitable[object]]
    """Waits until the gateway of this process has applied the log up to a position."""
    public_url: str = ""
    """How clients call the listener; empty: as the request says."""
    trusted_proxies: Networks = ()
    max_body: int = 1_048_576
    max_waiting: int = 64
    """Requests in threads, or waiting for one; beyond that the answer is 503."""
    drain_timeout: float = 30
    calls: int = 0
    """Requests that are in the application now."""
    held: "set[Hold]" = field(factory=set)
    stopping: bool = False
    _drained: "Deferred[None] | None" = None
    pool: Any = field(factory=lambda: ThreadPool(0, THREADS, "web"))

    def resource(self) -> "Application":
        """What answers below a path."""
        return Application(self, WSGIResource(self.reactor, self.pool, self._run))

    def request(self, *arguments: Any, **options: Any) -> "BoundRequest":
        """The factory of requests for the Site of the listener."""
        made = BoundRequest(*arguments, **options)
        made.served = self
        return made

    def start(self) -> None:
        """Begin to answer."""
        self.pool.start()

    async def stop(self) -> None:
        """Answer what is under way, then end the threads; returns when all of them have ended."""
        self.stopping = True
        for hold in list(self.held):
            hold.let_go()
        if self.calls:
            self._drained = Deferred()
            self._drained.addTimeout(self.drain_timeout, self.reactor, lambda *_: None)
            await self._drained
        self.pool.stop()

    def _run(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """In a thread: the application, which returns its whole answer."""
        try:
            return list(self.application(self._seen(environ), start_response))
        finally:
            self.reactor.callFromThread(self._returned)

    def _returned(self) -> None:
        self.calls -= 1
        if not self.calls and self._drained is not None and not self._drained.called:
            self._drained.callback(None)

    def _seen(self, environ: dict[str, Any]) -> dict[str, Any]:
        """The environment with the address of the client and the URL that it called, as far as they can be believed."""
        peer, scheme = environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]
        came_by = hop(peer, scheme, self.trusted_proxies)
        forwarded = Headers([("X-Forwarded-For", environ.pop("HTTP_X_FORWARDED_FOR", ""))])
        proto, host = environ.pop("HTTP_X_FORWARDED_PROTO", ""), environ.pop("HTTP_X_FORWARDED_HOST", "")
        environ["REMOTE_ADDR"] = client_address(came_by, forwarded, self.trusted_proxies)
        if self.public_url:
            url = urlsplit(self.public_url)
            scheme, environ["HTTP_HOST"] = url.scheme, url.netloc
        elif came_by.trusted:
            scheme = proto if proto in ("http", "https") else scheme
            environ["HTTP_HOST"] = host or environ.get("HTTP_HOST", "")
        environ["wsgi.url_scheme"] = scheme
        environ["PATH_INFO"] = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        environ["SCRIPT_NAME"] = ""
        return environ


class Application(Resource):
    """The application as a resource: it answers for every path below."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, served: Served, inner: WSGIResource) -> None:
        super().__init__()
        self._served = served
        self._inner = inner

    def render(self, request: Request) -> Any:
        """Hand the request to a thread, unless there are too many or it could be read in two ways."""
        request.setHeader(b"Server", b"twgw")
        if any(b"_" in name for name, _ in request.requestHeaders.getAllRawHeaders()):
            return _say(request, 400, "Underscore in a header name", "")  # WSGI cannot tell it from a dash
        if self._served.stopping or self._served.calls >= self._served.max_waiting:
            request.setHeader(b"Retry-After", b"1")
            return _say(request, 503, "Too busy", "try again in a second")
        self._served.calls += 1
        self._inner.render(request)
        return NOT_DONE_YET


def _say(request: Any, status: int, title: str, detail: str) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/problem+json")
    request.setHeader(b"Cache-Control", b"no-store")
    return _problem(status, title, detail)


def _problem(status: int, title: str, detail: str) -> bytes:
    told = {"type": "about:blank", "title": title, "status": status} | ({"detail": detail} if detail else {})
    return json.dumps(told, indent=2).encode() + b"\n"


Outcome = tuple[bool, Any]
"""Whether a position is in force, and who says so: something with a ``document``, or None."""


class Hold:
    """An answer that waits for a position."""

    def __init__(self, served: Served, position: int, seconds: float, then: "Callable[[Outcome], None]") -> None:
        self._then: Callable[[Outcome], None] | None = then
        self._wait: Deferred[object] = ensureDeferred(_awaited(served.reached(position)))
        served.held.add(self)
        self._wait.addTimeout(seconds, served.reactor)
        done, late = (lambda told: self._end(served, (True, told))), (lambda _: self._end(served, (False, None)))
        self._wait.addCallbacks(done, late)
        if served.stopping:
            self.let_go()

    def let_go(self) -> None:
        """Wait no longer."""
        self._wait.cancel()

    def _end(self, served: Served, outcome: "Outcome") -> None:
        served.held.discard(self)
        then, self._then = self._then, None
        if then is not None:
            then(outcome)


async def _awaited(wait: Awaitable[object]) -> object:
    return await wait


class BoundRequest(Request):
    """A request whose body is counted as it comes, and whose answer may be held."""

    served: Served
    _refused = False
    _begun = False
    _kept: list[bytes] | None = None
    """What the application has written so far of an answer that is held."""
    _finished = False
    _untold = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        """Refuse a body that says that it is too long, or whose end a proxy may see somewhere else."""
        super().gotLength(length)
        self._received = 0
        get = self.requestHeaders.getRawHeaders
        if [coding.lower() for coding in get(b"transfer-encoding", ())] not in ([], [b"chunked"]):
            self._refuse(501, "Not Implemented", "of transfer codings, chunked is known")
        elif len(get(b"host", ())) > 1:
            self._refuse(400, "Bad Request", "there is more than one Host")
        elif length is not None and length > self.served.max_body:
            self._refuse_body()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep a piece of the body, or refuse it when it is too much."""
        self._received += len(data)
        if self._received > self.served.max_body:
            self._refuse_body()
        if not self._refused:
            super().handleContentChunk(data)

    def _refuse_body(self) -> None:
        self._refuse(413, "Content Too Large", f"{self.served.max_body} bytes are taken at most")

    def _refuse(self, status: int, reason: str, detail: str) -> None:
        if not self._refused:
            self._refused = True
            body = _problem(status, reason, detail)
            head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
            connection: Any = self.channel.transport
            connection.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            self.channel.loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - Twisted's name
        """Begin, unless it was refused already."""
        if not self._refused:
            super().requestReceived(command, path, version)

    def write(self, data: bytes) -> None:
        """Send a piece of the answer, or keep it."""
        self._begin()
        if self._kept is not None:
            self._kept.append(data)
        else:
            super().write(data)

    def finish(self) -> None:
        """End the answer, or note that it has ended."""
        self._begin()
        if self._kept is not None:
            self._finished = True
        else:
            super().finish()

    def _begin(self) -> None:
        """Before anything is sent: does the answer wait for something?"""
        if self._begun:
            return
        self._begun = True
        said = self.responseHeaders.getRawHeaders(POSITION)
        self.responseHeaders.removeHeader(POSITION)
        self._untold = self.responseHeaders.hasHeader(UNTOLD)
        self.responseHeaders.removeHeader(UNTOLD)
        if said:
            position, unreached, seconds = said[0].split(";")
            self._kept = []
            Hold(self.served, int(position), float(seconds), lambda it: self._decided(int(unreached), *it))

    def _decided(self, unreached: int, reached: bool, told: Any) -> None:
        """Send what was kept, when it is in force; else say that it is not, or on which nodes it is not."""
        kept, self._kept = self._kept or [], None
        if self._disconnected:
            return
        if told is not None and not self._untold:
            document = told.document()
            self.setHeader(REACHED.encode(), json.dumps(document).encode())
            if document["refused"] and unreached == 202:
                self.setResponseCode(202)
        if not reached:
            self.setResponseCode(unreached)
            if unreached == 503:
                kept = [_problem(503, "Not yet in force", NOT_YET)]
                self.responseHeaders.removeHeader("etag")
                self.setHeader(b"Content-Type", b"application/problem+json")
                self.setHeader(b"Content-Length", str(len(kept[0])).encode())
                self.setHeader(b"Retry-After", b"1")
        for piece in kept:
            super().write(piece)
        if self._finished:
            super().finish()
