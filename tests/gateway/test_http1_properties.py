"""What is forwarded means to two other parsers, h11 and httptools, what it means to the gateway."""

import h11
import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from twgw.gateway.http1 import BadMessage, Limits, _cut, _normal_request, parse_request
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


BLANKS = st.sampled_from(["", " ", "\t"])
LINES = st.lists(
    st.one_of(
        st.tuples(NAMES, st.sampled_from([":", ": ", ":  ", ":\t", " :", ""]), VALUES, BLANKS).map("".join),
        st.text("aA:-_ \t\r\n\0\x7f\x80\xe9%", max_size=12),
    ),
    max_size=5,
)


@settings(max_examples=500, deadline=None)
@given(LINES, st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r"]))
def test_the_fast_way_to_cut_a_head_agrees_with_the_strict_one(lines, end):
    """What it takes, the other takes too, as the same fields; so the fast way changes nothing."""
    head = (end.join(["GET /a HTTP/1.1", "Host: a", *lines]) + "\r\n\r\n").encode("latin-1")
    head = head[: head.index(b"\r\n\r\n") + 4]
    cut = _cut(head)

    assert cut is None or cut == _normal_request(head, Limits())


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_what_is_taken_is_what_another_parser_takes(lines):
    """The fields of a head are those that h11 reads, which folds nothing either."""
    head = ("\r\n".join(["GET /a HTTP/1.1", "Host: a", *lines]) + "\r\n\r\n").encode("latin-1")
    head = head[: head.index(b"\r\n\r\n") + 4]
    try:
        ours = parse_request(head, Limits()).headers.items()
    except BadMessage:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(head)
    theirs = other.next_event().headers.raw_items()

    assert [(name.encode(), value.encode("latin-1")) for name, value in ours] == theirs
