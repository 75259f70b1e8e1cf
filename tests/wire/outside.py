"""The world outside of a node: names that are not localhost, TLS in front, and a person with a browser.

As a company has it: programs reach https://login.test and https://api.test through a proxy (CONNECT), and TLS ends
before the node, which listens plainly on the loopback address and is told by ``public_url`` how it is called.
"""

import html
import re
import select
import socket
import ssl
import threading

import requests

from tests.wire.processes import PATIENCE
from tests.wire.test_tls import certificate


class Outside:
    """Leads each name to a port of this machine.  ``proxy`` is its URL, ``trust`` the file with its authority."""

    def __init__(self, folder, ports):
        self._ports = ports
        authority = certificate(folder, "authority")
        self.trust = authority[2]
        self._contexts = {}
        for name in ports:
            context = self._contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate(folder, name, authority)[2])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.proxy = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = client.recv(4096)
                    if not piece:
                        return
                    head += piece
                asked = re.match(rb"CONNECT ([a-z.]+):443 HTTP/1\.[01]\r\n", head)
                name = asked[1].decode() if asked else ""
                if name not in self._ports:
                    client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                    return
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with (
                    self._contexts[name].wrap_socket(client, server_side=True) as outer,
                    socket.create_connection(("127.0.0.1", self._ports[name])) as inner,
                ):
                    relay(outer, inner)
            except OSError:
                return  # a client that leaves in the middle

    def session(self, made=None):
        """A session of ``requests`` that goes this way; sends nobody anywhere by itself."""
        session = made or requests.Session()
        session.trust_env = False
        session.proxies = {"https": self.proxy}
        session.verify = str(self.trust)
        return session

    def close(self):
        """Listen no more."""
        self._socket.close()


def relay(outer, inner):
    """Bytes in both directions, until one side ends."""
    while True:
        ready = [outer] if outer.pending() else select.select([outer, inner], [], [], PATIENCE)[0]
        for one in ready:
            data = one.recv(65536)
            if not data:
                return
            (inner if one is outer else outer).sendall(data)
        if not ready:
            return


class Person:
    """Somebody with a browser, who logs in and allows what is asked for."""

    def __init__(self, session, name, password):
        self._session, self._name, self._password = session, name, password

    def allow(self, url):
        """Where they are sent in the end: the redirect URI with its parameters."""
        page = self._session.get(url, timeout=PATIENCE)
        if 'name="username"' in page.text:
            page = self._press(page, username=self._name, password=self._password)
        sent = self._press(page, follow=False, answer="allow")
        assert 303 == sent.status_code, sent.text
        return sent.headers["Location"]

    def _press(self, page, *, follow=True, **fields):
        """Send the form of a page, as a browser does."""
        assert 200 == page.status_code, page.text
        action = re.search(r'<form method="post" action="([^"]*)"', page.text)[1]
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        filled = {name: html.unescape(value) for name, value in hidden} | fields
        root = re.match(r"https://[^/]*", page.url)[0]
        headers = {"Origin": root, "Sec-Fetch-Site": "same-origin"}
        return self._session.post(
            root + action, data=filled, headers=headers, allow_redirects=follow, timeout=PATIENCE
        )
