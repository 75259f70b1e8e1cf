"""Tests of twgw.listen."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.listen import Listen


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("tcp:8080", Listen("tcp", 8080)),
        ("tcp:0", Listen("tcp", 0)),
        ("tcp:80:interface=127.0.0.1", Listen("tcp", 80, "127.0.0.1")),
        (r"tcp:80:interface=\:\:1", Listen("tcp", 80, "::1")),
        ("tcp:80:interface=[::1]", Listen("tcp", 80, "::1")),
        (r"tcp:80:interface=\:\:", Listen("tcp", 80, "::")),
        ("ssl:443", Listen("ssl", 443)),
        ("ssl:443:certKey=c.pem", Listen("ssl", 443, "", Path("c.pem"))),
        (
            r"ssl:443:privateKey=C\:k\\.pem:certKey=c.pem:interface=[2001:db8::1]",
            Listen("ssl", 443, "2001:db8::1", Path("c.pem"), Path(r"C:k\.pem")),
        ),
    ],
)
def test_listeners_are_endpoint_strings(text, listen):
    """A listener is written as Twisted's endpoints are, IPv6 addresses also in brackets."""
    assert listen == Listen.from_text(text)
    assert listen == Listen.from_text(str(listen))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1"),
        ("tcp", "must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1"),
        ("tcp:", "must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1"),
        ("tcp:http", "must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1"),
        ("tcp:65536", "must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1"),
        ("tcp:٨٠", "must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1"),
        ("8080", "must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1"),
        ("tcp:80:interfac=::", "unknown option interfac; did you mean interface?"),
        ("tcp:80:certKey=x", "unknown option certKey; known: interface"),
        ("tcp:80:interface=localhost", "interface must be an IP address; the colons in it are written \\:"),
        ("tcp:80:interface=::1", "option interface must have one value"),
        ("tcp:80:interface=127.0.0.1:interface=127.0.0.2", "option interface must have one value"),
        ("ssl:80:privateKey=x", "privateKey needs certKey"),
        ("tcp:80:interface=127.0.0.1\\", "ends in a single \\"),
    ],
)
def test_bad_listeners_are_refused(text, error):
    """A listener that means nothing, or not what it seems to, is refused."""
    with pytest.raises(ValueError, match=re.escape(error)):
        Listen.from_text(text)


@given(
    st.builds(
        Listen,
        st.just("ssl"),
        st.integers(0, 65535),
        st.ip_addresses().map(str),
        st.text("abc:/\\. [", min_size=1).map(Path),
        st.text("abc:/\\. [", min_size=1).map(Path),
    )
)
def test_every_listener_can_be_written(listen):
    """Whatever is in a listener, its text means the same listener."""
    assert listen == Listen.from_text(str(listen))
