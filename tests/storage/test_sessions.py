"""Tests of twgw.storage.sessions."""

import pytest

from tests.storage.conftest import NOW
from twgw.registry import Session, User
from twgw.storage.sessions import (
    add_session,
    end_session,
    end_sessions_of,
    find_session,
    prune_sessions,
    see_session,
)
from twgw.storage.users import create_user, update_user


@pytest.fixture
def session(write, database):
    """A session of a user, for 100 seconds."""
    write(create_user, User("ann", roles=("admin",)))
    session = Session("v1:s", "ann", NOW, NOW, NOW + 100, {"address": "192.0.2.1"})
    database.call(add_session, session, write=True)
    return session


def test_a_session_brings_its_user(session, read):
    """Who is logged in is found by the digest of the secret."""
    found, user = read(find_session, "v1:s", idle=50, now=NOW + 1)

    assert session == found
    assert ("ann", ("admin",)) == (user.name, user.roles)
    assert None is read(find_session, "v1:other", idle=50, now=NOW)


def test_a_session_ends(session, read, database):
    """After its time, or after nothing was heard for too long; being seen prolongs only the second."""
    assert None is read(find_session, "v1:s", idle=50, now=NOW + 50)
    database.call(see_session, "v1:s", now=NOW + 40, write=True)
    database.call(see_session, "v1:s", now=NOW + 30, write=True)
    assert read(find_session, "v1:s", idle=50, now=NOW + 89)
    assert None is read(find_session, "v1:s", idle=500, now=NOW + 100)


def test_somebody_switched_off_has_no_session(session, write, read):
    """An inactive user is not logged in."""
    write(update_user, "ann", {"active": False})

    assert None is read(find_session, "v1:s", idle=50, now=NOW)


def test_sessions_are_ended_one_or_all(session, read, database):
    """Logging out ends one, other reasons end all of a user."""
    database.call(add_session, Session("v1:t", "ann", NOW, NOW, NOW + 100), write=True)

    assert database.call(end_session, "v1:s", write=True)
    assert not database.call(end_session, "v1:s", write=True)
    assert 1 == database.call(end_sessions_of, "ann", write=True)


def test_ended_sessions_are_swept(session, database):
    """What has ended is deleted, a day later: the clock of a node may be wrong."""
    assert 0 == database.call(prune_sessions, NOW + 86_499, write=True)
    assert 1 == database.call(prune_sessions, NOW + 86_500, write=True)
