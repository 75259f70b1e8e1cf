"""Tests of twgw.storage.users."""

import attrs
import pytest

from tests.storage.conftest import NOW, a_credential
from twgw.registry import Session, User
from twgw.storage import log
from twgw.storage.applications import create_application
from twgw.storage.credentials import add_credential, find_by_digest
from twgw.storage.errors import Conflict, Missing
from twgw.storage.sessions import add_session, end_session
from twgw.storage.users import (
    count_users,
    create_user,
    delete_user,
    find_user,
    list_users,
    revoke_user,
    set_password,
    update_user,
)

ANN = User("ann", "Ann", "ann@example.org", "local", ("admin", "creator"), "$argon2id$...", groups=("gold",))


@pytest.fixture
def ann(write, database):
    """A user with a session, and a key in her name."""
    write(create_user, ANN)
    write(create_application, "batch", owner="ann")
    write(add_credential, a_credential(), user="ann")
    database.call(add_session, Session("v1:s", "ann", NOW, NOW, NOW + 60), write=True)


def key_is_valid(read):
    return read(find_by_digest, "api-key", f"v1:{'a' * 64}").valid


def test_a_user_is_kept_as_given(write, read):
    """Everything said of somebody is found again, but not in a log line."""
    user = write(create_user, ANN)

    assert attrs.evolve(ANN, created_at=NOW, updated_at=NOW) == user == read(find_user, "ann")
    assert "argon2id" not in repr(user)
    assert 0 == read(log.head).pos
    with pytest.raises(Conflict, match="user ann exists already"):
        write(create_user, ANN)


def test_roles_and_fields_change_together(ann, write, read):
    """The new roles replace the old ones; it is one record."""
    assert 1 == write(update_user, "ann", {"title": "A.", "email": ""}, roles=["operator"], stamp=1)

    user = read(find_user, "ann")
    assert ("A.", "", ("operator",), 2) == (user.title, user.email, user.roles, user.stamp)
    assert ["user:ann"] == [record.tag for record in read(log.since, 0)]
    assert 2 == write(update_user, "ann", {})
    assert ("operator",) == read(find_user, "ann").roles


def test_groups_are_replaced_and_go_with_the_user(ann, write, read):
    """Those of others stay; where none are named, nothing happens to them."""
    write(create_user, User("bob", groups=("silver", "gold")))
    write(update_user, "ann", {}, groups=["silver", "silver"])
    write(update_user, "ann", {}, roles=[])

    assert [("ann", ("silver",)), ("bob", ("gold", "silver"))] == [(u.name, u.groups) for u in read(list_users)]
    write(delete_user, "ann")
    write(create_user, User("ann"))
    assert () == read(find_user, "ann").groups


def test_somebody_switched_off_is_not_let_in(ann, write, read):
    """A key in the name of an inactive user is void until the user is back."""
    assert key_is_valid(read)
    write(update_user, "ann", {"active": False})
    assert not key_is_valid(read)
    write(update_user, "ann", {"active": True})
    assert key_is_valid(read)


def test_another_password_ends_sessions(ann, write, read, database):
    """Whoever logged in with the old one has to log in again."""
    assert 1 == write(set_password, "ann", "$argon2id$other")

    assert "$argon2id$other" == read(find_user, "ann").password_hash
    assert not database.call(end_session, "v1:s", write=True)


def test_all_that_is_in_a_name_is_voided_at_once(ann, write, read, database):
    """One record voids keys and tokens of a user; sessions end."""
    pos = write(revoke_user, "ann")

    assert pos == read(find_user, "ann").revoked_before_pos
    assert not key_is_valid(read)
    assert not database.call(end_session, "v1:s", write=True)


def test_a_later_user_of_the_name_inherits_nothing(ann, write, read):
    """What was in the name of a deleted user is gone."""
    write(delete_user, "ann")
    write(create_user, ANN)

    assert None is read(find_by_digest, "api-key", f"v1:{'a' * 64}").entry
    assert ["user:ann"] == [record.tag for record in read(log.since, 0)]


@pytest.mark.parametrize("change", [
    revoke_user, delete_user, lambda *args, now: set_password(*args, None, now=now),
    lambda *args, now: update_user(*args, {}, now=now),
])  # fmt: skip
def test_what_is_not_there_cannot_be_changed(write, read, change):
    """An unknown user is said to be missing, and nothing is noted."""
    with pytest.raises(Missing, match="there is no user eve"):
        write(change, "eve")

    assert 0 == read(log.head).pos


def test_users_are_listed_in_pieces_and_counted(write, read):
    """A list goes on after the last name of the piece before; only active ones count for a role."""
    for name, roles, active in (("b", ("admin",), True), ("a", ("admin", "creator"), False), ("c", (), True)):
        write(create_user, User(name, roles=roles, active=active))

    assert [("a", ("admin", "creator")), ("b", ("admin",))] == [(u.name, u.roles) for u in read(list_users, "", 2)]
    assert ["c"] == [user.name for user in read(list_users, "b")]
    assert 3 == read(count_users)
    assert 1 == read(count_users, role="admin")
