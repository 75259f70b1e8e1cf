"""The chunked coding: one form, bounded, the same at any split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.gateway.chunked import LAST_CHUNK, ChunkedReader, chunk
from twgw.gateway.http1 import BadMessage


def read(data, *cuts):
    """Payload and rest of a body that comes in pieces."""
    reader, payload, rest, at = ChunkedReader(), b"", b"", 0
    for end in [*sorted(cuts), len(data)]:
        if reader.done:
            rest += data[at:end]
        else:
            payload += b"".join(reader.feed(data[at:end]))
            rest += reader.rest if reader.done else b""
        at = end
    return payload, rest, reader.done


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=9), st.data())
def test_a_body_is_the_same_at_any_split(pieces, behind, data):
    """What was written is read; what follows is not touched."""
    wire = b"".join(map(chunk, pieces)) + LAST_CHUNK + behind
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=8))

    assert (b"".join(pieces), behind, True) == read(wire, *cuts)


@pytest.mark.parametrize(
    "wire",
    [b"5;name=value\r\nhello\r\n0\r\n\r\n", b'5;a;b="c"\r\nhello\r\n0;x\r\n\r\n', b"05\r\nhello\r\n000\r\n\r\n",
     b"5\r\nhello\r\n0\r\nX-Trailer: dropped\r\n\r\n"],
)  # fmt: skip
def test_what_is_not_payload_is_dropped(wire):
    """Extensions, leading zeros, trailers."""
    for cut in range(len(wire)):
        assert (b"hello", b"", True) == read(wire, cut)


@pytest.mark.parametrize(
    "wire",
    [b"5\nhello\n", b"5;\nhello", b"5\r\r\n", b"+5\r\n", b"0x5\r\n", b"1_0\r\n", b" 5\r\n", b"5 \r\n", b"\r\n",
     b"g\r\n",
     b"-1\r\n", b"5\r\nhello!", b"5\r\nhello\n", b"5\r\nhelloX\r\n", b"1" * 16 + b"\r\n", b"0" * 1000,
     b"5;" + b"x" * 300 + b"\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
     b"0\r\nbad trailer\r\n\r\n", b"0\r\n a: b\r\n\r\n", b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n", b"0\r\nX: y\n\r\n"],
)  # fmt: skip
def test_other_forms_are_refused(wire):
    """Whole and byte by byte, before the body could end."""
    for cuts in ((), range(1, len(wire))):
        with pytest.raises(BadMessage):
            assert not read(wire + b"\r\n" * 2, *cuts)[2]


def test_overhead_is_bounded():
    """Tiny chunks with long extensions are an attack; tiny chunks alone are not."""
    with pytest.raises(BadMessage, match="overhead"):
        read(b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 5000)
    assert read(chunk(b"x") * 5000 + LAST_CHUNK)[2]
