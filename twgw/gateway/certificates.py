"""The certificate of a TLS listener: read, judged in plain words, and given to new connections.

Made by ``service.py`` for each ``ssl:`` listener, and by ``checking.py`` to see whether it would be taken.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion
from zope.interface import implementer

from twgw.listen import Listen

PROTOCOL = b"http/1.1"
"""What is spoken here, as clients ask for it (ALPN, RFC 7301)."""


class CertificateError(ValueError):
    """The files of a certificate cannot be used; the text names the file and says why."""


@implementer(IOpenSSLServerConnectionCreator)
class Certificates:
    """The certificate of a TLS listener; a new one serves new connections only."""

    def __init__(self, where: Listen, minimum_version: str = "1.2") -> None:
        assert where.certificate is not None, "seen to by config.py"
        self._certificate = where.certificate
        self._key = where.key or where.certificate
        self._minimum = TLSVersion.TLSv1_3 if minimum_version == "1.3" else TLSVersion.TLSv1_2
        self._context: SSL.Context | None = None
        self.where = where
        self.fault = ""
        """What is wrong with the files as they are now; empty when they are what serves."""
        self.expires_at = 0.0
        """UNIX time at which the certificate that serves ends."""

    def load(self) -> None:
        """Read the files.  Raises CertificateError; the old certificate then stays."""
        try:
            context = self._read()
        except CertificateError as error:
            self.fault = str(error)
            raise
        self.fault = ""
        self._context = context
        own: Any = SSL.Connection(context, None).get_certificate()
        self.expires_at = own.to_cryptography().not_valid_after_utc.timestamp()

    def _read(self) -> SSL.Context:
        context = _context(self._minimum)
        context.set_alpn_select_callback(_protocol)
        _use(self._certificate, context.use_certificate_chain_file, "holds no certificate in PEM form")
        _use(self._key, _refuse_encrypted)
        _use(self._key, context.use_privatekey_file, "holds no private key in PEM form")
        _use(self._key, lambda _path: context.check_privatekey(), "is not the key of the certificate")
        return context

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, ARG002 - Twisted's
        """A connection with the certificate that is in force."""
        assert self._context is not None
        return SSL.Connection(self._context, None)


def _refuse_encrypted(path: str) -> None:
    """OpenSSL would ask for the passphrase on the terminal, and wait."""
    if b"ENCRYPTED" in Path(path).read_bytes():
        raise CertificateError(f"{path}: is encrypted; store the key without a passphrase, for its owner alone to read")


def _use(path: Path, use: Callable[[str], object], fault: str = "") -> None:
    """Give a file to OpenSSL; what that says of it is said in words that name the file."""
    try:
        path.open("rb").close()  # for words on why that cannot be done
        use(str(path))
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}") from error
    except SSL.Error as error:
        reasons = [reason for _, _, reason in error.args[0]] if error.args else []
        weak = [reason for reason in reasons if reason.endswith(("too small", "too weak"))]
        mixed = "key values mismatch" in reasons
        text = "is not the key of the certificate" if mixed else f"cannot be used: {weak[0]}" if weak else fault
        raise CertificateError(f"{path}: {text}") from error


def _protocol(_connection: SSL.Connection, offered: list[bytes]) -> Any:
    """HTTP/1.1 for whoever can speak it; with whoever named no protocol of ours, TLS goes on without one."""
    return PROTOCOL if PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _context(minimum: TLSVersion) -> SSL.Context:
    """Twisted's choice of ciphers and options, at least this version."""
    if minimum is TLSVersion.TLSv1_2:
        return CertificateOptions(insecurelyLowerMinimumTo=minimum).getContext()
    return CertificateOptions(raiseMinimumTo=minimum).getContext()


def server_name(transport: Any) -> str:
    """The name that the client of a TLS connection asked for (SNI, RFC 6066), in lower case; empty for none."""
    name: bytes | None = transport.getHandle().get_servername()
    return (name or b"").decode("ascii", "replace").lower().rstrip(".")
