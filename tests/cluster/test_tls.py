"""TLS of the files of a node: what they must be, and what is said when they are not."""

import re

import pytest

from tests.cluster.wires import AUTHORITY, OTHER_AUTHORITY, certified
from twgw.cluster.authority import CertificateError, Identity
from twgw.cluster.tls import load


@pytest.fixture
def files(tmp_path):
    """Writes the files of a node; gives them in their order."""

    def files(ca=AUTHORITY.certificate, certificate=None, key=None, mode=0o600):
        made = certified("gw1", "gateway")
        texts = (ca, made[0] if certificate is None else certificate, made[1] if key is None else key)
        paths = [tmp_path / name for name in ("ca.pem", "node.pem", "node-key.pem")]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        paths[2].chmod(mode)
        return paths

    return files


def test_a_node_is_who_its_certificate_says(files):
    """Nothing else is asked."""
    found = load(*files())

    assert Identity("c1", "gw1", frozenset({"gateway"})) == found.identity


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ca": "x"}, "ca.pem: is no certificate in PEM form"),
        ({"certificate": "x"}, "node.pem: is no certificate in PEM form"),
        ({"certificate": OTHER_AUTHORITY.certificate}, "node.pem: it names no node of a cluster"),
        ({"key": certified("gw1")[1]}, "node-key.pem: the key is that of another certificate"),
        ({"key": "x"}, "node-key.pem: is no private key in PEM form, without a passphrase"),
        ({"mode": 0o640}, "node-key.pem: other users may read it; run: chmod 600 "),
    ],
)
def test_files_that_cannot_be_used_are_named(files, given, said):
    """With what is wrong."""
    with pytest.raises(CertificateError, match=re.escape(said)):
        load(*files(**given))


def test_files_that_are_missing_are_made_by_a_command(files):
    """Which is named."""
    paths = files()
    paths[1].unlink()
    with pytest.raises(CertificateError, match=r"node\.pem: is not there; make it with: twgw cluster init"):
        load(*paths)
    paths[1].mkdir()
    with pytest.raises(CertificateError, match=r"node\.pem: cannot be read: Is a directory"):
        load(*paths)
