"""Tests of twgw.issuer."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from twgw import jwt
from twgw.issuer import FILE, Issuer, SigningError, load_signing
from twgw.keymanager.jwks import ANNOUNCED_SECONDS
from twgw.registry import SecretKey

NOW = 1_800_000_000.0
KEYS = [jwt.generate("ES256") for _ in range(3)]


class Clock:
    """Time that a test sets."""

    now = NOW

    def __call__(self):
        return self.now


def row(version, age=1e6, retires=None):
    return SecretKey("signing", version, KEYS[version].to_text(), NOW - age, None if retires is None else NOW + retires)


def verified(token, issuer):
    return jwt.verify(token, issuer.keys, jwt.Expected("me", (), ("jwt",)), NOW)


def claims():
    return {"iss": "me", "exp": NOW + 60}


def test_what_it_signs_its_keys_verify():
    """By whatever key signs just now."""
    issuer = Issuer("me", Clock())
    issuer.use([row(2, 0), row(1)])

    assert claims() == verified(issuer.sign(claims()), issuer)
    assert [KEYS[2].id, KEYS[1].id] == [key.id for key in issuer.keys]


def test_keys_change_with_time():
    """A new one begins to sign, an old one goes; the tuple is another only when keys are."""
    clock = Clock()
    issuer = Issuer("me", clock)
    issuer.use([row(2, 0), row(1, retires=5000)])
    before = issuer.keys
    assert KEYS[1].id == issuer.ring().signing.id

    clock.now += ANNOUNCED_SECONDS
    assert KEYS[2].id == issuer.ring().signing.id
    assert before is issuer.keys

    clock.now = NOW + 5000
    assert [KEYS[2].id] == [key.id for key in issuer.keys]
    assert before is not issuer.keys


def test_other_keys_are_used_at_once():
    """When the database has others."""
    issuer = Issuer("me", Clock())
    issuer.use([row(1)])
    token = issuer.sign(claims())
    issuer.use([row(2)])

    with pytest.raises(jwt.UnknownKey):
        verified(token, issuer)
    assert claims() == verified(issuer.sign(claims()), issuer)


def test_keys_are_loaded_when_the_first_is_needed():
    """To verify none is: no token was signed yet."""
    asked = []
    issuer = Issuer("me", Clock(), load=lambda: asked.append(1) or [row(1)])

    assert () == issuer.keys
    assert [] == asked
    issuer.sign(claims())
    issuer.sign(claims())
    assert [1] == asked
    assert [KEYS[1].id] == [key.id for key in issuer.keys]


def test_without_keys_nothing_is_signed():
    """And it is said."""
    with pytest.raises(SigningError, match="there is no key for signing"):
        Issuer("me", Clock()).sign(claims())


def test_the_file_is_made_once(tmp_path):
    """For its owner alone; nodes that begin at once get the same key."""
    path = tmp_path / FILE
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda _: load_signing(path)[0], range(4)))

    assert 1 == len({each.material for each in rows})
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list(tmp_path.iterdir())


def test_a_key_with_its_certificate_may_be_put_there(tmp_path):
    """Whichever stands first; its thumbprint is what the RFC says."""
    path = tmp_path / FILE
    load_signing(path)
    run = ["openssl", "req", "-x509", "-key", path, "-subj", "/CN=wso2carbon", "-days", "1"]
    certificate = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    key = path.read_text()
    said = subprocess.run(
        ["openssl", "x509", "-fingerprint", "-sha1", "-noout"], input=certificate, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip

    for text in (key + certificate, certificate + key):
        path.write_text(text)
        issuer = Issuer("me", Clock(), load=lambda: load_signing(path))
        raw = jwt.urlsafe_b64decode(issuer.x5t.encode())
        assert said.strip().rpartition("=")[2].replace(":", "").lower() == raw.hex()
        assert issuer.x5t == issuer.keys[0].public()["x5t"]


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("no key", 0o600, "put the PEM text of an RSA key there"),
        (KEYS[0].to_pem(), 0o600, "put the PEM text of an RSA key there"),
        (None, 0o644, "other users may read it; run: chmod 600"),
        ("public", 0o600, "a public key cannot sign"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_to(tmp_path, text, mode, why):
    """With its name and the way out, and without the key."""
    path = tmp_path / FILE
    load_signing(path)
    if text == "public":
        text = subprocess.run(["openssl", "pkey", "-in", path, "-pubout"], capture_output=True, text=True, check=True)
        text = text.stdout
    if text is not None:
        path.write_text(text)
    path.chmod(mode)

    with pytest.raises(SigningError, match=why) as refusal:
        load_signing(path)

    assert str(path) in str(refusal.value)
    assert "BEGIN" not in str(refusal.value)


def test_a_link_is_not_followed(tmp_path):
    """Somebody else may have put it there."""
    (tmp_path / "other.pem").write_text("x")
    (tmp_path / FILE).symlink_to(tmp_path / "other.pem")

    with pytest.raises(OSError, match="symbolic links"):
        load_signing(tmp_path / FILE)


def test_keys_are_told_to_nobody():
    """Not by a representation."""
    issuer = Issuer("me", Clock())
    issuer.use([row(1)])
    issuer.sign(claims())

    assert "kty" not in repr(issuer)
    assert "PRIVATE" in KEYS[0].to_pem()
