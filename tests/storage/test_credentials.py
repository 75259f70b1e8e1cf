"""Tests of twgw.storage.credentials."""

import attrs
import pytest

from tests.storage.conftest import NOW, a_credential
from twgw.model import Environment
from twgw.registry import Approval, Head, Known
from twgw.storage import log
from twgw.storage.applications import create_application, update_application
from twgw.storage.credentials import (
    add_credential,
    count_credentials,
    credentials_of,
    find_by_digest,
    find_credential,
    note_uses,
    revoke_credential,
    rotate,
    set_expiry,
)
from twgw.storage.errors import Conflict, Missing

DIGEST = f"v1:{'a' * 64}"


@pytest.fixture
def batch(write):
    """An application."""
    write(create_application, "batch", owner="bob")


def test_a_credential_is_found_by_its_digest(batch, write, read):
    """What is known of it comes with the position as of which it is known; entering it is no record."""
    wanted = a_credential(
        scopes=("read", "write"), expires_at=NOW + 5, user="alice", groups=("gold", "club"), owner="eve"
    )
    entry = write(add_credential, wanted, title="nightly")

    assert Known(Head(1, 0), entry, valid=True) == read(find_by_digest, "api-key", DIGEST)
    assert wanted == entry.credential
    assert ("nightly", None, 0, None, NOW, None, DIGEST) == attrs.astuple(entry)[1:]


def test_a_key_brings_the_tier_of_its_application(write, read):
    """What limits all its calls together needs no second look, nor does whose it is; its environment is its own."""
    write(create_application, "batch", owner="bob", tier="gold")
    write(add_credential, a_credential(environment=Environment.SANDBOX))

    known = read(find_by_digest, "api-key", DIGEST).entry.credential

    assert ("gold", "bob", Environment.SANDBOX) == (known.tier, known.owner, known.environment)


def test_an_unknown_key_is_known_to_be_unknown(batch, write, read):
    """A digest that nobody has, or of another kind, is answered with the position alone."""
    write(add_credential, a_credential())

    assert Known(Head(1, 0), None) == read(find_by_digest, "api-key", f"v1:{'0' * 64}")
    assert Known(Head(1, 0), None) == read(find_by_digest, "other", DIGEST)


def test_a_key_and_an_id_stand_once(batch, write):
    """The same key, or another of the same id, is refused in words; so is one of nobody."""
    write(add_credential, a_credential())

    with pytest.raises(Conflict, match="credential with this key exists already"):
        write(add_credential, a_credential(id="other"))
    with pytest.raises(Conflict, match="credential AbCdEfGh exists already"):
        write(add_credential, a_credential(mark="b"))
    with pytest.raises(Missing, match="no application nobody"):
        write(add_credential, a_credential("nobody", "other", "b"))


def test_a_revoked_key_is_void_for_ever(batch, write, read):
    """Revoking is a record; a second time says when it was."""
    write(add_credential, a_credential())

    assert 1 == write(revoke_credential, "api-key", "AbCdEfGh")
    assert 1 == write(revoke_credential, "api-key", "AbCdEfGh")

    known = read(find_by_digest, "api-key", DIGEST)
    assert (1, 1, False) == (known.head.pos, known.entry.revoked_pos, known.valid)
    assert [f"tok:{'a' * 32}"] == [record.tag for record in read(log.since, 0)]


def test_an_earlier_end_is_a_record(batch, write, read):
    """The new expiry is kept, and gateways learn of it."""
    write(add_credential, a_credential())

    assert 1 == write(set_expiry, "api-key", "AbCdEfGh", NOW + 9)

    assert NOW + 9 == read(find_credential, "api-key", "AbCdEfGh").credential.expires_at


@pytest.mark.parametrize(("before", "after"), [(None, NOW + 60), (NOW + 90, NOW + 60), (NOW + 5, NOW + 5)])
def test_a_successor_overlaps(batch, write, read, before, after):
    """The old key ends after the overlap, or earlier if it would have; the new one has its title."""
    write(add_credential, a_credential(expires_at=before), title="nightly")

    entry = write(rotate, "api-key", "AbCdEfGh", a_credential(id="next", mark="b"), overlap=60)

    assert "nightly" == entry.title
    assert after == read(find_credential, "api-key", "AbCdEfGh").credential.expires_at
    assert read(find_by_digest, "api-key", f"v1:{'b' * 64}").valid
    assert (before != after) == read(log.head).pos


def test_a_key_is_no_better_than_its_application(batch, write, read):
    """While the application may not be used, its keys may not."""
    write(add_credential, a_credential())
    write(update_application, "batch", {"state": Approval.PENDING})

    assert not read(find_by_digest, "api-key", DIGEST).valid


def test_a_key_of_a_user_who_is_not_there_is_void(batch, write, read):
    """Without a user to ask, nothing is believed."""
    write(add_credential, a_credential(), user="eve")

    assert not read(find_by_digest, "api-key", DIGEST).valid


@pytest.mark.parametrize("change", [revoke_credential, lambda *args, now: set_expiry(*args, None, now=now)])
def test_what_is_not_there_cannot_be_changed(batch, write, read, change):
    """An unknown credential is said to be missing, and nothing is noted."""
    with pytest.raises(Missing, match="there is no credential nothing"):
        write(change, "api-key", "nothing")

    assert 0 == read(log.head).pos


def test_credentials_are_listed_in_pieces(batch, write, read):
    """A list goes on after the last id of the piece before."""
    for mark in "bac":
        write(add_credential, a_credential(id=mark, mark=mark))

    assert ["a", "b"] == [entry.credential.id for entry in read(credentials_of, "batch", limit=2)]
    assert ["c"] == [entry.credential.id for entry in read(credentials_of, "batch", "b")]
    assert [] == read(credentials_of, "other")
    assert 3 == read(count_credentials)


def test_the_last_use_is_noted(batch, write, read, database):
    """A later use counts, an earlier one that is told late does not."""
    write(add_credential, a_credential())
    for at in (NOW + 5, NOW + 3):
        database.call(note_uses, {DIGEST: at, "unknown": at}, write=True)
    database.call(note_uses, {}, write=True)

    assert NOW + 5 == read(find_credential, "api-key", "AbCdEfGh").last_used_at
