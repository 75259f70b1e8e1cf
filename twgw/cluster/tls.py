"""TLS between nodes: both show a certificate of the cluster, from the first byte, or there is no connection.

Made by ``service.py`` of the three files that ``twgw cluster init`` or ``join`` wrote.  Names of hosts do not matter:
whoever holds a certificate of the cluster's own authority was let in by it, and ``protocol.py`` reads who that is.
"""

import os
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.ssl import Certificate, CertificateOptions, TLSVersion, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from twgw.cluster import authority
from twgw.cluster.authority import CertificateError, Identity

JOIN = b"twgw-join"
"""What is spoken by a node that has no certificate yet (ALPN, RFC 7301)."""
LONGEST = 1 << 20
"""Bytes of a file: certificates are small."""
PRIVATE = "-----BEGIN PRIVATE KEY-----"


@implementer(IOpenSSLServerConnectionCreator, IOpenSSLClientConnectionCreator)
class Tls:
    """What both ends of a connection are made with: own certificate and key, and the authority of the cluster."""

    def __init__(self, ca: str, certificate: str, key: str) -> None:
        """All three in PEM.  Raises CertificateError."""
        self.ca = ca
        self._is_door = False
        self.use(certificate, key)

    def use(self, certificate: str, key: str) -> None:
        """Show a certificate on connections that are made from now on.  Raises CertificateError."""
        if not authority.belongs(key, certificate):
            raise CertificateError("the key is that of another certificate")
        self._shown = certificate, key
        own = authority.read(certificate)
        self.identity = authority.identity_of(own)
        """Who this node is."""
        options = CertificateOptions(
            trustRoot=trustRootFromCertificates([Certificate.loadPEM(self.ca.encode())]),
            insecurelyLowerMinimumTo=TLSVersion.TLSv1_2,
        )
        self._context = options.getContext()
        self._context.use_certificate(own)
        self._context.use_privatekey(authority.private(key))
        self._context.add_extra_chain_cert(authority.read(self.ca))
        self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        if self._is_door:
            self.let_strangers_join()

    def take(self, other: "Tls") -> None:
        """Show that of another from now on."""
        self.use(*other._shown)  # noqa: SLF001 - ours

    @property
    def ends_at(self) -> float:
        """UNIX time at which its certificate ends."""
        return self.identity.lasts[1]

    def let_strangers_join(self) -> None:
        """Ask whoever says that it wants to join, in the first message of TLS, for no certificate."""
        self._is_door = True
        self._context.set_alpn_select_callback(_selected)

    def check(self, cluster: str, role: str) -> None:
        """Raises CertificateError unless the certificate of this node is of a cluster, and gives it a role."""
        mine = self.identity
        if mine.cluster != cluster:
            text = f"is of the cluster {mine.cluster}; name that in [cluster] name, or join {cluster}"
            raise CertificateError(f"the certificate of this node {text}")
        if role not in mine.roles:
            roles = ", ".join(sorted(mine.roles)) or "none"
            raise CertificateError(
                f"the certificate of this node gives it the roles {roles}, not {role}; "
                "make another with: twgw cluster init, or join"
            )

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, ARG002 - Twisted's
        """A connection that somebody opened; it ends unless they show a certificate of the cluster."""
        return SSL.Connection(self._context, None)

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, ARG002 - Twisted's
        """A connection that we open, with the same condition."""
        return SSL.Connection(self._context, None)


def _selected(connection: SSL.Connection, offered: list[bytes]) -> Any:
    if JOIN not in offered:
        return SSL.NO_OVERLAPPING_PROTOCOLS
    connection.set_verify(SSL.VERIFY_NONE)
    return JOIN


@implementer(IOpenSSLClientConnectionCreator)
class Stranger:
    """TLS of a node that has no certificate yet.  It trusts nobody: ``joining.py`` looks at what is shown."""

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, ARG002 - Twisted's
        """A connection that says that it wants to join."""
        context = CertificateOptions(verify=False, insecurelyLowerMinimumTo=TLSVersion.TLSv1_2).getContext()
        context.set_alpn_protos([JOIN])
        return SSL.Connection(context, None)


class TlsFactory(TLSMemoryBIOFactory):
    """Makes TLS of the connections of another factory, which may refuse them."""

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802 - Twisted's name
        """A protocol that speaks TLS; None to refuse the connection."""
        wrapped: Any = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)


def load(ca: Path, certificate: Path, key: Path) -> Tls:
    """TLS of the files of a node.  Raises CertificateError, which names the file and says what to do.

    A key that stands in the file of the certificate, as a renewal leaves it, is the one that counts.
    """
    texts = [_text(ca), _text(certificate)]
    if PRIVATE in texts[1]:
        key = certificate
    texts.append(_text(key, secret=True))
    for path, text, judge in zip((ca, certificate), texts[:2], (authority.read, _identity), strict=True):
        try:
            judge(text)
        except CertificateError as error:
            raise CertificateError(f"{path}: {error}") from error
    try:
        return Tls(*texts)
    except CertificateError as error:
        raise CertificateError(f"{key}: {error}") from error


def _identity(text: str) -> Identity:
    return authority.identity_of(authority.read(text))


def _text(path: Path, *, secret: bool = False) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
            if secret and os.fstat(descriptor).st_mode & 0o077:
                raise CertificateError(f"{path}: other users may read it; run: chmod 600 {path}")
            return file.read(LONGEST)
    except FileNotFoundError as error:
        text = "is not there; make it with: twgw cluster init, or on a further node: twgw cluster join"
        raise CertificateError(f"{path}: {text}") from error
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}") from error


def peer_of(transport: Any) -> Identity:
    """Who is at the other end, once the handshake is done.  Raises CertificateError."""
    shown = transport.getPeerCertificate()
    if shown is None:
        raise CertificateError("showed no certificate")
    return authority.identity_of(shown.to_cryptography())
