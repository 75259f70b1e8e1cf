"""Tests of twgw.storage.tokens."""

from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from tests.storage.conftest import NOW
from twgw.registry import Approval, Client, Head, Known, Redeemed, Token, User
from twgw.storage import log, tokens
from twgw.storage.applications import create_application, revoke_application, update_application
from twgw.storage.clients import add_client, revoke_client
from twgw.storage.tokens import (
    add_token,
    find_token,
    prune_tokens,
    revoke_family,
    revoke_shown,
    revoke_token,
    tokens_of,
    use_once,
)
from twgw.storage.users import create_user, delete_user, update_user


def a_token(kind="access", mark="a", **fields):
    fields = {"client": "c1", "family": "f1", "expires_at": NOW + 60, **fields}
    return Token(kind, f"v1:{mark * 64}", "batch", **fields)


@pytest.fixture
def batch(write):
    """An application with a client, and a user."""
    write(create_application, "batch", owner="bob")
    write(add_client, Client("c1", "batch", "production", f"v1:{'0' * 64}"))
    write(create_user, User("ann"))


def is_valid(read, token):
    return read(find_token, token.kind, token.digest).valid


def test_a_token_is_found_by_its_digest(batch, write, read):
    """What is known of it comes with the position as of which it is known; issuing it is no record."""
    token = write(add_token, a_token(user="ann", scopes=("a", "b"), environment="sandbox", data={"nonce": "n"}))

    assert Known(Head(1, 0), token, valid=True) == read(find_token, "access", token.digest)
    assert a_token(user="ann", scopes=("a", "b"), environment="sandbox", data={"nonce": "n"}) == attrs.evolve(
        token, issued_at=0, issued_pos=0
    )
    assert Known(Head(1, 0), None) == read(find_token, "refresh", token.digest)
    assert "v1:" not in repr(token)


def test_a_token_is_no_better_than_whom_it_was_issued_to(batch, write, read):
    """Its application, its client and its user all have to be good."""
    token = write(add_token, a_token(user="ann"))
    strange = write(add_token, a_token(mark="b", client="gone"))
    own = write(add_token, a_token(mark="c", client=""))

    assert (True, False, True) == (is_valid(read, token), is_valid(read, strange), is_valid(read, own))
    for change, back in (
        (lambda: write(update_application, "batch", {"state": Approval.PAUSED}),
         lambda: write(update_application, "batch", {"state": Approval.ACTIVE})),
        (lambda: write(update_user, "ann", {"active": False}), lambda: write(update_user, "ann", {"active": True})),
        (lambda: write(revoke_client, "c1"), lambda: None),
    ):  # fmt: skip
        change()
        assert not is_valid(read, token)
        back()
        assert is_valid(read, own)


def test_a_generation_ends_at_once(batch, write, read):
    """What was issued before an application was revoked is void, what is issued later is good."""
    old = write(add_token, a_token())
    write(revoke_application, "batch")
    new = write(add_token, a_token(mark="b"))

    assert (False, True) == (is_valid(read, old), is_valid(read, new))


def test_tokens_go_with_their_user(batch, write, read):
    """A deleted user leaves none behind."""
    token = write(add_token, a_token(user="ann"))
    write(delete_user, "ann")

    assert None is read(find_token, "access", token.digest).entry


def test_a_revoked_token_is_void_for_ever(batch, write, read):
    """Revoking is a record; a second time says when it was; an unknown token is nothing."""
    token = write(add_token, a_token())

    assert 1 == write(revoke_token, "access", token.digest)
    assert 1 == write(revoke_token, "access", token.digest)
    assert None is write(revoke_token, "access", "v1:unknown")

    assert not is_valid(read, token)
    assert [f"tok:{'a' * 32}"] == [record.tag for record in read(log.since, 0)]


def test_tokens_that_are_shown_are_void_together(batch, write, read):
    """With a record for each; one that was void stays so since when it was, and what nobody knows is nothing."""
    old, one, two = (write(add_token, a_token(mark=mark, family="")) for mark in "abc")
    renewal = write(add_token, a_token("refresh", mark="d"))
    assert 1 == write(revoke_token, "access", old.digest)

    digests = [each.digest for each in (two, old, one, renewal, two)]
    assert [3, 1, 3, None, 3] == write(revoke_shown, digests)
    assert [log.token_tag(each.digest) for each in (old, one, two)] == [each.tag for each in read(log.since, 0)]
    assert [False, False, False, True] == [is_valid(read, each) for each in (old, one, two, renewal)]
    assert [3, 1] == write(revoke_shown, [one.digest, old.digest])
    assert [None] == write(revoke_shown, ["v1:unknown"])
    assert 3 == read(log.head).pos


def test_a_revoked_refresh_token_takes_its_family_along(batch, write, read):
    """Gateways are told of what they may have been shown."""
    family = [write(add_token, a_token(kind, mark)) for kind, mark in (("refresh", "r"), ("access", "a"), ("jti", "j"))]
    other = write(add_token, a_token(mark="o", family="f2"))

    pos = write(revoke_token, "refresh", family[0].digest)

    assert [False] * 3 == [is_valid(read, token) for token in family]
    assert is_valid(read, other)
    assert [f"tok:{'a' * 32}", f"tok:{'j' * 32}"] == [record.tag for record in read(log.since, 0)]
    assert (2, 2) == (pos, write(revoke_family, "f1"))


def test_a_large_family_is_named_by_its_application(batch, write, read, monkeypatch):
    """One record for all is shorter than one for each."""
    monkeypatch.setattr(tokens, "MANY", 2)
    for mark in "abc":
        write(add_token, a_token(mark=mark))

    write(revoke_family, "f1")

    assert ["app:batch"] == [record.tag for record in read(log.since, 0)]


def test_a_code_is_used_once(batch, write, read):
    """The first use is good; the second is not, and what came of the first is void."""
    code = write(add_token, a_token("code", "c"))
    access = write(add_token, a_token("access", "a"))

    first = write(use_once, "code", code.digest, client="c1")
    assert first.fresh
    assert attrs.evolve(code, used_at=NOW) == first.token

    second = write(use_once, "code", code.digest, client="c1")
    assert (False, "f1") == (second.fresh, second.token.family)
    assert (None, read(log.head).pos) == (first.ended, second.ended)
    assert not is_valid(read, access)


@pytest.mark.parametrize("how", ["other client", "expired", "revoked", "unknown", "switched off"])
def test_a_code_that_is_not_good_brings_nothing(batch, write, read, how):
    """Whoever shows it gets nothing, and does no harm to its owner."""
    code = write(add_token, a_token("code", "c", expires_at=NOW if how == "expired" else NOW + 1))
    access = write(add_token, a_token("access", "a"))
    if how == "revoked":
        write(revoke_token, "code", code.digest)
    if how == "switched off":
        write(update_application, "batch", {"state": Approval.PAUSED})
    client = "c2" if how == "other client" else "c1"
    digest = "v1:none" if how == "unknown" else code.digest

    found = write(use_once, "code", digest, client=client)

    assert not found.fresh
    assert (how in {"other client", "expired", "unknown"}) == is_valid(read, access)
    if how in {"other client", "unknown"}:
        assert Redeemed(None, fresh=False) == found
        assert write(use_once, "code", code.digest, client="c1").fresh


def test_of_many_at_once_one_wins(batch, write, read, database):
    """A refresh token that is shown many times at the same moment is good for one of them."""
    token = write(add_token, a_token("refresh", "r"))

    def attempt(_):
        return database.call(use_once, "refresh", token.digest, client="c1", now=NOW, write=True)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(attempt, range(24)))

    assert [True] == [each.fresh for each in found if each.fresh]
    assert not is_valid(read, token)


def test_tokens_are_listed_in_pieces(batch, write, read):
    """A list goes on after the last digest of the piece before."""
    for mark in "bac":
        write(add_token, a_token(mark=mark))

    assert [f"v1:{mark * 64}" for mark in "ab"] == [token.digest for token in read(tokens_of, "batch", limit=2)]
    assert 1 == len(read(tokens_of, "batch", f"v1:{'b' * 64}"))


def test_expired_tokens_are_swept(batch, write, database):
    """What has expired is deleted, a few at a time, and not before an hour: the clock of a node may be wrong."""
    for mark, expires_at in (("a", NOW), ("b", NOW + 1), ("c", NOW + 2)):
        write(add_token, a_token(mark=mark, expires_at=expires_at))

    def swept(now):
        return database.call(prune_tokens, now + 3600, 1, write=True)

    assert 0 == database.call(prune_tokens, NOW + 3599, write=True)

    assert [1, 0, 1, 1, 0] == [swept(now) for now in (NOW, NOW, NOW + 2, NOW + 2, NOW + 2)]
