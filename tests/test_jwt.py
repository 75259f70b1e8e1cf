"""Tests of twgw.jwt."""

import json

import jwt as judge
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.bad_tokens import AUDIENCE, BAD, CLAIMS, CURVE_KEY, ISSUER, KEY, NOW, PUBLIC, encoded, good
from twgw import jwt
from twgw.jwt import ALGORITHMS, Expected, Key, KeyFault, Refused, read_jwks, sign, verify, write_jwks

KEYS = read_jwks(PUBLIC)
EXPECTED = Expected(ISSUER, (AUDIENCE,), ("at+jwt",))
SECRET = "s" * 64


def pem(key):
    return key._key.as_pem(private=key.private).decode()


@pytest.mark.parametrize("token", [good(), good(CURVE_KEY), good(typ="application/AT+JWT"), good(aud=["x", AUDIENCE])])
def test_a_good_token_tells_its_claims(token):
    """Every claim is there, the ones that nobody checks too."""
    assert CLAIMS.keys() <= verify(token, KEYS, EXPECTED, NOW).keys()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(name):
    """With its reason, and without a word of what it says."""
    token, why = BAD[name]

    with pytest.raises(Refused, match=why) as refusal:
        verify(token, KEYS, EXPECTED, NOW)

    assert "canary-jti" not in repr(refusal.value)


@pytest.mark.parametrize("algorithm", [name for name, kind in ALGORITHMS.items() if kind != "oct"])
def test_tokens_are_what_others_read(algorithm):
    """A token of ours is read by PyJWT under what we publish, and one of PyJWT's by us."""
    key = jwt.from_pem(pem(KEY), algorithm) if ALGORITHMS[algorithm] == "RSA" else jwt.generate(algorithm)
    name = "EdDSA" if algorithm == "Ed25519" else algorithm
    theirs = judge.PyJWK({**key.public(), "alg": name})
    mine = sign(CLAIMS, key, "at+jwt")
    made = judge.encode(CLAIMS, pem(key), name, {"typ": "at+jwt", "kid": key.id})

    if algorithm != "Ed25519":  # PyJWT does not know the new name
        assert CLAIMS == judge.decode(
            mine, theirs, [name], options={"verify_exp": False, "verify_iat": False}, audience=AUDIENCE
        )
        assert CLAIMS == verify(made, [key], EXPECTED, NOW)
    assert CLAIMS == verify(mine, read_jwks(json.dumps(write_jwks([key])).encode()), EXPECTED, NOW)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_shared_secret_verifies(algorithm):
    """A token under it is taken, one under another is not."""
    made = judge.encode(CLAIMS, SECRET, algorithm, {"typ": "at+jwt"})

    assert CLAIMS == verify(made, [jwt.from_secret(SECRET, algorithm)], EXPECTED, NOW)
    with pytest.raises(Refused, match="signature is wrong"):
        verify(made, [jwt.from_secret("t" * 64, algorithm)], EXPECTED, NOW)


def test_a_key_is_for_one_algorithm():
    """The same RSA key under another name is another key."""
    other = jwt.from_pem(pem(KEY), "PS256", KEY.id)

    assert CLAIMS == verify(sign(CLAIMS, other, "at+jwt"), [other], EXPECTED, NOW)
    with pytest.raises(Refused, match="no key of this kid and algorithm"):
        verify(sign(CLAIMS, other, "at+jwt"), [KEY], EXPECTED, NOW)


def test_without_a_kid_one_key_must_be_alone():
    """Nobody guesses among several."""
    token = judge.encode(CLAIMS, pem(KEY), "RS256", {"typ": "at+jwt"})

    assert CLAIMS == verify(token, [KEY, CURVE_KEY], EXPECTED, NOW)
    with pytest.raises(Refused, match="no kid, and not one key alone"):
        verify(token, [KEY, jwt.generate()], EXPECTED, NOW)
    with pytest.raises(Refused, match="no kid, and not one key alone"):
        verify(token, [], EXPECTED, NOW)


def test_clocks_may_differ_by_the_skew():
    """Up to a minute is forgiven, at each of the three times."""
    late = good(exp=NOW - 59, nbf=NOW + 60, iat=NOW + 60)

    assert verify(late, KEYS, EXPECTED, NOW)
    assert 60 == jwt.MOST_SKEW
    with pytest.raises(Refused, match="expired"):
        verify(good(exp=NOW), KEYS, Expected(ISSUER, (AUDIENCE,), ("at+jwt",), skew=0), NOW)


def test_audience_and_type_may_be_left_open():
    """For issuers whose tokens do not say."""
    token = judge.encode({"iss": ISSUER, "exp": NOW + 1}, pem(KEY), "RS256", {"kid": KEY.id, "typ": None})

    assert verify(token, KEYS, Expected(ISSUER, (), ("",)), NOW)


def test_the_largest_token_is_read():
    """8192 characters are taken."""
    at = next(size for size in range(5000, 7000) if len(good(filler="x" * size)) > jwt.LONGEST_TOKEN - 2)
    token = good(filler="x" * at)

    assert jwt.LONGEST_TOKEN - 2 < len(token) <= jwt.LONGEST_TOKEN
    assert verify(token, KEYS, EXPECTED, NOW)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_any_text_may_be_asked(text):
    """What is no token is refused, and nothing else happens."""
    with pytest.raises(Refused):
        verify(text, KEYS, EXPECTED, NOW)
    assert jwt.unverified_issuer(text) is None
    assert jwt.looks_like(text) in {True, False}


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_any_claim_may_be_anything(value):
    """Claims of the wrong kind are refused or not looked at, and nothing else happens."""
    for name in ("iss", "aud", "exp", "nbf", "iat"):
        try:
            verify(good(CURVE_KEY, **{name: value}), KEYS, EXPECTED, NOW)
        except Refused:
            continue


def test_the_issuer_can_be_asked_before_its_keys_are_known():
    """To choose the keys; of what is no token there is none."""
    assert ISSUER == jwt.unverified_issuer(good())
    assert jwt.unverified_issuer(good(iss=5)) is None
    assert jwt.unverified_issuer("ey.x.x") is None
    assert jwt.unverified_issuer(f"ey.{encoded([1])}.x") is None
    assert jwt.unverified_issuer(good(filler="x" * 9000)) is None


def test_what_looks_like_a_token():
    """Three parts, the first of which can be a header."""
    assert jwt.looks_like(good())
    assert not jwt.looks_like("tw_at_00000000_x")
    assert not jwt.looks_like("a.b.c")


def test_headers_that_are_only_hints_do_no_harm():
    """A thumbprint or an unknown field is not looked at (RFC 7515, 4)."""
    assert verify(good(header={"x5t": "a", "x5t#S256": "b", "cty": "x", "nonce": "n"}), KEYS, EXPECTED, NOW)


@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "EdDSA"])
def test_a_key_outlives_its_process(algorithm):
    """As text it holds all that it needs to sign; PEM text does so too."""
    key = jwt.generate(algorithm)
    again = Key.from_text(key.to_text())

    assert (key.id, key.algorithm, True) == (again.id, again.algorithm, again.private)
    assert key.public() == again.public() == jwt.from_pem(pem(key), algorithm).public()
    assert verify(sign(CLAIMS, again, "at+jwt"), [key], EXPECTED, NOW)


def test_a_key_is_told_to_nobody():
    """Neither its representation nor what is published holds its private part."""
    secret = json.loads(KEY.to_text())["d"]

    assert secret not in repr(KEY)
    assert secret not in json.dumps(write_jwks([KEY]))
    assert {"kty", "n", "e", "kid", "alg", "use"} == KEY.public().keys()
    assert not read_jwks(PUBLIC)[0].private
    with pytest.raises(KeyFault, match="no public part"):
        jwt.from_secret(SECRET, "HS256").public()


def test_a_published_private_key_is_read_as_public():
    """Who publishes too much does not make us able to sign."""
    document = json.dumps({"keys": [json.loads(KEY.to_text())]}).encode()

    assert [False] == [key.private for key in read_jwks(document)]


def test_keys_for_other_things_are_passed_over():
    """Of a set, only what verifies signatures is taken (RFC 7517, 5)."""
    rsa_key, curve = KEY.public(), CURVE_KEY.public()
    others = [
        {**rsa_key, "use": "enc"},
        {**rsa_key, "alg": "RSA-OAEP"},
        {**rsa_key, "n": "AQAB"},
        {**rsa_key, "n": None},
        {**rsa_key, "n": "AAAA" * 80 + "AQAB"},
        {**rsa_key, "kid": 7},
        {**curve, "crv": "secp256k1"},
        {**curve, "y": curve["x"]},
        {**curve, "alg": "ES512"},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"},
        {"kty": "RSA"},
        {"kty": {}},
        {},
    ]

    assert [KEY.id] == [key.id for key in read_jwks(json.dumps({"keys": [*others, rsa_key]}).encode())]


@pytest.mark.parametrize(
    ("without", "said", "algorithm"),
    [({"alg"}, "", "RS256"), ({"alg"}, "PS512", "PS512"), ({"alg", "kid", "use"}, "", "RS256"), ({"kid"}, "", "RS256")],
)
def test_a_key_that_does_not_say_has_the_usual_algorithm(without, said, algorithm):
    """Or the one that the operator says; its id is then its thumbprint."""
    members = {name: value for name, value in KEY.public().items() if name not in without}

    (key,) = read_jwks(json.dumps({"keys": [members]}).encode(), said)

    assert (KEY.id, algorithm) == (key.id, key.algorithm)


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b"\xff", b'{"keys": [], "keys": []}', b'{"keys":' * 9000],
)
def test_what_is_no_key_set_is_refused(document):
    """Whatever a server answers."""
    with pytest.raises(KeyFault, match="not a JWK set"):
        read_jwks(document)


def test_a_set_with_two_meanings_is_refused():
    """Two keys of one name, or more keys than anybody has."""
    with pytest.raises(KeyFault, match="two keys with the same kid"):
        read_jwks(json.dumps({"keys": [KEY.public(), {**jwt.generate().public(), "kid": KEY.id}]}).encode())
    with pytest.raises(KeyFault, match="more than 100 keys"):
        read_jwks(json.dumps({"keys": [{}] * 101}).encode())


def small():
    made = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is weak is the point
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: jwt.from_pem("no key", "RS256"), "not the PEM text of a key for RS256"),
        (lambda: jwt.from_pem(pem(CURVE_KEY), "RS256"), "not the PEM text of a key for RS256"),
        (lambda: jwt.from_pem(pem(CURVE_KEY), "ES384"), "not a key for signatures"),
        (lambda: jwt.from_pem(pem(KEY), "HS256"), "a PEM file holds a key for one of RS256,"),
        (lambda: jwt.from_pem(pem(KEY), "none"), "a PEM file holds a key for one of RS256,"),
        (lambda: jwt.from_secret("s" * 31, "HS256"), "a secret for HS256 has at least 32 bytes"),
        (lambda: jwt.from_secret("s" * 63, "HS512"), "a secret for HS512 has at least 64 bytes"),
        (lambda: jwt.from_secret(SECRET, "RS256"), "a shared secret is for one of HS256"),
        (lambda: jwt.from_secret(KEY._key.as_pem().decode(), "HS256"), "this is a public key, and no secret"),
        (lambda: jwt.generate("HS256"), "a shared secret is not made here"),
        (lambda: Key.from_text("{"), "not a JWK"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(make, why):
    """When it is made, not when a token comes."""
    with pytest.raises(KeyFault, match=why):
        make()


def test_a_short_key_is_refused():
    """1024 bits are too few, however they come."""
    with pytest.raises(KeyFault), pytest.warns(Warning, match="2048"):
        jwt.from_pem(small(), "RS256")


def test_a_certificate_is_a_key(tmp_path):
    """The public key of a certificate will do."""
    import subprocess

    private, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    private.write_text(pem(KEY))
    subprocess.run(
        ["openssl", "req", "-x509", "-key", private, "-out", certificate, "-subj", "/CN=issuer", "-days", "1"],
        check=True, capture_output=True,
    )  # fmt: skip

    key = jwt.from_pem(certificate.read_text(), "RS256")

    assert (KEY.id, False) == (key.id, key.private)
