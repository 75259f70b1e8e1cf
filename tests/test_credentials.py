"""Tests of twgw.credentials."""

import hashlib
import hmac
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw import credentials
from twgw.credentials import (
    ALPHABET,
    Pepper,
    PepperError,
    Peppers,
    digest,
    key_id,
    load_pepper,
    mint,
    new_pepper,
    well_formed,
)

PEPPER = Pepper("v1", b"p" * 32)


def test_key_has_its_form():
    """A key can be found by a scanner, names its environment, and carries more than 160 random bits."""
    key = mint("test")

    assert re.fullmatch(r"tw_test_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", key)
    assert 43 * math.log2(len(ALPHABET)) > 160
    assert mint().startswith("tw_live_")


def test_keys_differ():
    """No two keys share their id or their secret."""
    keys = {mint() for _ in range(200)}

    assert 200 == len({key.split("_")[2] for key in keys})
    assert 200 == len({key.split("_")[3] for key in keys})


def test_key_is_its_own_proof():
    """A key that was minted is well-formed, and its id is the part that may be logged."""
    key = mint()

    assert well_formed(key)
    assert key.split("_")[2] == key_id(key)


@given(st.integers(0, 200), st.sampled_from(ALPHABET))
def test_typo_is_refused(position, character):
    """One changed character makes a key ill-formed, wherever it is."""
    key = mint()
    position %= len(key)
    changed = key[:position] + character + key[position + 1 :]

    assert (changed == key) == well_formed(changed)


@given(st.text())
def test_any_text_may_be_asked(text):
    """What is no key has no id; nothing a client sends raises."""
    assert key_id(text) is None
    assert not well_formed(mint()[:-1])
    assert not well_formed(mint() + "\n")


@pytest.mark.parametrize("environment", ["", "Live", "a_b", "x" * 17, "é"])
def test_environment_is_a_plain_word(environment):
    """An environment that would break the form of a key is refused."""
    with pytest.raises(ValueError, match="environment must be 1 to 16 lower-case letters and digits"):
        mint(environment)


def test_digest_is_keyed_and_versioned():
    """A digest is the HMAC under the pepper, with the version of the pepper before it."""
    expected = "v1:" + hmac.new(b"p" * 32, b"tw_some-key", hashlib.sha256).hexdigest()
    foreign = b"sha256:" + hashlib.sha256(b"some-key").hexdigest().encode()

    assert expected == digest(PEPPER, "tw_some-key")
    assert "v1:" + hmac.new(b"p" * 32, foreign, hashlib.sha256).hexdigest() == digest(PEPPER, "some-key")
    assert credentials.is_digest(expected)
    assert expected != digest(Pepper("v1", b"q" * 32), "some-key")


@pytest.mark.parametrize("text", ["", "v1:", "v1:" + "A" * 64, "1:" + "a" * 64, "v1:" + "a" * 63, "v0:" + "a" * 64])
def test_other_text_is_no_digest(text):
    """What is not of the form is not taken for a digest."""
    assert not credentials.is_digest(text)


def test_pepper_stays_out_of_logs():
    """The repr of a pepper does not hold its secret."""
    assert "pppp" not in repr(PEPPER)


def test_short_pepper_is_refused():
    """A pepper of less than 256 bits protects too little."""
    with pytest.raises(ValueError, match="must be v1: and 64 or more hex digits"):
        Pepper.from_text("v1:abcd")
    with pytest.raises(ValueError, match="secret"):
        Pepper("v1", b"short")


def test_first_start_makes_the_pepper(tmp_path):
    """The first load makes the file for its owner alone; the second reads the same pepper."""
    path = tmp_path / "pepper"

    made = load_pepper(path)

    assert 0o600 == path.stat().st_mode & 0o777
    assert made == load_pepper(path)
    assert [path] == list(tmp_path.iterdir())
    assert 32 == len(made.secret)


def test_peppers_of_two_places_differ(tmp_path):
    """A pepper is random."""
    assert load_pepper(tmp_path / "a").secret != load_pepper(tmp_path / "b").secret


def test_first_of_two_nodes_makes_the_pepper(tmp_path, monkeypatch):
    """A node that loses the race to make the file uses the other's pepper."""
    path = tmp_path / "pepper"
    real_link, winner = credentials.os.link, f"v1:{'ab' * 32}\n"

    def link_too_late(draft, target):
        path.write_text(winner)
        path.chmod(0o600)
        return real_link(draft, target)

    monkeypatch.setattr(credentials.os, "link", link_too_late)

    assert Pepper.from_text(winner) == load_pepper(path)
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_pepper_that_others_may_read_is_refused(tmp_path, mode):
    """A pepper file that is open to others stops the start, and the text says how to close it."""
    path = tmp_path / "pepper"
    load_pepper(path)
    path.chmod(mode)

    with pytest.raises(PepperError, match=r"other users may read it; run: chmod 600"):
        load_pepper(path)


def test_broken_pepper_is_refused(tmp_path):
    """A damaged pepper is never replaced in silence: every stored digest depends on it."""
    path = tmp_path / "pepper"
    path.write_text("v1:zz\n")
    path.chmod(0o600)

    with pytest.raises(PepperError, match="not a pepper"):
        load_pepper(path)
    assert "v1:zz\n" == path.read_text()


def test_pepper_of_another_user_is_refused(tmp_path, monkeypatch):
    """A file that somebody else owns could be theirs to choose."""
    path = tmp_path / "pepper"
    load_pepper(path)
    credentials.os.chown(path, 4321, -1) if credentials.os.geteuid() == 0 else None
    monkeypatch.setattr(credentials.os, "geteuid", lambda: 1234)

    with pytest.raises(PepperError, match="belongs to another user"):
        load_pepper(path)


def test_pepper_is_no_link(tmp_path):
    """A symbolic link is not followed."""
    load_pepper(tmp_path / "real")
    (tmp_path / "pepper").symlink_to(tmp_path / "real")

    with pytest.raises(OSError, match="symbolic links"):
        load_pepper(tmp_path / "pepper")


def test_a_pepper_is_written_as_it_is_read():
    """Its text is that of its file; two new ones differ."""
    made = new_pepper()

    assert made == Pepper.from_text(made.text)
    assert made != new_pepper()
    assert made.secret.hex() not in repr(made)


def test_new_keys_are_under_the_first_pepper_and_older_ones_under_any():
    """So one can be replaced by the next, and every key is still found."""
    other = Pepper("v2", b"q" * 32)
    peppers = Peppers((other, PEPPER))

    assert digest(other, "key") == peppers.digest("key")
    assert (digest(other, "key"), digest(PEPPER, "key")) == peppers.digests("key")
