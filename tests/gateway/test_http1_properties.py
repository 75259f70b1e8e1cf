"""What is forwarded means to two other parsers, h11 and httptools, what it means to the gateway."""

import h11
import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from twgw.memory import MemoryGateway
from twgw.model import Api

NAMES = st.from_regex(r"\AY[!#$%&'*+.^`|~0-9A-Za-z-]{0,8}\Z")
VALUES = st.from_regex(r"\A[!-~\x80-\xff]([\t -~\x80-\xff]{0,9}[!-~\x80-\xff])?\Z")
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=5)


class Seen:
    def __init__(self, data):
        self.body, self.ended = b"", 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method()

    def on_url(self, url):
        self.url = url

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.ended += 1


@settings(max_examples=60, deadline=None)
@given(FIELDS, st.binary(max_size=60), st.booleans(), st.data())
def test_an_upstream_reads_what_we_read(fields, body, chunked, data):
    """One request in, cut anywhere, is exactly one request out: same method, path, fields and body."""
    gateway = MemoryGateway(Api("pets", "1.0", "/pets"))
    lines = "".join(f"{name}:\t{value} \r\n" for name, value in fields).encode("latin-1")
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    coded = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n" if chunked else body
    raw = b"POST /pets/a HTTP/1.1\r\nHost: a\r\n" + lines + framing + b"\r\n\r\n" + coded
    cut = data.draw(st.integers(0, len(raw)))
    connection = gateway.connect()
    connection.send(raw[:cut])
    connection.send(raw[cut:])
    assert [200] == [answer.status for answer in connection.answers()]

    sent = gateway.upstream_bytes
    other = h11.Connection(h11.SERVER)
    other.receive_data(sent)
    head = other.next_event()
    got = b""
    while isinstance(event := other.next_event(), h11.Data):
        got += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert b"" == other.trailing_data[0]
    assert (b"POST", b"/a", body) == (head.method, head.target, got)
    passed = [(name, value) for name, value in head.headers.raw_items() if name.startswith(b"Y")]
    assert [(name.encode(), value.encode("latin-1")) for name, value in fields] == passed

    seen = Seen(sent)
    assert (b"POST", b"/a", body, 1) == (seen.method, seen.url, seen.body, seen.ended)
