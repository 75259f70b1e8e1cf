"""Who a node is stands in its certificate, and only the cluster's own authority makes those."""

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import CertificateSigningRequestBuilder, Name
from hypothesis import given
from hypothesis import strategies as st

from twgw.cluster import authority
from twgw.cluster.authority import Authority, CertificateError, Identity
from twgw.memory_world import EPOCH

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,100}", fullmatch=True)
DAY = 86400
OURS = authority.new_authority("c1", EPOCH)


def issued(identity=None, key=None, signer=OURS, now=EPOCH):
    key = key or authority.new_key()
    return authority.issue(signer, authority.request(key, "x"), identity or Identity("c1", "gw1"), now)


@given(NAMES, NAMES, st.frozensets(st.from_regex(r"[a-z]{1,12}", fullmatch=True), max_size=4))
def test_an_identity_is_read_as_it_was_written(cluster, node, roles):
    """With every role."""
    identity = Identity(cluster, node, roles)

    assert identity == Identity.from_uri(identity.uri)


@pytest.mark.parametrize(
    "text",
    [
        "", "twgw://c1", "twgw://c1/", "http://c1/gw1", "twgw://c1/gw1?", "twgw://c1/gw1?role=", "twgw://c1/gw1/x",
        "twgw://c1/gw1?role=a&", "twgw://c1/gw1?ROLE=a", "twgw://c1/gw1#role=a", "twgw://c1/gw1\n", "twgw://c1/é",
        "twgw://c1/gw1?role=a&role=b&name=c", "twgw://c1/" + "x" * 101,
    ],
)  # fmt: skip
def test_anything_else_is_no_identity(text):
    """Nothing is guessed."""
    with pytest.raises(CertificateError):
        Identity.from_uri(text)


def test_a_certificate_says_who_a_node_is():
    """Also one with a long name, of which the subject holds the beginning."""
    identity = Identity("c1", "n" * 100, frozenset({"gateway", "keymanager"}))
    made = authority.read(issued(identity))

    assert identity == authority.identity_of(made)
    assert "twgw://c1/" + "n" * 100 + "?role=gateway&role=keymanager" == identity.uri


def test_a_certificate_ends_in_two_years():
    """And begins an hour early, as clocks differ."""
    text = issued()

    assert EPOCH + authority.NODE_DAYS * DAY == authority.ends_at(text)
    assert EPOCH - 3600 == authority.read(text).not_valid_before_utc.timestamp()


def test_a_key_stays_where_it_was_made():
    """Only its public half is in the request and in the certificate."""
    key = authority.new_key()
    asked = authority.request(key, "gw1")
    made = issued(key=key)

    assert "PRIVATE" not in asked + made
    assert authority.belongs(key, made)
    assert not authority.belongs(authority.new_key(), made)


def test_an_authority_is_kept_as_one_text_and_shows_no_key():
    """As a secret of the cluster."""
    assert OURS == Authority.from_text(OURS.text)
    assert "PRIVATE" not in repr(OURS)


def test_a_request_that_its_key_did_not_sign_is_refused():
    """Whoever asks must hold the private key; a changed request is not signed any more."""
    asked = authority.request(authority.new_key(), "gw1")
    lines = asked.splitlines()
    lines[-3] = lines[-3][:10] + ("B" if lines[-3][10] == "A" else "A") + lines[-3][11:]

    with pytest.raises(CertificateError):
        authority.issue(OURS, "\n".join(lines), Identity("c1", "gw1"), EPOCH)


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP192R1())], ids=["RSA", "P-192"]
)
def test_a_request_is_of_a_key_on_a_curve(key):
    """Others, and weak ones, are refused."""
    asked = CertificateSigningRequestBuilder().subject_name(Name([])).sign(key, hashes.SHA256())
    text = asked.public_bytes(serialization.Encoding.PEM).decode()

    with pytest.raises(CertificateError, match="on P-256"):
        authority.issue(OURS, text, Identity("c1", "gw1"), EPOCH)


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"]
)
def test_what_is_no_request_is_refused(text):
    """It comes from outside."""
    with pytest.raises(CertificateError, match="no request"):
        authority.issue(OURS, text, Identity("c1", "gw1"), EPOCH)


@pytest.mark.parametrize("identity", [Identity("", "gw1"), Identity("c1", "gw 1"), Identity("c1/x", "gw1")])
def test_a_name_that_could_be_read_as_another_is_not_certified(identity):
    """It stands in a URI."""
    with pytest.raises(CertificateError, match="named by"):
        issued(identity)


def test_a_certificate_without_a_name_is_nobodys():
    """Such as that of the authority itself."""
    with pytest.raises(CertificateError, match="names no node"):
        authority.identity_of(authority.read(OURS.certificate))


def test_texts_that_are_no_certificate_and_no_key_are_said_to_be_none():
    """An RSA key is of no use here."""
    text = (
        rsa.generate_private_key(65537, 2048)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
    for wrong, match in (("x", "no private key"), (text, "elliptic curve")):
        with pytest.raises(CertificateError, match=match):
            authority.private(wrong)
    with pytest.raises(CertificateError, match="no certificate"):
        authority.ends_at("x")


# --- proven by a fingerprint ---


def test_a_cluster_is_known_by_the_fingerprint_of_its_authority():
    """Whoever shows a certificate signed by it is of the cluster."""
    known = authority.fingerprint(OURS.certificate)
    chain = [authority.read(issued()), authority.read(OURS.certificate)]

    assert (Identity("c1", "gw1"), OURS.certificate) == authority.proven(chain, known, EPOCH)


def test_another_chain_proves_nothing():
    """One of another authority, a forged one, one that is no chain, and one that has ended."""
    other = authority.new_authority("c1", EPOCH)
    known = authority.fingerprint(OURS.certificate)
    mine, ours = authority.read(issued()), authority.read(OURS.certificate)
    theirs = authority.read(issued(signer=other))

    for chain in ([theirs, authority.read(other.certificate)], [mine], [ours], [], [ours, mine], [mine, mine, ours]):
        with pytest.raises(CertificateError, match="no node of the cluster"):
            authority.proven(chain, known, EPOCH)
    with pytest.raises(CertificateError, match="did not sign"):
        authority.proven([theirs, ours], known, EPOCH)
    for now in (EPOCH - DAY, EPOCH + 3 * 366 * DAY):
        with pytest.raises(CertificateError, match="not valid now"):
            authority.proven([mine, ours], known, now)
