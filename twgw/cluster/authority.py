"""The cluster's own certificate authority: which node is who, and what it may say, stands in its certificate.

Nobody else's certificates are trusted between nodes, so that whoever holds one was let in by ``twgw cluster init`` or
``join``.  Identity and roles are a URI in it, ``twgw://CLUSTER/NODE?role=keymanager``; the subject is for people.
Pure: the time is an argument.  Called by those commands, by ``joining.py`` and for each connection by ``protocol.py``.
The one file that imports cryptography.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import evolve, field, frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twgw.cluster.settings import NAME

AUTHORITY_DAYS, NODE_DAYS = 3650, 730
DAY = 86_400
EARLY = timedelta(hours=1)
"""Certificates begin so long ago, as the clocks of nodes differ."""
LONGEST_SUBJECT = 64
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
"""Of keys that are certified: with a weak one, others could become the node that made it."""
_IDENTITY = re.compile(rf"twgw://({NAME})/({NAME})(?:\?(role=[a-z]+(?:&role=[a-z]+)*))?", re.ASCII)


class CertificateError(ValueError):
    """A certificate, request or key cannot be used; the text says why."""


@frozen
class Identity:
    """Who a node is, by its certificate."""

    cluster: str
    node: str
    roles: frozenset[str] = frozenset()
    serial: str = field(default="", eq=False)
    """Of the certificate, in hexadecimal digits."""
    lasts: tuple[float, float] = field(default=(0.0, 0.0), eq=False)
    """From when to when the certificate is good, in UNIX time."""

    @property
    def uri(self) -> str:
        """As it stands in a certificate."""
        roles = "&".join(f"role={role}" for role in sorted(self.roles))
        return f"twgw://{self.cluster}/{self.node}" + (f"?{roles}" if roles else "")

    @classmethod
    def from_uri(cls, text: str) -> "Identity":
        """Read such a URI.  Raises CertificateError."""
        found = _IDENTITY.fullmatch(text)
        if not found:
            raise CertificateError("its URI is not twgw://CLUSTER/NODE?role=ROLE")
        return cls(found[1], found[2], frozenset(re.findall(r"role=([a-z]+)", found[3] or "")))


@frozen
class Authority:
    """What signs certificates: its own, and the private key to it, both in PEM."""

    certificate: str
    key: str = field(repr=False)

    @property
    def text(self) -> str:
        """Both, as they are kept."""
        return self.certificate + self.key

    @classmethod
    def from_text(cls, text: str) -> "Authority":
        """What was kept."""
        mark = "-----BEGIN PRIVATE KEY-----"
        certificate, _, key = text.partition(mark)
        return cls(certificate, mark + key)


def new_key() -> str:
    """A private key in PEM, on P-256."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )  # fmt: skip


def new_authority(cluster: str, now: float) -> Authority:
    """The authority of a new cluster.  ``now`` in UNIX seconds."""
    text = new_key()
    key = private(text)
    name = _subject(f"twgw cluster {cluster}")
    usage = _usage(signs_certificates=True)
    made = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(_pem(made), text)


def request(key: str, node: str) -> str:
    """Ask for a certificate for a private key, which stays where it was made.  Raises CertificateError."""
    made = x509.CertificateSigningRequestBuilder().subject_name(_subject(node)).sign(private(key), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def issue(authority: Authority, request: str, identity: Identity, now: float, days: float = NODE_DAYS) -> str:
    """The certificate of a node, in PEM.  Of the request only the public key is taken, and that its key is held.

    It ends with that of the authority at the latest.  Raises CertificateError.
    """
    if not re.fullmatch(NAME, identity.cluster) or not re.fullmatch(NAME, identity.node):
        raise CertificateError("a cluster and a node are named by 1 to 100 letters, digits, '.', '_' and '-'")
    try:
        wanted = x509.load_pem_x509_csr(request.encode())
        public = wanted.public_key()
        valid = wanted.is_signature_valid and isinstance(public, ec.EllipticCurvePublicKey)
    except (ValueError, TypeError) as error:
        raise CertificateError("is no request for a certificate") from error
    if not valid or not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, CURVES):
        raise CertificateError("a request must be signed with its own key, on P-256, P-384 or P-521")
    signer, key = _certificate(authority.certificate), private(authority.key)
    days = min(days, (signer.not_valid_after_utc.timestamp() - now) / DAY)
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = (
        _builder(_subject(identity.node), signer.subject, public, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(made)


def identity_of(certificate: x509.Certificate) -> Identity:
    """Who a certificate is for.  That it is signed by the cluster, is for TLS to see.  Raises CertificateError."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise CertificateError("it names no node of a cluster") from error
    if len(uris) != 1:
        raise CertificateError("it names no node of a cluster, or several")
    lasts = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return evolve(Identity.from_uri(uris[0]), serial=f"{certificate.serial_number:x}", lasts=lasts)


def read(certificate: str) -> x509.Certificate:
    """A certificate from its PEM text.  Raises CertificateError."""
    return _certificate(certificate)


def private(text: str) -> ec.EllipticCurvePrivateKey:
    """A private key from its PEM text.  Raises CertificateError."""
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError) as error:
        raise CertificateError("is no private key in PEM form, without a passphrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError("is no key on an elliptic curve")
    return key


def ends_at(certificate: str) -> float:
    """UNIX time at which a certificate ends.  Raises CertificateError."""
    return _certificate(certificate).not_valid_after_utc.timestamp()


def is_due(lasts: tuple[float, float], ca: str, now: float) -> bool:
    """Whether it is time for another certificate: less than a third of this one is left, and another lasts longer.

    ``ca``: the certificate of the authority, beyond whose end none lasts.  Raises CertificateError.
    """
    begins, ends = lasts
    return ends - now < (ends - begins) / 3 and ends_at(ca) - ends > DAY


def renewed(certificate: str, before: Identity, key: str, ca: str) -> Identity:
    """Who a new certificate is for.  Raises CertificateError unless it is in place of the one before."""
    made = _certificate(certificate)
    try:
        made.verify_directly_issued_by(_certificate(ca))
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CertificateError("it is of another authority") from error
    found = identity_of(made)
    if found != before or not belongs(key, certificate):
        raise CertificateError("it is for another node, other roles or another key")
    if found.lasts[1] <= before.lasts[1]:
        raise CertificateError("it ends no later")
    return found


def belongs(key: str, certificate: str) -> bool:
    """Whether a private key is that of a certificate.  Raises CertificateError."""
    return private(key).public_key() == _certificate(certificate).public_key()


def fingerprint(certificate: str) -> bytes:
    """The SHA-256 by which an authority is known: 32 bytes.  Raises CertificateError."""
    return _certificate(certificate).fingerprint(hashes.SHA256())


def proven(chain: Sequence[x509.Certificate], known: bytes, now: float) -> tuple[Identity, str]:
    """Who showed a chain in a handshake whose authority is known by its fingerprint alone, and that authority in PEM.

    Raises CertificateError when the last of the chain is not that authority, or did not sign the first.
    """
    if len(chain) != 2 or chain[1].fingerprint(hashes.SHA256()) != known:
        raise CertificateError("is no node of the cluster that the token is for")
    node, signer = chain
    try:
        node.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CertificateError("has a certificate that its cluster did not sign") from error
    when = datetime.fromtimestamp(now, UTC)
    if not all(each.not_valid_before_utc <= when <= each.not_valid_after_utc for each in chain):
        raise CertificateError("has a certificate that is not valid now; are the clocks right?")
    return identity_of(node), _pem(signer)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, days: float
) -> x509.CertificateBuilder:
    begins = datetime.fromtimestamp(int(now), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - EARLY)
        .not_valid_after(begins + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:LONGEST_SUBJECT])])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _certificate(text: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise CertificateError("is no certificate in PEM form") from error
