"""User stores that are Active Directory, as Samba has it."""

import pytest

from tests.samba import BASE, USERS, Samba, dn, password
from tests.test_ldap import ask, failure
from twgw.directory.settings import LdapStore
from twgw.policy.interfaces import Refusal
from twgw.settings import structure


@pytest.fixture(scope="module")
def controller(tmp_path_factory):
    """A domain controller with a few users, for the tests of this file."""
    server = Samba(tmp_path_factory.mktemp("samba"))
    try:
        yield server.make()
    finally:
        server.stop()


@pytest.fixture
def store(controller):
    """A store on it."""

    def store(**more):
        least = {
            "name": "ad", "servers": [controller.secure], "ca_file": str(controller.authority),
            "server_name": controller.name, "bind_dn": dn("reader"), "password": password("reader"), "user_base": BASE,
            "user_filter": "(&(objectCategory=person)(sAMAccountName={user}))", "name_attribute": "sAMAccountName",
        }  # fmt: skip
        return structure(LdapStore, {**least, **more})

    return store


IN_CHAIN = {"nested": "in-chain", "group_base": USERS, "group_filter": "(objectClass=group)"}


def test_a_user_logs_in(store):
    """Below the root, whose references to other parts of the forest are not followed; in any case."""
    found = ask(store(), "ALICE", password("alice"))

    assert ("alice", dn("alice"), "alice@ad.example") == (found.name, found.dn, found.mail)
    assert Refusal.WRONG_PASSWORD is ask(store(), "alice", "x")
    assert Refusal.UNKNOWN is ask(store(), "nobody", "x")


@pytest.mark.parametrize("more", [{}, {"group_base": USERS}, IN_CHAIN])
def test_groups_in_groups(store, more):
    """By back links, by a search step by step, and by the rule with which the directory looks through them itself."""
    assert ("developers", "engineering", "staff") == ask(store(**more), "alice", password("alice")).groups
    assert ("circle-a", "circle-b") == ask(store(**more), "carol", password("carol")).groups


def test_the_rule_costs_one_search(store):
    """There are no nested groups to be walked through after it."""
    told = []
    ask(store(**IN_CHAIN), "alice", password("alice"), told)

    assert "developers, engineering, staff" == dict(told)["groups"]
    assert "nested groups" not in dict(told)


def test_an_account_that_is_switched_off_is_refused(store):
    """With the right password; the directory's own words are told."""
    told = []

    assert Refusal.WRONG_PASSWORD is ask(store(), "bob", password("bob"), told)
    assert "refused" in dict(told)["user bind"]


def test_the_account_that_searches_may_have_a_name_of_the_domain(store):
    """Instead of a DN."""
    for name in ("reader@ad.example", "AD\\reader"):
        assert "alice" == ask(store(bind_dn=name), "alice", password("alice")).name


def test_a_bind_without_encryption_is_refused_by_the_directory(store, controller):
    """And the text says what to set."""
    found = failure(store(servers=[controller.plain], start_tls=False))

    assert "service bind" == found.step
    assert "start_tls = true" in found.hint
    assert ask(store(servers=[controller.plain]), "alice", password("alice"))
