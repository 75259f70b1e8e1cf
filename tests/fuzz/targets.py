"""What is fuzzed: promises as functions of bytes, which raise when one is broken, and what to begin with.

``run.py`` feeds them for long, guided by coverage; ``test_targets.py`` feeds them what that found, and for a moment
what comes by chance.
"""

import re
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from tests.bad_input import GOOD, PASSED, REFUSED
from tests.bad_tokens import BAD, KEY, PUBLIC, good
from tests.fuzz import files, messages, tokens, traffic
from tests.gateway.test_upstream import BROKEN, CHUNKED, OK, UNTIL_CLOSE
from twgw.config import render_default

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
"""What fuzzing found, one folder for each target, as few files as reach all that was reached."""


@frozen
class Target:
    """A promise, what to begin with, and the words of the language."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]


def words_of(text: str) -> tuple[bytes, ...]:
    """The words of a language, as they stand in an example."""
    return tuple(sorted({word.encode() for word in re.findall(r"[A-Za-z][\w-]*", text)}))


def uncommented(text: str) -> bytes:
    """A commented configuration with its settings set."""
    return re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE).encode()


HTTP = (
    *(b"\r\n", b"\r\n\r\n", b"HTTP/1.1", b"HTTP/1.0", b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT "),
    *(b"Host: a", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive"),
    *(b"Connection: upgrade", b"Upgrade: h2c", b"Upgrade: websocket", b"Expect: 100-continue", b"Via: 1.1 twgw"),
    *(b"X-Forwarded-For: ", b"Forwarded: ", b"Trailer: X", b"TE: trailers", b"0\r\n\r\n", b"5\r\nhello\r\n", b";a=b"),
    *(b"http://a/", b"%2e", b"%2F", b"/../", b"//", b"/pets", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 \r\n"),
    *(b"HTTP/1.1 304 \r\n", b"HTTP/1.1 100 \r\n\r\n", b"HTTP/1.1 103 \r\n\r\n", b"HTTP/1.1 101 \r\n"),
)
REQUESTS = (GOOD, *(vector.data for vector in (*REFUSED, *PASSED) if len(vector.data) < 2000))
RESPONSES = (OK, CHUNKED, UNTIL_CLOSE, *(each for each in BROKEN.values() if len(each) < 2000))
BODIES = (
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"000a\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
)
TOKENS = (good(), *(bad for bad, _ in BAD.values() if len(bad) < 2000))
KEYS = (PUBLIC.encode() if isinstance(PUBLIC, str) else PUBLIC, KEY.to_text().encode())
STATE = (ROOT / "etc/examples/apis.yaml").read_text()
CONFIGURATION = (ROOT / "etc/examples/twgw.toml").read_text()
DEFAULTS = render_default()
TARGETS = {
    "request": Target(messages.request_head, REQUESTS, HTTP),
    "response": Target(messages.response_head, RESPONSES, HTTP),
    "chunked": Target(messages.chunked_body, BODIES, HTTP),
    "requests": Target(traffic.requests, tuple(b"\0" + each for each in REQUESTS), HTTP),
    "answers": Target(traffic.answers, tuple(b"\0" + each for each in RESPONSES), HTTP),
    "state": Target(files.state, (STATE.encode(),), words_of(STATE)),
    "configuration": Target(
        files.configuration, (CONFIGURATION.encode(), uncommented(DEFAULTS)), words_of(DEFAULTS)
    ),
    "token": Target(tokens.token, tuple(each.encode("latin-1") for each in TOKENS), ()),
    "keys": Target(tokens.key_set, KEYS, words_of(KEY.to_text())),
}
