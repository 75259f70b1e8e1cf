"""Bad requests as raw bytes, row by row of the list of inputs that a gateway must refuse, and what is required.

``gateway/test_bad_input.py`` sends all of them in memory, whole, byte by byte and behind a good request;
``wire/test_bad_input.py`` sends them to a real process.  The API they aim at is ``/pets``.
"""

from collections.abc import Mapping

from attrs import field, frozen

GOOD = b"GET /pets/good HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
HOST = b"Host: gateway.test\r\n"


@frozen
class Refused:
    """A request that is refused.  ``keep``: the connection lives on; ``begun``: its head may have reached an upstream."""

    row: int
    name: str
    data: bytes = field(repr=False)
    status: int
    keep: bool = False
    begun: bool = False


@frozen
class Passed:
    """A request that looks odd and is carried all the same.

    ``line`` is the request line the upstream gets (without version), ``body`` the body; ``there`` stands in what the
    upstream gets, ``gone`` does not (both without regard to case).
    """

    row: int
    name: str
    data: bytes = field(repr=False)
    line: bytes = b"GET /1"
    body: bytes = b""
    there: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()


def get(*fields: bytes, target: bytes = b"/pets/1", method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """A head with these fields behind Host."""
    return method + b" " + target + b" " + version + b"\r\n" + HOST + b"".join(one + b"\r\n" for one in fields) + b"\r\n"


def post(*fields: bytes, body: bytes = b"hello", version: bytes = b"HTTP/1.1") -> bytes:
    """A POST with these fields and this body."""
    return get(*fields, method=b"POST", version=version) + body


def chunked(body: bytes) -> bytes:
    """A POST whose body, coding included, is this."""
    return post(b"Transfer-Encoding: chunked", body=body)


def refused(row: int, status: int, vectors: Mapping[str, bytes], *, keep: bool = False, begun: bool = False) -> list[Refused]:
    """The vectors of a row that have one required answer."""
    return [Refused(row, name, data, status, keep, begun) for name, data in vectors.items()]


CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
INNER = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
"""What must never be taken for a request of its own."""

BOTH_LENGTHS = refused(1, 400, {
    "length, then chunked": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKS),
    "chunked, then length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKS),
    "length 0, then chunked": post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=CHUNKS),
    "CL.TE": post(b"Content-Length: %d" % (5 + len(INNER)), b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + INNER),
    "TE.CL": post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"2c\r\n" + INNER + b"\r\n0\r\n\r\n"),
    "unknown coding and length": post(b"Content-Length: 5", b"Transfer-Encoding: identity"),
    "empty coding and length": post(b"Content-Length: 5", b"Transfer-Encoding: "),
})  # fmt: skip

TWO_LENGTHS = refused(2, 400, {
    "same, twice": post(b"Content-Length: 5", b"Content-Length: 5"),
    "different": post(b"Content-Length: 5", b"Content-Length: 0"),
    "different, other case": post(b"Content-Length: 5", b"content-length: 50"),
    "list, same": post(b"Content-Length: 5, 5"),
    "list, different": post(b"Content-Length: 5,6"),
    "list with an empty element": post(b"Content-Length: 5,"),
    "behind other fields": post(b"Content-Length: 5", b"A: b", b"C: d", b"Content-Length: 5"),
})  # fmt: skip

ODD_LENGTHS = refused(3, 400, {
    repr(value): post(b"Content-Length: " + value)
    for value in (
        b"+5", b"-5", b"-0", b"0x5", b"1_0", b"5a", b"", b" ", b"5 5", b"5.0", b"5e0", b"5;a", b'"5"', b"\xb2", b"\xa05",
        b"9223372036854775808", b"18446744073709551616", b"18446744073709551621", b"5" * 30,
    )
}) + refused(3, 413, {
    "one byte over the limit": post(b"Content-Length: 10485761", body=b""),
    "far over the limit": post(b"Content-Length: 100000000000000000", body=b""),
})  # fmt: skip

ODD_CODINGS = refused(4, 400, {
    **{
        repr(value): post(b"Transfer-Encoding: " + value, body=CHUNKS)
        for value in (
            b"xchunked", b"chunkedx", b"identity", b"chunked, identity", b"chunked,identity", b"identity, chunked",
            b"chunked;a", b"chunked;a=b", b'"chunked"', b"'chunked'", b"chunked chunked", b"chu nked", b"", b"\x0bchunked",
            b"\x0cchunked", b"chunked\x0b", b"\xa0chunked", b"chunked\xa0", b"\x00chunked", b"chunked\x00", b"chunked\x7f",
        )
    },
    "twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKS),
    "twice, one unknown": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=CHUNKS),
    "in lower case twice": post(b"Transfer-Encoding: x", b"transfer-encoding: chunked", body=CHUNKS),
})  # fmt: skip

CODING_LISTS = refused(5, 400, {
    repr(value): post(b"Transfer-Encoding: " + value, body=CHUNKS)
    for value in (b",chunked", b"chunked,", b" ,chunked", b"chunked, chunked", b"chunked, gzip")
}) + refused(5, 501, {
    repr(value): post(b"Transfer-Encoding: " + value, body=CHUNKS)
    for value in (b"gzip, chunked", b"gzip,chunked", b"gzip", b"deflate", b"deflate, chunked")
})  # fmt: skip

OLD_CHUNKED = refused(6, 400, {
    "chunked in HTTP/1.0": post(b"Transfer-Encoding: chunked", body=CHUNKS, version=b"HTTP/1.0"),
    "chunked in HTTP/1.0, kept alive": post(
        b"Transfer-Encoding: chunked", b"Connection: keep-alive", body=CHUNKS, version=b"HTTP/1.0"
    ),
    "chunked in HTTP/1.0, kept alive, without a host": (
        b"POST /pets/1 HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS
    ),
    "identity in HTTP/1.0": post(b"Transfer-Encoding: identity", version=b"HTTP/1.0"),
})  # fmt: skip

ODD_FIELDS = refused(7, 400, {
    "folded": get(b"A: b", b" c"),
    "folded by a tab": get(b"A: b", b"\tc"),
    "folded into a framing field": post(b"Transfer-Encoding:", b" chunked", body=CHUNKS),
    "folded first field": b"GET /pets/1 HTTP/1.1\r\n Host: gateway.test\r\n\r\n",
    "space before the colon": get(b"A : b"),
    "tab before the colon": get(b"A\t: b"),
    "space before the colon of a framing field": post(b"Content-Length : 5"),
    "space in the name": get(b"A b: c"),
    "no colon": get(b"A"),
    "no colon in a framing field": post(b"Transfer-Encoding chunked", body=CHUNKS),
    "no name": get(b": b"),
    "split name": get(b"Content-", b"Length: 5"),
    "8-bit in the name": get(b"\xc3\xa4: b"),
    "control in the name": get(b"A\x01: b"),
    "NUL in the name": get(b"Content-Length\x00: 5"),
    "separator in the name": get(b"A(b): c"),
    "bracket in the name": get(b"A[b]: c"),
    "quoted name": get(b'"A": c'),
    "slash in the name": get(b"A/B: c"),
})  # fmt: skip

LINE_ENDS = refused(8, 400, {
    "bare LF everywhere": b"GET /pets/1 HTTP/1.1\nHost: gateway.test\n\n",
    "bare LF behind the request line": b"GET /pets/1 HTTP/1.1\nHost: gateway.test\r\n\r\n",
    "bare LF behind a field": b"GET /pets/1 HTTP/1.1\r\nHost: gateway.test\nA: b\r\n\r\n",
    "bare LF at the end": b"GET /pets/1 HTTP/1.1\r\nHost: gateway.test\r\n\nA: b\r\n\r\n",
    "bare CR behind a field": b"GET /pets/1 HTTP/1.1\r\nHost: gateway.test\rA: b\r\n\r\n",
    "bare CR in a value": get(b"A: b\rc"),
    "bare CR at the end": b"GET /pets/1 HTTP/1.1\r\nHost: gateway.test\r\n\rX: y\r\n\r\n",
    "two CR": b"GET /pets/1 HTTP/1.1\r\r\nHost: gateway.test\r\n\r\n",
    "NUL in a value": get(b"A: b\x00c"),
    "ESC in a value": get(b"User-Agent: \x1b[31m"),
    "BEL in a value": get(b"A: \x07"),
    "VT in a value": get(b"A: b\x0bc"),
    "FF in a value": get(b"A: \x0cb"),
    "DEL in a value": get(b"A: b\x7f"),
    "two empty lines before": b"\r\n\r\n" + get(),
    "three empty lines before": b"\r\n\r\n\r\n" + get(),
    "LF before": b"\n" + get(),
    "CR before": b"\r" + get(),
    "space before": b" " + get(),
    "blanks and an empty line before": b"  \r\n" + get(),
    "a thousand empty lines before": b"\r\n" * 1000 + get(),
})  # fmt: skip

REQUEST_LINES = refused(9, 400, {
    "HTTP/0.9": b"GET /pets/1\r\n\r\n",
    "HTTP/0.9 with fields": b"GET /pets/1\r\nHost: gateway.test\r\n\r\n",
    "HTTP/0.9 with fields, bare LF": b"GET /pets/1\nHost: gateway.test\n\n",
    "RTSP/1.1": get(version=b"RTSP/1.1"),
    "ICE/1.0": get(version=b"ICE/1.0", method=b"SOURCE"),
    "HTTPS/1.1": get(version=b"HTTPS/1.1"),
    "http/1.1": get(version=b"http/1.1"),
    "HTTP/1": get(version=b"HTTP/1"),
    "HTTP/1.": get(version=b"HTTP/1."),
    "HTTP/1.12": get(version=b"HTTP/1.12"),
    "HTTP/01.1": get(version=b"HTTP/01.1"),
    "HTTP/1.1 and more": get(version=b"HTTP/1.1 x"),
    "HTTP /1.1": get(version=b"HTTP /1.1"),
    "HTTP/1,1": get(version=b"HTTP/1,1"),
    "double space": b"GET  /pets/1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "double space before the version": b"GET /pets/1  HTTP/1.1\r\n" + HOST + b"\r\n",
    "space at the end": b"GET /pets/1 HTTP/1.1 \r\n" + HOST + b"\r\n",
    "tabs": b"GET\t/pets/1\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the target": get(target=b"/pets/1 2"),
    "no target": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    "only a method": b"GET\r\n" + HOST + b"\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "NUL in the target": get(target=b"/pets/\x00"),
    "8-bit in the target": get(target=b"/pets/\xc3\xa4"),
    "control in the target": get(target=b"/pets/\x1b[31m"),
    "separator in the method": get(method=b"G(T"),
    "8-bit in the method": get(method=b"G\xc3T"),
}) + refused(9, 505, {
    "HTTP/2.0": get(version=b"HTTP/2.0"),
    "HTTP/3": get(version=b"HTTP/3"),
    "HTTP/0.9 by name": get(version=b"HTTP/0.9"),
    "HTTP/9.9": get(version=b"HTTP/9.9"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
})  # fmt: skip

CHUNK_FRAMING = refused(10, 400, {
    name: chunked(body)
    for name, body in {
        "bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
        "bare LF behind an extension": b"5;\nhello\r\n0\r\n\r\n",
        "bare LF behind an extension with a value": b"5;a=b\nhello\r\n0\r\n\r\n",
        "bare CR behind the size": b"5\rhello\r\n0\r\n\r\n",
        "two CR behind the size": b"5\r\r\nhello\r\n0\r\n\r\n",
        "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        "bare LF behind the payload": b"5\r\nhello\n0\r\n\r\n",
        "bare CR behind the payload": b"5\r\nhello\r0\r\n\r\n",
        "two CR behind the payload": b"5\r\nhello\r\r\n0\r\n\r\n",
        "payload spills": b"5\r\nhelloX\r\n0\r\n\r\n",
        "payload spills two bytes": b"5\r\nhelloXX0\r\n\r\n",
        "payload without its end": b"5\r\nhello0\r\n\r\n",
        "bare LF behind the last chunk": b"5\r\nhello\r\n0\n\r\n",
        "bare LF at the end": b"5\r\nhello\r\n0\r\n\n" + INNER,
        "bare CR at the end": b"5\r\nhello\r\n0\r\n\rX" + INNER,
        "+5": b"+5\r\nhello\r\n0\r\n\r\n",
        "-5": b"-5\r\nhello\r\n0\r\n\r\n",
        "0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
        "1_0": b"1_0\r\nhellohellohelloh\r\n0\r\n\r\n",
        "5g": b"5g\r\nhello\r\n0\r\n\r\n",
        "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
        "space behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
        "tab behind the size": b"5\t\r\nhello\r\n0\r\n\r\n",
        "space before an extension": b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
        "no size": b"\r\nhello\r\n0\r\n\r\n",
        "only an extension": b";a\r\nhello\r\n0\r\n\r\n",
        "16 digits": b"f" * 16 + b"\r\nhello\r\n0\r\n\r\n",
        "17 digits": b"1" + b"0" * 16 + b"\r\nhello\r\n0\r\n\r\n",
        "wraps at 32 bits": b"0" * 15 + b"100000005\r\nhello\r\n0\r\n\r\n",
        "NUL behind the size": b"5\x00\r\nhello\r\n0\r\n\r\n",
        "NUL in an extension": b"5;a\x00\r\nhello\r\n0\r\n\r\n",
        "8-bit digits": "５\r\nhello\r\n0\r\n\r\n".encode(),
    }.items()
}, begun=True)  # fmt: skip

CHUNK_OVERHEAD = refused(11, 400, {
    "extension of 64 KiB": chunked(b"5;" + b"a" * 65536 + b"\r\nhello\r\n0\r\n\r\n"),
    "extension of 300 bytes": chunked(b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n"),
    "extension without end": chunked(b"5;" + b"a" * 1000),
    "small chunks with long extensions": chunked((b"1;" + b"a" * 250 + b"\r\nx\r\n") * 100 + b"0\r\n\r\n"),
    "a thousand zeros": chunked(b"0" * 1000 + b"5\r\nhello\r\n0\r\n\r\n"),
    "a thousand zeros at the end": chunked(b"5\r\nhello\r\n" + b"0" * 1000 + b"\r\n\r\n"),
    "a trailer of 9 KiB": chunked(b"0\r\nA: " + b"a" * 9000 + b"\r\n\r\n"),
    "many trailers": chunked(b"0\r\n" + b"A: b\r\n" * 2000 + b"\r\n"),
}, begun=True)  # fmt: skip

TRAILERS = refused(12, 400, {
    "Content-Length": chunked(b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"),
    "Transfer-Encoding": chunked(b"5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n"),
    "no colon": chunked(b"5\r\nhello\r\n0\r\nA\r\n\r\n"),
    "folded": chunked(b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n"),
    "space before the colon": chunked(b"5\r\nhello\r\n0\r\nA : b\r\n\r\n"),
    "bare LF": chunked(b"5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n"),
    "bare CR": chunked(b"5\r\nhello\r\n0\r\nA: b\rC: d\r\n\r\n"),
    "control in the value": chunked(b"5\r\nhello\r\n0\r\nA: \x00\r\n\r\n"),
    "a request in its place": chunked(b"5\r\nhello\r\n0\r\n" + INNER),
}, begun=True)  # fmt: skip

UPGRADES = refused(14, 400, {
    "WebSocket with a length": post(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 5"),
    "WebSocket with chunks": post(
        b"Connection: Upgrade", b"Upgrade: WebSocket", b"Transfer-Encoding: chunked", body=CHUNKS
    ),
})  # fmt: skip

METHODS = (
    refused(17, 405, {
        "CONNECT": get(method=b"CONNECT", target=b"gateway.test:443"),
        "CONNECT with a path": get(method=b"CONNECT"),
        "CONNECT and a request in its tunnel": get(method=b"CONNECT", target=b"gateway.test:443") + INNER,
    })
    + refused(17, 405, {"TRACE": get(method=b"TRACE"), "TRACK": get(method=b"TRACK")}, keep=True)
    + refused(17, 501, {
        "lower case": get(method=b"get"),
        "mixed case": get(method=b"Get"),
        "unknown": get(method=b"BREW"),
        "unknown and long": get(method=b"A" * 1000),
        "known and more": get(method=b"GETX"),
        "signs": get(method=b"!#$%&'*+-.^_`|~"),
    })
    + refused(17, 404, {"OPTIONS *": get(method=b"OPTIONS", target=b"*")}, keep=True)
)  # fmt: skip

EXPECTATIONS = refused(18, 417, {
    "other": post(b"Content-Length: 5", b"Expect: 200-ok"),
    "list": post(b"Content-Length: 5", b"Expect: 100-continue, 100-continue"),
    "empty": post(b"Content-Length: 5", b"Expect: "),
    "twice": post(b"Content-Length: 5", b"Expect: 100-continue", b"Expect: 100-continue"),
    "without a body": get(b"Expect: something"),
})  # fmt: skip


def hosts(*fields: bytes) -> bytes:
    """A head with these fields and no other."""
    return b"GET /pets/1 HTTP/1.1\r\n" + b"".join(one + b"\r\n" for one in fields) + b"\r\n"


HOSTS = refused(19, 400, {
    "none": hosts(b"A: b"),
    "two": hosts(b"Host: gateway.test", b"Host: other.test"),
    "two, same": hosts(b"Host: gateway.test", b"Host: gateway.test"),
    "two, other case": hosts(b"Host: gateway.test", b"hOST: other.test"),
    "two in HTTP/1.0": b"GET /pets/1 HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    **{
        repr(value): hosts(b"Host: " + value)
        for value in (
            b"", b"a,b", b"a, b", b"a b", b"a/b", b"a@b", b"a?b", b"a#b", b"a\\b", b"a%2fb", b"a:", b":80", b"a:b", b"a:-1",
            b"a:80x", b"a:80:80", b"a:65536", b"a:100000", b"http://a", b"[::1", b"::1", b"[::g]", b"[]", b"[1:2]", b"[::1]a",
            b"a..b", b".a", b"-a", b"a;b", b"a'b", b'a"b', b"a(b)", b"\xe4", b"a" * 300, b"*",
        )
    },
})  # fmt: skip

ABSOLUTE_TARGETS = refused(20, 400, {
    "other host": get(target=b"http://other.test/pets/1"),
    "other port": get(target=b"http://gateway.test:81/pets/1"),
    "user": get(target=b"http://user@gateway.test/pets/1"),
    "user before another host": get(target=b"http://gateway.test@other.test/pets/1"),
    "no host": get(target=b"http:///pets/1"),
    "no path and a user": get(target=b"http://gateway.test:80@other.test"),
    "other scheme": get(target=b"ftp://gateway.test/pets/1"),
    "file": get(target=b"file:///etc/passwd"),
    "host without scheme": get(target=b"gateway.test/pets/1"),
    "host and port": get(target=b"gateway.test:80"),
    "asterisk": get(target=b"*"),
    "asterisk with a path": get(target=b"*/pets/1"),
    "no slash": get(target=b"pets/1"),
    "question mark first": get(target=b"?a"),
})  # fmt: skip

DOT_SEGMENTS = refused(21, 400, {
    path.decode(): get(target=path)
    for path in (
        b"/pets/../admin", b"/pets/./1", b"/pets/.", b"/pets/..", b"/..", b"/.", b"/./pets/1", b"/../pets/1", b"/pets/%2e%2e/admin",
        b"/pets/%2E./admin", b"/pets/.%2e/admin", b"/pets/%2e/1", b"/pets/%2e", b"/pets/..;x/admin", b"/pets/..;/admin",
        b"/pets/.;/1", b"/pets/%2e%2e;x/1", b"//pets/..//admin", b"/pets/%252e%252e/admin", b"/pets/..%2fadmin",
        b"/pets/%2e%2e%2fadmin", b"/pets/..%5cadmin", b"/pets/..?a=b", b"http://gateway.test/pets/../admin",
        b"/pets/x%2f..%2fadmin",
    )
}, keep=True)  # fmt: skip

ODD_ESCAPES = refused(22, 400, {
    path.decode(): get(target=path)
    for path in (
        b"/pets/a%2fb", b"/pets/a%2Fb", b"/pets/%2f", b"/pets%2f1", b"/%2fpets/1", b"/pets/a%5cb", b"/pets/a%5Cb", b"/pets/a%00", b"/pets/%00a",
        b"/pets/a%3bb", b"/pets/a%3Bb", b"/pets/a%3fb", b"/pets/a%3Fb=c", b"/pets/a%23b", b"/pets/a%25b", b"/pets/a%252fb",
        b"/pets/a%0d%0aX:%20y", b"/pets/a%0a", b"/pets/a%09b", b"/pets/a%1b", b"/pets/a%7f", b"/pets/a%", b"/pets/a%2", b"/pets/%zz",
        b"/pets/%u002f", b"/pets/%2", b"/pets/%%32f", b"/pets/a%2fb?c=%00",
    )
}, keep=True) + refused(22, 400, {
    path.decode(): get(target=path)
    for path in (
        b"/pets/a#b", b"/pets/#", b"/pets/1?a#b", b"/pets\\..\\admin", b"/pets/a\\b", b"\\pets\\1", b'/pets/"', b"/pets/<b>", b"/pets/1?<b>",
        b"/pets/1?a\\b", b"http://gateway.test/pets/1#a", b"http://gateway.test\\pets",
    )
})  # fmt: skip

UNDERSCORES = refused(23, 400, {
    name.decode(): get(name + b": value")
    for name in (
        b"X_Api_Key", b"X-Api_Key", b"Transfer_Encoding", b"Content_Length", b"X_Forwarded_For", b"_", b"Via_", b"Ho_st", b"Host_",
    )
}) + refused(23, 400, {"for no API": get(b"A_B: c", target=b"/nothing")})  # fmt: skip

NOMINATED = refused(24, 400, {
    name.decode(): get(b"Connection: " + name, b"A: b")
    for name in (
        b"X-Api-Key", b"apikey", b"Authorization", b"Cookie", b"X-Forwarded-For", b"x-forwarded-proto", b"Forwarded", b"Via",
        b"close, X-Forwarded-Host", b"Content-Length", b"Transfer-Encoding", b"Host", b"keep-alive, Host", b"X-Consumer-Username",
        b"X-Credential-Identifier", b"X-Real-IP", b"X-Request-Id", b"Content-Type", b"X-User",
    )
}) + refused(24, 400, {
    repr(value): get(b"Connection: " + value)
    for value in (b"a b", b"a;b", b'"close"', b"(close)", b"close, a/b", b"\xe4")
})  # fmt: skip

LARGE_HEADS = (
    refused(27, 431, {
        "field of 9 KiB": get(b"A: " + b"b" * 9000),
        "field name of 9 KiB": get(b"A" * 9000 + b": b"),
        "33 KiB of fields": get(*(b"A%d: " % number + b"b" * 1000 for number in range(33))),
        "101 fields": get(*(b"A%d: b" % number for number in range(100))),
        "1000 fields": get(*(b"A: b" for _ in range(1000))),
        "fields without end": b"GET /pets/1 HTTP/1.1\r\n" + b"A: b\r\n" * 6000,
    })
    + refused(27, 414, {
        "target of 9 KiB": get(target=b"/pets/" + b"a" * 9000),
        "query of 9 KiB": get(target=b"/pets/1?" + b"a" * 9000),
        "target without end": b"GET /pets/" + b"a" * 9000,
        "target of 40 KiB": get(target=b"/pets/" + b"a" * 40000),
    })
)  # fmt: skip

REFUSED = [
    *BOTH_LENGTHS, *TWO_LENGTHS, *ODD_LENGTHS, *ODD_CODINGS, *CODING_LISTS, *OLD_CHUNKED, *ODD_FIELDS, *LINE_ENDS,
    *REQUEST_LINES, *CHUNK_FRAMING, *CHUNK_OVERHEAD, *TRAILERS, *UPGRADES, *METHODS, *EXPECTATIONS, *HOSTS, *ABSOLUTE_TARGETS,
    *DOT_SEGMENTS, *ODD_ESCAPES, *UNDERSCORES, *NOMINATED, *LARGE_HEADS,
]  # fmt: skip


# --- what looks odd and has one meaning all the same ------------------------------------------------------------

PASSED = [
    Passed(3, "length with zeros before it", post(b"Content-Length: 005"), b"POST /1", b"hello", (b"\r\ncontent-length: 5\r\n",)),
    Passed(
        3, "length in HTTP/1.0, kept alive, without a host",
        b"POST /pets/1 HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", b"POST /1", b"hello",
    ),
    Passed(4, "Chunked", post(b"Transfer-Encoding: Chunked", body=CHUNKS), b"POST /1", b"hello"),
    Passed(7, "outer blanks of a value", get(b"A: \t b \t "), there=(b"\r\na: b\r\n",)),
    Passed(7, "no blank before a value", get(b"A:b"), there=(b"\r\na: b\r\n",)),
    Passed(7, "empty value", get(b"A:"), there=(b"\r\na: \r\n",)),
    Passed(7, "8-bit in a value", get(b"A: \xe4\xff\x80"), there=(b"\r\na: \xe4\xff\x80\r\n",)),
    Passed(8, "one empty line before", b"\r\n" + get()),
    Passed(10, "extension", chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"), b"POST /1", b"hello", gone=(b"a=b",)),
    Passed(10, "zeros before a size", chunked(b"0005\r\nhello\r\n000\r\n\r\n"), b"POST /1", b"hello"),
    Passed(10, "large digits", chunked(b"A\r\nhellohello\r\n0\r\n\r\n"), b"POST /1", b"hellohello"),
    Passed(11, "small chunks", chunked(b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n"), b"POST /1", b"x" * 2000),
    Passed(
        12,
        "trailers",
        chunked(b"5\r\nhello\r\n0\r\nHost: evil.test\r\nAuthorization: evil\r\nX-User: evil\r\n\r\n"),
        b"POST /1", b"hello", gone=(b"evil",),
    ),
    Passed(13, "GET with a body", get(b"Content-Length: 5") + b"hello", b"GET /1", b"hello"),
    Passed(13, "GET whose body is a request", get(b"Content-Length: %d" % len(INNER)) + INNER, b"GET /1", INNER),
    Passed(13, "GET with chunks", get(b"Transfer-Encoding: chunked") + CHUNKS, b"GET /1", b"hello"),
    Passed(13, "OPTIONS with chunks", get(b"Transfer-Encoding: chunked", method=b"OPTIONS") + CHUNKS, b"OPTIONS /1", b"hello"),
    Passed(13, "POST without a length", get(method=b"POST"), b"POST /1", there=(b"\r\ncontent-length: 0\r\n",)),
    Passed(13, "length 0 and what follows", get(b"Content-Length: 0"), b"GET /1"),
    Passed(
        14,
        "h2c with a body",
        post(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk", b"Content-Length: 5"),
        b"POST /1", b"hello", gone=(b"upgrade", b"http2-settings", b"\r\nconnection"),
    ),
    Passed(
        14,
        "TLS upgrade",
        get(b"Connection: upgrade", b"Upgrade: TLS/1.3"),
        gone=(b"upgrade", b"\r\nconnection"),
    ),
    Passed(
        14,
        "WebSocket without a body",
        get(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAA"),
        gone=(b"\r\nupgrade", b"\r\nconnection"),
    ),
    Passed(20, "absolute form", get(target=b"http://gateway.test/pets/1?a"), b"GET /1?a", gone=(b"http://gateway.test/",)),
    Passed(20, "absolute form in capitals", get(target=b"HTTP://GATEWAY.test/pets/1"), b"GET /1"),
    Passed(21, "empty segments", get(target=b"//pets///1"), b"GET /1"),
    Passed(21, "empty segments at the end", get(target=b"/pets/1//"), b"GET /1/"),
    Passed(21, "dots inside a segment", get(target=b"/pets/a..b/...x/.y/...z"), b"GET /a..b/...x/.y/...z"),
    Passed(22, "needless escapes", get(target=b"/%70ets/%41%2d%7e"), b"GET /A-~"),
    Passed(22, "needed escapes", get(target=b"/pets/a%20b%c3%a4"), b"GET /a%20b%C3%A4"),
    Passed(22, "query as it came", get(target=b"/pets/1?a=%2f%00%5c/../&b=//;?"), b"GET /1?a=%2f%00%5c/../&b=//;?"),
    Passed(24, "another field for this hop", get(b"Connection: X-Hop, close", b"X-Hop: a", b"B: c"), gone=(b"x-hop",), there=(b"\r\nb: c\r\n",)),
    Passed(24, "empty elements", get(b"Connection: ,, X-Hop ,", b"X-Hop: a"), gone=(b"x-hop", b"\r\nconnection")),
    Passed(24, "Keep-Alive and TE", get(b"Connection: keep-alive, TE", b"Keep-Alive: timeout=5", b"TE: trailers"), gone=(b"keep-alive", b"\r\nte:")),
    Passed(
        25,
        "identity in the name of the gateway",
        get(
            b"X-Consumer-Username: evil", b"x-consumer-custom-id: evil", b"X-CREDENTIAL-Identifier: evil",
            b"X-Authenticated-Userid: evil", b"X-Anonymous-Consumer: evil", b"X-Twgw-Anything: evil", b"X-Real-IP: evil",
        ),
        gone=(b"evil",),
    ),
    Passed(
        25,
        "addresses in the name of a proxy",
        get(b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-Proto: evil", b"x-forwarded-HOST: evil", b"Forwarded: for=evil"),
        gone=(b"evil", b"6.6.6.6"),
        there=(b"\r\nx-forwarded-for: 127.0.0.1\r\n", b"\r\nforwarded: for=127.0.0.1;proto=http;host="),
    ),
]  # fmt: skip
