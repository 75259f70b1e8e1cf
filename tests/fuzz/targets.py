"""What is fuzzed, each as a function of bytes that raises when a promise is broken.

``run.py`` feeds them for long, guided by coverage; ``test_targets.py`` feeds them for a moment, with a seed.
"""

import h11

from tests.bad_input import GOOD, PASSED, REFUSED
from tests.bad_tokens import AUDIENCE, BAD, CLAIMS, ISSUER, KEY, NOW, PUBLIC, good
from twgw import jwt
from twgw.faults import InvalidFileError
from twgw.gateway.chunked import ChunkedReader
from twgw.gateway.http1 import BadMessage, Limits, parse_request, parse_response
from twgw.jwt import Expected
from twgw.memory import MemoryGateway
from twgw.model import Api
from twgw.state import parse_state

LIMITS = Limits()
SEEDS = [GOOD, *(vector.data for vector in (*REFUSED, *PASSED))]
STATE = b"apis:\n  - {name: a, version: '1', base_path: /a, upstream: {targets: [{url: 'http://a'}]}}\n"


def request_head(data):
    """A head is parsed or refused, nothing else happens; parsed, it has one meaning that h11 shares."""
    try:
        head = parse_request(data, LIMITS)
    except BadMessage:
        return
    if head.fault is None:
        assert not {"..", "."} & set(head.path.split("/"))
        assert "//" not in head.path


def response_head(data):
    """The same for what an upstream answers."""
    try:
        parse_response(data, LIMITS, to_head=False)
    except BadMessage as refusal:
        if refusal.status != 502:
            raise


def chunked_body(data):
    """However it is split, a body is the same, or is refused."""
    outcomes = set()
    for size in (len(data) or 1, 1, 7):
        reader, payload = ChunkedReader(), b""
        try:
            for at in range(0, len(data), size):
                if not reader.done:
                    payload += b"".join(reader.feed(data[at : at + size]))
        except BadMessage:
            outcomes.add("refused")
        else:
            outcomes.add((payload, reader.done))
    assert len(outcomes) == 1 or "refused" in outcomes


def whole_gateway(data):
    """What reaches an upstream is a sequence of whole requests, read by h11 as by us; nothing goes wrong inside."""
    gateway = MemoryGateway(Api("pets", "1", "/pets"))
    client = gateway.connect()
    client.send(data)
    client.lose()
    for wire in gateway.upstream_wires:
        judge = h11.Connection(h11.SERVER)
        judge.receive_data(wire.received)
        seen = 0
        while True:
            event = judge.next_event()
            if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                if event is h11.PAUSED and judge.their_state is h11.DONE:
                    judge.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                    judge.send(h11.EndOfMessage())
                    judge.start_next_cycle()
                    continue
                break
            seen += isinstance(event, h11.Request)
    assert not [line for level, line in gateway.log.lines if level == "error"]


def state_document(data):
    """A state is read or refused with places."""
    try:
        parse_state(data.decode("utf-8", "replace"), "apis.yaml")
    except InvalidFileError as refusal:
        if not refusal.lines:
            raise


def token(data):
    """A token is good or refused, nothing else happens; one that is good is of the issuer."""
    try:
        claims = jwt.verify(data.decode("latin-1"), [KEY], Expected(ISSUER, (AUDIENCE,), ("at+jwt",)), NOW)
    except jwt.Refused:
        return
    assert CLAIMS == claims


def key_set(data):
    """A set of keys is read or refused; what is read can verify and not sign."""
    try:
        keys = jwt.read_jwks(data)
    except jwt.KeyFault:
        return
    assert not any(key.private for key in keys)


TARGETS = {
    "request": (request_head, SEEDS),
    "response": (response_head, [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"]),
    "chunked": (chunked_body, [b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"]),
    "gateway": (whole_gateway, SEEDS),
    "state": (state_document, [STATE]),
    "token": (token, [good().encode(), *(bad.encode("latin-1") for bad, _ in BAD.values() if len(bad) < 2000)]),
    "keys": (key_set, [PUBLIC, KEY.to_text().encode()]),
}
