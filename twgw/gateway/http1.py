"""HTTP/1 heads, both directions: bytes in, plain objects out, or a reason to refuse.

Pure: no transport, no clock.  ``edge.py`` feeds it what clients send, ``upstream.py`` what servers answer.

The law of this file: **what is accepted has exactly one meaning.**  A head is cut at its line ends, and every field at
its colon and blank; what is not in that one form is either brought into it (outer blanks of a value) or refused.  What
leaves again is made from the parts, never with the framing that came (RFC 9112; ``security`` rows 1 to 19).
"""

import re
from ipaddress import IPv6Address
from typing import Final

from attrs import frozen

from twgw.model import METHODS
from twgw.policy.headers import NONE, RESERVED_PREFIXES, Headers, Shape, shape_of

_TOKEN: Final = r"[!#$%&'*+\-.^`|~0-9A-Za-z]"
_TARGET: Final = r"[!$-;=?-\[\]-~]"  # visible characters without " # < > \
_REQUEST_LINE: Final = re.compile(rf"([A-Z]++) ({_TARGET}++) HTTP/1\.([01])").fullmatch
_STATUS_LINE: Final = re.compile(r"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\r]*+))?").fullmatch
_TEXT: Final = bytes(code for code in range(256) if code == 9 or (code >= 32 and code != 127))
# The name of each field in the normal form, one blank after the colon, none around the value; others give no name, or
# one that is none.
_NAMES: Final = re.compile(r"\n(?<! \r\n)([^:]*+): (?! )").findall
_FIRST_LINE: Final = re.compile(rf"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ({_TARGET}+) HTTP/1\.[01]")
_OTHER_VERSION: Final = re.compile(rf"[A-Z]+ {_TARGET}+ HTTP/[02-9](?:\.[0-9])?")
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_BARE_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_HOST: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z](?:[0-9A-Za-z_-]*[0-9A-Za-z])?"
    r"(?:\.[0-9A-Za-z_](?:[0-9A-Za-z_-]*[0-9A-Za-z])?)*\.?)(?::[0-9]{1,5})?"
)
_ABSOLUTE: Final = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?@]+)([/?].*)?")
_TOKENS: Final = re.compile(rf"[\t ]*(?:({_TOKEN.replace('^', '^_')}+)[\t ]*)?(?:,|$)")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_SLASHES: Final = re.compile("//+")
_DOTS: Final = re.compile(r"/\.{1,2}(?:/|;|$)")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_AMBIGUOUS: Final = frozenset("\\;?#%") | {chr(code) for code in range(32)} | {"\x7f"}

_PASSING_OPTIONS: Final = frozenset({"close", "keep-alive", "upgrade", "te", "http2-settings"})
_CONNECTION: Final = frozenset({"connection"})
_USUAL: Final = frozenset({"connection", "content-length"})
_PERSISTS: Final = frozenset({"Connection: keep-alive", "connection: keep-alive"})
"""How nearly everybody says that the connection goes on."""
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


Cut = tuple[Shape, list[str]]
"""A head as its shape and its lines, with an empty one at the end."""
_hosts: Final[dict[str, str]] = {}


class RequestHead:
    """A request head that passed.  Defaults stand on the class, so that an instance is cheap to make."""

    query: str = ""
    plain: bool = True
    """HTTP/1.1, without a body, going on, and nothing special about it."""
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
    host: str = ""
    """Host field in lower case."""
    version: str = "1.1"

    def __init__(self, method: str, target: str, minor: str, cut: Cut) -> None:
        self.method = method
        self.target = self.path = target
        self.shape, self.lines = cut
        if minor == "0":
            self.version = "1.0"
            self.plain = self.keep_alive = False

    @property
    def headers(self) -> Headers:
        """Its fields, for one exchange to edit."""
        return Headers.of(self.shape, self.lines)


class ResponseHead:
    """A response head that passed.  Defaults stand on the class, as in RequestHead."""

    length: int | None = -1
    """Bytes of body, None when chunked, -1 when the close ends it."""
    nominated: frozenset[str] = NONE
    keep_alive: bool = True
    version: str = "1.1"

    def __init__(self, status: int, reason: str, minor: str, cut: Cut) -> None:
        self.status = status
        self.reason = reason
        self.shape, self.lines = cut
        if minor == "0":
            self.version = "1.0"
            self.keep_alive = False

    @property
    def headers(self) -> Headers:
        """Its fields, for one exchange to edit."""
        return Headers.of(self.shape, self.lines)


def _cut(head: bytes) -> Cut | None:
    """A head in the normal form in its parts: every field as ``Name: value``, no control characters.  Else None."""
    text = head[:-2].decode("latin-1")
    lines = text.split("\r\n")
    names = _NAMES(text)
    fields = len(names)
    if fields != len(lines) - 2 or lines[fields][-1:] == " " or "\t" in text:
        return None
    if head.translate(None, _TEXT) != b"\r\n" * (fields + 2):
        return None  # a control character, or a line end that is none
    try:
        return shape_of(tuple(names)), lines
    except ValueError:
        return None


def parse_request(head: bytes, limits: Limits) -> RequestHead:
    """Read a request head, up to and including its empty line.  Raises BadMessage."""
    if len(head) > limits.line:
        _check_lengths(head.decode("latin-1"), limits)
    cut = _cut(head)
    line = _REQUEST_LINE(cut[1][0]) if cut is not None else None
    if cut is None or line is None:
        cut = _normal_request(head, limits)
        line = _REQUEST_LINE(cut[1][0])
        if line is None:
            raise BadMessage(400, "Malformed request head")
    shape, lines = cut
    if len(shape.names) > limits.fields:
        raise BadMessage(431, "Too many header fields")
    method, target, minor = line.groups()
    request = RequestHead(method, target, minor, cut)
    place = shape.host
    if place:
        value = lines[place][6:]
        request.host = _hosts.get(value) or _host(value)
    else:
        _check_host_count(shape, minor)
    framing = shape.framing
    if (framing and (framing != _CONNECTION or lines[shape.connection] not in _PERSISTS)) or minor == "0":
        _frame_request(request, framing)
    if shape.underscores:
        request.underscores = True
        request.plain = False
        request.nominated |= shape.masked
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
        request.fault = error.with_traceback(None)  # which leads here: a cycle for the garbage collector
    return request


def parse_response(head: bytes, limits: Limits, *, to_head: bool) -> ResponseHead:
    """Read a response head.  ``to_head``: it answers a HEAD request.  Raises BadMessage (always 502)."""
    cut = _cut(head)
    line = _STATUS_LINE(cut[1][0]) if cut is not None else None
    if cut is None or line is None:
        cut = _normal_response(head)
        line = _STATUS_LINE(cut[1][0])
        if line is None:
            raise _bad_response("malformed head")
    shape, lines = cut
    if len(shape.names) > limits.fields:
        raise _bad_response("too many header fields")
    minor, code, reason = line.groups()
    status = int(code)
    response = ResponseHead(status, reason or "", minor, cut)
    if shape.framing == _USUAL and shape.length and shape.connection and lines[shape.connection] in _PERSISTS:
        length = lines[shape.length][16:]
        if not length.isdecimal() or len(length) > 18:
            raise _bad_response("malformed Content-Length")
        response.keep_alive = True
        response.length = int(length)
    elif shape.framing:
        _frame_response(response, shape.framing)
    if to_head or status < 200 or status == 204 or status == 304:
        response.length = 0
    return response


def _values(head: RequestHead | ResponseHead, lower: str) -> list[str]:
    return [head.lines[place][len(lower) + 2 :] for place in head.shape.places.get(lower, ())]


def _only(head: RequestHead | ResponseHead, lower: str) -> str | None:
    """The value of a field that may stand only once; None when it does not."""
    values = _values(head, lower)
    return values[0] if len(values) == 1 else None


def _check_host_count(shape: Shape, minor: str) -> None:
    if "host" in shape.places:
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


def _frame_request(request: RequestHead, framing: frozenset[str]) -> None:
    """Body size, persistence and expectation from the fields that say so."""
    request.plain = False
    if "connection" in framing:
        options = _options(request)
        if request.version == "1.1":
            request.keep_alive = "close" not in options
        else:
            request.keep_alive = "keep-alive" in options and "close" not in options
        named = options - _PASSING_OPTIONS
        if named:
            if not named.isdisjoint(_RELIED_ON) or any(name.startswith(RESERVED_PREFIXES) for name in named):
                raise BadMessage(400, "Connection header names a field that is not for this hop")
            request.nominated = named
    if "transfer-encoding" in framing:
        if "content-length" in framing:
            raise BadMessage(400, "Content-Length beside Transfer-Encoding")
        if request.version == "1.0":
            raise BadMessage(400, "Transfer-Encoding in HTTP/1.0")
        coding = _only(request, "transfer-encoding")
        if coding is None:
            raise BadMessage(400, "Transfer-Encoding repeated")
        if coding.lower() != "chunked":
            raise BadMessage(501 if coding.lower() in _KNOWN_CODINGS else 400, "Unsupported Transfer-Encoding")
        request.length = None
    elif "content-length" in framing:
        request.length = _length(request)
        if request.length is None:
            raise BadMessage(400, "Malformed Content-Length")
    if request.length != 0 and any("websocket" in value.lower() for value in _values(request, "upgrade")):
        raise BadMessage(400, "WebSocket request with a body")
    if "expect" in framing and request.version == "1.1":
        if (_only(request, "expect") or "").lower() != "100-continue":
            raise BadMessage(417, "Unknown expectation")
        request.expects = request.length != 0


def _length(head: RequestHead | ResponseHead) -> int | None:
    """Content-Length, when it is one number."""
    value = head.lines[head.shape.length][16:] if head.shape.length else ""
    return int(value) if value.isdecimal() and len(value) <= 18 else None


def _frame_response(response: ResponseHead, framing: frozenset[str]) -> None:
    if "connection" in framing:
        try:
            options = _options(response)
        except BadMessage as error:
            raise _bad_response("malformed Connection header") from error
        response.keep_alive = "close" not in options and (response.keep_alive or "keep-alive" in options)
        response.nominated = options - _PASSING_OPTIONS - _RELIED_ON
    if "transfer-encoding" in framing:
        coding = _only(response, "transfer-encoding")
        if "content-length" in framing or response.version == "1.0" or (coding or "").lower() != "chunked":
            raise _bad_response("ambiguous or unknown Transfer-Encoding")
        response.length = None
    elif "content-length" in framing:
        response.length = _length(response)
        if response.length is None:
            raise _bad_response("malformed Content-Length")


def _options(head: RequestHead | ResponseHead) -> frozenset[str]:
    """The lower-case options of the Connection field(s)."""
    value = ",".join(_values(head, "connection")).lower()
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


def _normal_request(head: bytes, limits: Limits) -> Cut:
    """A head that is not in the normal form: why it is refused, or its parts in that form."""
    lines = head[:-4].decode("latin-1").split("\r\n")
    check_request_line(lines[0], limits)
    return _normal_fields(lines, limits)


def _normal_response(head: bytes) -> Cut:
    lines = head[:-4].decode("latin-1").split("\r\n")
    if not _STATUS_LINE(lines[0]) or not _FIELD_VALUE.fullmatch(lines[0]):
        raise _bad_response("malformed status line")
    try:
        return _normal_fields(lines, Limits(line=1 << 20, fields=len(lines)))
    except BadMessage as error:
        raise _bad_response(error.title[0].lower() + error.title[1:]) from error


def check_request_line(line: str, limits: Limits) -> None:
    """Refuse a request line as early as it is there.  Raises BadMessage."""
    if len(line) > limits.line:
        raise BadMessage(414, "Request line too long")
    found = _FIRST_LINE.fullmatch(line)
    if not found:
        if _OTHER_VERSION.fullmatch(line):
            raise BadMessage(505, "HTTP version not supported")
        raise BadMessage(400, "Malformed request line")
    if found[1] not in METHODS and found[1] not in ("CONNECT", "TRACE", "TRACK"):
        raise BadMessage(501, "Unknown method")


def _normal_fields(lines: list[str], limits: Limits) -> Cut:
    if len(lines) > limits.fields + 1:
        raise BadMessage(431, "Too many header fields")
    names, values = [], []
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
        names.append(name)
        values.append(value.strip(" \t"))
    normal = [lines[0], *[f"{name}: {value}" for name, value in zip(names, values, strict=True)], ""]
    return shape_of(tuple(names)), normal


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
