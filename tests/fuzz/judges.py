"""How two other parsers, h11 and httptools, read the same bytes: what an upstream, or a client, would make of them."""

from typing import Any

import h11
import httptools
from attrs import define, field, frozen

ROOM = 1 << 20


@frozen
class Message:
    """A whole request or response.  ``line`` is method and target, or the status; names are in lower case."""

    line: tuple[bytes, ...]
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = field(repr=lambda body: repr(body[:80]))


@frozen
class Reading:
    """The whole messages in some bytes.  ``end``: ``clean``, ``unfinished`` (more must come) or ``refused``."""

    messages: tuple[Message, ...]
    end: str
    interim: tuple[bytes, ...] = ()
    """The statuses of 1xx answers."""


def h11_requests(data: bytes) -> Reading:
    """What a server built on h11 would be asked, one request after the other."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=ROOM)
    server.receive_data(data)
    found: list[Message] = []
    while True:
        try:
            event = server.next_event()
            if not isinstance(event, h11.Request):
                return Reading(tuple(found), "unfinished" if server.trailing_data[0] else "clean")
            whole = _rest(server, (event.method, event.target), event)
        except h11.RemoteProtocolError:
            return Reading(tuple(found), "refused")
        if whole is None:
            return Reading(tuple(found), "unfinished")
        found.append(whole)
        server.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
        server.send(h11.EndOfMessage())
        if server.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return Reading(tuple(found), "clean")  # the connection ends here, whatever follows
        server.start_next_cycle()


def h11_responses(data: bytes, methods: list[bytes], *, ended: bool) -> Reading:
    """What a client built on h11 would be told that asked with these methods; ``ended``: the server closed in order."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=ROOM)
    client.receive_data(data)
    if ended:
        client.receive_data(b"")
    found: list[Message] = []
    interim: list[bytes] = []
    for method in methods:
        if client.our_state is not h11.IDLE:
            return Reading(tuple(found), "clean", tuple(interim))
        client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        client.send(h11.EndOfMessage())
        try:
            event = client.next_event()
            while isinstance(event, h11.InformationalResponse):
                interim.append(b"%d" % event.status_code)
                event = client.next_event()
            if not isinstance(event, h11.Response):
                return Reading(tuple(found), "unfinished", tuple(interim))
            whole = _rest(client, (b"%d" % event.status_code,), event)
        except h11.RemoteProtocolError:
            return Reading(tuple(found), "refused", tuple(interim))
        if whole is None:
            return Reading(tuple(found), "unfinished", tuple(interim))
        found.append(whole)
        if client.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            client.start_next_cycle()
    return Reading(tuple(found), "unfinished" if client.trailing_data[0] else "clean", tuple(interim))


def _rest(connection: h11.Connection, line: tuple[bytes, ...], head: Any) -> Message | None:
    """The message that begins with this head, when it is whole."""
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    if not isinstance(event, h11.EndOfMessage):
        return None
    return Message(line, tuple((name.lower(), value) for name, value in head.headers.raw_items()), body)


@define(eq=False)
class _Heard:
    """What httptools calls."""

    parser: Any = None
    url: bytes = b""
    fields: list[tuple[bytes, bytes]] = field(factory=list)
    body: bytes = b""
    begun: bool = False
    in_head: bool = True
    found: list[Message] = field(factory=list)

    def on_message_begin(self) -> None:
        self.url, self.body, self.fields, self.begun, self.in_head = b"", b"", [], True, True

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self.fields.append((name.lower(), value.rstrip(b"\t ")))  # llhttp leaves what stands behind a value

    def on_headers_complete(self) -> None:
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.begun = False
        line = (self.parser.get_method(), self.url) if self.url else (b"%d" % self.parser.get_status_code(),)
        self.found.append(Message(line, tuple(self.fields), self.body))


def llhttp_requests(data: bytes) -> Reading:
    """What a server built on httptools, that is on llhttp, would be asked."""
    return _llhttp(data, httptools.HttpRequestParser)


def llhttp_responses(data: bytes) -> Reading:
    """What a client built on httptools would be told; it does not know which request was a HEAD."""
    return _llhttp(data, httptools.HttpResponseParser)


def _llhttp(data: bytes, make: Any) -> Reading:
    heard = _Heard()
    heard.parser = make(heard)
    try:
        heard.parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return Reading(tuple(heard.found), "refused")
    return Reading(tuple(heard.found), "unfinished" if heard.begun else "clean")
