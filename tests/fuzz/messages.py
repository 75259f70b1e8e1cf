"""Fuzz targets: heads and chunked bodies.  What is accepted has one meaning, which h11 and httptools share."""

from collections.abc import Iterator

from attrs import evolve

from tests.fuzz.judges import Message, Reading, h11_requests, h11_responses, llhttp_requests, llhttp_responses
from twgw.gateway.chunked import LAST_CHUNK, ChunkedReader, chunk
from twgw.gateway.http1 import BadMessage, Limits, check_partial, parse_request, parse_response
from twgw.policy.headers import Headers

LIMITS = Limits()
HEAD_OF_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in pieces of this size."""
    return (data[at : at + size] for at in range(0, len(data), size))


def framed(length: int | None) -> tuple[bytes, bytes]:
    """A body on the wire for a head that announces it (None: in chunks, -1: until the end), and what it means."""
    if length is None:
        return b"3\r\nabc\r\n0\r\n\r\n", b"abc"
    body = b"abc" if length == -1 else b"x" * length
    return body, body


def fields_of(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """The fields of a parsed head as the judges tell them."""
    return tuple(same_case(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def same_case(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A field with the one value that h11 changes as it does."""
    return (name, value.lower() if name == b"transfer-encoding" else value)


def agree(ours: Message, *readings: Reading) -> None:
    """Whoever does not refuse what we accept reads it as we do, and as one message."""
    for reading in readings:
        theirs = [evolve(each, fields=tuple(same_case(*field) for field in each.fields)) for each in reading.messages]
        assert reading.end == "refused" or (reading.end, theirs) == ("clean", [ours]), (ours, reading)


def request_head(data: bytes) -> None:
    """A head is refused, or has one meaning; it is not refused early when it would have been accepted whole."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    try:
        parsed = parse_request(head, LIMITS)
    except BadMessage:
        return
    for size in (1, 5) if len(head) < 2000 else (len(head) // 3,):
        seen = 0
        for at in range(size, len(head) - 3, size):
            check_partial(head[:at], seen, LIMITS)
            seen = at
    assert "//" not in parsed.path or parsed.fault is not None
    assert not {"..", "."} & set(parsed.path.split("/")) or parsed.fault is not None
    if parsed.length is None or parsed.length < 10_000:
        raw, body = framed(parsed.length)
        line = (parsed.method.encode("latin-1"), parsed.target.encode("latin-1"))
        agree(Message(line, fields_of(parsed.headers), body), h11_requests(head + raw), llhttp_requests(head + raw))


def response_head(data: bytes) -> None:
    """The same for what an upstream answers; whatever is wrong there is a 502."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    try:
        parsed = parse_response(head, LIMITS, to_head=False)
    except BadMessage as refusal:
        if refusal.status != 502:
            raise
        return
    if parsed.status >= 200 and (parsed.length is None or parsed.length < 10_000):
        raw, body = framed(parsed.length)
        ours = Message((b"%d" % parsed.status,), fields_of(parsed.headers), body)
        agree(ours, h11_responses(head + raw, [b"GET"], ended=parsed.length == -1))
        if parsed.length != -1:
            agree(ours, llhttp_responses(head + raw))


def chunked_body(data: bytes) -> None:
    """However it is split, a body is the same, and what the judges read; coded anew it is that body again."""
    outcomes = {read_chunks(data, size) for size in (len(data) or 1, 1, 7)}
    assert len(outcomes) == 1, outcomes
    (outcome,) = outcomes
    if outcome is None:
        return
    payload, done, rest = outcome
    if done:
        wire = HEAD_OF_CHUNKED + data[: len(data) - rest]
        for reading in (h11_requests(wire), llhttp_requests(wire)):
            assert reading.end == "refused" or [payload] == [each.body for each in reading.messages], reading
    coded = HEAD_OF_CHUNKED + b"".join(chunk(piece) for piece in pieces(payload, 1 + len(payload) // 3)) + LAST_CHUNK
    for reading in (h11_requests(coded), llhttp_requests(coded)):
        assert ("clean", [payload]) == (reading.end, [each.body for each in reading.messages]), reading


def read_chunks(data: bytes, size: int) -> tuple[bytes, bool, int] | None:
    """The payload, whether the end came, and how many bytes were left then; None for a body that is refused."""
    reader, payload, taken = ChunkedReader(), b"", 0
    try:
        for piece in pieces(data, size):
            taken += len(piece)
            payload += b"".join(reader.feed(piece))
            if reader.done:
                return payload, True, len(data) - taken + len(reader.rest)
    except BadMessage:
        return None
    return payload, False, 0
