"""The chunked transfer coding: wire bytes in, payload out (RFC 9112, 7.1).

Pure.  ``edge.py`` reads request bodies with it, ``upstream.py`` response bodies.
Strict where readers differ: line ends, size digits, blanks, extensions and trailers have one form or are refused,
and what is not payload is bounded.
"""

import re
from typing import Final

from twgw.gateway.http1 import BadMessage

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(;[\t -~\x80-\xff]*)?\r\n")
_TRAILER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t -~\x80-\xff]*")
_LINE_LIMIT: Final = 256 + 18
_TRAILERS_LIMIT: Final = 8 * 1024
_OVERHEAD_FLOOR: Final = 16 * 1024

_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class ChunkedReader:
    """Reads one chunked body; ``done`` when its last byte came.  After an error it must not be used again."""

    __slots__ = ("_buffer", "_left", "_overhead", "_payload", "_state", "done", "rest")

    def __init__(self) -> None:
        self._buffer = b""
        self._state = _SIZE
        self._left = 0
        self._payload = 0
        self._overhead = 0
        self.done = False
        self.rest = b""
        """What came behind the end of the body."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payload in the next bytes.  Raises BadMessage (400) for a body that is not well formed."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces: list[bytes] = []
        at = 0
        end = len(data)
        while at < end:
            state = self._state
            if state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = _DATA_END
            elif state == _DATA_END:
                if data[at] != 13 or (end - at > 1 and data[at + 1] != 10):
                    raise BadMessage(400, "Malformed chunk")
                if end - at == 1:
                    break
                at += 2
                self._state = _SIZE
            elif state == _SIZE:
                found = _SIZE_LINE.match(data, at)
                if found is None:
                    self._check_unfinished(data, at)
                    break
                at = self._begin_chunk(found)
            else:
                after = self._read_trailer(data, at)
                if after == at:
                    break
                at = after
                if self.done:
                    self.rest = data[at:]
                    return pieces
        self._buffer = data[at:]
        return pieces

    def _begin_chunk(self, found: re.Match[bytes]) -> int:
        line = found.end() - found.start()
        if line > _LINE_LIMIT:
            raise BadMessage(400, "Chunk extension too long")
        self._left = int(found[1], 16)
        self._payload += self._left
        self._overhead += line + 2
        if self._overhead > _OVERHEAD_FLOOR + self._payload // 4 and found[2] is not None:
            raise BadMessage(400, "Too much chunk overhead")
        if self._overhead > _OVERHEAD_FLOOR + self._payload * 6:
            raise BadMessage(400, "Too much chunk overhead")
        self._state = _DATA if self._left else _TRAILERS
        if not self._left:
            self._overhead = 0
        return found.end()

    def _check_unfinished(self, data: bytes, at: int) -> None:
        """Refuse what no further byte can make a size line."""
        begun = data[at:]
        if len(begun) > _LINE_LIMIT:
            raise BadMessage(400, "Chunk extension too long" if b";" in begun[:18] else "Malformed chunk size")
        for ending in (b"\r\n", b"\n", b"0\r\n", b";\r\n"):
            if _SIZE_LINE.fullmatch(begun + ending):
                return
        raise BadMessage(400, "Malformed chunk size")

    def _read_trailer(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at)
        if end == -1:
            if self._overhead + len(data) - at > _TRAILERS_LIMIT or b"\n" in data[at:] or b"\r" in data[at:-1]:
                raise BadMessage(400, "Malformed trailer")
            return at
        self._overhead += end + 2 - at
        if self._overhead > _TRAILERS_LIMIT:
            raise BadMessage(400, "Trailers too large")
        if end == at:
            self._state = _DONE
            self.done = True
            return end + 2
        found = _TRAILER.fullmatch(data, at, end)
        if found is None or found[1].lower() in (b"content-length", b"transfer-encoding"):
            raise BadMessage(400, "Malformed trailer")
        return end + 2


def chunk(data: bytes) -> bytes:
    """One chunk with this payload, which must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"
