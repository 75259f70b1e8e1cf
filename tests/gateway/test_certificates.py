"""The certificate of a TLS listener: what is said of files that cannot be used, and what stays then."""

import re
import ssl
from contextlib import suppress
from datetime import UTC
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

from tests.wire.test_tls import END, certificate
from twgw.gateway.certificates import CertificateError, Certificates, server_name
from twgw.listen import Listen


def listener(certificate, key=None):
    """The certificates of a listener on two files, or on one that holds both."""
    return Certificates(Listen("ssl", 443, "", certificate, key))


def pem(key, passphrase=None):
    """A private key as text."""
    hidden = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


@pytest.fixture
def good(tmp_path):
    """A file with a certificate and its key."""
    return certificate(tmp_path, "gateway")[2]


def handshake(certificates, protocols=(), name=None):
    """Open TLS to a listener without a socket; returns both ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = certificates.serverConnectionForTLS(None)
    server.set_accept_state()
    for _ in range(2):
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        server.bio_write(to_server.read())
        with suppress(SSL.WantReadError):
            server.do_handshake()
        with suppress(SSL.WantReadError):
            to_client.write(server.bio_read(1 << 16))
    return client, server


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], None), ([], None)]
)
def test_http_1_1_is_chosen_of_what_a_client_offers(good, offered, chosen):
    """Browsers and curl offer HTTP/2 first; nobody is turned away for what it offers."""
    certificates = listener(good)
    certificates.load()

    client, server = handshake(certificates, offered)

    assert chosen == client.selected_alpn_protocol()
    assert server.get_peer_finished()


def test_the_name_that_a_client_asks_for_is_known(good):
    """In lower case, without the dot of the root; empty where none was sent."""
    certificates = listener(good)
    certificates.load()

    names = []
    for name in ("Shop.Example", "shop.example.", None):
        _, server = handshake(certificates, name=name)
        names.append(server_name(SimpleNamespace(getHandle=lambda server=server: server)))

    assert ["shop.example", "shop.example", ""] == names


def test_it_is_known_when_a_certificate_ends(good):
    """For a metric that warns in time."""
    certificates = listener(good)
    certificates.load()

    assert END.replace(tzinfo=UTC).timestamp() == certificates.expires_at
    assert "" == certificates.fault


@pytest.mark.parametrize(
    ("certificate_text", "key_text", "said"),
    [
        (None, b"", "chain.pem: cannot be read: No such file or directory"),
        (b"nonsense", b"", "chain.pem: holds no certificate in PEM form"),
        ("good", None, "key.pem: cannot be read: No such file or directory"),
        ("good", b"nonsense", "key.pem: holds no private key in PEM form"),
        ("good", pem(ec.generate_private_key(ec.SECP256R1()), b"secret"), "key.pem: is encrypted; store the key"),
        ("good", pem(ec.generate_private_key(ec.SECP256R1())), "key.pem: is not the key of the certificate"),
        ("good", pem(rsa.generate_private_key(65537, 2048)), "key.pem: is not the key of the certificate"),
    ],
)
def test_files_that_cannot_be_used_are_named_and_the_old_ones_stay(
    good, tmp_path, certificate_text, key_text, said
):
    """In plain words; nobody is asked for a passphrase, and what served before serves on."""
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for path in (chain, key):
        path.write_bytes(good.read_bytes())
    certificates = listener(chain, key)
    certificates.load()
    before = certificates.serverConnectionForTLS(None).get_context()
    for path, text in ((chain, certificate_text), (key, key_text)):
        path.unlink()
        if text is not None:
            path.write_bytes(good.read_bytes() if text == "good" else text)

    with pytest.raises(CertificateError, match=re.escape(f"{tmp_path}/{said}")):
        certificates.load()

    assert certificates.fault.startswith(f"{tmp_path}/{said}")
    assert before is certificates.serverConnectionForTLS(None).get_context()


def test_a_key_that_is_too_weak_is_called_that(tmp_path):
    """What the library refuses for its weakness is not said to be no certificate."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    path = certificate(tmp_path, "weak", key=key)[2]

    with pytest.raises(CertificateError, match=r"weak.pem: cannot be used: ee key too small"):
        listener(path).load()
