"""Tests of twgw.web.people."""

import pytest

from twgw.model import Limit
from twgw.passwords import hashed
from twgw.policy.interfaces import DirectoryUser
from twgw.policy.interfaces import Refusal as Refused
from twgw.registry import User
from twgw.storage.users import create_user, find_user, list_users, update_user
from twgw.web.login import people_of
from twgw.web.rate import FAILURES, Rate
from twgw.web.refusals import Refusal

NOW = 1_800_000_000.0
RIGHT = hashed("right")
ZOE = DirectoryUser(
    "corp", "zoe", "uid=zoe", roles=("chief",), consumer_groups=("gold",), mail="zoe@corp.test", display_name="Zoe"
)


class Elsewhere:
    """A directory that knows one user, or is away."""

    def __init__(self, answer=ZOE):
        self.answer, self.asked = answer, []

    def __call__(self, name, password):
        self.asked.append(name)
        if not isinstance(self.answer, DirectoryUser):
            return self.answer
        if name.lower() != self.answer.name:
            return Refused.UNKNOWN
        return self.answer if password == "right" else Refused.WRONG_PASSWORD


@pytest.fixture
def people(sqlite):
    """Makes the people of a database."""
    for user in (User("ann", roles=("editor",), password_hash=RIGHT), User("key", password_hash=None)):
        sqlite.call(create_user, user, now=NOW, write=True)

    def make(directory=None):
        return people_of(sqlite, Rate(Limit(1000, 60), Limit(1000, 60)), directory)

    return make


def test_a_local_user_has_a_password(people):
    """And their roles."""
    found = people().log_in("ann", "right", "10.0.0.1", NOW)

    assert ("ann", ("editor",)) == (found.name, found.roles)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        *(("ann", "wrong"), ("ann", ""), ("Ann", "right"), ("nobody", "right")),
        *(("", "right"), ("key", ""), ("x" * 200, "x")),
    ],
)
def test_everybody_else_is_refused(people, name, password):
    """Also who has no password, and who is not there."""
    assert people().log_in(name, password, "10.0.0.1", NOW) is None


def test_who_is_switched_off_does_not_log_in(people, sqlite):
    """Although the password is right."""
    sqlite.call(update_user, "ann", {"active": False}, now=NOW, write=True)

    assert people().log_in("ann", "right", "10.0.0.1", NOW) is None


def test_guessing_is_slow(people):
    """After so many failures nothing is compared any more, right or wrong; elsewhere the owner gets in."""
    known = people()
    for _ in range(FAILURES.amount):
        assert known.log_in("ann", "x" * 2000, "10.6.6.6", NOW) is None

    with pytest.raises(Refusal) as refusal:
        known.log_in("ANN", "right", "10.6.6.6", NOW)
    assert 429 == refusal.value.problem.status
    assert "Retry-After" == refusal.value.problem.headers[0][0]
    assert known.log_in("ann", "right", "10.0.0.1", NOW)


def test_a_user_of_a_directory_is_entered_at_the_first_login(people, sqlite):
    """So that what they hold can be revoked; the password stays there, roles and groups are those of the moment."""
    known = people(Elsewhere())

    found = known.log_in("ZOE", "right", "10.0.0.1", NOW)

    assert ("zoe", "corp", ("chief",), ("gold",)) == (found.name, found.store, found.roles, found.groups)
    kept = sqlite.call(find_user, "zoe")
    assert ("Zoe", "zoe@corp.test", "corp", None, (), ()) == (
        kept.title, kept.email, kept.store, kept.password_hash, kept.roles, kept.groups,
    )  # fmt: skip
    assert known.log_in("zoe", "right", "10.0.0.1", NOW)
    assert ["ann", "key", "zoe"] == [user.name for user in sqlite.call(list_users)]
    assert known.log_in("zoe", "wrong", "10.0.0.1", NOW) is None


def test_a_user_of_a_directory_can_be_switched_off_here(people, sqlite):
    """Whatever the directory says."""
    known = people(Elsewhere())
    known.log_in("zoe", "right", "10.0.0.1", NOW)
    sqlite.call(update_user, "zoe", {"active": False}, now=NOW, write=True)

    assert known.log_in("zoe", "right", "10.0.0.1", NOW) is None


def test_a_local_user_is_not_asked_for_elsewhere(people):
    """And one of the same name in a directory is somebody else."""
    directory = Elsewhere(DirectoryUser("corp", "ann", "uid=ann"))
    known = people(directory)

    assert known.log_in("ann", "right", "10.0.0.1", NOW)
    assert [] == directory.asked
    assert known.log_in("ANN", "right", "10.0.0.1", NOW) is None


def test_a_user_belongs_to_one_directory(people, sqlite):
    """The same name in another one is somebody else."""
    people(Elsewhere()).log_in("zoe", "right", "10.0.0.1", NOW)
    other = Elsewhere(DirectoryUser("partners", "zoe", "uid=zoe"))

    assert people(other).log_in("zoe", "right", "10.0.0.1", NOW) is None


def test_when_nobody_can_say_that_is_said(people):
    """503, and it counts as no failure."""
    known = people(Elsewhere(Refused.UNAVAILABLE))
    for _ in range(FAILURES.amount + 1):
        with pytest.raises(Refusal) as refusal:
            known.log_in("zoe", "right", "10.0.0.1", NOW)
        assert 503 == refusal.value.problem.status
