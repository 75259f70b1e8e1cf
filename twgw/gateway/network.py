"""How connections to upstreams are really made: names, TCP, verified TLS.

The ``Network`` of ``fleet.py``, made by ``service.py``.
"""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import ClientFactory
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    TLSVersion,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twgw.allowed_upstreams import ANYWHERE, AllowedUpstreams
from twgw.faults import Fault, SettingsError
from twgw.gateway.transport import SecureFactory, connect
from twgw.gateway.upstream import UpstreamConnection, words
from twgw.model import UpstreamTls

KNOWN = 4096
"""Addresses that are remembered to be allowed."""

T = TypeVar("T")
R = TypeVar("R")


def is_local(address: str) -> bool:
    """Whether an address is one of this machine's: then it is also where packets to it start.  Nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False
        return str(probe.getsockname()[0]) == address


class TcpNetwork:
    """Connects with the reactor, to what is allowed."""

    def __init__(self, reactor: Any, allowed: AllowedUpstreams = ANYWHERE) -> None:
        self._reactor = reactor
        self._allowed = allowed
        self._known: set[tuple[str, int]] = set()
        """What was judged to be allowed: judging takes longer than connecting."""

    def connect(self, address: str, port: int, protocol: UpstreamConnection, tls: Any, timeout: float) -> None:
        """Connect; ``protocol`` hears of success and of failure.  What is judged is the address, not the name."""
        if (address, port) not in self._known:
            if refusal := self._allowed.refusal(ip_address(address), port, is_local):
                self._reactor.callLater(0, protocol.connect_failed, refusal)
                return
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known.add((address, port))
        factory: Any = _One(protocol)
        if tls is not None:
            factory = SecureFactory(tls, True, factory)
        connect(self._reactor, address, port, factory, timeout)

    async def resolve(self, name: str) -> list[str]:
        """All addresses of a name.  Raises OSError."""
        found = _Addresses()
        self._reactor.nameResolver.resolveHostName(found, name)
        addresses: list[str] = await found.done
        if not addresses:
            raise OSError("the name has no address")
        return addresses

    def client_tls(self, tls: UpstreamTls, name: str) -> Any:
        """What is needed to verify a server of this name.  Raises SettingsError for files that cannot be used."""
        if not tls.verify:
            return _Unverified(name)
        client = trust = None
        if tls.certificate_file:
            files = [Path(tls.certificate_file), *([Path(tls.key_file)] if tls.key_file else [])]
            client = _usable("tls.certificate_file", _certificate_and_key, files)
        if tls.ca_file:
            trust = trustRootFromCertificates(_usable("tls.ca_file", _certificates, Path(tls.ca_file)))
        return optionsForClientTLS(
            name, trust, client, extraCertificateOptions={"insecurelyLowerMinimumTo": TLSVersion.TLSv1_2}
        )


def _usable(setting: str, read: Callable[[T], R], what: T) -> R:
    """What the files of a setting hold."""
    try:
        return read(what)
    except OSError as error:
        text = f"cannot be read: {error.strerror}: {error.filename}"
    except ValueError as error:
        text = str(error)
    except (SSL.Error, crypto.Error):
        text = "is not a PEM file, or its key is that of another certificate"
    raise SettingsError([Fault(setting, text)])


def _certificate_and_key(paths: list[Path]) -> PrivateCertificate:
    pem = b"\n".join(path.read_bytes() for path in paths)
    pair: PrivateCertificate = PrivateCertificate.loadPEM(pem)
    return pair


def _certificates(path: Path) -> list[Certificate]:
    """Every certificate of a PEM file."""
    ending = b"-----END CERTIFICATE-----"
    parts = path.read_bytes().split(ending)[:-1]
    if not parts:
        raise ValueError("holds no certificate")
    return [Certificate.loadPEM(part + ending) for part in parts]


class _One(ClientFactory):
    """Makes one connection with one protocol."""

    noisy = False

    def __init__(self, protocol: UpstreamConnection) -> None:
        self._protocol: UpstreamConnection | None = protocol

    def buildProtocol(self, addr: object) -> UpstreamConnection | None:  # noqa: N802, ARG002 - Twisted's name and arguments
        """The protocol, which is there already; handed over, as its transport leads back to this factory."""
        protocol, self._protocol = self._protocol, None
        return protocol

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:  # noqa: N802, ARG002 - as above
        """Nobody listens there, or nobody answered in time."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connect_failed(words(reason))


class _Addresses:
    """Gathers what a name resolves to."""

    def __init__(self) -> None:
        self.done: Deferred[list[str]] = Deferred()
        self._found: list[str] = []

    def resolutionBegan(self, resolution: object) -> None:  # noqa: N802 - Twisted's name
        """The search has begun."""

    def addressResolved(self, address: Any) -> None:  # noqa: N802 - Twisted's name
        """One more address."""
        self._found.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802 - Twisted's name
        """No more addresses."""
        self.done.callback(self._found)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """TLS to a server that nobody verifies, because ``tls.verify`` is false."""

    def __init__(self, name: str) -> None:
        self._name = name.encode("idna")
        self._context = CertificateOptions(verify=False).getContext()

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, ARG002 - Twisted's
        """A connection that tells the server's name and asks for no proof of it."""
        connection = SSL.Connection(self._context, None)
        connection.set_tlsext_host_name(self._name)
        return connection
