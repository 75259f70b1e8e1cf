"""HTTP/1 heads, both directions: bytes in, plain objects out, or a reason to refuse.

Pure: no transport, no clock.  ``edge.py`` feeds it what clients send, ``upstream.py`` what servers answer.

The law of this file: **what is accepted has exactly one meaning.**  One strict expression decides over the whole head;
what it does not match is either brought into that form (outer blanks of a value) or refused.  What leaves again is made
from the parts, never copied with its framing (RFC 9112; ``security`` rows 1 to 19).
"""

import re
from collections.abc import Mapping, Sized
from ipaddress import IPv6Address
from typing import Any, Final

from attrs import frozen

from twgw.model import METHODS
from twgw.policy.headers import NONE, RESERVED_PREFIXES, SPECIAL, Field, FieldBlock

_TOKEN: Final = r"[!#$%&'*+\-.^`|~0-9A-Za-z]"
_TARGET: Final = r"[!$-;=?-\[\]-~]"  # visible characters without " # < > \
# Values are taken as a run without CR: that nothing else stands in them which may not is seen by ``_skeleton`` before.
# Runs are possessive, groups are not: Python up to 3.11.4 does not go back when a possessive group fails midway.
_FIELDS: Final = r"(\r\n(?:%s++: (?:[^\t \r][^\r]*+(?<![\t ])|)\r\n)*)\r\n"
_REQUEST: Final = re.compile(rf"([A-Z]++) ({_TARGET}++) HTTP/1\.([01])" + _FIELDS % _TOKEN).fullmatch
_RESPONSE: Final = re.compile(
    r"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\r]*+))?" + _FIELDS % _TOKEN.replace("^", "^_")
).fullmatch
_TEXT: Final = bytes(code for code in range(256) if code == 9 or (code >= 32 and code != 127))
_REQUEST_LINE: Final = re.compile(rf"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ({_TARGET}+) HTTP/1\.[01]")
_OTHER_VERSION: Final = re.compile(rf"[A-Z]+ {_TARGET}+ HTTP/[02-9](?:\.[0-9])?")
_STATUS_LINE: Final = re.compile(r"HTTP/1\.[01] [1-5][0-9][0-9](?: [\t -~\x80-\xff]*)?")
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_BARE_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_HOST: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z](?:[0-9A-Za-z_-]*[0-9A-Za-z])?"
    r"(?:\.[0-9A-Za-z_](?:[0-9A-Za-z_-]*[0-9A-Za-z])?)*\.?)(?::[0-9]{1,5})?"
)
_ABSOLUTE: Final = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?@]+)([/?].*)?")
_TOKENS: Final = re.compile(rf"[\t ]*(?:({_TOKEN.replace('^', '^_')}+)[\t ]*)?(?:,|$)")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_SLASHES: Final = re.compile("//+")
_DOTS: Final = re.compile(r"/\.{1,2}(?:/|;|$)")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_AMBIGUOUS: Final = frozenset("\\;?#%") | {chr(code) for code in range(32)} | {"\x7f"}

_PASSING_OPTIONS: Final = frozenset({"close", "keep-alive", "upgrade", "te", "http2-settings"})
_COMMON_OPTIONS: Final = {"keep-alive": frozenset({"keep-alive"}), "close": frozenset({"close"})}
_KNOWN_CODINGS: Final = frozenset(
    {"gzip, chunked", "gzip,chunked", "deflate, chunked", "deflate,chunked", "gzip", "deflate"}
)
_RELIED_ON: Final = frozenset(
    "host content-length transfer-encoding content-type authorization cookie x-api-key apikey forwarded via "
    "x-request-id x-real-ip x-user".split()
)


class BadMessage(Exception):
    """A message that is refused.  ``title`` is fixed text, safe to show; ``close`` ends the connection."""

    def __init__(self, status: int, title: str, *, close: bool = True) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.close = close


@frozen
class Limits:
    """How large a head may be, in bytes and fields."""

    head: int = 32 * 1024
    line: int = 8 * 1024
    fields: int = 100


_LINE_ENDS: Final = b"\r\n" * 2048
_hosts: Final[dict[str, str]] = {}


class RequestHead:
    """A request head that passed.  Defaults stand on the class, so that an instance is cheap to make."""

    query: str = ""
    length: int | None = 0
    """Size of the body, None when it is chunked."""
    keep_alive: bool = True
    expects: bool = False
    """The client waits for 100 Continue."""
    nominated: frozenset[str] = NONE
    """Names of fields that ``Connection`` declares to be for this hop only."""
    underscores: bool = False
    """A field name contains ``_``: refused unless the API allows it."""
    encoded_slash: bool = False
    """The path contains ``%2F``: refused unless the API allows it."""
    fault: BadMessage | None = None
    """Why the request is refused although its framing is sound, so that the connection may live on."""
    found: Any = None
    """Where the deployment found the last request with these very bytes."""

    host: str = ""
    """Host field in lower case."""

    def __init__(self, method: str, target: str, minor: str, block: FieldBlock) -> None:
        self.method = method
        self.target = self.path = target
        self.version = "1.1" if minor == "1" else "1.0"
        self.block = block


class ResponseHead:
    """A response head that passed.  Defaults stand on the class, as in RequestHead."""

    length: int | None = -1
    """Bytes of body, None when chunked, -1 when the close ends it."""
    nominated: frozenset[str] = NONE

    def __init__(self, status: int, reason: str, block: FieldBlock, minor: str) -> None:
        self.status = status
        self.reason = reason
        self.block = block
        self.version = "1.1" if minor == "1" else "1.0"
        self.keep_alive = minor == "1"


def parse_request(head: bytes, limits: Limits) -> RequestHead:
    """Read a request head, up to and including its empty line.  Raises BadMessage."""
    text = head.decode("latin-1")
    if len(text) > limits.line:
        _check_lengths(text, limits)
    ends = head.translate(None, _TEXT)
    found = _REQUEST(text) if ends == _LINE_ENDS[: len(ends)] else None
    underscores = False
    if found is None:
        text, underscores = _normal_request(text, limits)
        found = _REQUEST(text.replace("_", "-") if underscores else text)
        if found is None:
            raise BadMessage(400, "Malformed request head")
        method, target, minor, _ = found.groups()
        fields = text[found.start(4) : found.end(4)]
        target = text[found.start(2) : found.end(2)]
    else:
        method, target, minor, fields = found.groups()
    if len(ends) > 2 * limits.fields + 4:
        raise BadMessage(431, "Too many header fields")
    block = FieldBlock(fields)
    request = RequestHead(method, target, minor, block)
    special = block.special
    hosts = special.get("host")
    if hosts is None or len(hosts) != 1:
        _check_host_count(hosts, minor)
    else:
        value = hosts[0][1]
        request.host = _hosts.get(value) or _host(value)
    if (len(special) > 1 and not _only_persists(special)) or minor == "0":
        _frame_request(request, special)
    if underscores:
        request.underscores = True
        request.nominated |= _masked(block)
    if method in METHODS and target[0] == "/":
        path, _, query = target.partition("?")
        if query:
            request.query = query
        request.path = path
        if "%" not in path and "//" not in path and "/." not in path:
            return request
    try:
        if target[0] != "/" or method not in METHODS:
            target = _unusual(method, target, request.host)
        path, _, request.query = target.partition("?")
        request.path, request.encoded_slash = canonical_path(path)
    except BadMessage as error:
        if error.close:
            raise
        request.fault = error
    return request


def _only_persists(special: Mapping[str, list[Field]]) -> bool:
    """Whether all that is special about a request is a host, and a wish to go on."""
    if len(special) == 2:
        options = special.get("connection")
        return options is not None and len(options) == 1 and options[0][1] == "keep-alive"
    return False


def parse_response(head: bytes, limits: Limits, *, to_head: bool) -> ResponseHead:
    """Read a response head.  ``to_head``: it answers a HEAD request.  Raises BadMessage (always 502)."""
    text = head.decode("latin-1")
    ends = head.translate(None, _TEXT)
    found = _RESPONSE(text) if ends == _LINE_ENDS[: len(ends)] else None
    if found is None:
        text = _normal_response(text)
        found = _RESPONSE(text)
        if found is None:
            raise _bad_response("malformed head")
    minor, code, reason, fields = found.groups()
    if len(ends) > 2 * limits.fields + 4:
        raise _bad_response("too many header fields")
    block = FieldBlock(fields)
    status = int(code)
    response = ResponseHead(status, reason or "", block, minor)
    if block.special:
        _frame_response(response, block.special)
    if to_head or status < 200 or status == 204 or status == 304:
        response.length = 0
    return response


def _masked(block: FieldBlock) -> frozenset[str]:
    """Names that a server which reads ``_`` as ``-`` would take for fields in which only gateways speak."""
    lowers = [name.lower() for name, _ in block.pairs() if "_" in name]
    dashed = [(lower, lower.replace("_", "-")) for lower in lowers]
    return frozenset(lower for lower, name in dashed if name in SPECIAL or name.startswith(RESERVED_PREFIXES))


def _only(block: FieldBlock, lower: str) -> str | None:
    """The value of a field that may stand only once; None when it does not."""
    fields = block.fields(lower)
    return fields[0][1] if len(fields) == 1 else None


def _check_host_count(hosts: Sized | None, minor: str) -> None:
    if hosts is not None:
        raise BadMessage(400, "Host header repeated")
    if minor == "1":
        raise BadMessage(400, "Host header missing")


def _host(value: str) -> str:
    if len(value) > 260 or not _HOST.fullmatch(value) or not _sound_address(value):
        raise BadMessage(400, "Malformed Host header")
    host = value.lower()
    if len(_hosts) < 1024:
        _hosts[value] = host
    return host


def _sound_address(host: str) -> bool:
    """Whether the port and the IPv6 literal of a host, which has the right shape, are right in value."""
    if host.startswith("["):
        literal, _, port = host[1:].partition("]")
        try:
            IPv6Address(literal)
        except ValueError:
            return False
        return not port or int(port[1:]) < 65536
    _, colon, port = host.partition(":")
    return not colon or int(port) < 65536


def _unusual(method: str, target: str, host: str) -> str:
    """What is not a known method with a path: refused, or the absolute form brought down to a path."""
    if method == "CONNECT":
        raise BadMessage(405, "CONNECT is not supported")
    if method in ("TRACE", "TRACK"):
        raise BadMessage(405, "TRACE is not supported", close=False)
    if method not in METHODS:
        raise BadMessage(501, "Unknown method")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute:
        if absolute[1].lower() != host:
            raise BadMessage(400, "Request target and Host header differ")
        rest = absolute[2] or "/"
        return rest if rest.startswith("/") else "/" + rest
    if target == "*" and method == "OPTIONS":
        raise BadMessage(404, "No API at this address", close=False)
    raise BadMessage(400, "Malformed request target")


def canonical_path(path: str) -> tuple[str, bool]:
    """The one form of a path that routing, policies, log and upstream see; and whether it holds ``%2F``.

    Needless escapes are undone, the others in upper case, empty segments merged (RFC 3986, 6.2.2).
    Raises BadMessage (400, connection kept) for dot segments and for escapes that somebody may read otherwise.
    """
    slashed = False

    def unescape(escape: re.Match[str]) -> str:
        nonlocal slashed
        if escape[1] is None:
            raise BadMessage(400, "Malformed escape in the path", close=False)
        character = chr(int(escape[1], 16))
        if character in _UNRESERVED:
            return character
        if character in _AMBIGUOUS:
            raise BadMessage(400, "Ambiguous escape in the path", close=False)
        slashed = slashed or character == "/"
        return escape[0].upper()

    if "%" in path:
        path = _ESCAPE.sub(unescape, path)
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if "/." in path and _DOTS.search(path):
        raise BadMessage(400, "Dot segment in the path", close=False)
    if slashed and _DOTS.search(path.replace("%2F", "/")):
        raise BadMessage(400, "Dot segment in the path", close=False)
    return path, slashed


def _frame_request(request: RequestHead, special: Mapping[str, list[Field]]) -> None:
    """Body size, persistence and expectation from the fields that say so."""
    block = request.block
    if request.version == "1.0":
        request.keep_alive = False
    if "connection" in special:
        options = _options(block)
        if request.version == "1.1":
            request.keep_alive = "close" not in options
        else:
            request.keep_alive = "keep-alive" in options and "close" not in options
        if len(special) == 2 and "host" in special and not options - _PASSING_OPTIONS:
            return  # nothing else
        named = options - _PASSING_OPTIONS
        if named:
            if not named.isdisjoint(_RELIED_ON) or any(name.startswith(RESERVED_PREFIXES) for name in named):
                raise BadMessage(400, "Connection header names a field that is not for this hop")
            request.nominated = named
    if "transfer-encoding" in special:
        if "content-length" in special:
            raise BadMessage(400, "Content-Length beside Transfer-Encoding")
        if request.version == "1.0":
            raise BadMessage(400, "Transfer-Encoding in HTTP/1.0")
        coding = _only(block, "transfer-encoding")
        if coding is None:
            raise BadMessage(400, "Transfer-Encoding repeated")
        if coding.lower() != "chunked":
            raise BadMessage(501 if coding.lower() in _KNOWN_CODINGS else 400, "Unsupported Transfer-Encoding")
        request.length = None
    elif "content-length" in special:
        request.length = _length(block)
        if request.length is None:
            raise BadMessage(400, "Malformed Content-Length")
    websocket = any("websocket" in value.lower() for _, value in special.get("upgrade", ()))
    if websocket and request.length != 0:
        raise BadMessage(400, "WebSocket request with a body")
    if "expect" in special and request.version == "1.1":
        if (_only(block, "expect") or "").lower() != "100-continue":
            raise BadMessage(417, "Unknown expectation")
        request.expects = request.length != 0


def _length(block: FieldBlock) -> int | None:
    """Content-Length, when it is one number."""
    value = _only(block, "content-length")
    return int(value) if value is not None and _DIGITS.fullmatch(value) else None


def _frame_response(response: ResponseHead, special: Mapping[str, list[Field]]) -> None:
    block = response.block
    if "connection" in special:
        fields = special["connection"]
        if len(fields) != 1 or fields[0][1] != "keep-alive":
            try:
                options = _options(block)
            except BadMessage as error:
                raise _bad_response("malformed Connection header") from error
            response.keep_alive = "close" not in options and (response.keep_alive or "keep-alive" in options)
            response.nominated = options - _PASSING_OPTIONS - _RELIED_ON
        else:
            response.keep_alive = True
    if "transfer-encoding" in special:
        coding = _only(block, "transfer-encoding")
        if "content-length" in special or response.version == "1.0" or (coding or "").lower() != "chunked":
            raise _bad_response("ambiguous or unknown Transfer-Encoding")
        response.length = None
    elif "content-length" in special:
        response.length = _length(block)
        if response.length is None:
            raise _bad_response("malformed Content-Length")


def _options(block: FieldBlock) -> frozenset[str]:
    """The lower-case options of the Connection field(s)."""
    fields = block.fields("connection")
    value = fields[0][1].lower() if len(fields) == 1 else ",".join([value for _, value in fields]).lower()
    known = _COMMON_OPTIONS.get(value)
    if known is not None:
        return known
    options, at = set(), 0
    while at < len(value):
        token = _TOKENS.match(value, at)
        if token is None or token.end() == at:
            raise BadMessage(400, "Malformed Connection header")
        if token[1]:
            options.add(token[1])
        at = token.end()
    return frozenset(options)


def _normal_request(text: str, limits: Limits) -> tuple[str, bool]:
    """A head that the strict expression refused: why, or the same head in the normal form.

    Returns the text, and whether a field name contains an underscore.
    """
    lines = text[:-4].split("\r\n")
    check_request_line(lines[0], limits)
    return _normal_fields(lines, limits)


def _normal_response(text: str) -> str:
    lines = text[:-4].split("\r\n")
    if not _STATUS_LINE.fullmatch(lines[0]):
        raise _bad_response("malformed status line")
    try:
        return _normal_fields(lines, Limits(line=1 << 20))[0]
    except BadMessage as error:
        raise _bad_response(error.title[0].lower() + error.title[1:]) from error


def check_request_line(line: str, limits: Limits) -> None:
    """Refuse a request line as early as it is there.  Raises BadMessage."""
    if len(line) > limits.line:
        raise BadMessage(414, "Request line too long")
    found = _REQUEST_LINE.fullmatch(line)
    if not found:
        if _OTHER_VERSION.fullmatch(line):
            raise BadMessage(505, "HTTP version not supported")
        raise BadMessage(400, "Malformed request line")
    if found[1] not in METHODS and found[1] not in ("CONNECT", "TRACE", "TRACK"):
        raise BadMessage(501, "Unknown method")


def _normal_fields(lines: list[str], limits: Limits) -> tuple[str, bool]:
    underscores = False
    normal = [lines[0]]
    for line in lines[1:]:
        if len(line) > limits.line:
            raise BadMessage(431, "Header field too long")
        if line.startswith((" ", "\t")):
            raise BadMessage(400, "Folded header field")
        name, colon, value = line.partition(":")
        if not colon or not _FIELD_NAME.fullmatch(name):
            raise BadMessage(400, "Malformed header field")
        if not _FIELD_VALUE.fullmatch(value):
            raise BadMessage(400, "Control character in a header field")
        underscores = underscores or "_" in name
        normal.append(name + ": " + value.strip(" \t"))
    return "\r\n".join(normal) + "\r\n\r\n", underscores


def _check_lengths(text: str, limits: Limits) -> None:
    first, *others = text.split("\r\n", limits.fields + 1)
    if len(first) > limits.line:
        raise BadMessage(414, "Request line too long")
    if len(text) > limits.head:
        raise BadMessage(431, "Request head too large")
    if any(len(line) > limits.line for line in others):
        raise BadMessage(431, "Header field too long")


def check_partial(data: bytes, seen: int, limits: Limits) -> None:
    """Refuse an unfinished request head as soon as nothing can make it right.  ``seen`` bytes were checked before.

    Raises BadMessage.
    """
    if _BARE_END.search(data, max(seen - 1, 0)):
        raise BadMessage(400, "Bare line feed or carriage return in the head")
    end = data.find(b"\r\n")
    if end == -1:
        if len(data) > limits.line:
            raise BadMessage(414, "Request line too long")
    elif seen <= end + 1:
        check_request_line(data[:end].decode("latin-1"), limits)
    if len(data) > limits.head:
        raise BadMessage(431, "Request head too large")


def _bad_response(detail: str) -> BadMessage:
    return BadMessage(502, f"Bad answer from the upstream: {detail}")
